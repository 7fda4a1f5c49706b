import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { Product } from '../support/product.js';

/** What the product waits for at most: 30 s for an answer of PostgreSQL, and a little for its own. */
const LONGEST_MS = 32_000;
const CLIENTS = 4;

interface Request {
  name: string;
  began: number;
  /** Null while it is under way; a text when there was no answer at all. */
  outcome: number | string | null;
  ended: number;
  retryAfter: string | null;
}

// The built product on its embedded database, which is there and does not answer.
describe('a PostgreSQL that is paused', () => {
  let folder: string;
  let product: Product;
  let superuser: Client;
  let paused: number[] = [];
  const requests: Request[] = [];
  let isLoaded = false;
  let load: Promise<unknown> = Promise.resolve();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mcp-control-plane-away-'));
    product = await Product.start(folder);
    const [password, port] = ['password', 'port'].map((name) => readFileSync(join(folder, 'postgres', name), 'utf8'));
    superuser = new Client(`postgres://postgres:${password?.trim()}@127.0.0.1:${port?.trim()}/postgres`);
    await superuser.connect();
  });
  afterEach(async () => {
    resume();
    isLoaded = false;
    await load;
  });
  afterAll(async () => {
    await superuser.end();
    await product.end('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  });

  /** The postmaster first, so that no process of it is missed; the one that says which there are last. */
  async function pause(): Promise<void> {
    const postmaster = Number(readFileSync(join(folder, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
    paused = [postmaster];
    process.kill(postmaster, 'SIGSTOP');
    const { rows } = await superuser.query<{ pid: number }>(
      'SELECT pid FROM pg_stat_activity ORDER BY pid = pg_backend_pid()',
    );
    for (const { pid } of rows) {
      process.kill(pid, 'SIGSTOP');
      paused.push(pid);
    }
  }
  function resume(): void {
    for (const pid of paused.splice(0).reverse()) process.kill(pid, 'SIGCONT');
  }

  function startLoad(): void {
    isLoaded = true;
    load = Promise.all(Array.from({ length: CLIENTS }, (_, client) => keepCreating(client)));
  }
  async function keepCreating(client: number): Promise<void> {
    const organization = (await product.client.get('/api/v1/auth/me')).body.organizations[0].id as string;
    while (isLoaded) {
      const name = `Workspace ${client} ${requests.length}`;
      const request: Request = { name, began: Date.now(), outcome: null, ended: 0, retryAfter: null };
      requests.push(request);
      try {
        const { status, headers } = await product.client.post('/api/v1/workspaces/', { organization, name });
        [request.outcome, request.retryAfter] = [status, headers.get('retry-after')];
      } catch (error) {
        request.outcome = (error as Error).message;
      }
      request.ended = Date.now();
      await sleep(20);
    }
  }

  /** Asks the readiness as many probes at once would. Returns statuses, and milliseconds of the slowest. */
  async function probe(times: number): Promise<{ statuses: number[]; slowest: number }> {
    const began = Date.now();
    const answers = await Promise.all(Array.from({ length: times }, () => fetch(`${product.url}/health/ready`)));
    return { statuses: [...new Set(answers.map(({ status }) => status))], slowest: Date.now() - began };
  }

  async function names(): Promise<Set<string>> {
    const found = new Set<string>();
    for (let path: string | undefined = '/api/v1/workspaces/?limit=500'; path !== undefined;) {
      const answer: Awaited<ReturnType<typeof product.client.get>> = await product.client.get(path);
      for (const { name } of answer.body as { name: string }[]) found.add(name);
      const next: string | undefined = /<([^>]+)>/.exec(answer.headers.get('link') ?? '')?.[1];
      path = next === undefined ? undefined : new URL(next).pathname + new URL(next).search;
    }
    return found;
  }

  /** After the end of the load: every answer was one of two, and what was acknowledged is there. */
  async function expectNothingLost(): Promise<void> {
    expect(requests.filter(({ outcome }) => outcome !== 201 && outcome !== 503)).toEqual([]);
    expect(requests.filter(({ outcome, retryAfter }) => outcome === 503 && retryAfter === null)).toEqual([]);
    const found = await names();
    const acknowledged = requests.filter(({ outcome }) => outcome === 201);
    expect(acknowledged.filter(({ name }) => !found.has(name))).toEqual([]);
  }

  async function workAgain(): Promise<void> {
    await product.untilReady();
    const before = requests.length;
    await sleep(1_500);
    isLoaded = false;
    await load;
    const since = requests.slice(before);
    expect(since.length).toBeGreaterThan(20);
    expect(new Set(since.map(({ outcome }) => outcome))).toEqual(new Set([201]));
  }

  it('for some seconds is not ready, and what waited is answered afterwards', async () => {
    const { pid } = product;
    startLoad();
    await sleep(500);
    await pause();

    for (let round = 0; round < 2; round++) {
      const { statuses, slowest } = await probe(20);
      expect(statuses).toEqual([503]);
      expect(slowest).toBeLessThan(3_000);
    }
    expect((await fetch(`${product.url}/health/live`)).status).toBe(200);
    resume();

    await workAgain();
    await expectNothingLost();
    expect(product.pid).toBe(pid);
  });

  it('for longer keeps no request waiting, and everything works without a restart when it runs again', async () => {
    const { pid } = product;
    const first = requests.length;
    startLoad();
    await sleep(500);
    await pause();
    const since = Date.now();

    await sleep(LONGEST_MS + 2_000);
    const waited = requests.slice(first).map(({ began, ended }) => (ended || Date.now()) - began);
    expect(Math.max(...waited)).toBeLessThan(LONGEST_MS);
    expect(Math.max(...waited)).toBeGreaterThan(4_000);
    const during = requests.slice(first).filter(({ ended }) => ended > since + 1_000);
    expect(new Set(during.map(({ outcome }) => outcome))).toEqual(new Set([503]));
    const { statuses, slowest } = await probe(20);
    expect(statuses).toEqual([503]);
    expect(slowest).toBeLessThan(3_000);
    resume();

    await workAgain();
    await expectNothingLost();
    expect(product.pid).toBe(pid);
  });
});
