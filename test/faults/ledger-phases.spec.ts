import { eventually, LedgerWorld } from '../support/ledger-world.js';
import { expectConsistent, type Note } from '../support/ledger-faults.js';
import { workDone } from '../support/upstreams/journal.js';

const WHOLE_LEDGER = 'LOCK TABLE open_calls IN ACCESS EXCLUSIVE MODE';
/** What `ledger_close` writes first and last. */
const ROLL_UP = ['usage_records', 'audit_heads'];

// Each moment of a call is held from outside, by a lock in the database or by the upstream.
describe('a product that is killed with -9', () => {
  let world: LedgerWorld;
  const notes: Note[] = [];
  /** Of calls without an answer, how the ledger has to say they ended; null: not at all. */
  const expected = new Map<string, string | null>();
  beforeAll(async () => {
    world = await LedgerWorld.create();
    const price_book = { per_call: '0.25' };
    const path = `/api/v1/mcp/connections/${world.connection}/`;
    expect((await world.product.client.patch(path, { price_book })).status).toBe(200);
    const budget = { period: 'day', max_requests: 1_000, max_cost: 1_000, action: 'block' };
    const set = await world.product.client.put(`/api/v1/mcp/workspace-access/${world.grant}/budget/`, budget);
    expect(set.status).toBe(200);
  });
  afterAll(async () => {
    await (world as LedgerWorld | undefined)?.end();
  });

  /** A call of the workspace token that gets no answer. */
  function ask(id: string): { lost: Promise<void> } {
    const note: Note = { id, key: id, as: 'agent', status: null, body: null };
    notes.push(note);
    const answered = world.execute(world.agent(), id, id).then(
      ({ status }) => (note.status = status),
      () => null,
    );
    return { lost: answered.then((status) => expect(status).toBeNull()) };
  }
  const until = (made: () => boolean): Promise<boolean> => eventually(async () => made(), Boolean);

  async function killAndRestart(before: { lost: Promise<void> }, between: () => Promise<unknown>): Promise<void> {
    await world.product.end('SIGKILL');
    await before.lost;
    await between();
    await world.restart();
  }

  it('before a call is opened has made no call, and says nothing of one', async () => {
    const unlock = await world.lock(WHOLE_LEDGER);
    const asked = ask('before-open');
    const stuck = await world.untilStuck('ledger_open');
    await killAndRestart(asked, async () => {
      await world.terminate(stuck);
      await unlock();
    });
    expect([world.made('before-open'), await world.isOpen('before-open')]).toEqual([0, false]);
    expected.set('before-open', null);
  });

  it('while a call is being opened has made no call; what PostgreSQL still commits ends unknown', async () => {
    const unlock = await world.lock(WHOLE_LEDGER);
    const asked = ask('in-open');
    await world.untilStuck('ledger_open');
    await killAndRestart(asked, unlock);
    await eventually(() => world.isOpen('in-open'), Boolean);
    expect(world.made('in-open')).toBe(0);
    expected.set('in-open', 'unknown');
  });

  it('between open and upstream has made no call, and its row ends unknown', async () => {
    const release = world.upstream.hold('initialize');
    const asked = ask('opened');
    await eventually(() => world.isOpen('opened'), Boolean);
    await killAndRestart(asked, async () => release());
    expect([world.made('opened'), await world.isOpen('opened')]).toEqual([0, true]);
    expected.set('opened', 'unknown');
  });

  it('while the upstream works leaves a call that ends unknown', async () => {
    const release = world.upstream.hold('tools/call');
    const asked = ask('working');
    await until(() => world.made('working') === 1);
    expect(await world.isOpen('working')).toBe(true);
    await killAndRestart(asked, async () => release());
    expected.set('working', 'unknown');
  });

  it('between the answer of the upstream and the close leaves a call that ends unknown', async () => {
    const release = world.upstream.hold('tools/call');
    const asked = ask('answered');
    await until(() => world.made('answered') === 1);
    const unlock = await world.lock(WHOLE_LEDGER);
    release();
    const stuck = await world.untilStuck('ledger_close');
    await killAndRestart(asked, async () => {
      await world.terminate(stuck);
      await unlock();
    });
    expect(await world.isOpen('answered')).toBe(true);
    expected.set('answered', 'unknown');
  });

  it.each(ROLL_UP)('during the roll-up, at %s, leaves all of it or nothing', async (table) => {
    for (const isCommitted of [false, true]) {
      const id = `${table}-${isCommitted ? 'committed' : 'rolled-back'}`;
      const unlock = await world.lock(`SELECT FROM ${table} FOR UPDATE`);
      const asked = ask(id);
      const stuck = await world.untilStuck('ledger_close');
      // Others still see the call as open.
      expect([await world.isOpen(id), await world.rows(id)]).toEqual([true, []]);
      await killAndRestart(asked, async () => {
        if (!isCommitted) await world.terminate(stuck);
        await unlock();
      });
      if (isCommitted)
        await eventually(
          () => world.rows(id),
          ([row]) => row?.outcome === 'ok',
        );
      else expect(await world.isOpen(id)).toBe(true);
      expected.set(id, isCommitted ? 'ok' : 'unknown');
    }
  });

  it('has closed every call a minute later, each once, uncharged where it is unknown, and totals equal the rows', async () => {
    await expectConsistent(world, notes);
    for (const [id, outcome] of expected) {
      const rows = await world.rows(id);
      const cost = outcome === 'ok' ? '0.25' : '0';
      expect([id, rows.map((row) => [row.outcome, row.cost])]).toEqual([id, outcome === null ? [] : [[outcome, cost]]]);
    }
  });

  it('runs a call again for its key only where nothing was begun, and answers again where it ended', async () => {
    for (const [id, outcome] of expected) {
      const made = world.made(id);
      const { status, body, headers } = await world.execute(world.agent(), id, id);
      if (outcome === 'unknown') expect([id, status, body.error]).toEqual([id, 409, 'outcome_unknown']);
      else expect([id, status, body.result]).toEqual([id, 200, workDone(id)]);
      expect([id, headers.get('idempotent-replayed')]).toEqual([id, outcome === 'ok' ? 'true' : null]);
      expect([id, world.made(id)]).toEqual([id, outcome === null ? 1 : made]);
    }
    await expectConsistent(world, notes);
  });
});
