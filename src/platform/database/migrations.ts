import { Logger as WorkerLogger, runMigrations as migrateJobs } from 'graphile-worker';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { DataSource, MigrationExecutor, type MigrationInterface } from 'typeorm';
import type { PostgresOptions } from './data-source.js';
import { grantRights } from './grant-rights.js';

type MigrationClass = new () => MigrationInterface;

export interface MigrationOptions {
  /** Classes to apply; those of the repository unless told. */
  migrations?: MigrationClass[];
  /** The role of the running product, where it is not the owner. */
  productRole?: string;
}

/** Key of the advisory lock, the same in every version of the product; any number that nothing else locks. */
const MIGRATION_LOCK = 7_305_188_126;

/**
 * Applies the pending migrations of `migrations/`, each in a transaction of its own, and grants the product's role its
 * rights on the outcome. Of processes that call it at once one does the work while the others wait; if it is killed,
 * PostgreSQL frees the lock and the next one goes on.
 *
 * Lock and migrations share one session, so losing the connection ends both. It must reach PostgreSQL directly: a
 * transaction pooler would lose the lock.
 *
 * @param dataSource says where, as the owner; it need not be initialized
 * @returns names of the migrations applied by this call, in order
 */
export async function runMigrations(dataSource: DataSource, options: MigrationOptions = {}): Promise<string[]> {
  const migrator = new DataSource({
    ...(dataSource.options as PostgresOptions),
    entities: [],
    subscribers: [],
    migrations: options.migrations ?? (await loadMigrations()),
    poolSize: 1,
  });
  await migrator.initialize();
  const session = migrator.createQueryRunner();
  try {
    await session.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const executor = new MigrationExecutor(migrator, session);
    executor.transaction = 'each';
    const applied = await executor.executePendingMigrations();
    // The queue keeps its tables in a schema of its own, and their versions too.
    if (options.migrations === undefined)
      await migrateJobs({ connectionString: urlOf(dataSource), logger: new WorkerLogger(() => () => undefined) });
    if (options.productRole !== undefined) await grantRights(session, options.productRole);
    await session.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    return applied.map(({ name }) => name);
  } finally {
    await session.release();
    await migrator.destroy();
  }
}

function urlOf(dataSource: DataSource): string {
  return (dataSource.options as PostgresOptions).url ?? '';
}

/** Imports them itself: TypeORM's globs load files in a way that Jest can't follow. */
async function loadMigrations(): Promise<MigrationClass[]> {
  const names = await listMigrationFiles();
  const modules = await Promise.all(
    names.map((name) => import(`../../../migrations/${name}`) as Promise<Record<string, unknown>>),
  );
  return modules.flatMap((module) =>
    Object.values(module).filter((value): value is MigrationClass => typeof value === 'function'),
  );
}

async function listMigrationFiles(): Promise<string[]> {
  const folder = fileURLToPath(new URL('../../../migrations/', import.meta.url));
  try {
    return (await readdir(folder)).filter((name) => /^\d+-.+(?<!\.d)\.[jt]s$/.test(name)).sort();
  } catch (error) {
    // A build has no such folder before the first migration.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
