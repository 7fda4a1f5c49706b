import { isObject, type JsonObject } from './json-rpc.js';
import type { SessionResult } from './session.js';
import { UpstreamError, type UpstreamLimits } from './upstream.js';

export type ListMethod = 'tools/list' | 'resources/list' | 'resources/templates/list' | 'prompts/list';

export interface Listing {
  /** As the server sent them. */
  items: unknown[];
  /** Why the listing is not complete; null when it is. */
  truncated: null | 'pages' | 'items' | 'bytes' | 'repeated_cursor';
}

/** Which capability a server declares that has the method, and where its items stand in the result. */
export const LISTS: Record<ListMethod, { capability: 'tools' | 'resources' | 'prompts'; items: string }> = {
  'tools/list': { capability: 'tools', items: 'tools' },
  'resources/list': { capability: 'resources', items: 'resources' },
  'resources/templates/list': { capability: 'resources', items: 'resourceTemplates' },
  'prompts/list': { capability: 'prompts', items: 'prompts' },
};

type ListLimits = Pick<UpstreamLimits, 'listPages' | 'listItems' | 'listBytes'>;

/**
 * Reads all pages of a list (MCP, Pagination), within the limits; a server whose pages have no end gives a truncated
 * listing. `fetchPage` takes the params of one request. Throws UpstreamError `protocol_error` for a page without items.
 */
export async function readAllPages(
  method: ListMethod,
  limits: ListLimits,
  fetchPage: (params: JsonObject) => Promise<SessionResult>,
  onPage?: (itemsSoFar: number) => void,
): Promise<Listing> {
  const items: unknown[] = [];
  const cursors = new Set<string>();
  let bytes = 0;
  let cursor: string | undefined;
  for (let pages = 0; pages < limits.listPages; pages++) {
    const page = await fetchPage(cursor === undefined ? {} : { cursor });
    bytes += page.bytes;
    if (bytes > limits.listBytes) return { items, truncated: 'bytes' };
    const found = itemsOf(page.result, LISTS[method].items);
    const room = limits.listItems - items.length;
    for (const item of found.slice(0, room)) items.push(item);
    onPage?.(items.length);
    if (found.length > room) return { items, truncated: 'items' };
    cursor = nextCursor(page.result);
    if (cursor === undefined) return { items, truncated: null };
    if (cursors.has(cursor)) return { items, truncated: 'repeated_cursor' };
    cursors.add(cursor);
  }
  return { items, truncated: 'pages' };
}

function itemsOf(result: unknown, key: string): unknown[] {
  const found = isObject(result) ? result[key] : undefined;
  if (!Array.isArray(found)) throw new UpstreamError('protocol_error', `The server sent a list without ${key}.`);
  return found;
}

/** Many servers send null or an empty string where the specification asks for nothing. */
function nextCursor(result: unknown): string | undefined {
  const cursor = isObject(result) ? result.nextCursor : undefined;
  return typeof cursor === 'string' && cursor !== '' ? cursor : undefined;
}
