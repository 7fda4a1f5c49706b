import './resolve-typescript.cjs';
import { startPostgresRun, type PostgresRun } from './postgres-run.js';

declare global {
  var postgresRun: PostgresRun | undefined;
}

/** Starts the PostgreSQL of the test run; workers inherit the environment, which tells them where it is. */
export default async function setUp(): Promise<void> {
  const run = await startPostgresRun();
  globalThis.postgresRun = run;
  process.env.TEST_POSTGRES_URL = run.adminUrl;
  process.env.TEST_POSTGRES_PRODUCT_URL = run.productUrl;
  process.env.TEST_POSTGRES_PREFIX = run.prefix;
  // Jest skips the teardown when it is interrupted. What a SIGKILL leaves is removed by the next run.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void run.end().finally(() => process.exit(1)));
  }
}
