import type { EntityManager } from 'typeorm';

/**
 * For a transaction that has just written many rows, before it writes many more that refer to them. A session plans the check of
 * a foreign key once: where the other table was a page or two then, it reads the whole of it for each row, until a statement of
 * this session plans anew. 20,000 tools below 20,000 resources took 24 s that way, and take 2 s.
 *
 * Autovacuum does the same for all sessions, but sees nothing before the commit.
 */
export async function forgetPlans(manager: EntityManager): Promise<void> {
  await manager.query('DISCARD PLANS');
}
