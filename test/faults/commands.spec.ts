import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { randomOf, seeds } from '../support/ledger-faults.js';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';
import { startPostgresRun, type PostgresRun } from '../support/postgres-run.js';
import { Product } from '../support/product.js';
import { startOldEra, type OldEraUpstream } from '../support/upstreams/old-era.js';

const KILLS = 6;
const CONNECTIONS = 30;
const LONGEST_MS = 60_000;

// Commands that change everything there is, ended in the middle.
describe('a command that is killed with -9', () => {
  let run: PostgresRun;
  let database: TestDatabase;
  const [seed = 0] = seeds(1);
  const random = randomOf(seed);

  beforeAll(async () => {
    run = await startPostgresRun();
    process.env.TEST_POSTGRES_URL = run.adminUrl;
    process.env.TEST_POSTGRES_PRODUCT_URL = run.productUrl;
    process.env.TEST_POSTGRES_PREFIX = run.prefix;
  });
  beforeEach(async () => {
    database = await createTestDatabase();
  });
  afterEach(() => database.drop());
  afterAll(() => run.end());

  const addresses = () => ({ DATABASE_URL: database.productUrl, DATABASE_ADMIN_URL: database.url });
  /** @returns the exit code; null where it was killed before its end */
  async function command(
    script: string,
    variables: Record<string, string>,
    killAfterMs?: number,
  ): Promise<number | null> {
    const env = { ...process.env, NODE_ENV: 'test', LOG_LEVEL: 'warn', ...addresses(), ...variables };
    const child = spawn(process.execPath, [`dist/src/${script}.js`], { env, stdio: 'ignore' });
    const ended = once(child, 'exit');
    if (killAfterMs !== undefined) await Promise.race([ended, sleep(killAfterMs)]);
    if (killAfterMs !== undefined) child.kill('SIGKILL');
    const [code] = (await Promise.race([ended, sleep(LONGEST_MS, ['late'], { ref: false })])) as [number | null];
    return code;
  }
  async function query<Row>(sql: string): Promise<Row[]> {
    const client = new Client(database.url);
    await client.connect();
    try {
      return (await client.query(sql)).rows as Row[];
    } finally {
      await client.end();
    }
  }

  it('in a migration leaves whole migrations, and the next one does the rest', async () => {
    // As long as it takes undisturbed, so that the kills fall into it.
    const began = performance.now();
    expect(await command('migrate', {})).toBe(0);
    const whole = performance.now() - began;
    const schema = () =>
      query<{ object: string }>(
        `SELECT table_name || '.' || column_name || ' ' || data_type AS object FROM information_schema.columns
          WHERE table_schema = 'public' ORDER BY 1`,
      );
    const expected = await schema();
    await database.drop();
    database = await createTestDatabase();
    const codes: (number | null)[] = [];
    for (let kill = 0; kill < KILLS; kill++) codes.push(await command('migrate', {}, whole * (0.3 + 0.7 * random())));
    expect(codes).toContain(null);
    expect(await command('migrate', {})).toBe(0);
    expect(await schema()).toEqual(expected);
  });

  it('in a rotation of keys leaves every credential readable, and the next one seals the rest', async () => {
    const key = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`;
    const [first, second] = [key('first'), key('second')];
    const secrets = { JWT_SECRET: randomBytes(32).toString('base64') };
    const upstream: OldEraUpstream = await startOldEra({ token: 'good' });
    const folder = mkdtempSync(join(tmpdir(), 'mcp-control-plane-rotation-'));
    const product = await Product.start(folder, { ...addresses(), ...secrets, ENCRYPTION_KEYS: `${second},${first}` });
    try {
      await product.end('SIGTERM');
      const old = await Product.start(folder, { ...addresses(), ...secrets, ENCRYPTION_KEYS: first });
      const { organizations } = (await old.client.get('/api/v1/auth/me')).body;
      for (let number = 0; number < CONNECTIONS; number++) {
        const created = await old.client.post('/api/v1/mcp/connections/', {
          server: 3,
          organization: organizations[0].id,
          connection_name: `Server ${number}`,
          auth_data: { base_url: upstream.url, api_token: 'good' },
        });
        expect(created.status).toBe(201);
      }
      await old.end('SIGTERM');

      // The product runs meanwhile, with both keys.
      await product.start();
      const rotation = { ...secrets, ENCRYPTION_KEYS: `${second},${first}` };
      const sealed = async (): Promise<number> =>
        Number(
          (await query<{ count: string }>("SELECT count(*) FROM connections WHERE sealed_auth LIKE '%first%'"))[0]
            ?.count,
        );
      for (let kill = 0; kill < KILLS; kill++) {
        await command('rotate-keys', rotation, 300 + 700 * random());
        const { body } = await product.client.get(`/api/v1/mcp/connections/?limit=${CONNECTIONS}`);
        const { id } = body[Math.floor(random() * CONNECTIONS)];
        expect((await product.client.post(`/api/v1/mcp/connections/${id}/test/`)).body.success).toBe(true);
      }
      expect(await command('rotate-keys', rotation)).toBe(0);
      expect(await sealed()).toBe(0);
      await product.end('SIGTERM');

      // The old key is not needed any more.
      const alone = await Product.start(folder, { ...addresses(), ...secrets, ENCRYPTION_KEYS: second });
      const { body } = await alone.client.get(`/api/v1/mcp/connections/?limit=${CONNECTIONS}`);
      expect(body).toHaveLength(CONNECTIONS);
      for (const { id } of body)
        expect((await alone.client.post(`/api/v1/mcp/connections/${id}/test/`)).body.success).toBe(true);
      await alone.end('SIGTERM');
    } finally {
      await product.end('SIGKILL');
      await upstream.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
