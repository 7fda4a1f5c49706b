import type { DataSource } from 'typeorm';
import { KeyRing, UnsealError, type SealedPlace } from './key-ring.js';

const BATCH = 100;

/** A column of sealed values. */
export interface SealedColumn {
  table: string;
  /** Primary key. */
  id: string;
  column: string;
  /** Rows that still need it. */
  condition: string;
  /** Where a value belongs, from its row; the row has `id` and `organization_id` as text. */
  place: (row: { id: string; organization_id: string }) => SealedPlace;
  /** What a row is called in a message. */
  named: string;
}

interface SealedRow {
  id: string;
  organization_id: string;
  sealed: string;
}

/**
 * Seals all values of a column anew with the first key, while the product runs: a row that was changed in between keeps
 * the newer value and is looked at again. Killed in the middle, it goes on where it stopped when it is run again.
 * @returns how many were sealed anew
 * @throws UnsealError naming the rows that no configured key opens, after all others are done
 */
export async function reseal(
  dataSource: DataSource,
  keys: KeyRing,
  column: SealedColumn,
  onProgress: (done: number) => void,
): Promise<number> {
  const unopened = new Map<string, string>();
  let done = 0;
  // Replicas that do not know the new key yet go on sealing with an old one, also behind the place where a pass is.
  for (let found = 1; found > 0;) {
    found = 0;
    for (let rows = await oldRows(dataSource, keys, column); rows.length > 0;) {
      for (const row of rows) {
        if (unopened.has(row.id)) continue;
        found++;
        done += await resealRow(dataSource, keys, column, row).catch((error: unknown) => {
          if (!(error instanceof UnsealError)) throw error;
          unopened.set(row.id, error.message);
          return 0;
        });
      }
      onProgress(done);
      rows = await oldRows(dataSource, keys, column, rows.at(-1)?.id);
    }
  }
  if (unopened.size > 0) {
    const list = [...unopened].map(([id, why]) => `${id} (${why})`).join(', ');
    throw new UnsealError(`${done} sealed anew, but these ${column.named} need theirs entered again: ${list}`);
  }
  return done;
}

function oldRows(
  dataSource: DataSource,
  keys: KeyRing,
  { table, id, column, condition }: SealedColumn,
  after?: string,
): Promise<SealedRow[]> {
  return dataSource.query<SealedRow[]>(
    `SELECT ${id}::text AS id, organization_id::text AS organization_id, ${column} AS sealed FROM ${table}
      WHERE ($1::text IS NULL OR ${id}::text > $1) AND ${condition} AND split_part(${column}, '.', 2) <> $2
      ORDER BY ${id}::text LIMIT ${BATCH}`,
    [after ?? null, keys.sealingKeyId],
  );
}

async function resealRow(
  dataSource: DataSource,
  keys: KeyRing,
  { table, id, column, place }: SealedColumn,
  row: SealedRow,
): Promise<number> {
  const at = place(row);
  const [, changed] = await dataSource.query<[unknown, number]>(
    `UPDATE ${table} SET ${column} = $1 WHERE ${id}::text = $2 AND ${column} = $3`,
    [keys.seal(keys.open(row.sealed, at), at), row.id, row.sealed],
  );
  return changed;
}
