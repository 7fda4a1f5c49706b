import { createHash } from 'node:crypto';
import type { Actor } from '../../platform/auth/actor.js';
import { storableJson } from '../../platform/json/canonical-json.js';

/** The organization of what belongs to none: global server types, users, the installation itself. */
export const INSTALLATION = '00000000-0000-0000-0000-000000000000';

type Facts = Readonly<Record<string, unknown>>;

/** Who acts, as far as the trail says: somebody who is just logging in is no more than this. */
export type Author = Pick<Actor, 'userId' | 'tokenId' | 'username' | 'origin'>;

/** What was changed. Facts are plain data as the API shows it; what looks like a secret is masked all the same. */
export interface Change {
  /** Null for what belongs to the installation. */
  organizationId: string | null;
  /** Object and verb in the past: `connection.updated`. */
  action: string;
  object: { type: string; id: string | number };
  /** Null or left out for what was not there before. */
  before?: Facts | null;
  /** Null or left out for what is gone. */
  after?: Facts | null;
}

/** One record as it is stored; `before` and `after` are JSON text, byte for byte. */
export interface AuditEntry {
  id: string;
  organization_id: string | null;
  recorded_at: string;
  user_id: string | null;
  token_id: string | null;
  actor_name: string;
  action: string;
  object_type: string;
  object_id: string;
  before: string | null;
  after: string | null;
  address: string | null;
  request_id: string | null;
}

/** Of whatever the product does by itself: jobs, first start. */
const SYSTEM_NAME = 'system';
const MASK = '[masked]';
/** Names under which secrets live, here and at upstreams. Ids and times about them are none. */
const SECRET_NAME =
  /pass(word|phrase|wd)?$|^pwd$|secret|(^|_|-)tokens?$|(api|access|private|signing|encryption)[_-]?key|credential|^auth[_-]?data$|^authorization$|bearer|cookie|connection[_-]?string|^dsn$|^pat$/i;
/** A password in an address. */
const SECRET_VALUE = /:\/\/[^/\s:@]*:[^/\s@]+@/;
/** Members of a JSON Schema that hold values, which are secrets where its format says so. */
const VALUES_OF_SCHEMA = ['default', 'const', 'enum', 'examples'];
/** Characters of JSON that one member of `before` or `after` may have. */
const LARGEST = 8_192;
/** Members that are shown. */
const MOST_MEMBERS = 200;
const DEEPEST = 32;

/** @param actor null where the product acts by itself */
export function toEntry(id: string, actor: Author | null, change: Change): AuditEntry {
  const { before, after } = onlyChanges(change.before ?? null, change.after ?? null);
  return {
    id,
    organization_id: change.organizationId,
    recorded_at: new Date().toISOString(),
    user_id: actor?.userId ?? null,
    token_id: actor?.tokenId ?? null,
    actor_name: actor?.username ?? SYSTEM_NAME,
    action: change.action,
    object_type: change.object.type,
    object_id: String(change.object.id),
    before: before && bounded(before),
    after: after && bounded(after),
    address: actor?.origin.address ?? null,
    request_id: actor?.origin.requestId ?? null,
  };
}

/** SHA-256 over all that the record says, so that a changed byte shows. */
export function digestOf(entry: AuditEntry): Buffer {
  const { id, organization_id, recorded_at, user_id, token_id, actor_name, action, object_type, object_id } = entry;
  const fields = [id, organization_id, recorded_at, user_id, token_id, actor_name, action, object_type, object_id];
  const text = JSON.stringify([...fields, entry.before, entry.after, entry.address, entry.request_id]);
  return createHash('sha256').update(text).digest();
}

/** Of two states the members that differ, and within objects theirs; of one all of it. */
function onlyChanges(before: Facts | null, after: Facts | null): { before: Facts | null; after: Facts | null } {
  if (before === null || after === null) return { before, after };
  const changed: { before: Record<string, unknown>; after: Record<string, unknown> } = { before: {}, after: {} };
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, now] = [before[name], after[name]];
    if (JSON.stringify(old) === JSON.stringify(now)) continue;
    const inner = isFacts(old) && isFacts(now) ? onlyChanges(old, now) : { before: old, after: now };
    changed.before[name] = inner.before;
    changed.after[name] = inner.after;
  }
  return changed;
}

function isFacts(value: unknown): value is Facts {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** A large member is named by its hash: the trail is no place for the data itself. */
function bounded(facts: Facts): string {
  const members = Object.entries(masked(facts, 0) as Facts).slice(0, MOST_MEMBERS);
  return storableJson(
    Object.fromEntries(
      members.map(([name, value]) => {
        const text = JSON.stringify(value) as string | undefined;
        if (text === undefined || text.length <= LARGEST) return [name, value];
        const sha256 = createHash('sha256').update(text).digest('hex');
        return [name, { too_large: true, bytes: Buffer.byteLength(text), sha256 }];
      }),
    ),
  );
}

function masked(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return SECRET_VALUE.test(value) ? MASK : value;
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (depth > DEEPEST) return MASK;
  if (Array.isArray(value)) return value.map((each) => masked(each, depth + 1));
  const isPassword = (value as { format?: unknown }).format === 'password';
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => {
      const isSecret = SECRET_NAME.test(name);
      const isValue = isPassword && VALUES_OF_SCHEMA.includes(name);
      return [name, inner !== null && inner !== undefined && (isSecret || isValue) ? MASK : masked(inner, depth + 1)];
    }),
  );
}
