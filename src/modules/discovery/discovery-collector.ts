import { RESOURCE_META } from '../../mcp/provider-meta.js';
import type { UpstreamTarget } from '../../mcp/upstream.js';
import { UpstreamError } from '../../mcp/upstream.js';
import type { UpstreamPool } from '../../mcp/upstream-pool.js';
import type { DiscoveredOn } from '../connections/connections.service.js';
import type { DeclaredResource } from '../registry/registry.service.js';
import { parentsFirst, readItem, type DiscoveredItem } from './discovered-item.js';
import type { ResourceKind } from './resource.entity.js';

const LISTS = [
  { kind: 'resource', method: 'resources/list', capability: 'resources' },
  { kind: 'resource_template', method: 'resources/templates/list', capability: 'resources' },
  { kind: 'tool', method: 'tools/list', capability: 'tools' },
  { kind: 'prompt', method: 'prompts/list', capability: 'prompts' },
] as const satisfies { kind: ResourceKind; method: string; capability: string }[];

const LONGEST_INSTRUCTIONS = 20_000;

/** What a discovery asks for. */
export interface DiscoveryScope {
  /** Null: all types. */
  resourceTypes: readonly string[] | null;
  /** Null: all there is, within the limits of design/security.md. */
  maxResults: number | null;
}

export const EVERYTHING: DiscoveryScope = { resourceTypes: null, maxResults: null };

export interface Collected {
  items: DiscoveredItem[];
  /** Kinds that were listed to the end: of these, what was not seen is gone. */
  completeKinds: ResourceKind[];
  problems: string[];
  /** What the server says about its own use; null where it says nothing. */
  instructions: string | null;
}

export interface CollectOptions {
  /** What is being listed, and how much was found so far. */
  onProgress?: (stage: string, found: number) => void;
  signal?: AbortSignal;
}

/**
 * Asks a server for everything in scope. One list that fails leaves the others standing; when all fail, so does this.
 * @throws UpstreamError when the server can't be reached, or of the first list when none could be read
 */
export async function collect(
  pool: UpstreamPool,
  target: UpstreamTarget,
  place: Pick<DiscoveredOn, 'serverId' | 'declaredResources'>,
  scope: DiscoveryScope,
  { onProgress = () => undefined, signal }: CollectOptions = {},
): Promise<Collected> {
  // A server that can't be reached fails here, once, and not again for every list. Asked on a session of its own: what a
  // server says of itself is said when a session begins, and ours may be old. A process says it once.
  const isProcess = target.transport.type === 'stdio';
  const description = await (isProcess ? pool.describe(target, { signal }) : pool.probe(target, { signal }));
  const { capabilities } = description;
  const found: DiscoveredItem[] = [];
  const completeKinds: ResourceKind[] = [];
  const problems: string[] = [];
  const lists = LISTS.filter(({ kind }) => isInScope(kind, scope.resourceTypes));
  let firstFailure: UpstreamError | null = null;
  let answered = 0;
  for (const { kind, method, capability } of lists) {
    // What a server does not offer is listed to the end by not asking for it.
    if (capabilities[capability] === undefined) {
      completeKinds.push(kind);
      continue;
    }
    const before = found.length;
    onProgress(method, before);
    try {
      const { items, truncated } = await pool.list(target, method, {
        signal,
        onPage: (count) => onProgress(method, before + count),
      });
      answered++;
      const unusable = append(found, items, kind, place.serverId);
      if (unusable > 0) problems.push(`${method}: ${unusable} entries have no usable name or address`);
      if (truncated) problems.push(`${method}: cut short (${truncated})`);
      else completeKinds.push(kind);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      firstFailure ??= error;
      problems.push(`${method}: ${error.message}`);
    }
  }
  if (answered === 0 && firstFailure !== null) throw firstFailure;
  // After what the server lists: where it lists one of them, what it says counts.
  append(found, place.declaredResources.map(toListed), 'resource', place.serverId);
  const { instructions = '' } = description;
  return within(scope, {
    items: parentsFirst(found),
    completeKinds,
    problems,
    instructions: instructions === '' ? null : instructions.slice(0, LONGEST_INSTRUCTIONS),
  });
}

function append(found: DiscoveredItem[], entries: readonly unknown[], kind: ResourceKind, serverId: string): number {
  let unusable = 0;
  for (const entry of entries) {
    const item = readItem(kind, serverId, entry);
    if (item) found.push(item);
    else unusable++;
  }
  return unusable;
}

/** A resource that the type declares, in the form of `resources/list`. Nobody said that it can be read. */
function toListed({ uri, name, type, description, parent }: DeclaredResource): unknown {
  return { uri, name, description, _meta: { [RESOURCE_META]: { type, parent, operations: [] } } };
}

/** Types that are not one of the three fixed ones can only come from resources. */
function isInScope(kind: ResourceKind, types: readonly string[] | null): boolean {
  if (types === null) return true;
  if (kind === 'tool' || kind === 'prompt') return types.includes(kind);
  return types.some((type) => type !== 'tool' && type !== 'prompt');
}

function within({ resourceTypes, maxResults }: DiscoveryScope, collected: Collected): Collected {
  const items =
    resourceTypes === null ? collected.items : collected.items.filter((item) => resourceTypes.includes(item.type));
  if (maxResults === null || items.length <= maxResults) return { ...collected, items };
  return {
    ...collected,
    items: items.slice(0, maxResults),
    completeKinds: [],
    problems: [...collected.problems, `max_results: ${items.length - maxResults} more were found`],
  };
}
