import { setTimeout as sleep } from 'node:timers/promises';
import { expectConsistent, expectNothingLostYet, Load, randomOf, seeds } from '../support/ledger-faults.js';
import { hashOf, LedgerWorld } from '../support/ledger-world.js';
import { workDone } from '../support/upstreams/journal.js';

const CLIENTS = 16;
const KILLS = 2;

// The built product on a database that outlives it, and an upstream that writes down what reached it.
describe('the ledger of a product that is killed with -9 under load', () => {
  let world: LedgerWorld;
  let load: Load;
  beforeAll(async () => {
    world = await LedgerWorld.create();
    world.upstream.delay = () => Math.random() * 30;
    const { client } = world.product;
    const price_book = { per_call: '0.001', per_megabyte: '0.5' };
    expect((await client.patch(`/api/v1/mcp/connections/${world.connection}/`, { price_book })).status).toBe(200);
    const budget = { period: 'day', max_requests: 1_000_000, max_cost: 1_000_000, action: 'block' };
    expect((await client.put(`/api/v1/mcp/workspace-access/${world.grant}/budget/`, budget)).status).toBe(200);
    load = new Load(world, CLIENTS, `load ${Date.now()}`);
  });
  afterAll(async () => {
    await (load as Load | undefined)?.stop();
    await (world as LedgerWorld | undefined)?.end();
  });

  it.each(seeds(10))(
    `${KILLS} times at random moments of the seed %i has lost and doubled nothing so far`,
    async (seed) => {
      const random = randomOf(seed);
      for (let kill = 0; kill < KILLS; kill++) {
        const before = load.answered.length;
        await sleep(300 + random() * 700);
        await world.product.end('SIGKILL');
        expect(load.answered.length - before).toBeGreaterThan(10);
        await world.restart();
      }
      await expectAcknowledged();
    },
  );

  /** While the load goes on: what was answered before this looks. */
  async function expectAcknowledged(): Promise<void> {
    const noted = load.answered;
    const rows = await world.query<{ arguments_hash: string }>("SELECT arguments_hash FROM calls WHERE outcome = 'ok'");
    const written = new Set(rows.map((row) => row.arguments_hash));
    expect(noted.filter(({ id }) => !written.has(hashOf(id)))).toEqual([]);
    expect(written.size).toBe(rows.length);
  }

  it('has every call once a minute later, each that was answered with its outcome, and totals that equal the rows', async () => {
    await sleep(500);
    await load.stop();
    await expectNothingLostYet(world, load.notes);
    await expectConsistent(world, load.notes);
    const statuses = new Set(load.notes.map(({ status }) => status));
    expect([...statuses].filter((status) => status !== 200 && status !== null)).toEqual([]);
    const unanswered = load.notes.filter(({ status }) => status === null);
    process.stderr.write(`${load.answered.length} calls answered, ${unanswered.length} not\n`);
  });

  it('gives answers again for their keys, and runs nothing twice', async () => {
    const before = world.upstream.calls.length;
    const kept = load.answered.filter(({ key }) => key !== undefined).slice(-30);
    for (const { id, key, as, body } of kept) {
      const again = await world.execute(as === 'agent' ? world.agent() : world.product.client, id, key);
      expect([again.status, again.body]).toEqual([200, body]);
      expect(again.body.result).toBe(workDone(id));
    }
    expect(world.upstream.calls.length).toBe(before);

    const lost = load.notes.filter(({ key, status }) => key !== undefined && status === null);
    expect(lost.length).toBeGreaterThan(0);
    for (const { id, key, as } of lost) {
      const again = await world.execute(as === 'agent' ? world.agent() : world.product.client, id, key);
      if (again.status !== 200) expect([again.status, again.body.error]).toEqual([409, 'outcome_unknown']);
      expect(world.made(id)).toBeLessThanOrEqual(1);
      expect(await world.rows(id)).toHaveLength(1);
    }
    await expectConsistent(world, load.notes);
  });
});
