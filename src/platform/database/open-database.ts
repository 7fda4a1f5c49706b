import { join } from 'node:path';
import type { Logger } from 'pino';
import { DataSource } from 'typeorm';
import type { Environment } from '../config/environment.js';
import { assertSupportedServer, dataSourceOptions } from './data-source.js';
import type { DatabaseAddresses } from './database.module.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { roleAt } from './grant-rights.js';
import { runMigrations } from './migrations.js';

export interface OpenDatabase extends DatabaseAddresses {
  /** Stops the embedded server unless another process still uses it; nothing for a foreign one. */
  close(): Promise<void>;
}

/** The database of the environment, up and reachable: the operator's, or the embedded one in `DATA_DIR`. */
export async function openDatabase(environment: Environment, logger: Logger): Promise<OpenDatabase> {
  if (environment.DATABASE_URL !== undefined) {
    return {
      url: environment.DATABASE_URL,
      adminUrl: environment.DATABASE_ADMIN_URL ?? environment.DATABASE_URL,
      close: async () => undefined,
    };
  }
  const embedded = await startEmbeddedPostgres({
    folder: join(environment.DATA_DIR, 'postgres'),
    log: (line, details) => logger.info({ context: 'embedded-postgres', ...details }, line),
  });
  return { url: embedded.url, adminUrl: embedded.adminUrl, close: () => embedded.stop() };
}

/**
 * Brings the schema and the rights of the product's role up to date; safe in several processes at once.
 * @returns the names of what was applied
 */
export async function migrate({ url, adminUrl }: DatabaseAddresses): Promise<string[]> {
  // First, so that a wrong address shows before the schema changes.
  const productRole = url === adminUrl ? undefined : await roleAt(url);
  const dataSource = await new DataSource(dataSourceOptions(adminUrl, [])).initialize();
  try {
    await assertSupportedServer(dataSource);
    return await runMigrations(dataSource, { productRole });
  } finally {
    await dataSource.destroy();
  }
}
