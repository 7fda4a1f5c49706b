import { isObject } from './json-rpc.js';

/** Where our own servers say more about a listed resource than MCP has words for: its `_meta`. */
export const RESOURCE_META = 'mcp-control-plane/resource';
/** `_meta` of a request and of a result of `resources/read`: which items are wanted, and where the next ones begin. */
export const ITEMS_META = 'mcp-control-plane/items';

/** Which items of a resource are wanted, where its server can tell. */
export interface ItemWindow {
  /** ISO time: only what was updated at or after it; the checkpoint of an earlier reading. */
  since?: string;
  /** From the page before. */
  cursor?: string;
}

/** Where the next reading begins. */
export interface ItemsPage {
  /** What `since` is to be next time, so that nothing is missed; null where there was nothing. */
  checkpoint: string | null;
  nextCursor?: string;
}

export function windowIn(meta: unknown): ItemWindow {
  const { since, cursor } = membersOf(meta) ?? {};
  return { ...(typeof since === 'string' ? { since } : {}), ...(typeof cursor === 'string' ? { cursor } : {}) };
}

export function metaOfWindow({ since, cursor }: ItemWindow): Record<string, unknown> {
  return { [ITEMS_META]: { since, cursor } };
}

/** Null where the result says nothing of it: it is no list of items. */
export function itemsPageIn(result: unknown): ItemsPage | null {
  const members = isObject(result) ? membersOf(result._meta) : null;
  if (!members) return null;
  const { checkpoint, next_cursor: next } = members;
  return {
    checkpoint: typeof checkpoint === 'string' ? checkpoint : null,
    ...(typeof next === 'string' ? { nextCursor: next } : {}),
  };
}

export function metaOfItemsPage({ checkpoint, nextCursor }: ItemsPage): Record<string, unknown> {
  return { [ITEMS_META]: { checkpoint, next_cursor: nextCursor } };
}

function membersOf(meta: unknown): Record<string, unknown> | null {
  const members = isObject(meta) ? meta[ITEMS_META] : undefined;
  return isObject(members) ? members : null;
}
