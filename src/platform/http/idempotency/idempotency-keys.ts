import type { EntityManager } from 'typeorm';

/** Whose key, and which request of which process works on it. Named as the functions of the database name them. */
export interface ClaimedKey {
  readonly principal: string;
  readonly key: string;
  readonly request_id: string;
  readonly process_id: string;
}

/** What is known of a key that somebody claimed before. */
export interface KnownKey extends Omit<ClaimedKey, 'principal' | 'key'> {
  request_hash: string;
  /** What was begun for it: the id of a call, or of what was created. Null: nothing that could not be repeated. */
  effect: string | null;
  status: number | null;
  answer: string | null;
  isExpired: boolean;
  /** Its process no longer lives, as far as the database can tell. */
  isDead: boolean;
}

/** Owner of keys whose process lives and will not come back to them. */
export const NOBODY = '00000000-0000-0000-0000-000000000000';

const KEPT = `interval '24 hours'`;
const BATCH = 1_000;

// What another replica inserts at the same moment is not seen yet: neither claimed nor a row, ask again.
const CLAIM = `
  WITH claimed AS (
    INSERT INTO idempotency_keys (principal, key, request_id, process_id, request_hash, success_status)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING 1)
  SELECT EXISTS (SELECT FROM claimed) AS "isClaimed", k.key IS NOT NULL AS "isKnown", k.request_hash, k.request_id, k.process_id, k.effect, k.status, k.answer,
         k.created_at <= now() - ${KEPT} AS "isExpired", process_is_dead(k.process_id, $4) AS "isDead"
    FROM (SELECT 1) AS one LEFT JOIN idempotency_keys k ON k.principal = $1 AND k.key = $2`;

// Only as it was read. Who holds it just now, be it in a transaction that is paused, keeps it.
const TAKE_OVER = `
  UPDATE idempotency_keys
     SET request_id = $3, process_id = $4, request_hash = $5, success_status = $6,
         effect = NULL, status = NULL, answer = NULL, created_at = now()
   WHERE (principal, key) IN (
     SELECT principal, key FROM idempotency_keys
      WHERE principal = $1 AND key = $2 AND request_id = $7 AND process_id = $8
        AND (effect IS NULL AND answer IS NULL OR created_at <= now() - ${KEPT})
        FOR UPDATE SKIP LOCKED)`;

const OWNED = 'principal = $1 AND key = $2 AND request_id = $3 AND process_id = $4 AND answer IS NULL';

const EXPIRED = `
  DELETE FROM idempotency_keys WHERE (principal, key) IN (
    SELECT principal, key FROM idempotency_keys WHERE created_at <= now() - ${KEPT}
     ORDER BY created_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)`;

/** Claims the key. Null when it is ours now; else what is known of it. */
export async function claimKey(
  manager: EntityManager,
  key: ClaimedKey,
  requestHash: string,
  successStatus: number,
): Promise<KnownKey | null> {
  for (;;) {
    const [row] = await manager.query<(KnownKey & { isClaimed: boolean; isKnown: boolean })[]>(CLAIM, [
      ...valuesOf(key),
      requestHash,
      successStatus,
    ]);
    if (row?.isClaimed) return null;
    if (row?.isKnown) return row;
  }
}

/** Takes over a key that was left, or has expired. False when somebody else was faster. */
export async function takeOverKey(
  manager: EntityManager,
  key: ClaimedKey,
  known: KnownKey,
  requestHash: string,
  successStatus: number,
): Promise<boolean> {
  const values = [...valuesOf(key), requestHash, successStatus, known.request_id, known.process_id];
  return (await changed(manager, TAKE_OVER, values)) === 1;
}

/** Marks what was begun. False when the key is no longer ours. */
export async function beginEffect(manager: EntityManager, key: ClaimedKey, effect: string): Promise<boolean> {
  return isTrue(manager, 'SELECT idempotency_begin($1, $2, $3, $4, $5) AS done', [...valuesOf(key), effect]);
}

/** Keeps the answer; `status` null is that of a success. False when the key is no longer ours, or has its answer already. */
export async function completeKey(
  manager: EntityManager,
  key: ClaimedKey,
  status: number | null,
  answer: string,
): Promise<boolean> {
  const values = [...valuesOf(key), status, answer];
  return isTrue(manager, 'SELECT idempotency_complete($1, $2, $3, $4, $5, $6) AS done', values);
}

/** Gives the key back as if it had never been used; but not once something was begun. */
export async function releaseKey(manager: EntityManager, key: ClaimedKey): Promise<void> {
  await manager.query(`DELETE FROM idempotency_keys WHERE ${OWNED} AND effect IS NULL`, valuesOf(key));
}

/** Says that nobody will bring the answer of what was begun. */
export async function disownKey(manager: EntityManager, key: ClaimedKey): Promise<void> {
  await manager.query(`UPDATE idempotency_keys SET process_id = '${NOBODY}' WHERE ${OWNED}`, valuesOf(key));
}

export async function removeExpiredKeys(manager: EntityManager): Promise<void> {
  while ((await changed(manager, EXPIRED, [])) === BATCH);
}

function valuesOf({ principal, key, request_id: requestId, process_id: processId }: ClaimedKey): string[] {
  return [principal, key, requestId, processId];
}

async function isTrue(manager: EntityManager, statement: string, values: unknown[]): Promise<boolean> {
  const [row] = await manager.query<{ done: boolean }[]>(statement, values);
  return row?.done === true;
}

/** TypeORM answers an UPDATE or DELETE with its rows and their count. */
async function changed(manager: EntityManager, statement: string, values: unknown[]): Promise<number> {
  const [, count] = await manager.query<[unknown[], number]>(statement, values);
  return count;
}
