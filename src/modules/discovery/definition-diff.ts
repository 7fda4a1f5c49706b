import { isObject, pointer } from '../../platform/schemas/schema-keywords.js';
import { sameJson } from './definition-json.js';

export interface Change {
  /** JSON pointer (RFC 6901) into the definition. */
  path: string;
  /** Left out where there was nothing. */
  before?: unknown;
  /** Left out where there is nothing any more. */
  after?: unknown;
}

/** More says nothing to anybody: the two definitions stand beside it. */
const MOST_CHANGES = 500;

/** The places in which two definitions differ, as deep down as both have objects or lists of the same length. */
export function changesBetween(before: unknown, after: unknown): Change[] {
  const changes: Change[] = [];
  collect(before, after, '', changes);
  return changes;
}

function collect(before: unknown, after: unknown, path: string, changes: Change[]): void {
  if (changes.length >= MOST_CHANGES || sameJson(before, after)) return;
  const areLists = Array.isArray(before) && Array.isArray(after) && before.length === after.length;
  if (!areLists && !(isObject(before) && isObject(after))) {
    changes.push({ path, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) });
    return;
  }
  const [old, current] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  for (const key of new Set([...old.keys(), ...current.keys()])) {
    collect(old.get(key), current.get(key), pointer(path, key), changes);
  }
}
