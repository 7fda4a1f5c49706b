import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startApp, type TestApp } from '../../../../test/support/app.js';
import type { Answer, ApiClient } from '../../../../test/support/api-client.js';
import { expectError } from '../../../../test/support/contract.js';
import { newTenant, type Tenant } from '../../../../test/support/tenants.js';
import { startOldEra, type OldEraUpstream } from '../../../../test/support/upstreams/old-era.js';
import type { Actor } from '../../auth/actor.js';
import { Database } from '../../database/transaction.js';
import { ProcessLease } from '../../processes/process-lease.service.js';
import { IdempotencyService } from './idempotency.service.js';

const WORKSPACES = '/api/v1/workspaces/';

describe('Idempotency-Key', () => {
  let app: TestApp;
  let beside: TestApp;
  let upstream: OldEraUpstream;
  let acme: Tenant;

  beforeAll(async () => {
    [app, upstream] = await Promise.all([startApp(), startOldEra()]);
    beside = await startApp({}, app);
    acme = await newTenant(app);
    const server = {
      server_id: 'good',
      server_url: upstream.url,
      server_name: 'Good',
      organization: acme.organization,
    };
    expect(await acme.owner.post('/mcp/servers', server)).toMatchObject({ status: 200 });
  });
  afterAll(async () => {
    await beside.close();
    await app.close();
    await upstream.close();
  });

  const keyed = (key: string, more: Record<string, string> = {}): Record<string, string> => ({
    'idempotency-key': key,
    ...more,
  });
  const body = (name: string = randomUUID()): { organization: string; name: string } => ({
    organization: acme.organization,
    name,
  });
  const create = (key: string, sent: object, client: ApiClient = acme.owner): Promise<Answer> =>
    client.post(WORKSPACES, sent, keyed(key));
  const count = async (name: string): Promise<number> =>
    (await app.query('SELECT 1 FROM workspaces WHERE name = $1', [name])).length;
  const rowOf = async (key: string): Promise<Record<string, unknown> | undefined> =>
    (await app.query('SELECT * FROM idempotency_keys WHERE key = $1', [key]))[0];
  /** As if its request had never been answered, by a process of that id. */
  const leftBy = (owner: string, key: string, effect: string | null = null): Promise<unknown> =>
    app.query('UPDATE idempotency_keys SET process_id = $1, effect = $2, status = NULL, answer = NULL WHERE key = $3', [
      owner,
      effect,
      key,
    ]);
  const expectReplay = (again: Answer, first: Answer): void => {
    expect([again.status, again.text]).toEqual([first.status, first.text]);
    expect([first.headers.get('idempotent-replayed'), again.headers.get('idempotent-replayed')]).toEqual([
      null,
      'true',
    ]);
  };

  it('answers a repetition as it did the first time, on every replica, and nothing happens twice', async () => {
    const [key, sent] = [randomUUID(), body()];
    const first = await create(key, sent);
    expect(first.status).toBe(201);
    // The same request, spelled otherwise.
    const same = { name: sent.name, organization: sent.organization };
    expectReplay(await create(key, same), first);
    expectReplay(await acme.owner.post('/api/v1/workspaces', sent, keyed(key)), first);
    expectReplay(await create(key, sent, acme.owner.at(beside.url)), first);
    expect(await count(sent.name)).toBe(1);
  });

  it('refuses another request with the key: other body, path, query or workspace', async () => {
    const [key, sent] = [randomUUID(), body()];
    await create(key, sent);
    expectError(await create(key, body()), 422, 'idempotency_key_reused');
    expectError(await create(key, body(), acme.owner.at(beside.url)), 422, 'idempotency_key_reused');
    const post = (path: string, more = {}): Promise<Answer> => acme.owner.post(path, sent, keyed(key, more));
    expectError(await post('/api/v1/organizations/'), 403, 'forbidden');
    expectError(await post(`${WORKSPACES}${acme.workspace}/members/`), 422, 'idempotency_key_reused');
    expectError(await post(`${WORKSPACES}?a=1`), 422, 'idempotency_key_reused');
    expectError(await post(WORKSPACES, { 'x-workspace-id': acme.workspace }), 422, 'idempotency_key_reused');
    expect((await create(key, sent)).status).toBe(201);
  });

  it('lets one of many at once through, over two replicas', async () => {
    for (let round = 0; round < 5; round++) {
      const [key, sent] = [randomUUID(), body()];
      const clients = Array.from({ length: 12 }, (_, at) => (at % 2 ? acme.owner : acme.owner.at(beside.url)));
      const answers = await Promise.all(clients.map((client) => create(key, sent, client)));
      const isReplay = (answer: Answer): boolean => answer.headers.has('idempotent-replayed');
      expect(answers.filter((answer) => answer.status === 201 && !isReplay(answer))).toHaveLength(1);
      for (const answer of answers.filter(({ status }) => status !== 201)) {
        expectError(answer, 409, 'idempotency_key_in_use');
        expect(answer.headers.get('retry-after')).toBe('1');
      }
      expect(await count(sent.name)).toBe(1);
    }
  });

  it('says that another request has it while that one is still running', async () => {
    const [key, sent] = [randomUUID(), { arguments: { ms: 600 } }];
    const execute = (client: ApiClient, args: object): Promise<Answer> =>
      client.post('/mcp/tools/good_wait/execute', args, keyed(key));
    const running = execute(acme.owner, sent);
    while (!(await rowOf(key))) await sleep(10);
    for (const client of [acme.owner, acme.owner.at(beside.url)]) {
      expectError(await execute(client, sent), 409, 'idempotency_key_in_use');
      expectError(await execute(client, { arguments: { ms: 1 } }), 422, 'idempotency_key_reused');
    }
    const first = await running;
    expect(first.status).toBe(200);
    expectReplay(await execute(acme.owner, sent), first);
  });

  it('runs a tool once', async () => {
    const key = randomUUID();
    const run = (headers: Record<string, string>): Promise<Answer> =>
      acme.owner.post('/mcp/tools/good_count/execute', {}, headers);
    const first = await run(keyed(key));
    const calls = first.body.structured_content.count as number;
    for (let time = 0; time < 3; time++) expectReplay(await run(keyed(key)), first);
    expect((await run({})).body.structured_content).toEqual({ count: calls + 1 });
  });

  it('repeats status and headers that are not the usual ones', async () => {
    const connection = (await acme.owner.get('/api/v1/mcp/connections/')).body[0].id as string;
    const discover = (): Promise<Answer> =>
      acme.owner.post(
        `/api/v1/mcp/connections/${connection}/discover/`,
        undefined,
        keyed(key, { prefer: 'respond-async' }),
      );
    const key = randomUUID();
    const first = await discover();
    expect(first.status).toBe(202);
    const again = await discover();
    expectReplay(again, first);
    for (const name of ['location', 'preference-applied'])
      expect(again.headers.get(name)).toBe(first.headers.get(name));
  });

  it('changes nothing for requests without a key, and where it is not taken', async () => {
    const sent = body();
    expect((await acme.owner.post(WORKSPACES, sent)).status).toBe(201);
    expectError(await acme.owner.post(WORKSPACES, sent), 409, 'name_taken');
    const key = randomUUID();
    const token = (): Promise<Answer> =>
      acme.owner.post(`${WORKSPACES}${acme.workspace}/tokens/`, { name: 'Agent' }, keyed(key));
    const [one, other] = [await token(), await token()];
    expect([one.status, other.status]).toEqual([201, 201]);
    expect(one.body.token).not.toBe(other.body.token);
    expect((await acme.owner.get(WORKSPACES, keyed('not valid'))).status).toBe(200);
    const login = { username: 'admin', password: 'wrong' };
    expectError(await app.anonymous.post('/api/v1/auth/login', login, keyed('not valid')), 401, 'invalid_credentials');
    expect(await rowOf(key)).toBeUndefined();
  });

  it('names the header when the key is none', async () => {
    for (const key of ['', 'two words', 'x'.repeat(256), 'grüße'].map((text) => Buffer.from(text).toString('latin1'))) {
      const answer = await create(key, body());
      expectError(answer, 400, 'validation_failed');
      expect(Object.keys(answer.body.details.fields)).toEqual(['Idempotency-Key']);
    }
    expect((await create('"8e03978e-40d5-43dd-bc93-6894a57f9324"', body())).status).toBe(201);
    expect((await create('~'.repeat(255), body())).status).toBe(201);
    expectError(await create('k', body(), app.anonymous), 401, 'unauthorized');
  });

  it('keeps the keys of people apart', async () => {
    const other = await newTenant(app);
    const key = randomUUID();
    const first = await create(key, body());
    const foreign = await create(key, { organization: other.organization, name: 'Theirs' }, other.owner);
    expect(foreign.status).toBe(201);
    expect(foreign.headers.has('idempotent-replayed')).toBe(false);
    expect(foreign.body.id).not.toBe(first.body.id);
  });

  it('is free again after a request that did nothing', async () => {
    const [key, sent] = [randomUUID(), body()];
    expectError(await create(key, { ...sent, surprise: 1 }), 400, 'validation_failed');
    expectError(await create(key, { ...sent, organization: randomUUID() }), 404, 'resource_not_found');
    expect(await rowOf(key)).toBeUndefined();
    expect((await create(key, sent)).status).toBe(201);
  });

  it('forgets a key after a day', async () => {
    const [key, sent, later] = [randomUUID(), body(), body()];
    const first = await create(key, sent);
    const age = (hours: number): Promise<unknown> =>
      app.query('UPDATE idempotency_keys SET created_at = now() - $1 * interval $$1 hour$$ WHERE key = $2', [
        hours,
        key,
      ]);
    await age(23);
    expectReplay(await create(key, sent), first);
    await age(25);
    expect((await create(key, later)).status).toBe(201);
    expectError(await create(key, sent), 422, 'idempotency_key_reused');
    await age(25);
    await app.app.get(IdempotencyService).removeExpired();
    expect(await rowOf(key)).toBeUndefined();
  });

  describe('whose process is gone', () => {
    const lease = (): ProcessLease => app.app.get(ProcessLease);
    /** As if it had not renewed its lease in time. */
    async function paused(): Promise<void> {
      await app.query('UPDATE process_leases SET held_until = now() WHERE id = $1', [lease().id]);
      await lease().beat();
    }
    /** As if it had held it for long. */
    async function aged(): Promise<void> {
      const real = performance.now.bind(performance);
      jest.spyOn(performance, 'now').mockImplementation(() => real() + 15_000);
      await lease().beat();
    }
    afterEach(() => jest.restoreAllMocks());

    it('is taken over where nothing was begun, once, and only by who may judge', async () => {
      const [key, sent] = [randomUUID(), body()];
      await create(key, sent);
      await app.query('DELETE FROM workspaces WHERE name = $1', [sent.name]);
      await leftBy(randomUUID(), key);
      await paused();
      expectError(await create(key, sent), 409, 'idempotency_key_in_use');
      await aged();
      expectError(await create(key, body()), 422, 'idempotency_key_reused');
      const answers = await Promise.all(Array.from({ length: 6 }, () => create(key, sent)));
      expect(answers.map(({ status }) => status)).toContain(201);
      expect(await count(sent.name)).toBe(1);
    });

    it('is not run again where something was begun', async () => {
      const [key, sent] = [randomUUID(), body()];
      await create(key, sent);
      await leftBy(randomUUID(), key, randomUUID());
      await paused();
      expectError(await create(key, sent), 409, 'idempotency_key_in_use');
      await aged();
      expectError(await create(key, sent), 409, 'outcome_unknown');
      expectError(await create(key, body()), 422, 'idempotency_key_reused');
      expect(await count(sent.name)).toBe(1);
    });

    it('stays with a process that lives, but not with this one when it does not work on it', async () => {
      const [key, sent] = [randomUUID(), body()];
      await create(key, sent);
      await aged();
      await leftBy(beside.app.get(ProcessLease).id, key);
      expectError(await create(key, sent), 409, 'idempotency_key_in_use');
      await leftBy(lease().id, key, 'something');
      expectError(await create(key, sent), 409, 'outcome_unknown');
      await leftBy(lease().id, key);
      // It ran once already.
      expectError(await create(key, sent), 409, 'name_taken');
    });

    it('is not waited for while a transaction holds it that is paused', async () => {
      const [key, sent] = [randomUUID(), body()];
      await create(key, sent);
      await leftBy(randomUUID(), key);
      await aged();
      const holder = new pg.Client(app.databaseUrl);
      await holder.connect();
      await holder.query('BEGIN');
      await holder.query('SELECT FROM idempotency_keys WHERE key = $1 FOR UPDATE', [key]);
      expectError(await create(key, sent), 409, 'idempotency_key_in_use');
      await holder.end();
    });
  });

  describe('in the transaction of a service', () => {
    const idempotency = (): IdempotencyService => app.app.get(IdempotencyService);
    const database = (): Database => app.app.get(Database);
    const actorWith = (idempotencyKey: string | null): Actor =>
      ({
        userId: acme.ownerId,
        tokenId: null,
        origin: { requestId: randomUUID(), address: '127.0.0.1', idempotencyKey },
      }) as Actor;

    it('keeps the answer with the status of a success, if it commits', async () => {
      const actor = actorWith(randomUUID());
      expect(await idempotency().claim(actor, 'a', 202)).toBeNull();
      const rolledBack = database().transaction(async (transaction) => {
        await idempotency().answer(transaction, actor, { id: 1 });
        throw new Error('no');
      });
      await expect(rolledBack).rejects.toThrow('no');
      expect(await rowOf(actor.origin.idempotencyKey ?? '')).toMatchObject({ status: null, answer: null });
      await database().transaction((transaction) => idempotency().answer(transaction, actor, { id: 2 }));
      await idempotency().finish(actor, { status: 202, body: { id: 3 }, headers: {} });
      expect(await idempotency().claim(actorWith(actor.origin.idempotencyKey), 'a', 202)).toEqual({
        status: 202,
        body: { id: 2 },
        headers: {},
      });
    });

    it('does not commit what is done under a key that somebody took over', async () => {
      const actor = actorWith(randomUUID());
      await idempotency().claim(actor, 'a', 201);
      await app.query('UPDATE idempotency_keys SET process_id = $1 WHERE key = $2', [
        beside.app.get(ProcessLease).id,
        actor.origin.idempotencyKey,
      ]);
      for (const step of ['answer', 'begin'] as const)
        await expect(
          database().transaction((transaction) => idempotency()[step](transaction, actor, 'x')),
        ).rejects.toMatchObject({ code: 'outcome_unknown' });
      await idempotency().release(actor);
      expect(await rowOf(actor.origin.idempotencyKey ?? '')).toBeDefined();
    });

    it('knows no outcome where something was begun and no answer came, on every replica', async () => {
      const [actor, content] = [actorWith(randomUUID()), 'a'];
      await idempotency().claim(actor, content, 200);
      await database().transaction((transaction) => idempotency().begin(transaction, actor, 'a server'));
      await idempotency().release(actor);
      const again = actorWith(actor.origin.idempotencyKey);
      for (const replica of [app, beside])
        await expect(replica.app.get(IdempotencyService).claim(again, content, 200)).rejects.toMatchObject({
          code: 'outcome_unknown',
        });
    });

    it('is a matter of requests that claimed one', async () => {
      const actor = actorWith(null);
      expect([idempotency().keyOf(actor), idempotency().sealed(actor, 200, {})]).toEqual([null, null]);
      await database().transaction(async (transaction) => {
        await idempotency().answer(transaction, actor, {});
        await idempotency().begin(transaction, actor, 'x');
      });
    });

    it('is settled later where the database was away at the end of the request', async () => {
      const actor = actorWith(randomUUID());
      await idempotency().claim(actor, 'a', 201);
      await app.query('ALTER TABLE idempotency_keys RENAME TO idempotency_keys_away');
      await idempotency().release(actor);
      await expect(idempotency().claim(actor, 'a', 201)).rejects.toThrow('idempotency_keys');
      await app.query('ALTER TABLE idempotency_keys_away RENAME TO idempotency_keys');
      const key = actor.origin.idempotencyKey ?? '';
      for (let tries = 0; (await rowOf(key)) && tries < 300; tries++) await sleep(20);
      expect(await rowOf(key)).toBeUndefined();
    });

    it('waits for an answer that is still to be written by the ledger', async () => {
      const actor = actorWith(randomUUID());
      await idempotency().claim(actor, 'a', 200);
      await database().transaction((transaction) => idempotency().begin(transaction, actor, 'a call'));
      const sealed = idempotency().sealed(actor, 502, { error: 'upstream_error' });
      expect(sealed).toMatchObject({ ...idempotency().keyOf(actor), status: 502 });
      await idempotency().release(actor);
      const again = (): Promise<unknown> => idempotency().claim(actorWith(actor.origin.idempotencyKey), 'a', 200);
      await expect(again()).rejects.toMatchObject({ code: 'idempotency_key_in_use' });
      await app.query('SELECT idempotency_complete($1, $2, $3, $4, $5, $6)', [
        ...Object.values({ ...idempotency().keyOf(actor) }),
        502,
        sealed?.answer,
      ]);
      expect(await again()).toEqual({ status: 502, body: { error: 'upstream_error' }, headers: {} });
    });
  });

  it('shows nothing in the database of what was asked and answered', async () => {
    const [key, sent] = [randomUUID(), body()];
    const first = await create(key, sent);
    const row = JSON.stringify(await rowOf(key));
    for (const text of [sent.name, first.body.id as string])
      for (const spelled of [text, Buffer.from(text).toString('hex'), Buffer.from(text).toString('base64url')])
        expect(row).not.toContain(spelled);
    // Bound to whose and which it is: an answer that was moved is none.
    const [moved, other] = [randomUUID(), body()];
    await create(moved, other);
    await app.query(
      'UPDATE idempotency_keys SET answer = (SELECT answer FROM idempotency_keys WHERE key = $1) WHERE key = $2',
      [key, moved],
    );
    expectError(await create(moved, other), 409, 'outcome_unknown');
  });

  it('does not run again what it can not open: the encryption key is gone', async () => {
    const [key, sent] = [randomUUID(), body()];
    await create(key, sent);
    const third = await startApp({ ENCRYPTION_KEYS: `other:${randomBytes(32).toString('base64')}` }, app);
    try {
      expectError(await create(key, sent, acme.owner.at(third.url)), 409, 'outcome_unknown');
      expect(await count(sent.name)).toBe(1);
    } finally {
      await third.close();
    }
  });

  it('is documented at every POST that takes it', async () => {
    const { paths } = (await app.anonymous.get('/docs-json')).body;
    const takes: Record<string, boolean> = {};
    for (const [path, operations] of Object.entries<Record<string, { parameters?: { name: string }[] }>>(paths))
      for (const [method, { parameters = [] }] of Object.entries(operations)) {
        const found = parameters.filter(({ name }) => name === 'Idempotency-Key').length;
        if (method === 'post') takes[path] = found === 1;
        else expect([method, path, found]).toEqual([method, path, 0]);
      }
    expect(Object.keys(takes).filter((path) => !takes[path])).toEqual([
      '/api/v1/auth/login',
      '/api/v1/auth/refresh',
      '/api/v1/auth/logout',
      '/api/v1/workspaces/{id}/tokens',
      '/api/v1/mcp/ws-tickets',
    ]);
    expect(Object.values(takes).filter(Boolean).length).toBeGreaterThan(10);
  });
});
