import type { DataSource, DataSourceOptions } from 'typeorm';

/** The narrower type that PostgreSQL has among TypeORM's options; TypeORM does not export it by name. */
export type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

/** `server_version_num` of the oldest PostgreSQL we run on: 15 brought NULLS NOT DISTINCT and MERGE. */
const OLDEST_SERVER = 150_000;

/**
 * What the product, its migrations and TypeORM's command line share.
 *
 * @param url `postgres://user:password@host:port/database`, with `sslmode` where the server asks for TLS
 * @param entities classes, or for the command line globs of files
 */
export function dataSourceOptions(url: string, entities: PostgresOptions['entities']): PostgresOptions {
  return {
    type: 'postgres',
    url,
    entities,
    applicationName: 'mcp-control-plane',
    // The schema changes by migrations alone.
    synchronize: false,
    migrationsTransactionMode: 'each',
    // gen_random_uuid() is part of PostgreSQL itself; the account of the product may not install extensions.
    uuidExtension: 'pgcrypto',
    installExtensions: false,
    // Silent unless DEBUG=typeorm:*; the others write to the console, past the product's own log.
    logger: 'debug',
    connectTimeoutMS: 5_000,
  };
}

/** @throws when the connected server is older than PostgreSQL 15 */
export async function assertSupportedServer(dataSource: DataSource): Promise<void> {
  const rows: { number: string; version: string }[] = await dataSource.query(
    "SELECT current_setting('server_version_num') AS number, current_setting('server_version') AS version",
  );
  const [server] = rows;
  if (server && Number(server.number) >= OLDEST_SERVER) return;
  throw new Error(`DATABASE_URL names a PostgreSQL ${server?.version ?? 'of unknown version'}: 15 or newer is needed`);
}
