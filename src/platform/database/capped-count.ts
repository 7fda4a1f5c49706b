import type { EntityManager } from 'typeorm';
import type { Conditions } from './conditions.js';

/**
 * How many rows there are, counted up to `most`: counting a hundred million takes longer than reading a page of them.
 * @param rows the statement that selects them, where none of its branches reads more than the limit it is given
 */
export async function cappedCount(
  manager: EntityManager,
  where: Conditions,
  most: number,
  rows: (limit: string) => string,
): Promise<number> {
  const limit = where.value(most);
  const [row] = await manager.query<{ count: number }[]>(
    `SELECT count(*)::int AS count FROM (SELECT 1 FROM (${rows(limit)}) v LIMIT ${limit}) counted`,
    where.values,
  );
  return row?.count ?? 0;
}
