import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, ApiClient } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError, itHidesForeignRows, itIsProtected, itRefusesBadBodies } from '../../../test/support/contract.js';
import { expectTotalsToEqualRows } from '../../../test/support/ledger.js';
import { newMember, newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

describe('budgets', () => {
  let app: TestApp;
  let replica: TestApp;
  let upstream: OldEraUpstream;
  let acme: Tenant;
  let other: Tenant;
  let agent: ApiClient;
  let connection: string;
  let grant: number;
  let reached = 0;
  /** Milliseconds that the upstream takes. */
  let slow = 0;

  beforeAll(async () => {
    const tools = [{ name: 'echo', inputSchema: { type: 'object' } }];
    const call = async (): Promise<Record<string, unknown>> => {
      await sleep(slow);
      return { content: [{ type: 'text', text: String(++reached) }] };
    };
    [app, upstream] = await Promise.all([startApp(), startOldEra({ json: true, tools, call })]);
    replica = await startApp({}, app);
    [acme, other] = [await newTenant(app), await newTenant(app)];
    const server = { server_id: 'memos', server_name: 'memos', server_url: upstream.url };
    expect((await acme.owner.post('/mcp/servers', server)).status).toBe(200);
    connection = (await acme.owner.get('/api/v1/mcp/connections/')).body[0].id as string;
    const token = await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: 'Agent' });
    agent = app.anonymous.withToken(token.body.token);
  });
  beforeEach(async () => {
    const granted = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection,
      access_name: `Echo ${Math.random()}`,
      resource_filters: { tools: ['*'] },
      allowed_resources: (await acme.owner.get('/api/v1/mcp/resources/?resource_type=tool')).body.map(
        (row: { id: number }) => row.id,
      ),
      permission_level: 'write',
      auto_sync: false,
    });
    expect(granted.status).toBe(201);
    grant = granted.body.id as number;
    reached = 0;
  });
  afterEach(async () => {
    await acme.owner.delete(`/api/v1/mcp/workspace-access/${grant}/`);
    await expectTotalsToEqualRows(app);
    expect(await app.query('SELECT * FROM budget_windows WHERE reserved_requests <> 0 OR reserved_cost <> 0')).toEqual(
      [],
    );
  });
  afterAll(async () => {
    await replica.close();
    await app.close();
    await upstream.close();
  });

  const pathOf = (id: number | string = grant): string => `/api/v1/mcp/workspace-access/${id}/budget/`;
  const set = (body: object): Promise<Answer> => acme.owner.put(pathOf(), body);
  const execute = (client = agent): Promise<Answer> => client.post('/mcp/tools/memos_echo/execute', { arguments: {} });
  const price = async (price_book: object): Promise<void> => {
    expect((await acme.owner.patch(`/api/v1/mcp/connections/${connection}/`, { price_book })).status).toBe(200);
  };

  itIsProtected(
    () => app.anonymous,
    () => [
      { method: 'GET', path: pathOf(1) },
      { method: 'PUT', path: pathOf(1), body: {} },
      { method: 'DELETE', path: pathOf(1) },
    ],
  );
  itRefusesBadBodies(
    () => acme.owner,
    () => ({ method: 'PUT', path: pathOf(), body: { period: 'day', max_requests: 1, action: 'warn' } }),
  );

  describe('of somebody else', () => {
    let foreign = 0;
    beforeAll(async () => {
      const server = { server_id: 'memos', server_name: 'memos', server_url: upstream.url };
      await other.owner.post('/mcp/servers', server);
      const theirs = (await other.owner.get('/api/v1/mcp/connections/')).body[0].id as string;
      const body = { workspace: other.workspace, connection: theirs, access_name: 'Theirs' };
      foreign = (await other.owner.post('/api/v1/mcp/workspace-access/', body)).body.id as number;
      await other.owner.put(pathOf(foreign), { period: 'day', max_requests: 1, action: 'warn' });
    });
    itHidesForeignRows(
      () => acme.owner,
      () => String(foreign),
      (id) => [
        { method: 'GET', path: pathOf(id) },
        { method: 'PUT', path: pathOf(id), body: { period: 'day', max_requests: 1, action: 'warn' } },
        { method: 'DELETE', path: pathOf(id) },
      ],
    );
  });

  it('are set by admins, read by the people of the workspace, and removed', async () => {
    const member = await newMember(app, acme, 'member');
    await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/members/`, {
      username: member.username,
      role: 'manager',
    });
    expectError(await acme.owner.get(pathOf()), 404, 'resource_not_found');
    const body = { period: 'month', max_requests: 10, max_cost: 2.5, action: 'block' };
    expectError(await member.client.put(pathOf(), body), 403, 'forbidden');
    const answer = await set(body);
    const now = new Date();
    const next = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)).toISOString().replace('.000Z', 'Z');
    expect(answer.body).toEqual({
      workspace_access: grant,
      ...body,
      requests: 0,
      cost: 0,
      reserved_requests: 0,
      reserved_cost: 0,
      exhausted: false,
      resets_at: next,
    });
    for (const client of [member.client, agent]) expect((await client.get(pathOf())).body).toEqual(answer.body);
    expectError(await member.client.delete(pathOf()), 403, 'forbidden');
    expect((await acme.owner.delete(pathOf())).status).toBe(204);
    expectError(await acme.owner.get(pathOf()), 404, 'resource_not_found');
    expectError(await acme.owner.delete(pathOf()), 404, 'resource_not_found');
  });

  it.each([
    [{ period: 'day', action: 'block' }, 'max_requests'],
    [{ period: 'year', max_requests: 1, action: 'block' }, 'period'],
    [{ period: 'day', max_requests: -1, action: 'block' }, 'max_requests'],
    [{ period: 'day', max_requests: 1.5, action: 'block' }, 'max_requests'],
    [{ period: 'day', max_cost: 'much', action: 'block' }, 'max_cost'],
    [{ period: 'day', max_cost: 0.0000001, action: 'block' }, 'max_cost'],
    [{ period: 'day', max_requests: 1, action: 'stop' }, 'action'],
    [{ period: 'day', max_requests: 1, action: 'warn', cost: 0 }, 'cost'],
  ])('%j is refused, naming %s', async (body, field) => {
    const answer = await set(body);
    expectError(answer, 400, 'validation_failed');
    expect(Object.keys(answer.body.details.fields)).toEqual([field]);
  });

  it('block: the last request goes through, the next one is told when it resets, and it is written down', async () => {
    await set({ period: 'day', max_requests: 2, action: 'block' });
    expect([(await execute()).status, (await execute()).status]).toEqual([200, 200]);
    const answer = await execute();
    expectError(answer, 429, 'budget_exhausted');
    const midnight = new Date(Date.parse(new Date().toISOString().slice(0, 10)) + 86_400_000);
    expect(answer.body.details).toMatchObject({
      workspace_access: grant,
      limit: 'requests',
      period: 'day',
      maximum: 2,
      resets_at: midnight.toISOString().replace('.000Z', 'Z'),
    });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(reached).toBe(2);
    const { body } = await acme.owner.get(`/api/v1/mcp/calls/?workspace_access=${grant}&outcome=denied`);
    expect(body).toMatchObject([{ reason: 'budget_exhausted' }]);
    expect((await acme.owner.get(pathOf())).body).toMatchObject({ requests: 2, exhausted: true });
    // Admins act directly, for no grant.
    expect((await execute(acme.owner)).status).toBe(200);
    await set({ period: 'day', max_requests: 3, action: 'block' });
    expect((await execute()).status).toBe(200);
    await acme.owner.delete(pathOf());
    expect((await execute()).status).toBe(200);
  });

  it('hold with many concurrent calls on two replicas', async () => {
    await set({ period: 'week', max_requests: 20, action: 'block' });
    const clients = [agent, agent.at(replica.url)];
    const answers = await Promise.all(Array.from({ length: 80 }, (_, n) => execute(clients[n % 2])));
    const statuses = answers.map(({ status }) => status);
    // More than ten at once wait their turn; what waits too long is busy, and gives back what was held for it.
    expect(new Set(statuses).size).toBeLessThanOrEqual(3);
    expect(statuses.filter((status) => status === 200)).toHaveLength(20);
    expect(reached).toBe(20);
    expect((await acme.owner.get(pathOf())).body).toMatchObject({ requests: 20, reserved_requests: 0 });
  });

  it('on cost hold the worst case, and are never exceeded', async () => {
    await price({ per_call: '0.3', per_megabyte: '1' });
    // 0.3 and at most 10.48576 for the largest answer: one fits, and what it really cost makes room for more.
    await set({ period: 'month', max_cost: '11.4', action: 'block' });
    const burst = await Promise.all([execute(), execute(agent.at(replica.url)), execute()]);
    expect(burst.filter(({ status }) => status === 200)).toHaveLength(1);
    expectError(burst.find(({ status }) => status !== 200) ?? burst[0], 429, 'budget_exhausted');
    expect([(await execute()).status, (await execute()).status, (await execute()).status]).toEqual([200, 200, 429]);
    const { cost, reserved_cost: held } = (await acme.owner.get(pathOf())).body;
    expect(cost).toBeGreaterThan(0.9);
    expect(cost).toBeLessThan(0.91);
    expect(held).toBe(0);
    await price({});
  });

  it('that are set while calls are under way hold for them too', async () => {
    await set({ period: 'week', max_requests: 100, action: 'block' });
    slow = 500;
    const underWay = Array.from({ length: 5 }, () => execute());
    for (let tries = 0; (await app.query('SELECT 1 FROM open_calls')).length < 5 && tries < 200; tries++)
      await sleep(10);
    expect((await set({ period: 'month', max_requests: 6, action: 'block' })).body.reserved_requests).toBe(5);
    slow = 0;
    expect([(await execute()).status, (await execute()).status]).toEqual([200, 429]);
    expect((await Promise.all(underWay)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect((await acme.owner.get(pathOf())).body).toMatchObject({ requests: 6, reserved_requests: 0 });
  });

  it('that refuse a call leave its key free', async () => {
    await set({ period: 'day', max_requests: 0, action: 'block' });
    const keyed = (): Promise<Answer> =>
      agent.post('/mcp/tools/memos_echo/execute', { arguments: {} }, { 'Idempotency-Key': 'refused-once' });
    expectError(await keyed(), 429, 'budget_exhausted');
    expectError(await keyed(), 429, 'budget_exhausted');
    await acme.owner.delete(pathOf());
    expect((await keyed()).status).toBe(200);
    expect(reached).toBe(1);
  });

  it('count what was spent before they were set', async () => {
    await execute();
    await execute();
    expect((await set({ period: 'day', max_requests: 2, action: 'block' })).body).toMatchObject({ requests: 2 });
    expectError(await execute(), 429, 'budget_exhausted');
  });

  it('of 0 stop everything; warnings stop nothing and are told, in the log and in the trail', async () => {
    await set({ period: 'day', max_requests: 0, action: 'block' });
    expectError(await execute(), 429, 'budget_exhausted');
    await set({ period: 'day', max_requests: 1, action: 'warn' });
    expect([(await execute()).status, (await execute()).status]).toEqual([200, 200]);
    expect((await acme.owner.get(pathOf())).body).toMatchObject({ requests: 2, exhausted: true });
    const warnings = [...app.log, ...replica.log].filter((line) => line.includes('a budget is used up'));
    expect(warnings.filter((line) => line.includes(`"workspace_access_id":${grant},`))).toHaveLength(1);
    const trail = `/api/v1/mcp/audit/?action=budget.reached&object_type=workspace_access&object_id=${grant}`;
    const told = async (): Promise<{ actor: object; after: Record<string, unknown> }[]> =>
      (await acme.owner.get(trail)).body.filter((row: { after: object }) => 'window_start' in row.after);
    for (let tries = 0; (await told()).length === 0 && tries < 100; tries++);
    expect(await told()).toMatchObject([{ actor: { type: 'system' }, after: { period: 'day' } }]);
  });
});
