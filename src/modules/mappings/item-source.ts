import { itemsPageIn, type ItemsPage } from '../../mcp/provider-meta.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { valueAt, withValueAt } from '../../platform/json/json-pointer.js';
import type { CompiledConfig } from './mapping-config.js';

/** What comes from the upstream in one reading. */
export interface SourcePage {
  items: readonly unknown[];
  /** What the provider says about going on; null where the upstream is no provider of ours. */
  page: ItemsPage | null;
}

/** Where in a list of pages one is; the cursor of a provider, or of a tool. */
export type Cursor = string | number;

/** Bytes; what an index takes. */
const LONGEST_ID = 1_000;

/** The items of what was read (MCP, ReadResourceResult). @throws DomainError `upstream_error` where there are none */
export function itemsOfResource(result: unknown, config: CompiledConfig): SourcePage {
  const page = itemsPageIn(result);
  const { contents } = (result ?? {}) as { contents?: unknown };
  const texts = (Array.isArray(contents) ? contents : []).map((part) => (part as { text?: unknown } | null)?.text);
  const document = parsed(texts.filter((text): text is string => typeof text === 'string'));
  return { items: page ? listAt(document, []) : listAt(document, config.items), page };
}

/** The items of a tool's answer (MCP, CallToolResult). @throws DomainError `upstream_error` where there are none */
export function itemsOfTool(result: unknown, config: CompiledConfig): SourcePage & { next: Cursor | null } {
  const document = documentOfTool(result);
  const next = config.cursor ? valueAt(document, config.cursor.next) : undefined;
  const isCursor = (typeof next === 'string' && next !== '') || typeof next === 'number';
  return { items: listAt(document, config.items), page: null, next: isCursor ? next : null };
}

/** @throws DomainError `upstream_error` where the tool failed, or answered with no JSON */
export function documentOfTool(result: unknown): unknown {
  const { isError, structuredContent, content } = (result ?? {}) as Record<string, unknown>;
  const parts = (Array.isArray(content) ? content : []) as ({ type?: unknown; text?: unknown } | null)[];
  const texts = parts.map((part) => part?.text).filter((text): text is string => typeof text === 'string');
  if (isError === true) throw unusable(`The tool reported an error: ${texts.join('\n').slice(0, 500)}`, 'tool_error');
  return structuredContent ?? parsed(texts);
}

export function argumentsFor({ arguments: fixed, cursor }: CompiledConfig, at: Cursor | null): Record<string, unknown> {
  if (!cursor || at === null) return fixed;
  return withValueAt(fixed, cursor.argument, at) as Record<string, unknown>;
}

/** By which an item is known at the upstream; null where it has none. */
export function externalIdOf(item: unknown, { itemId }: CompiledConfig): string | null {
  const id = valueAt(item, itemId);
  // Larger numbers were rounded when the JSON was parsed: two records would be one.
  if (typeof id === 'number') return Number.isSafeInteger(id) ? String(id) : null;
  if (typeof id !== 'string' || id === '' || Buffer.byteLength(id) > LONGEST_ID) return null;
  return /\0|\p{Surrogate}/u.test(id) ? null : id;
}

function listAt(document: unknown, path: CompiledConfig['items']): readonly unknown[] {
  const list = valueAt(document, path);
  if (Array.isArray(list)) return list as unknown[];
  throw unusable(`There is no list of items at "${path.map((part) => `/${part}`).join('')}" of the answer`, 'no_items');
}

function parsed(texts: readonly string[]): unknown {
  const [text, ...others] = texts;
  if (text === undefined || others.length > 0) throw unusable('The answer is not one JSON document', 'no_items');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw unusable('The answer is no JSON', 'no_items');
  }
}

function unusable(message: string, reason: string): DomainError {
  return new DomainError('upstream_error', message, { reason });
}
