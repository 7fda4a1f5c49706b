import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { canonicalJson, storableJson } from '../../platform/json/canonical-json.js';

/** As it comes back from the database: characters that it has none for are replaced, what JSON has no word for is gone. */
export function asStored<T>(value: T): T {
  return JSON.parse(storableJson(value)) as T;
}

/** The order of properties says nothing. For values as JSON.parse makes them. */
export function sameJson(left: unknown, right: unknown): boolean {
  return isDeepStrictEqual(left, right);
}

/** Names a definition by what it says, so that nobody approves another one than was looked at. */
export function definitionDigest(definition: unknown): string {
  return createHash('sha256').update(canonicalJson(definition)).digest('base64url');
}
