import './resolve-typescript.cjs';
import { startPostgresRun, type PostgresRun } from './postgres-run.js';

declare global {
  var postgresRun: PostgresRun | undefined;
}

/** Starts the PostgreSQL of the test run; workers inherit the environment, which tells them where it is. */
export default async function setUp(): Promise<void> {
  globalThis.postgresRun = await startPostgresRun();
  process.env.TEST_POSTGRES_URL = globalThis.postgresRun.adminUrl;
  process.env.TEST_POSTGRES_PREFIX = globalThis.postgresRun.prefix;
}
