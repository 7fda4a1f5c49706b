import { validate as isUuid } from 'uuid';
import type { KeyRing } from '../../platform/crypto/key-ring.js';

const PURPOSE = 'audit heads';

/** The state of a chain after so many links: whoever holds it can tell that nothing up to there was changed since. */
export interface Head {
  organizationId: string;
  trail: string;
  seq: number;
  /** SHA-256, hex. */
  hash: string;
}

/** Links that retention removed, as a bridge between what is before and what comes after. */
export interface Retired extends Head {
  fromSeq: number;
  /** Of the link before the first removed one, hex. */
  before: string;
}

/** The hash before the first link. */
export const ORIGIN = '0'.repeat(64);

const HASH = /^[0-9a-f]{64}$/;
const NUMBER = /^[1-9]\d{0,15}$/;

/** `head.<organization>.<trail>.<seq>.<hash>.<key id>.<HMAC>`: plain to read, and nothing in it needs escaping in a URL. */
export function signHead(keys: KeyRing, { organizationId, trail, seq, hash }: Head): string {
  return signed(keys, ['head', organizationId, trail, String(seq), hash]);
}

/** Null for anything that {@link signHead} did not make with a key that is still configured. */
export function readHead(keys: KeyRing, text: string): Head | null {
  const [organizationId = '', trail = '', seq = '', hash = ''] = fieldsOf(keys, text, 'head', 5) ?? [];
  if (!isUuid(organizationId) || !NUMBER.test(seq) || !HASH.test(hash)) return null;
  return { organizationId, trail, seq: Number(seq), hash };
}

export function signRetired(keys: KeyRing, { organizationId, trail, fromSeq, before, seq, hash }: Retired): string {
  return signed(keys, ['retired', organizationId, trail, String(fromSeq), before, String(seq), hash]);
}

export function readRetired(keys: KeyRing, text: string): Retired | null {
  const fields = fieldsOf(keys, text, 'retired', 7) ?? [];
  const [organizationId = '', trail = '', fromSeq = '', before = '', seq = '', hash = ''] = fields;
  if (!isUuid(organizationId) || !NUMBER.test(fromSeq) || !NUMBER.test(seq)) return null;
  if (!HASH.test(before) || !HASH.test(hash)) return null;
  return { organizationId, trail, fromSeq: Number(fromSeq), before, seq: Number(seq), hash };
}

function signed(keys: KeyRing, fields: readonly string[]): string {
  const text = fields.join('.');
  return `${text}.${keys.sign(text, PURPOSE)}`;
}

/** What is between the kind and the signature, if both are right. */
function fieldsOf(keys: KeyRing, text: string, kind: string, count: number): string[] | null {
  const parts = text.split('.');
  if (parts.length !== count + 2 || parts[0] !== kind) return null;
  const isGenuine = keys.verify(parts.slice(0, count).join('.'), PURPOSE, parts.slice(count).join('.'));
  return isGenuine ? parts.slice(1, count) : null;
}
