import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, ApiClient } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError, itHidesForeignRows, itIsProtected } from '../../../test/support/contract.js';
import { newMember, newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startHostile, type HostileUpstream } from '../../../test/support/upstreams/hostile.js';
import { memoryProgram } from '../../../test/support/upstreams/programs.js';

const CONNECTIONS = '/api/v1/mcp/connections/';
const PATIENCE_MS = 20_000;

describe('the health of a connection', () => {
  let app: TestApp;
  let replica: TestApp;
  let acme: Tenant;
  let stranger: Tenant;
  let upstream: HostileUpstream;
  let connection: string;

  beforeAll(async () => {
    app = await startApp({ STDIO_ENABLED: 'true' });
    [replica, upstream] = await Promise.all([startApp({ STDIO_ENABLED: 'true' }, app), startHostile()]);
    [acme, stranger] = [await newTenant(app), await newTenant(app)];
    await acme.owner.post('/mcp/servers', { server_id: 'shop', server_name: 'Shop', server_url: upstream.url });
    connection = (await acme.owner.get(CONNECTIONS)).body[0].id;
  });
  afterAll(async () => {
    await Promise.all([app.close(), replica.close()]);
    await upstream.close();
  });

  const path = (id = connection): string => `${CONNECTIONS}${id}/`;
  const health = async (id?: string): Promise<Record<string, unknown>[]> =>
    (await acme.owner.get(`${path(id)}health/`)).body;
  const facts = async (): Promise<Record<string, unknown>> => (await acme.owner.get(path())).body;
  const due = (id = connection): Promise<unknown> =>
    app.query('UPDATE connections SET next_check_at = now() WHERE id = $1', [id]);
  const elsewhere = (): ApiClient => replica.anonymous.withToken(acme.owner.token ?? '');
  const call = (client: ApiClient): Promise<Answer> => client.post('/mcp/tools/shop_echo/execute', { arguments: {} });

  async function until(is: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(50)) if (await is()) return;
    throw new Error(`not so after ${PATIENCE_MS} ms: ${JSON.stringify([await facts(), await health()])}`);
  }
  /** Makes it due, and waits for the check. */
  async function checked(id = connection): Promise<Record<string, unknown>> {
    const [latest] = await health(id);
    await due(id);
    await until(async () => (await health(id))[0]?.id !== latest?.id);
    return (await health(id))[0] ?? {};
  }

  itIsProtected(
    () => app.anonymous,
    () => [{ method: 'GET', path: `${path()}health/` }],
  );
  itHidesForeignRows(
    () => stranger.owner,
    () => connection,
    (id) => [{ method: 'GET', path: `${path(id)}health/` }],
  );

  it('is checked every minute unless told otherwise', async () => {
    expect((await facts()).health_check_interval).toBe(60);
    const [row] = await app.query<{ ms: number }>(
      'SELECT extract(epoch FROM next_check_at - created_at)::float8 AS ms FROM connections WHERE id = $1',
      [connection],
    );
    expect([row && row.ms > 50, row && row.ms < 70]).toEqual([true, true]);
  });

  it('is found by a check, with the time that the server took, and kept newest first', async () => {
    const before = (await facts()).last_connected as string;
    expect(await checked()).toEqual({
      id: expect.any(String),
      checked_at: expect.stringMatching(/^\d{4}-.*Z$/),
      trigger: 'schedule',
      status: 'connected',
      reason: null,
      latency_ms: expect.any(Number),
    });
    const { status, last_connected: after } = await facts();
    expect([status, (after as string) > before]).toEqual(['connected', true]);
    await acme.owner.post(`${path()}test/`);
    expect((await health()).map(({ trigger }) => trigger)).toEqual(['test', 'schedule']);
    const page = await acme.owner.get(`${path()}health/?limit=1`);
    expect([page.body.length, page.headers.get('x-total-count')]).toEqual([1, '2']);
    const next = /<([^>]+)>/.exec(page.headers.get('link') ?? '')?.[1] ?? '';
    expect((await acme.owner.get(new URL(next).pathname + new URL(next).search)).body[0].trigger).toBe('schedule');
    const member = await newMember(app, acme, 'member');
    expect((await member.client.get(`${path()}health/`)).status).toBe(200);
  });

  it('opens the circuit on every replica when the server is lost, and closes it when it is back', async () => {
    for (const client of [acme.owner, elsewhere()]) expect((await call(client)).status).toBe(200);
    upstream.become({ handshake: 'reset' });
    expect(await checked()).toMatchObject({ status: 'error', reason: 'connection_lost', latency_ms: null });
    expect((await facts()).status).toBe('error');
    for (const client of [acme.owner, elsewhere()]) {
      await until(async () => (await call(client)).status === 503);
      expectError(await call(client), 503, 'circuit_open');
    }
    upstream.become({});
    expect(await checked()).toMatchObject({ status: 'connected', reason: null });
    for (const client of [acme.owner, elsewhere()]) await until(async () => (await call(client)).status === 200);
  });

  it('is not given up by a replica that gets an answer, whatever another one says', async () => {
    const silent = JSON.stringify({
      origin: 'another',
      event: { type: 'connection_silent', connection_id: connection },
    });
    await app.query("SELECT pg_notify('control_plane_events', $1)", [silent]);
    for (let times = 0; times < 15; times++, await sleep(100))
      for (const client of [acme.owner, elsewhere()]) expect((await call(client)).status).toBe(200);
  });

  it('is not given up by a test that fails once', async () => {
    upstream.become({ handshake: 'reset' });
    expect((await acme.owner.post(`${path()}test/`)).body.success).toBe(false);
    upstream.become({});
    for (let times = 0; times < 5; times++, await sleep(100)) expect((await call(acme.owner)).status).toBe(200);
    expect((await acme.owner.post(`${path()}test/`)).body.success).toBe(true);
  });

  it('has nothing recorded of what was found while it was edited', async () => {
    upstream.become({ handshake: 'hang' });
    const before = (await health())[0]?.id;
    const asked = upstream.journal.length;
    await due();
    await until(async () => upstream.journal.length > asked);
    upstream.become({});
    await acme.owner.put(`${path()}credentials/`, { auth_data: { base_url: upstream.url } });
    await sleep(4_500);
    expect((await health())[0]?.id).toBe(before);
    expect((await call(acme.owner)).status).toBe(200);
  });

  it('is looked at less and less often while it fails, and as often as before once it works', async () => {
    const pauses: number[] = [];
    const pause = async (): Promise<number> => {
      const [row] = await app.query<{ s: number }>(
        'SELECT extract(epoch FROM next_check_at - now())::float8 AS s FROM connections WHERE id = $1',
        [connection],
      );
      return row?.s ?? 0;
    };
    upstream.become({ handshake: 'status-500' });
    // Each failing check looks twice.
    for (let times = 0; times < 3; times++) {
      await checked();
      pauses.push(await pause());
    }
    const [first = 0, second = 0, third = 0] = pauses;
    expect([first < 70, second > 100, second < 140, third > 200, third < 270]).toEqual(Array(5).fill(true));
    upstream.become({});
    await checked();
    expect(await pause()).toBeLessThan(70);
  });

  it('takes one failure for none where the server answers at once again', async () => {
    const handshakes = upstream.handshakes();
    upstream.become({ handshake: 'reset' });
    await due();
    // The first look has begun: see what was asked.
    const asked = upstream.journal.length;
    await until(async () => upstream.journal.length > asked);
    upstream.become({});
    const [latest] = await health();
    await until(async () => (await health())[0]?.id !== latest?.id);
    expect((await health())[0]).toMatchObject({ status: 'connected' });
    expect(upstream.handshakes()).toBeGreaterThan(handshakes);
  });

  it('is checked by one replica at a time', async () => {
    const before = (await health()).length;
    for (let times = 0; times < 3; times++) await checked();
    await sleep(4_500);
    expect((await health()).length).toBe(before + 3);
  });

  it('is not checked where that is switched off, or the connection is', async () => {
    for (const [off, on] of [
      [{ health_check_interval: 0 }, { health_check_interval: 10 }],
      [{ is_active: false }, { is_active: true }],
    ]) {
      expect((await acme.owner.patch(path(), off ?? {})).body).toMatchObject(off ?? {});
      const before = (await health()).length;
      await due();
      await sleep(4_500);
      expect((await health()).length).toBe(before);
      expect((await acme.owner.patch(path(), on ?? {})).status).toBe(200);
    }
    await due();
    await until(async () => (await health())[0]?.trigger === 'schedule');
  });

  it.each([-1, 1, 9, 86_401, 10.5, '60', null, true])('refuses an interval of %p', async (health_check_interval) => {
    const answer = await acme.owner.patch(path(), { health_check_interval });
    expectError(answer, 400, 'validation_failed');
    expect(answer.body.details.fields.health_check_interval.join()).toMatch(/10 to 86400|integer/);
  });

  it('keeps the latest checks only', async () => {
    await app.query(
      `INSERT INTO connection_checks (id, connection_id, trigger, checked_at)
       SELECT uuid_in(overlay(md5(n::text) placing '01000000' from 1)::cstring), $1, 'schedule', now() - interval '1 day'
         FROM generate_series(1, 700) n`,
      [connection],
    );
    await checked();
    expect((await acme.owner.get(`${path()}health/?limit=1`)).headers.get('x-total-count')).toBe('500');
  });

  it('is not checked by itself where that starts a process, unless an operator says so', async () => {
    const { command, args } = memoryProgram();
    const created = await app.admin.post(CONNECTIONS, {
      server: 5,
      organization: app.organization,
      connection_name: randomUUID(),
      auth_data: {},
      config_options: { command, args, timeout: 20 },
    });
    expect([created.status, created.body.health_check_interval]).toEqual([201, 0]);
    const admin = await newMember(app, { ...acme, organization: app.organization, owner: app.admin }, 'admin');
    const own = path(created.body.id);
    expectError(await admin.client.patch(own, { health_check_interval: 60 }), 403, 'forbidden');
    expect((await admin.client.patch(own, { health_check_interval: 0 })).status).toBe(200);
    expect((await app.admin.patch(own, { health_check_interval: 60 })).status).toBe(200);
    await due(created.body.id);
    await until(async () => (await app.admin.get(`${own}health/`)).body[0]?.status === 'connected');
  });
});
