import type { DataSource } from 'typeorm';
import { NIL } from 'uuid';
import { KeyRing, UnsealError } from '../../platform/crypto/key-ring.js';

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
 * @throws UnsealError naming the connections whose credentials no configured key opens, after all others are done
 */
export async function rotateCredentials(
  dataSource: DataSource,
  keys: KeyRing,
  onProgress: (done: number) => void,
): Promise<number> {
  const unopened = new Map<string, string>();
  let done = 0;
  // Replicas that do not know the new key yet go on sealing with an old one, also behind the place where a pass is.
  for (let found = 1; found > 0;) {
    found = 0;
    for (let rows = await oldRows(dataSource, keys); rows.length > 0;) {
      for (const row of rows) {
        if (unopened.has(row.id)) continue;
        found++;
        done += await reseal(dataSource, keys, row).catch((error: unknown) => {
          if (!(error instanceof UnsealError)) throw error;
          unopened.set(row.id, error.message);
          return 0;
        });
      }
      onProgress(done);
      rows = await oldRows(dataSource, keys, rows.at(-1)?.id);
    }
  }
  if (unopened.size > 0) {
    const list = [...unopened].map(([id, why]) => `${id} (${why})`).join(', ');
    throw new UnsealError(`${done} sealed anew, but these connections need their credentials entered again: ${list}`);
  }
  return done;
}

function oldRows(dataSource: DataSource, keys: KeyRing, after: string = NIL): Promise<SealedRow[]> {
  return dataSource.query<SealedRow[]>(
    `SELECT id, organization_id, sealed_auth FROM connections
      WHERE id > $1 AND deleted_at IS NULL AND split_part(sealed_auth, '.', 2) <> $2 ORDER BY id LIMIT ${BATCH}`,
    [after, keys.sealingKeyId],
  );
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
