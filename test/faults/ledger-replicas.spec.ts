import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../support/api-client.js';
import { expectConsistent, expectWindowsToEqualRows } from '../support/ledger-faults.js';
import { eventually, LedgerWorld } from '../support/ledger-world.js';
import type { Product } from '../support/product.js';

const AT_ONCE = 64;
const OVER = /^\d{4}-\d\d-\d\dT00:00:00Z$/;

// Two products on one database.
describe('two replicas', () => {
  let world: LedgerWorld;
  let second: Product;
  beforeAll(async () => {
    world = await LedgerWorld.create();
    second = await world.add();
  });
  afterAll(async () => {
    await (world as LedgerWorld | undefined)?.end();
  });

  const outcomes = async (id: string): Promise<string[]> => (await world.rows(id)).map(({ outcome }) => outcome);

  describe('and a budget that is nearly used up', () => {
    beforeAll(() => {
      world.upstream.delay = () => 20 + Math.random() * 60;
    });
    afterAll(() => {
      world.upstream.delay = () => 0;
    });

    async function limit(limits: object): Promise<void> {
      const budget = { period: 'day', action: 'block', ...limits };
      const answer = await world.product.client.put(`/api/v1/mcp/workspace-access/${world.grant}/budget/`, budget);
      expect(answer.status).toBe(200);
    }
    async function price(price_book: object | null): Promise<void> {
      const answer = await world.product.client.patch(`/api/v1/mcp/connections/${world.connection}/`, { price_book });
      expect(answer.status).toBe(200);
      // The other replica hears of it by a notification.
      await sleep(500);
    }
    async function spent(): Promise<{ requests: number; cost: number }> {
      const { body } = await world.product.client.get(`/api/v1/mcp/workspace-access/${world.grant}/budget/`);
      expect([body.reserved_requests, body.reserved_cost]).toEqual([0, 0]);
      return body;
    }
    /** All at once, half of them at each replica. */
    async function rush(name: string): Promise<{ ok: Answer[]; refused: Answer[]; made: number }> {
      const before = world.upstream.calls.length;
      const answers = await Promise.all(
        Array.from({ length: AT_ONCE }, (_, number) =>
          world.execute(world.agent(number % 2 === 0 ? world.product : second), `${name} ${number}`),
        ),
      );
      const ok = answers.filter(({ status }) => status === 200);
      const refused = answers.filter(({ status }) => status !== 200);
      for (const { status, body, headers } of refused) {
        expect([status, body.error]).toEqual([429, 'budget_exhausted']);
        const seconds = Number(headers.get('retry-after'));
        expect(seconds).toBeGreaterThan(0);
        expect(seconds).toBeLessThanOrEqual(86_400);
        expect(body.details.resets_at).toMatch(OVER);
        expect(Math.abs(Date.parse(body.details.resets_at) - Date.now() - seconds * 1_000)).toBeLessThan(5_000);
      }
      return { ok, refused, made: world.upstream.calls.length - before };
    }

    it('let exactly as many requests through as are left', async () => {
      const before = await world.query<{ count: number }>(
        "SELECT count(*)::int AS count FROM calls WHERE workspace_access_id IS NOT NULL AND outcome = 'ok'",
      );
      const most = (before[0]?.count ?? 0) + 25;
      await limit({ max_requests: most });
      const { ok, refused, made } = await rush('requests');
      expect([ok.length, refused.length, made]).toEqual([25, AT_ONCE - 25, 25]);
      expect(refused[0]?.body.details).toMatchObject({ limit: 'requests', period: 'day', maximum: most });
      expect((await spent()).requests).toBe(most);
      // Denied ones are in the ledger too, and count nothing.
      const denied = await world.query("SELECT cost::int FROM calls WHERE reason = 'budget_exhausted'");
      expect(denied).toEqual(Array.from({ length: AT_ONCE - 25 }, () => ({ cost: 0 })));
      await expectWindowsToEqualRows(world);
    });

    it('let exactly as many calls of one price through as are paid for', async () => {
      await price({ per_call: 0.3 });
      await limit({ max_cost: 2 });
      const { ok, refused, made } = await rush('cost');
      expect([ok.length, refused.length, made]).toEqual([6, AT_ONCE - 6, 6]);
      expect(refused[0]?.body.details).toMatchObject({ limit: 'cost', maximum: 2 });
      expect((await spent()).cost).toBe(1.8);
      await expectWindowsToEqualRows(world);
    });

    it('never exceed a cost that depends on the size: the largest is held beforehand', async () => {
      await price({ per_call: 0.01, per_megabyte: 0.05 });
      await limit({ max_cost: 3.8 });
      for (let round = 0; round < 3; round++) await rush(`size ${round}`);
      const { cost } = await spent();
      expect(cost).toBeGreaterThan(1.8);
      expect(cost).toBeLessThanOrEqual(3.8);
      await expectWindowsToEqualRows(world);
    });

    it('agree with the rows, and both chains are whole', async () => {
      await expectConsistent(world, []);
      const removed = await world.product.client.delete(`/api/v1/mcp/workspace-access/${world.grant}/budget/`);
      expect(removed.status).toBe(204);
      await price(null);
    });
  });

  it('of which one is paused for longer than its lease: the other closes its call, and it can not close it again', async () => {
    const id = 'paused';
    const release = world.upstream.hold('tools/call');
    const asked = world.execute(world.agent(), id, id);
    await eventually(async () => world.made(id), Boolean);
    process.kill(world.product.pid, 'SIGSTOP');
    try {
      const closed = await eventually(
        () => outcomes(id),
        ({ length }) => length > 0,
        40_000,
      );
      expect(closed).toEqual(['unknown']);
      release();
      const other = await world.execute(world.agent(second), id, id);
      expect([other.status, other.body.error]).toEqual([409, 'outcome_unknown']);
    } finally {
      process.kill(world.product.pid, 'SIGCONT');
    }
    const answer = await asked;
    expect([answer.status, answer.body.error]).toEqual([409, 'outcome_unknown']);
    expect([await outcomes(id), world.made(id)]).toEqual([['unknown'], 1]);
    // It goes on working as before.
    expect((await world.execute(world.agent(), 'after')).status).toBe(200);
    const again = await world.execute(world.agent(), id, id);
    expect([again.status, again.body.error, world.made(id)]).toEqual([409, 'outcome_unknown', 1]);
    await expectConsistent(world, []);
  });

  it('of which one is paused before its call leaves: the call was closed, and what it answers now is not passed on', async () => {
    const id = 'paused early';
    const third = await world.add();
    const release = world.upstream.hold('initialize');
    const asked = world.execute(world.agent(third), id);
    await eventually(() => world.isOpen(id), Boolean);
    process.kill(third.pid, 'SIGSTOP');
    try {
      await eventually(
        () => outcomes(id),
        ({ length }) => length > 0,
        40_000,
      );
    } finally {
      process.kill(third.pid, 'SIGCONT');
    }
    release();
    const answer = await asked;
    expect([answer.status, answer.body.error]).toEqual([409, 'outcome_unknown']);
    expect(await outcomes(id)).toEqual(['unknown']);
    expect(world.made(id)).toBeLessThanOrEqual(1);
    await expectConsistent(world, []);
  });
});
