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
  /pass(word|phrase|wd)?$|secret|(^|_|-)tokens?$|api_?key|credential|^auth_data$|^authorization$|cookie|private_?key|^pat$/i;
/** Bytes of JSON that `before` and `after` may have each. */
const LARGEST = 32_768;
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

/** Of two states the members that differ; of one all of it. */
function onlyChanges(before: Facts | null, after: Facts | null): { before: Facts | null; after: Facts | null } {
  if (before === null || after === null) return { before, after };
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  const pick = (facts: Facts): Facts => Object.fromEntries(changed.map((name) => [name, facts[name]]));
  return { before: pick(before), after: pick(after) };
}

/** A large one is named by its hash: the trail is no place for the data itself. */
function bounded(facts: Facts): string {
  const text = storableJson(masked(facts, 0));
  if (text.length <= LARGEST) return text;
  const sha256 = createHash('sha256').update(text).digest('hex');
  return JSON.stringify({ too_large: true, bytes: Buffer.byteLength(text), sha256, members: Object.keys(facts) });
}

function masked(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (depth > DEEPEST) return MASK;
  if (Array.isArray(value)) return value.map((each) => masked(each, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      inner !== null && inner !== undefined && SECRET_NAME.test(name) ? MASK : masked(inner, depth + 1),
    ]),
  );
}
