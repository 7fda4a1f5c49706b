import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { createApp } from '../../src/bootstrap.js';
import type { Environment } from '../../src/platform/config/environment.js';
import { loadEnvironment } from '../../src/platform/config/load-environment.js';
import { dataSourceOptions } from '../../src/platform/database/data-source.js';
import { HealthService } from '../../src/platform/health/health.service.js';
import { createLogger } from '../../src/platform/telemetry/logger.js';
import { ApiClient } from './api-client.js';
import { createTestDatabase, type TestDatabase } from './postgres.js';

const ADMIN_PASSWORD = 'correct horse battery staple';

export interface TestApp {
  app: NestFastifyApplication;
  environment: Environment;
  url: string;
  /** Of the owner of its database; the product itself connects as a role with fewer rights. */
  databaseUrl: string;
  /** Everything that was logged, one JSON object a line. */
  log: string[];
  /** Nobody. */
  anonymous: ApiClient;
  /** The first operator, who owns the Default organization. */
  admin: ApiClient;
  /** Id of the Default organization. */
  organization: string;
  /** Asks the database itself, as its owner. */
  query<Row = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** Logs in. */
  as(username: string, password?: string): Promise<ApiClient>;
  close(): Promise<void>;
}

/**
 * The whole product on a database of its own, listening on a free port. Limits are out of the way unless a test sets them.
 * @param beside another app whose database and generated secrets it shares, as a second replica or after a restart
 */
export async function startApp(variables: Record<string, string> = {}, beside?: TestApp): Promise<TestApp> {
  const database = beside ? databaseOf(beside) : await createTestDatabase();
  const dataDir = beside?.environment.DATA_DIR ?? mkdtempSync(join(tmpdir(), 'mcp-control-plane-app-'));
  const environment = loadEnvironment({
    NODE_ENV: 'test',
    DATABASE_URL: database.productUrl,
    DATABASE_ADMIN_URL: database.url,
    DATA_DIR: dataDir,
    ADMIN_PASSWORD,
    THROTTLE_AUTHENTICATED: '1000000',
    THROTTLE_ANONYMOUS: '1000000',
    AGENT_CALLS_PER_MINUTE: '1000000',
    ...variables,
  });
  const log: string[] = [];
  const logger = createLogger('info', { write: (line: string) => void log.push(line) });
  const app = await createApp(environment, { url: database.productUrl, adminUrl: database.url }, logger);
  await app.listen(0, '127.0.0.1');
  const url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  const anonymous = new ApiClient(url);
  const as = async (username: string, password = ADMIN_PASSWORD): Promise<ApiClient> => {
    const { body } = await anonymous.post('/api/v1/auth/login', { username, password });
    return anonymous.withToken(body.access_token);
  };
  const admin = await as('admin');
  const me = await admin.get('/api/v1/auth/me');
  const owner = new DataSource({ ...dataSourceOptions(database.url, []), poolSize: 2 });
  let connecting: Promise<DataSource> | null = null;
  return {
    app,
    environment,
    url,
    databaseUrl: database.url,
    log,
    anonymous,
    admin,
    organization: me.body.organizations[0].id,
    query: async (sql, values) => {
      if (!owner.isInitialized) await (connecting ??= owner.initialize());
      return owner.query(sql, values);
    },
    as,
    close: async () => {
      // Clients open connections ahead of what they will ask, and Node waits for those.
      const connections = app.get(HealthService).connections;
      const timer = setInterval(() => connections?.dropUnfinished(), 500);
      await app.close();
      clearInterval(timer);
      if (owner.isInitialized) await owner.destroy();
      await database.drop();
      if (!beside) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function databaseOf({ environment, databaseUrl }: TestApp): TestDatabase {
  return { url: databaseUrl, productUrl: environment.DATABASE_URL ?? databaseUrl, drop: async () => undefined };
}
