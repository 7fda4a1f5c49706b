import type { DataSource } from 'typeorm';
import { KeyRing } from '../../platform/crypto/key-ring.js';

const BATCH = 100;

interface SealedRow {
  id: string;
  organization_id: string;
  sealed_auth: string;
}

/**
 * Seals all stored credentials anew with the first key, while the product runs: a row that was changed in between keeps
 * the newer credentials and is looked at again. Killed in the middle, it goes on where it stopped when it is run again.
 * @returns how many were sealed anew
 * @throws UnsealError naming the connection whose credentials no configured key opens
 */
export async function rotateCredentials(
  dataSource: DataSource,
  keys: KeyRing,
  onProgress: (done: number) => void,
): Promise<number> {
  let done = 0;
  for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
    const rows = await dataSource.query<SealedRow[]>(
      `SELECT id, organization_id, sealed_auth FROM connections
        WHERE id > $1 AND deleted_at IS NULL AND split_part(sealed_auth, '.', 2) <> $2 ORDER BY id LIMIT ${BATCH}`,
      [after, keys.sealingKeyId],
    );
    for (const row of rows) done += await reseal(dataSource, keys, row);
    onProgress(done);
    const last = rows.at(-1);
    if (!last) return done;
    after = last.id;
  }
}

async function reseal(dataSource: DataSource, keys: KeyRing, row: SealedRow): Promise<number> {
  const place = { organizationId: row.organization_id, connectionId: row.id, field: 'auth_data' };
  const sealed = keys.seal(keys.open(row.sealed_auth, place), place);
  const [, changed] = await dataSource.query<[unknown, number]>(
    'UPDATE connections SET sealed_auth = $1 WHERE id = $2 AND sealed_auth = $3',
    [sealed, row.id, row.sealed_auth],
  );
  return changed;
}
