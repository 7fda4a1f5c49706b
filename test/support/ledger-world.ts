import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Pool } from 'pg';
import { ownerUrl } from '../../src/platform/database/embedded-connection.js';
import { canonicalJson } from '../../src/platform/json/canonical-json.js';
import type { Answer, ApiClient } from './api-client.js';
import { startPostgresRun } from './postgres-run.js';
import { createTestDatabase } from './postgres.js';
import { Product } from './product.js';
import { startJournal, type JournalUpstream } from './upstreams/journal.js';

/** A row of `calls`, as far as faults are told by it. */
export interface LedgerRow {
  arguments_hash: string;
  outcome: string;
  cost: string;
}

interface Server {
  /** Of the owner of the tables. */
  url: string;
  /** Of the environment of the products. */
  variables: Record<string, string>;
  end: () => Promise<void>;
}

/** How long anything may stay open: the lease of a dead process, the wait of whoever judges it, and a sweep. */
const SETTLED_MS = 60_000;

/** A token of one product is good at the others. */
const VARIABLES = { LOG_LEVEL: 'warn', JWT_AUDIENCE: 'ledger' };

/** Products on one database, an upstream that keeps a journal, and a grant on its only tool for a workspace token. */
export class LedgerWorld {
  readonly products: Product[] = [];
  connection = '';
  organization = '';
  grant = 0;
  private agentToken = '';
  private readonly pool: Pool;

  private constructor(
    readonly folder: string,
    readonly upstream: JournalUpstream,
    private readonly server: Server,
    first: Product | null,
  ) {
    if (first) this.products.push(first);
    this.pool = new Pool({ connectionString: server.url, max: 4 });
    this.pool.on('error', () => undefined);
  }

  /** On a server of the test's own that outlives the products, which start in a second that way. */
  static async create(more: Record<string, string> = {}): Promise<LedgerWorld> {
    const run = await startPostgresRun();
    process.env.TEST_POSTGRES_URL = run.adminUrl;
    process.env.TEST_POSTGRES_PRODUCT_URL = run.productUrl;
    process.env.TEST_POSTGRES_PREFIX = run.prefix;
    const database = await createTestDatabase();
    const variables = { DATABASE_URL: database.productUrl, DATABASE_ADMIN_URL: database.url, ...more };
    const end = async (): Promise<void> => {
      await database.drop();
      await run.end();
    };
    const world = new LedgerWorld(newFolder(), await startJournal(), { url: database.url, variables, end }, null);
    await world.add();
    await world.connect();
    return world;
  }

  /** On the embedded server of its product, as most people run it. */
  static async createEmbedded(folder = newFolder()): Promise<LedgerWorld> {
    const product = await Product.start(folder, VARIABLES);
    const [password, port] = ['password', 'port'].map((name) => readFileSync(join(folder, 'postgres', name), 'utf8'));
    const url = ownerUrl(Number(port), password?.trim() ?? '');
    const server = { url, variables: {}, end: async () => undefined };
    const world = new LedgerWorld(folder, await startJournal(), server, product);
    await world.connect();
    return world;
  }

  /** The one that is there from the beginning. */
  get product(): Product {
    const [first] = this.products;
    if (!first) throw new Error('no product was started');
    return first;
  }

  /** Starts a product more. */
  async add(): Promise<Product> {
    const product = await Product.start(this.folder, { ...VARIABLES, ...this.server.variables });
    this.products.push(product);
    return product;
  }

  /** After it was killed. */
  async restart(): Promise<void> {
    // Its share of everybody's requests of this minute died with it: more than 20 kills a minute would leave none.
    await this.query('DELETE FROM rate_limits');
    await this.product.start();
  }

