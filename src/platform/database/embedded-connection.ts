import { createHmac } from 'node:crypto';
import { Client, escapeIdentifier, escapeLiteral } from 'pg';

/** Marks the one connection by which each process that uses the server says so to the others. */
const KEEPER_NAME = 'mcp-control-plane keeper';

/**
 * Name of the database, and of the owner of all in it: not the superuser, as it would not be on a server that DATABASE_URL
 * names.
 */
const OWNER = 'control_plane';

/** What the running product connects as. It owns nothing, so that what is append-only is so for the product too. */
const PRODUCT = 'control_plane_app';

/** What the owner connects with: migrations, LISTEN and jobs. */
export function ownerUrl(port: number, password: string): string {
  return `postgres://${OWNER}:${password}@127.0.0.1:${port}/${OWNER}`;
}

/** What the running product connects with. */
export function productUrl(port: number, password: string): string {
  return `postgres://${PRODUCT}:${productPassword(password)}@127.0.0.1:${port}/${OWNER}`;
}

/** Not a second secret to keep, and not one that opens the other roles: it can't be turned back. */
function productPassword(password: string): string {
  return createHmac('sha256', password).update(PRODUCT).digest('base64url');
}

/** A superuser's connection of the launcher itself, whose loss is no uncaught error. */
export async function connectAsSuperuser(port: number, password: string): Promise<Client> {
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password,
    database: 'postgres',
    // Else PGSSLMODE of the environment, meant for another server, would decide.
    ssl: false,
    application_name: KEEPER_NAME,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
  return client;
}

/** Whether this connection keeps the process from ending, as it does at first. The types of pg leave ref and unref out. */
export function keepAlive(client: Client, yes: boolean): void {
  (client as Client & Record<'ref' | 'unref', () => void>)[yes ? 'ref' : 'unref']();
}

/** How many processes keep the server, the one with this connection not counted. */
export async function countOtherKeepers(keeper: Client): Promise<number> {
  const { rows } = await keeper.query<{ others: number }>(
    'SELECT count(*)::int AS others FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()',
    [KEEPER_NAME],
  );
  return rows[0]?.others ?? 0;
}

/**
 * Creates the two roles and the database where they are missing, also in a folder of a version that had one role only.
 * The owner may create databases, which tests do. What the product may do is granted after migrations, see grant-rights.ts.
 */
export async function ensureRoles(client: Client, password: string): Promise<void> {
  const owner = escapeIdentifier(OWNER);
  await ensureRole(client, OWNER, `LOGIN CREATEDB PASSWORD ${escapeLiteral(password)}`);
  // The owner is a member of the other one, so as to see and end what the product has under way.
  await ensureRole(client, PRODUCT, `LOGIN PASSWORD ${escapeLiteral(productPassword(password))} ROLE ${owner}`);
  const databases = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [OWNER]);
  if (databases.rowCount === 0) await client.query(`CREATE DATABASE ${owner} OWNER ${owner}`);
}

async function ensureRole(client: Client, name: string, options: string): Promise<void> {
  const roles = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [name]);
  if (roles.rowCount === 0) await client.query(`CREATE ROLE ${escapeIdentifier(name)} ${options}`);
}
