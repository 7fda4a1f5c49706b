import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectConsistent, expectNothingLostYet, Load } from '../support/ledger-faults.js';
import { LedgerWorld } from '../support/ledger-world.js';

const CLIENTS = 16;

// The built product on its embedded database, with its own durability: what was committed survives.
describe('the ledger while PostgreSQL', () => {
  let world: LedgerWorld;
  let load: Load | null = null;
  let paused: number[] = [];
  beforeAll(async () => {
    world = await LedgerWorld.createEmbedded();
    world.upstream.delay = () => Math.random() * 40;
    const path = `/api/v1/mcp/connections/${world.connection}/`;
    const price_book = { per_call: '0.02', per_megabyte: '1' };
    expect((await world.product.client.patch(path, { price_book })).status).toBe(200);
    const budget = { period: 'day', max_requests: 1_000_000, max_cost: 1_000_000, action: 'block' };
    const set = await world.product.client.put(`/api/v1/mcp/workspace-access/${world.grant}/budget/`, budget);
    expect(set.status).toBe(200);
  });
  afterEach(async () => {
    resume();
    await load?.stop();
  });
  afterAll(async () => {
    await (world as LedgerWorld | undefined)?.end();
  });

  function postmaster(): number {
    return Number(readFileSync(join(world.folder, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
  }
  /** The postmaster first, so that no process of it is missed; the one that says which there are last. */
  async function pause(): Promise<void> {
    const first = postmaster();
    paused = [first];
    process.kill(first, 'SIGSTOP');
    const backends = await world.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' ORDER BY pid = pg_backend_pid()`,
    );
    for (const { pid } of backends) {
      process.kill(pid, 'SIGSTOP');
      paused.push(pid);
    }
  }
  function resume(): void {
    for (const pid of paused.splice(0).reverse()) process.kill(pid, 'SIGCONT');
  }
  async function readiness(): Promise<number> {
    return (await fetch(`${world.product.url}/health/ready`)).status;
  }

  /** Load before, during and after; afterwards everything that was acknowledged is there once. */
  async function survive(name: string, fault: (answeredBefore: number) => Promise<void>): Promise<void> {
    const { pid } = world.product;
    const under = (load = new Load(world, CLIENTS, name));
    await sleep(1_000);
    expect(under.answered.length).toBeGreaterThan(50);
    await fault(under.answered.length);
    await world.product.untilReady();
    const before = under.answered.length;
    await sleep(1_500);
    expect(under.answered.length - before).toBeGreaterThan(50);
    await under.stop();

    expect(world.product.pid).toBe(pid);
    const others = under.notes.filter(({ status }) => status !== 200 && status !== 503);
    expect(others).toEqual([]);
    const refused = under.notes.filter(({ status }) => status === 503);
    process.stderr.write(`${name}: ${under.answered.length} calls answered, ${refused.length} refused\n`);
    await expectNothingLostYet(world, under.notes);
    await expectConsistent(world, under.notes);
  }

  it.each(['SIGKILL', 'SIGINT'] as const)(
    'is restarted after %s has every answered call, and none twice',
    async (signal) => {
      await survive(`restarted ${signal}`, async () => {
        const before = postmaster();
        process.kill(before, signal);
        const statuses = new Set<number>();
        for (const end = Date.now() + 1_500; Date.now() < end;) {
          statuses.add(await readiness());
          await sleep(20);
        }
        expect([...statuses]).toContain(503);
        await world.product.untilReady();
        expect(postmaster()).not.toBe(before);
      });
    },
  );

  it.each([4, 20])('is paused for %i s has every answered call, and none twice', async (seconds) => {
    await survive(`paused ${seconds}`, async () => {
      await pause();
      const statuses = new Set<number>();
      for (const end = Date.now() + seconds * 1_000; Date.now() < end; await sleep(100))
        statuses.add(await readiness());
      expect([...statuses]).toEqual([503]);
      resume();
    });
  });
});
