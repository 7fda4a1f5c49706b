import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, ApiClient } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError, itHidesForeignRows, itIsProtected } from '../../../test/support/contract.js';
import { closedTogether, expectTotalsToEqualRows } from '../../../test/support/ledger.js';
import { newMember, newTenant, type Tenant, type TestUser } from '../../../test/support/tenants.js';
import { startHostile, type HostileUpstream } from '../../../test/support/upstreams/hostile.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

const CALLS = '/api/v1/mcp/calls/';
const ECHO_ANSWER = { content: [{ type: 'text', text: 'hello' }] };

describe('calls', () => {
  let app: TestApp;
  let upstream: OldEraUpstream;
  let hostile: HostileUpstream;
  let acme: Tenant;
  let other: Tenant;
  let member: TestUser;
  let agent: ApiClient;
  let connection: string;
  let hostileConnection: string;
  let grant: number;
  let echo: number;

  beforeAll(async () => {
    [app, upstream, hostile] = await Promise.all([startApp(), startOldEra({ json: true }), startHostile()]);
    [acme, other] = [await newTenant(app), await newTenant(app)];
    member = await newMember(app, acme, 'member');
    await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/members/`, {
      username: member.username,
      role: 'member',
    });
    connection = await connect('memos', upstream.url);
    hostileConnection = await connect('hostile', hostile.url, { timeout: 1 });
    echo = await resourceId('memos_echo');
    const granted = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection,
      access_name: 'Echo',
      allowed_resources: await Promise.all(['memos_echo', 'memos_fail', 'memos_wait', 'memos_refuse'].map(resourceId)),
      permission_level: 'write',
      auto_sync: false,
    });
    grant = granted.body.id as number;
    const token = await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: 'Agent' });
    agent = app.anonymous.withToken(token.body.token);
  });
  afterEach(() => expectTotalsToEqualRows(app));
  afterAll(async () => {
    await app.close();
    await Promise.all([upstream.close(), hostile.close()]);
  });

  async function connect(name: string, url: string, options?: object): Promise<string> {
    const body = { server_id: name, server_name: name, server_url: url };
    expect((await acme.owner.post('/mcp/servers', body)).status).toBe(200);
    const { body: rows } = await acme.owner.get('/api/v1/mcp/connections/');
    const { id } = rows.find((row: { server_id: string }) => row.server_id === name) as { id: string };
    if (options) await acme.owner.patch(`/api/v1/mcp/connections/${id}/`, { config_options: options });
    return id;
  }
  async function resourceId(tool: string): Promise<number> {
    const [row] = await app.query<{ id: number }>(
      'SELECT resource_id AS id FROM tools WHERE public_id = $1 AND organization_id = $2',
      [tool, acme.organization],
    );
    return row?.id ?? 0;
  }
  const execute = (client: ApiClient, tool: string, args: object, headers?: Record<string, string>): Promise<Answer> =>
    client.post(`/mcp/tools/${tool}/execute`, { arguments: args }, headers);
  /** The rows of the request that was answered so. */
  const of = async (answer: Answer, client = acme.owner): Promise<Record<string, unknown>[]> =>
    (await client.get(`${CALLS}?request_id=${answer.headers.get('x-request-id')}`)).body;

  itIsProtected(
    () => app.anonymous,
    () => [{ method: 'GET', path: CALLS }],
  );

  describe('of somebody else', () => {
    let foreign = '';
    beforeAll(async () => {
      const [row] = await of(await execute(acme.owner, 'memos_echo', { message: 'secret' }));
      foreign = String(row?.id);
    });
    itHidesForeignRows(
      () => other.owner,
      () => foreign,
      (id) => [{ method: 'GET', path: `${CALLS}${id}/` }],
    );
    it('are not listed: an empty list', async () => {
      expect((await other.owner.get(CALLS)).body).toEqual([]);
      for (const filter of [`connection=${connection}`, `workspace_access=${grant}`, `workspace=${acme.workspace}`])
        expect((await other.owner.get(`${CALLS}?${filter}`)).body).toEqual([]);
    });
  });

  it('that succeed are there when the answer is, with who, what, bytes and the hash of the arguments', async () => {
    const answer = await execute(agent, 'memos_echo', { message: 'hello' });
    expect(answer.status).toBe(200);
    const [row, ...more] = await of(answer);
    expect(more).toEqual([]);
    const sent = JSON.stringify({ message: 'hello' });
    expect(row).toMatchObject({
      organization: acme.organization,
      workspace: acme.workspace,
      workspace_access: grant,
      connection: { id: connection, connection_name: 'memos' },
      resource: { id: echo, resource_name: 'echo', resource_type: 'tool' },
      tool: { id: echo, name: 'echo' },
      actor: { type: 'token' },
      door: 'rest',
      operation: 'tools/call',
      outcome: 'ok',
      reason: 'granted',
      bytes_sent: sent.length,
      bytes_received: JSON.stringify(ECHO_ANSWER).length,
      cost: 0,
      arguments_hash: createHash('sha256').update(sent).digest('hex'),
    });
    expect(row?.duration).toBeGreaterThan(0);
    const { text } = await acme.owner.get(CALLS);
    expect(text).not.toContain('hello');
  });

  it('that admins make directly have no grant', async () => {
    const [row] = await of(await execute(acme.owner, 'memos_echo', { message: 'hello' }));
    expect(row).toMatchObject({
      workspace: null,
      workspace_access: null,
      reason: 'direct',
      actor: { type: 'user', id: acme.ownerId },
    });
  });

  it.each([
    ['memos_fail', {}, 200, 'tool_error', 'granted'],
    ['memos_refuse', { code: -32000 }, 502, 'upstream_error', 'rpc_error'],
    ['memos_refuse', { code: -32602 }, 400, 'upstream_error', 'refused_by_server'],
    ['memos_echo', { message: 7 }, 400, 'denied', 'arguments_invalid'],
    ['memos_add', { a: 1, b: 2 }, 404, 'denied', 'not_granted'],
  ])('of %s %j answer %i and are %s', async (tool, args, status, outcome, reason) => {
    const answer = await execute(agent, tool, args);
    expect(answer.status).toBe(status);
    const hidden = status === 404;
    expect(await of(answer)).toMatchObject([{ outcome, reason, workspace_access: hidden ? null : grant }]);
    expect(await of(answer, agent)).toHaveLength(hidden ? 0 : 1);
  });

  it('that take too long, or break the protocol, say so', async () => {
    const slow = await execute(acme.owner, 'hostile_hang', {});
    expect([slow.status, await of(slow)]).toMatchObject([504, [{ outcome: 'timeout', reason: 'timeout', cost: 0 }]]);
    const broken = await execute(acme.owner, 'hostile_html', {});
    expect([broken.status, await of(broken)]).toMatchObject([502, [{ outcome: 'upstream_error', reason: 'not_mcp' }]]);
    expect(hostileConnection).not.toBe('');
  });

  it('that an open circuit refuses are denied, no requests, and leave their key free', async () => {
    for (let failures = 0; failures < 5; failures++) await execute(acme.owner, 'hostile_reset', {});
    const key = { 'Idempotency-Key': 'never-left' };
    const answer = await execute(acme.owner, 'hostile_reset', {}, key);
    expectError(answer, 503, 'circuit_open');
    expect(await of(answer)).toMatchObject([{ outcome: 'denied', reason: 'circuit_open', bytes_received: 0, cost: 0 }]);
    expect(await app.query("SELECT * FROM idempotency_keys WHERE key = 'never-left'")).toEqual([]);
    const again = await execute(acme.owner, 'hostile_reset', {}, key);
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([503, null]);
  });

  it('with a key are brought to an end when their client hangs up: it comes back for the answer', async () => {
    const headers = { authorization: `Bearer ${agent.token}`, 'content-type': 'application/json' };
    const send = (signal?: AbortSignal): Promise<Response> =>
      fetch(`${app.url}/mcp/tools/memos_wait/execute`, {
        method: 'POST',
        signal,
        headers: { ...headers, 'idempotency-key': 'comes-back' },
        body: JSON.stringify({ arguments: { ms: 400 } }),
      });
    await expect(send(AbortSignal.timeout(100))).rejects.toThrow();
    let answer = await send();
    for (let tries = 0; answer.status === 409 && tries < 100; tries++) {
      await sleep(50);
      answer = await send();
    }
    expect([answer.status, answer.headers.get('idempotent-replayed')]).toEqual([200, 'true']);
    expect(await answer.json()).toMatchObject({ result: 'done' });
  });

  it('whose client hangs up are cancelled; before, they are listed without an outcome', async () => {
    const controller = new AbortController();
    const asked = fetch(`${app.url}/mcp/tools/memos_wait/execute`, {
      method: 'POST',
      signal: controller.signal,
      headers: {
        authorization: `Bearer ${agent.token}`,
        'content-type': 'application/json',
        'x-request-id': 'hung-up-1',
      },
      body: JSON.stringify({ arguments: { ms: 60_000 } }),
    }).catch(() => null);
    const rows = async (): Promise<Record<string, unknown>[]> =>
      (await acme.owner.get(`${CALLS}?request_id=hung-up-1`)).body;
    for (let tries = 0; (await rows()).length === 0 && tries < 200; tries++) await sleep(10);
    expect(await rows()).toMatchObject([{ outcome: null, finished_at: null, duration: null, cost: null }]);
    controller.abort();
    await asked;
    for (let tries = 0; (await rows())[0]?.outcome === null && tries < 200; tries++) await sleep(10);
    expect(await rows()).toMatchObject([{ outcome: 'cancelled', reason: 'cancelled' }]);
  });

  it('of reads count on the resource, or on the template that it is an expansion of', async () => {
    const { body } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}&limit=500`);
    const memo = body.find((row: { resource_uri: string }) => row.resource_uri === 'memo://one') as { id: number };
    const answer = await acme.owner.post(`/api/v1/mcp/resources/${memo.id}/read/`);
    expect(await of(answer)).toMatchObject([
      { operation: 'resources/read', outcome: 'ok', resource: { id: memo.id }, tool: null },
    ]);
    const missing = await acme.owner.post(`/mcp/servers/memos/resources/${encodeURIComponent('memo://three')}/read`);
    expect(missing.status).toBe(404);
    const template = body.find((row: { resource_uri: string }) => row.resource_uri === 'memo://{id}') as { id: number };
    expect(await of(missing)).toMatchObject([
      { outcome: 'upstream_error', reason: 'rpc_error', resource: { id: template.id } },
    ]);
  });

  it('are filtered and paged, newest first', async () => {
    const first = await execute(agent, 'memos_echo', { message: '1' });
    const second = await execute(agent, 'memos_echo', { message: '2' });
    const page = await acme.owner.get(`${CALLS}?limit=1&workspace_access=${grant}`);
    expect(page.body).toMatchObject([{ request_id: second.headers.get('x-request-id') }]);
    const next = new URL(/<([^>]+)>/.exec(page.headers.get('link') ?? '')?.[1] ?? '');
    expect((await acme.owner.get(next.pathname + next.search)).body).toMatchObject([
      { request_id: first.headers.get('x-request-id') },
    ]);
    expect(Number(page.headers.get('x-total-count'))).toBeGreaterThan(2);
    const today = new Date().toISOString().slice(0, 10);
    const { body: denied } = await acme.owner.get(`${CALLS}?outcome=denied&date_from=${today}&door=rest`);
    expect(new Set(denied.map((row: { outcome: string }) => row.outcome))).toEqual(new Set(['denied']));
    expect((await acme.owner.get(`${CALLS}?date_to=2023-01-01`)).body).toEqual([]);
    expect((await acme.owner.get(`${CALLS}?resource=${echo}&connection=${connection}&outcome=ok`)).body).not.toEqual(
      [],
    );
    expect((await acme.owner.get(`${CALLS}?actor=${acme.ownerId}&workspace=${acme.workspace}`)).body).toEqual([]);
  });

  it('are seen by members of their workspace and, by agents, their own only', async () => {
    const mine = await execute(agent, 'memos_echo', { message: 'agent' });
    const theirs = await execute(member.client, 'memos_echo', { message: 'member' });
    expect(await of(mine, member.client)).toHaveLength(1);
    expect(await of(theirs, member.client)).toHaveLength(1);
    expect(await of(mine, agent)).toHaveLength(1);
    expect(await of(theirs, agent)).toEqual([]);
    const direct = await execute(acme.owner, 'memos_echo', { message: 'owner' });
    expect(await of(direct, member.client)).toEqual([]);
  });

  it.each([
    ['date_from=2026-13-01', 'date_from'],
    ['date_to=2026-02-30', 'date_to'],
    ['date_from=yesterday', 'date_from'],
    ['date_from=2026-02-02&date_to=2026-02-01', 'date_from'],
    ['date_from=2025-01-01&date_to=2026-02-01', 'date_to'],
    ['workspace=1', 'workspace'],
    ['connection=x', 'connection'],
    ['workspace_access=x', 'workspace_access'],
    ['resource=1.5', 'resource'],
    ['outcome=fine', 'outcome'],
    ['cursor=x', 'cursor'],
  ])('are not listed for %s: 400 naming %s', async (query, field) => {
    const answer = await acme.owner.get(`${CALLS}?${query}`);
    expectError(answer, 400, 'validation_failed');
    expect(Object.keys(answer.body.details.fields)).toEqual([field]);
  });

  it('share commits when they are many, and every one is written once', async () => {
    const before = await app.query<{ count: number }>('SELECT count(*)::int AS count FROM calls');
    const batches = 'SELECT count(DISTINCT chain_seq)::int AS count FROM calls';
    const linksBefore = await app.query<{ count: number }>(batches);
    const answers = await closedTogether(app, 150, () =>
      Promise.all(Array.from({ length: 200 }, (_, n) => execute(acme.owner, 'memos_echo', { message: String(n) }))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const after = await app.query<{ count: number }>('SELECT count(*)::int AS count FROM calls');
    expect((after[0]?.count ?? 0) - (before[0]?.count ?? 0)).toBe(200);
    const links = await app.query<{ count: number }>(batches);
    expect((links[0]?.count ?? 0) - (linksBefore[0]?.count ?? 0)).toBeLessThan(190);
    expect(await app.query('SELECT * FROM open_calls')).toEqual([]);
  });

  it('that can not be written down are not made', async () => {
    const { count } = (await execute(acme.owner, 'memos_count', {})).body.structured_content;
    await app.query('ALTER TABLE open_calls ADD CONSTRAINT broken CHECK (false) NOT VALID');
    try {
      const answer = await execute(acme.owner, 'memos_count', {});
      expectError(answer, 503, 'unavailable');
      expect(answer.headers.get('retry-after')).not.toBeNull();
    } finally {
      await app.query('ALTER TABLE open_calls DROP CONSTRAINT broken');
    }
    expect((await execute(acme.owner, 'memos_count', {})).body.structured_content).toEqual({ count: count + 1 });
  });

  it('can be neither changed nor removed in the database', async () => {
    for (const statement of [
      'UPDATE calls SET cost = 0',
      'DELETE FROM calls',
      'TRUNCATE calls',
      `DELETE FROM calls_${new Date().toISOString().slice(0, 7).replace('-', '_')}`,
    ])
      await expect(app.query(statement)).rejects.toThrow(/append-only/);
  });
});
