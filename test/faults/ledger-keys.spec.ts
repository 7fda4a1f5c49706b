import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../support/api-client.js';
import { expectConsistent, randomOf, seeds } from '../support/ledger-faults.js';
import { eventually, hashOf, LedgerWorld } from '../support/ledger-world.js';
import { workDone } from '../support/upstreams/journal.js';

/** The lease of a dead process, and the time that whoever judges it must have been alive. */
const LEASES_MS = 25_000;

describe('what a client asks for again with its key', () => {
  let world: LedgerWorld;
  beforeAll(async () => {
    world = await LedgerWorld.create();
  });
  afterAll(async () => {
    await (world as LedgerWorld | undefined)?.end();
  });

  /** As a client would, for as long as the key is in use. */
  function again(send: () => Promise<Answer>): Promise<Answer> {
    return eventually(send, ({ body }) => body.error !== 'idempotency_key_in_use', LEASES_MS);
  }

  it('after its socket closed unread is answered as the first time, and was made once', async () => {
    const id = 'unread';
    const sent = request(`${world.product.url}/mcp/tools/journal_work/execute`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${world.agent().token}`,
        'content-type': 'application/json',
        'idempotency-key': id,
      },
    });
    sent.on('error', () => undefined);
    sent.end(JSON.stringify({ arguments: { id } }));
    await eventually(
      () => world.rows(id),
      ({ length }) => length === 1,
    );
    sent.destroy();
    const answer = await again(() => world.execute(world.agent(), id, id));
    expect([answer.status, answer.body.result, world.made(id)]).toEqual([200, workDone(id), 1]);
    expect((await world.rows(id)).map(({ outcome }) => outcome)).toEqual(['ok']);
  });

  it('while the process that had it was killed is run only if it was not begun', async () => {
    const release = world.upstream.hold('tools/call');
    const working = world.execute(world.agent(), 'working', 'working').catch(() => null);
    await eventually(async () => world.made('working'), Boolean);
    const unlock = await world.lock('LOCK TABLE open_calls IN ACCESS EXCLUSIVE MODE');
    const opening = world.execute(world.agent(), 'opening', 'opening').catch(() => null);
    const stuck = await world.untilStuck('ledger_open');
    await world.product.end('SIGKILL');
    expect(await Promise.all([working, opening])).toEqual([null, null]);
    await world.terminate(stuck);
    await unlock();
    release();
    await world.restart();

    const [begun, notBegun] = await Promise.all(
      ['working', 'opening'].map((id) => again(() => world.execute(world.agent(), id, id))),
    );
    expect([begun?.status, begun?.body.error, world.made('working')]).toEqual([409, 'outcome_unknown', 1]);
    expect([notBegun?.status, notBegun?.body.result, world.made('opening')]).toEqual([200, workDone('opening'), 1]);
    await world.untilSettled();
    const later = await world.execute(world.agent(), 'working', 'working');
    expect([later.status, later.body.error, world.made('working')]).toEqual([409, 'outcome_unknown', 1]);
    await expectConsistent(world, []);
  });

  it('creates one workspace, at whatever moment the process was killed', async () => {
    const [seed = 1] = seeds(1);
    const random = randomOf(seed);
    const names = Array.from({ length: 8 }, (_, index) => `Workspace ${seed} ${index}`);
    const create = (name: string): Promise<Answer> =>
      world.product.client.post(
        '/api/v1/workspaces/',
        { organization: world.organization, name },
        { 'idempotency-key': name.replaceAll(' ', '-') },
      );
    const before = await world.query('SELECT FROM workspaces');
    let lost = 0;
    for (const [index, name] of names.entries()) {
      // The first request of a process takes longer than all others.
      await world.product.client.get('/api/v1/workspaces/');
      const asked = create(name).catch(() => null);
      await sleep(random() * 2 * index);
      await world.product.end('SIGKILL');
      if (!(await asked)) lost++;
      await world.restart();
    }
    expect(lost).toBeGreaterThan(0);

    const answers = await Promise.all(names.map((name) => again(() => create(name))));
    expect(answers.map(({ status, body }) => [status, body.name])).toEqual(names.map((name) => [201, name]));
    const after = await world.query<{ id: string; name: string }>(
      'SELECT id, name FROM workspaces WHERE name = ANY($1) ORDER BY name',
      [names],
    );
    expect(after).toEqual(answers.map(({ body }) => ({ id: body.id, name: body.name })));
    expect(await world.query('SELECT FROM workspaces')).toHaveLength(before.length + names.length);
    const written = await world.query<{ count: number }>(
      "SELECT count(*)::int AS count FROM audit_records WHERE action = 'workspace.created' AND object_id = ANY($1)",
      [after.map(({ id }) => id)],
    );
    expect(written).toEqual([{ count: names.length }]);
    await expectConsistent(world, []);
  });

  describe('of a ledger or a trail that can not be written', () => {
    it('is not made where it can not be opened: 503, and nothing reaches the upstream', async () => {
      await world.query('ALTER TABLE open_calls ADD CONSTRAINT broken CHECK (false) NOT VALID');
      for (const client of [world.agent(), world.product.client]) {
        const answer = await world.execute(client, 'unopened', undefined);
        expect([answer.status, answer.body.error]).toEqual([503, 'unavailable']);
        expect(answer.headers.get('retry-after')).not.toBeNull();
      }
      await world.query('ALTER TABLE open_calls DROP CONSTRAINT broken');
      expect([world.made('unopened'), await world.rows('unopened')]).toEqual([0, []]);
    });

    it('is answered 503 after ten seconds where it can not be closed, and closed as it ended when it can', async () => {
      const id = 'unclosed';
      await world.query(`CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$`);
      await world.query(`CREATE TRIGGER no_space BEFORE INSERT ON calls FOR EACH ROW
        WHEN (NEW.arguments_hash = '${hashOf(id)}') EXECUTE FUNCTION no_space()`);
      const began = Date.now();
      const asked = world.execute(world.agent(), id, id);
      await eventually(async () => world.made(id), Boolean);
      // What can be written is written meanwhile.
      expect((await world.execute(world.agent(), 'beside')).status).toBe(200);
      const answer = await asked;
      expect([answer.status, answer.body.error]).toEqual([503, 'unavailable']);
      expect(answer.headers.get('retry-after')).not.toBeNull();
      expect(Date.now() - began).toBeLessThan(13_000);
      expect([await world.isOpen(id), await world.rows(id)]).toEqual([true, []]);

      await world.query('DROP TRIGGER no_space ON calls');
      const closed = await eventually(
        () => world.rows(id),
        ({ length }) => length > 0,
        10_000,
      );
      expect(closed.map(({ outcome }) => outcome)).toEqual(['ok']);
      const replayed = await again(() => world.execute(world.agent(), id, id));
      expect([replayed.status, replayed.body.result, world.made(id)]).toEqual([200, workDone(id), 1]);
      await expectConsistent(world, []);
    });

    it('changes nothing where the trail of changes can not be written', async () => {
      await world.query('ALTER TABLE audit_records ADD CONSTRAINT broken CHECK (false) NOT VALID');
      const body = { organization: world.organization, name: 'Unrecorded' };
      const answer = await world.product.client.post('/api/v1/workspaces/', body);
      await world.query('ALTER TABLE audit_records DROP CONSTRAINT broken');
      expect([answer.status, answer.body.error]).toEqual([503, 'unavailable']);
      expect(await world.query("SELECT FROM workspaces WHERE name = 'Unrecorded'")).toEqual([]);
      expect((await world.product.client.post('/api/v1/workspaces/', body)).status).toBe(201);
    });
  });
});
