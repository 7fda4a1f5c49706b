import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Product } from '../support/product.js';
import { manyTools, startHostile, type HostileUpstream } from '../support/upstreams/hostile.js';
import { startOldEra, type OldEraUpstream } from '../support/upstreams/old-era.js';

const TOOLS = 3_000;

// The built product on its embedded database, and what operators' nights are made of.
describe('the running product', () => {
  let folder: string;
  let product: Product;
  let good: OldEraUpstream;
  let many: HostileUpstream;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mcp-control-plane-faults-'));
    [good, many] = await Promise.all([
      startOldEra(),
      startHostile({ tools: manyTools(1), pageSize: 100, capabilities: { tools: {} } }),
    ]);
    product = await Product.start(folder);
    const add = (server_id: string, server_url: string) =>
      product.client.post('/mcp/servers', { server_id, server_url, server_name: server_id });
    expect((await add('good', good.url)).status).toBe(200);
    expect((await add('many', many.url)).status).toBe(200);
  });
  afterAll(async () => {
    await product.end('SIGTERM');
    await Promise.all([good.close(), many.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  const toolCount = async (): Promise<number> =>
    Number((await product.client.get('/mcp/tools?server_id=many&limit=1')).headers.get('x-total-count'));
  const echo = () => product.client.post('/mcp/tools/good_echo/execute', { arguments: { message: 'still here' } });

  it('killed with -9 at any moment of a discovery has the old or the new complete state, and serves again', async () => {
    const { body } = await product.client.get('/api/v1/mcp/connections/');
    const { id } = body.find((row: { server_id: string }) => row.server_id === 'many');
    many.become({ tools: manyTools(TOOLS), pageSize: 100, capabilities: { tools: {} } });
    const seed = Number(process.env.FAULT_SEED ?? Date.now() % 100_000);
    process.stderr.write(`seed ${seed}\n`);
    const states: number[] = [];
    for (let round = 0; round < 6; round++) {
      const request = product.client.post(`/api/v1/mcp/connections/${id}/discover/`).catch(() => null);
      await sleep(((seed * (round + 1) * 7_919) % 900) + 20);
      await product.end('SIGKILL');
      await request;
      await product.start();
      states.push(await toolCount());
      expect([1, TOOLS]).toContain(states.at(-1));
      const running = (await product.client.get(`/api/v1/mcp/connections/${id}/discoveries/`)).body.filter(
        (run: { status: string }) => run.status === 'running',
      );
      expect(running.length).toBeLessThanOrEqual(round + 1);
    }
    expect((await product.client.post(`/api/v1/mcp/connections/${id}/discover/`)).status).toBe(200);
    expect(await toolCount()).toBe(TOOLS);
    expect((await echo()).body.result).toBe('still here');
  });

  it('whose PostgreSQL is killed with -9 answers 503 meanwhile, stays alive, and loses nothing it acknowledged', async () => {
    const { pid } = product;
    const organization = (await product.client.get('/api/v1/auth/me')).body.organizations[0].id as string;
    const acknowledged: string[] = [];
    const statuses = new Set<number>();
    const working = (async () => {
      for (let number = 0; number < 400; number++) {
        const name = `Workspace ${number}`;
        const answer = await product.client.post('/api/v1/workspaces/', { organization, name }).catch(() => null);
        if (answer) statuses.add(answer.status);
        if (answer?.status === 201) acknowledged.push(name);
        if (answer?.status === 503) expect(answer.headers.get('retry-after')).not.toBeNull();
        await sleep(10);
      }
    })();
    await sleep(500);
    const pidFile = join(folder, 'postgres', 'data', 'postmaster.pid');
    expect(existsSync(pidFile)).toBe(true);
    process.kill(Number(readFileSync(pidFile, 'utf8').split('\n')[0]), 'SIGKILL');
    await working;
    await product.untilReady();
    expect([...statuses].filter((status) => status !== 201 && status !== 503)).toEqual([]);
    expect(product.pid).toBe(pid);
    const names: string[] = [];
    for (let path: string | undefined = '/api/v1/workspaces/?limit=500'; path !== undefined;) {
      const answer: Awaited<ReturnType<typeof product.client.get>> = await product.client.get(path);
      names.push(...answer.body.map((row: { name: string }) => row.name));
      const next: string | undefined = /<([^>]+)>/.exec(answer.headers.get('link') ?? '')?.[1];
      path = next === undefined ? undefined : new URL(next).pathname + new URL(next).search;
    }
    expect(acknowledged.filter((name) => !names.includes(name))).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(100);
    expect((await echo()).body.result).toBe('still here');
  });

  it('killed with -9 right after a discovery or a change of filters, auto-sync follows all the same', async () => {
    const seed = Number(process.env.FAULT_SEED ?? Date.now() % 100_000);
    process.stderr.write(`seed ${seed}\n`);
    const named = (name: string) => [{ name, inputSchema: { type: 'object' } }];
    const changing = await startOldEra({ tools: named('tool_0') });
    const { client } = product;
    await client.post('/mcp/servers', { server_id: 'changing', server_url: changing.url, server_name: 'changing' });
    const { body: me } = await client.get('/api/v1/auth/me');
    const { body: connections } = await client.get('/api/v1/mcp/connections/');
    const { id: connection } = connections.find((row: { server_id: string }) => row.server_id === 'changing');
    const granted = await client.post('/api/v1/mcp/workspace-access/', {
      workspace: me.workspaces[0].id,
      connection,
      access_name: 'Follows',
      resource_filters: { tools: ['*'] },
    });
    const path = `/api/v1/mcp/workspace-access/${granted.body.id}/`;
    const allowed = async (): Promise<string> =>
      (await product.client.get(path)).body.allowed_resources
        .map((row: { resource_name: string }) => row.resource_name)
        .join();
    const until = async (expected: string): Promise<void> => {
      for (const end = Date.now() + 30_000; (await allowed()) !== expected;) {
        if (Date.now() > end) throw new Error(`${await allowed()}, not ${expected}`);
        await sleep(100);
      }
    };
    for (let round = 1; round <= 4; round++) {
      await changing.setTools(named(`tool_${round}`));
      expect((await product.client.post(`/api/v1/mcp/connections/${connection}/discover/`)).status).toBe(200);
      await sleep((seed * round * 7_919) % 40);
      await product.end('SIGKILL');
      await product.start();
      await until(`tool_${round}`);
      const filters = round % 2 === 0 ? ['*'] : ['other*'];
      expect((await product.client.patch(path, { resource_filters: { tools: filters } })).status).toBe(200);
      await product.end('SIGKILL');
      await product.start();
      await until(round % 2 === 0 ? `tool_${round}` : '');
      await product.client.patch(path, { resource_filters: { tools: ['*'] } });
    }
    await product.client.delete('/mcp/servers/changing');
    await changing.close();
  }, 180_000);

  it('told to stop finishes what it has begun, turns away what is new, and exits with 0, also when told twice', async () => {
    // A request whose body never comes is not under way.
    const lazy = connect(product.port, '127.0.0.1', () =>
      lazy.write('POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{'),
    );
    lazy.on('error', () => undefined);
    const asked = Date.now();
    const slow = product.client.post('/mcp/tools/good_wait/execute', { arguments: { ms: 1_500 } });
    await sleep(300);
    const ended = product.end('SIGTERM');
    await sleep(200);
    expect((await fetch(`${product.url}/health/ready`)).status).toBe(503);
    expect((await fetch(`${product.url}/health/live`)).status).toBe(200);
    process.kill(product.pid, 'SIGTERM');
    expect((await slow).body.result).toBe('done');
    expect(await ended).toBe(0);
    expect(Date.now() - asked).toBeLessThan(10_000);
    expect(existsSync(join(folder, 'postgres', 'data', 'postmaster.pid'))).toBe(false);
    await product.start();
  });

  it('told to stop while it starts exits cleanly and starts again', async () => {
    await product.end('SIGTERM');
    for (const wait of [50, 200, 500, 900]) {
      product.spawn();
      await sleep(wait);
      const code = await product.end('SIGTERM');
      // Before Node runs any of our code, the signal itself ends the process.
      expect([0, null]).toContain(code);
    }
    await product.start();
    expect((await echo()).body.result).toBe('still here');
  });

  it('refuses a wrong configuration with all of it and exit code 78', async () => {
    const broken = await Product.start(folder, {
      PORT: 'x',
      THROTTLE_ANONYMOUS: '-1',
      EGRESS_ALLOW: 'not a host!',
    }).catch((error: Error) => error.message);
    expect(broken).toMatch(/PORT must be a whole number/);
    expect(broken).toMatch(/THROTTLE_ANONYMOUS/);
  });

  it('refuses to run in production with missing or weak secrets', async () => {
    const weak = await Product.start(folder, { NODE_ENV: 'production', JWT_SECRET: 'changeme'.repeat(5) }).catch(
      (error: Error) => error.message,
    );
    expect(weak).toMatch(/JWT_SECRET is too easy/);
    expect(weak).toMatch(/ENCRYPTION_KEYS is required/);
  });
});