  async end(): Promise<void> {
    await Promise.all(this.products.map((product) => product.end('SIGTERM')));
    await this.pool.end();
    await this.upstream.close();
    await this.server.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async query<Row = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<Row[]> {
    return (await this.pool.query(sql, values)).rows as Row[];
  }

  agent(product = this.product): ApiClient {
    return product.client.withToken(this.agentToken);
  }

  execute(client: ApiClient, id: string, key?: string): Promise<Answer> {
    const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
    return client.post('/mcp/tools/journal_work/execute', { arguments: { id } }, headers);
  }

  async rows(id: string): Promise<LedgerRow[]> {
    return this.query('SELECT arguments_hash, outcome, cost::text AS cost FROM calls WHERE arguments_hash = $1', [
      hashOf(id),
    ]);
  }

  async isOpen(id: string): Promise<boolean> {
    return (await this.query('SELECT FROM open_calls WHERE arguments_hash = $1', [hashOf(id)])).length > 0;
  }

  made(id: string): number {
    return this.upstream.calls.filter((each) => each === id).length;
  }

  /** Holds a lock, as a transaction that never comes to its end would. Answers with what ends it. */
  async lock(statement: string): Promise<() => Promise<void>> {
    const client = new Client(this.server.url);
    await client.connect();
    await client.query('BEGIN');
    await client.query(statement);
    return () => client.end();
  }

  /** Of everybody but this one: the product's connections to the database. */
  async terminateAll(): Promise<void> {
    await this.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'mcp-control-plane%'`,
    );
  }

  /** Waits until a statement of the ledger waits for a lock. Answers with the process of PostgreSQL that carries it out. */
  async untilStuck(statement: 'ledger_open' | 'ledger_close'): Promise<number> {
    const found = await eventually(
      () =>
        this.query<{ pid: number }>(
          `SELECT pid FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%' || $1 || '(%' AND pid <> pg_backend_pid()`,
          [statement],
        ),
      ([stuck]) => stuck !== undefined,
    );
    return found[0]?.pid ?? 0;
  }

  /** Ends it as a failing network would, so that nothing of its transaction stays. */
  async terminate(pid: number): Promise<void> {
    await this.query('SELECT pg_terminate_backend($1)', [pid]);
    await eventually(
      () => this.query('SELECT FROM pg_stat_activity WHERE pid = $1', [pid]),
      ({ length }) => length === 0,
    );
  }

  async untilSettled(): Promise<void> {
    await eventually(
      () => this.query('SELECT id, process_id, started_at FROM open_calls'),
      ({ length }) => length === 0,
      SETTLED_MS,
    );
  }

  private async connect(): Promise<void> {
    const { client } = this.product;
    const { body: me } = await client.get('/api/v1/auth/me');
    this.organization = me.organizations[0].id;
    const workspace = me.workspaces[0].id as string;
    const server = { server_id: 'journal', server_name: 'journal', server_url: this.upstream.url };
    expect((await client.post('/mcp/servers', server)).status).toBe(200);
    this.connection = (await client.get('/api/v1/mcp/connections/')).body[0].id;
    const [tool] = await this.query<{ id: number }>(
      "SELECT resource_id AS id FROM tools WHERE public_id = 'journal_work'",
    );
    const granted = await client.post('/api/v1/mcp/workspace-access/', {
      workspace,
      connection: this.connection,
      access_name: 'Work',
      allowed_resources: [tool?.id],
      permission_level: 'write',
      auto_sync: false,
    });
    this.grant = granted.body.id;
    this.agentToken = (await client.post(`/api/v1/workspaces/${workspace}/tokens/`, { name: 'Agent' })).body.token;
    expect((await this.execute(this.agent(), 'first')).status).toBe(200);
  }
}

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), 'mcp-control-plane-ledger-'));
}

export function hashOf(id: string): string {
  return createHash('sha256').update(canonicalJson({ id })).digest('hex');
}

/** Asks until the result is accepted. @throws with the last one when that takes too long */
export async function eventually<T>(
  work: () => Promise<T>,
  accept: (result: T) => boolean,
  longestMs = 30_000,
): Promise<T> {
  for (const deadline = Date.now() + longestMs; ;) {
    const result = await work();
    if (accept(result)) return result;
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(result)} after ${longestMs} ms`);
    await sleep(25);
  }
}
