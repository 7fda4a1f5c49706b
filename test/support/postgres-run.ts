import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { startEmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';
import { processIdentity } from '../../src/platform/database/process-identity.js';
import { asAdmin, dropDatabase } from './postgres-admin.js';

/** The PostgreSQL of one test run. */
export interface PostgresRun {
  /** of a superuser, or of an account that may create databases and roles: the owner */
  adminUrl: string;
  /** of the restricted role that the product runs as */
  productUrl: string;
  /** what the names of all databases and roles of this run start with */
  prefix: string;
  end(): Promise<void>;
}

const FOLDER = /^mcp-control-plane-test-(\d+)-(\w+)-\w+$/;

/** Tests check behaviour, never survival of a power failure; fault tests start servers of their own. */
const FAST_SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
};

/** A new embedded PostgreSQL in a temporary folder, or the server that DATABASE_URL names. */
export async function startPostgresRun(databaseUrl = process.env.DATABASE_URL): Promise<PostgresRun> {
  const prefix = `mcp_test_${randomBytes(5).toString('hex')}`;
  if (databaseUrl) {
    const productUrl = await createRole(databaseUrl, `${prefix}_product`);
    return { adminUrl: databaseUrl, productUrl, prefix, end: () => dropLeavings(databaseUrl, prefix) };
  }
  await removeAbandoned();
  const identity = await processIdentity(process.pid);
  const folder = await mkdtemp(path.join(os.tmpdir(), `mcp-control-plane-test-${process.pid}-${identity}-`));
  const server = await startEmbeddedPostgres({ folder, log: () => undefined, settings: FAST_SETTINGS });
  return {
    adminUrl: server.adminUrl,
    productUrl: server.url,
    prefix,
    end: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** As the embedded server has one already, whose owner may not create roles. Returns its address. */
async function createRole(adminUrl: string, name: string): Promise<string> {
  const url = new URL(adminUrl);
  url.username = name;
  url.password = randomBytes(16).toString('hex');
  await asAdmin(adminUrl, async (admin) => {
    await admin.query(`CREATE ROLE "${name}" LOGIN PASSWORD '${url.password}' ROLE CURRENT_USER`);
  });
  return url.toString();
}

/** Databases first: their rights keep the roles. */
async function dropLeavings(adminUrl: string, prefix: string): Promise<void> {
  await asAdmin(adminUrl, async (admin) => {
    const { rows: databases } = await admin.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
      [prefix],
    );
    for (const { datname } of databases) await dropDatabase(admin, datname);
    const { rows: roles } = await admin.query<{ rolname: string }>(
      'SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)',
      [prefix],
    );
    for (const { rolname } of roles) await admin.query(`DROP ROLE IF EXISTS "${rolname}"`);
  });
}

/** A killed test run leaves its server behind: joining that server is the way to stop it. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(os.tmpdir())) {
    const owner = FOLDER.exec(name);
    if (!owner || (await processIdentity(Number(owner[1]))) === owner[2]) continue;
    const folder = path.join(os.tmpdir(), name);
    try {
      const server = await startEmbeddedPostgres({ folder, log: () => undefined, settings: FAST_SETTINGS });
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    } catch {
      // It belongs to another user, or another run removes it at this moment.
    }
  }
}
