import type { Answer, ApiClient } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError, itIsProtected } from '../../../test/support/contract.js';
import { expectTotalsToEqualRows } from '../../../test/support/ledger.js';
import { newMember, newTenant, type Tenant, type TestUser } from '../../../test/support/tenants.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

const USAGE = '/api/v1/mcp/usage/';
const SUMMARY = `${USAGE}summary/`;
const today = (): string => new Date().toISOString().slice(0, 10);
const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);

describe('usage', () => {
  let app: TestApp;
  let upstream: OldEraUpstream;
  let acme: Tenant;
  let other: Tenant;
  let member: TestUser;
  let outsider: TestUser;
  let agent: ApiClient;
  let connection: string;
  let grant: number;
  const ids: Record<string, number> = {};

  beforeAll(async () => {
    [app, upstream] = await Promise.all([startApp(), startOldEra({ json: true })]);
    [acme, other] = [await newTenant(app), await newTenant(app)];
    [member, outsider] = [await newMember(app, acme, 'member'), await newMember(app, acme, 'member')];
    await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/members/`, {
      username: member.username,
      role: 'member',
    });
    const server = { server_id: 'memos', server_name: 'memos', server_url: upstream.url };
    expect((await acme.owner.post('/mcp/servers', server)).status).toBe(200);
    connection = (await acme.owner.get('/api/v1/mcp/connections/')).body[0].id as string;
    const price_book = { per_call: 0.01, per_megabyte: '2.5', tools: { add: 0.3 } };
    expect((await acme.owner.patch(`/api/v1/mcp/connections/${connection}/`, { price_book })).status).toBe(200);
    const { body: resources } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}&limit=500`);
    for (const { id, resource_uri: uri } of resources) ids[uri.replace('tool://memos/', '')] = id as number;
    const granted = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection,
      access_name: 'Some',
      allowed_resources: [ids.echo, ids.fail, ids.add, ids['memo://one']],
      permission_level: 'write',
      auto_sync: false,
    });
    grant = granted.body.id as number;
    const token = await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: 'Agent' });
    agent = app.anonymous.withToken(token.body.token);
    for (let n = 0; n < 3; n++) await execute('echo', { message: 'hello' });
    await execute('fail', {});
    await execute('add', { a: 1, b: 2 });
    // Refused: granted with arguments that do not fit, and not granted at all, which nobody of the workspace may learn.
    await execute('add', { a: 'x' });
    await execute('count', {});
    expect((await agent.post(`/api/v1/mcp/resources/${ids['memo://one']}/read/`)).status).toBe(200);
    await execute('count', {}, acme.owner);
  });
  afterEach(() => expectTotalsToEqualRows(app));
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  const execute = (tool: string, args: object, client = agent): Promise<Answer> =>
    client.post(`/mcp/tools/memos_${tool}/execute`, { arguments: args });
  const echoBytes =
    JSON.stringify({ message: 'hello' }).length + JSON.stringify({ content: [{ type: 'text', text: 'hello' }] }).length;
  const costs = async (): Promise<number> => (await acme.owner.get(SUMMARY)).body.total_cost as number;

  itIsProtected(
    () => app.anonymous,
    () => [
      { method: 'GET', path: USAGE },
      { method: 'GET', path: SUMMARY },
      { method: 'GET', path: `${USAGE}export/` },
    ],
  );

  it('is one record per grant, resource and UTC day, with the totals of its calls', async () => {
    const { body } = await acme.owner.get(`${USAGE}?workspace_access=${grant}&resource=${ids.echo}`);
    expect(body).toEqual([
      {
        id: expect.any(Number),
        workspace_access: grant,
        resource: { id: ids.echo, resource_name: 'echo', resource_type: 'tool' },
        usage_date: today(),
        request_count: 3,
        error_count: 0,
        avg_response_time: expect.any(Number),
        data_transferred: 3 * echoBytes,
        // Exact, where binary fractions would not be.
        cost: (3 * 10_000_000 + 3 * echoBytes * 2_500) / 1_000_000_000,
        denied_count: 0,
        unknown_count: 0,
        workspace: acme.workspace,
        connection,
      },
    ]);
    expect(body[0].avg_response_time).toBeGreaterThan(0);
    const denied = await acme.owner.get(`${USAGE}?workspace_access=${grant}&resource=${ids.add}`);
    expect(denied.body).toMatchObject([{ request_count: 1, denied_count: 1 }]);
    const failed = await acme.owner.get(`${USAGE}?workspace_access=${grant}&resource=${ids.fail}`);
    expect(failed.body).toMatchObject([{ request_count: 1, error_count: 1 }]);
  });

  it('of what admins do directly has no grant', async () => {
    const { body } = await acme.owner.get(`${USAGE}?resource=${ids.count}`);
    expect(body).toMatchObject([{ workspace_access: null, workspace: null, request_count: 1, denied_count: 1 }]);
  });

  it('is listed by days, and paged', async () => {
    const list = async (query: string): Promise<number> =>
      (await acme.owner.get(`${USAGE}?${query}`)).body.length as number;
    const all = await list(`date_from=${daysAgo(1)}&date_to=${today()}`);
    expect(all).toBeGreaterThan(4);
    expect(await list(`date_to=${daysAgo(2)}`)).toBe(0);
    expect(await list(`workspace=${acme.workspace}&connection=${connection}`)).toBe(all - 1);
    const seen: number[] = [];
    for (let path: string | undefined = `${USAGE}?limit=2`; path !== undefined;) {
      const page: Answer = await acme.owner.get(path);
      expect(page.headers.get('x-total-count')).toBe(String(all));
      seen.push(...page.body.map((row: { id: number }) => row.id));
      const next: string | undefined = /<([^>]+)>/.exec(page.headers.get('link') ?? '')?.[1];
      path = next === undefined ? undefined : new URL(next).pathname + new URL(next).search;
    }
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
    expect(seen).toHaveLength(all);
  });

  it('is summarized: in total, by type, day, connection and tool', async () => {
    const { body } = await acme.owner.get(`${SUMMARY}?workspace=${acme.workspace}&connection=${connection}&period=day`);
    expect(body).toMatchObject({
      total_requests: 6,
      total_errors: 1,
      denied_requests: 1,
      unknown_requests: 0,
      by_day: [{ date: today(), requests: 6 }],
      by_connection: [{ connection: { id: connection, connection_name: 'memos' }, requests: 6, errors: 1 }],
    });
    expect(Object.keys(body.by_resource_type).sort()).toEqual(['resource', 'tool']);
    expect(body.by_resource_type.tool).toEqual({ requests: 5, errors: 1, avg_response_time: expect.any(Number) });
    expect(body.by_tool[0]).toMatchObject({ tool: { id: ids.echo, name: 'echo' }, requests: 3, errors: 0 });
    expect(body.by_tool.find((row: { tool: { id: number } }) => row.tool.id === ids.add).cost).toBeGreaterThan(0.3);
    const week = (await acme.owner.get(`${SUMMARY}?period=week`)).body;
    expect(week.by_day).toHaveLength(7);
    const month = (await acme.owner.get(SUMMARY)).body;
    expect(month.by_day.map(({ date }: { date: string }) => date)).toEqual(
      Array.from({ length: 30 }, (_, index) => daysAgo(29 - index)),
    );
  });

  it('weights averages by requests', async () => {
    const { body } = await acme.owner.get(`${SUMMARY}?connection=${connection}`);
    const { body: rows } = await acme.owner.get(`${USAGE}?connection=${connection}&limit=500`);
    const sum = (value: (row: Record<string, number>) => number): number =>
      rows.reduce((total: number, row: Record<string, number>) => total + value(row), 0);
    const weighted =
      sum((row) => (row.avg_response_time ?? 0) * (row.request_count ?? 0)) / sum((row) => row.request_count ?? 0);
    expect(body.avg_response_time).toBeCloseTo(weighted, 5);
    expect(body.total_requests).toBe(sum((row) => row.request_count ?? 0));
  });

  it('is charged by the price of the moment: changing it changes nothing that was charged', async () => {
    const before = await costs();
    const path = `/api/v1/mcp/connections/${connection}/`;
    expect((await acme.owner.patch(path, { price_book: { per_call: '5' } })).body.price_book).toEqual({ per_call: 5 });
    expect(await costs()).toBe(before);
    await execute('echo', { message: 'dear' });
    expect(await costs()).toBeCloseTo(before + 5, 9);
    // Without one of its own, that of the type: nothing.
    expect((await acme.owner.patch(path, { price_book: null })).body.price_book).toBeNull();
    await execute('echo', { message: 'for free' });
    expect(await costs()).toBeCloseTo(before + 5, 9);
    const refused = await acme.owner.patch(path, { price_book: { per_call: 'cheap', per_hour: 1 } });
    expectError(refused, 400, 'validation_failed');
    expect(Object.keys(refused.body.details.fields).sort()).toEqual(['price_book.per_call', 'price_book.per_hour']);
  });

  it('is exported as CSV that no spreadsheet takes for formulas', async () => {
    await app.query("UPDATE resources SET resource_name = '=cmd|'' \"x\",y' WHERE id = $1", [ids.add]);
    const answer = await acme.owner.get(`${USAGE}export/?connection=${connection}`);
    expect(answer.headers.get('content-type')).toMatch(/^text\/csv/);
    expect(answer.headers.get('content-disposition')).toContain('usage.csv');
    const [header, ...lines] = answer.text.trimEnd().split('\r\n');
    expect(header).toBe(
      'usage_date,workspace,workspace_access,connection,resource,resource_name,resource_type,request_count,error_count,' +
        'denied_count,unknown_count,avg_response_time,data_transferred,cost',
    );
    expect(lines).toHaveLength(Number((await acme.owner.get(`${USAGE}?limit=1`)).headers.get('x-total-count')));
    expect(answer.text).toContain(`"'=cmd|' ""x"",y"`);
    await app.query("UPDATE resources SET resource_name = 'add' WHERE id = $1", [ids.add]);
  });

  it('is seen by the people and agents of the workspace; others find empty lists and zero totals', async () => {
    for (const client of [member.client, agent]) {
      const { body } = await client.get(USAGE);
      expect(new Set(body.map((row: { workspace: string }) => row.workspace))).toEqual(new Set([acme.workspace]));
      expect((await client.get(SUMMARY)).body.total_requests).toBeGreaterThan(5);
    }
    for (const client of [outsider.client, other.owner]) {
      for (const query of ['', `?workspace_access=${grant}`, `?resource=${ids.echo}`])
        expect((await client.get(USAGE + query)).body).toEqual([]);
      const summary = (await client.get(`${SUMMARY}?workspace=${acme.workspace}&connection=${connection}`)).body;
      expect(summary).toMatchObject({
        total_requests: 0,
        total_cost: 0,
        avg_response_time: 0,
        by_resource_type: {},
        by_tool: [],
      });
      expect((await client.get(`${USAGE}export/`)).text.trimEnd().split('\r\n')).toHaveLength(1);
    }
  });

  it.each([
    [USAGE, 'date_from=2026-02-02&date_to=2026-02-01', 'date_from'],
    [USAGE, 'date_from=2025-01-01&date_to=2026-01-02', 'date_to'],
    [USAGE, 'date_from=2026-02-29', 'date_from'],
    [USAGE, 'date_to=tomorrow', 'date_to'],
    [USAGE, 'workspace_access=one', 'workspace_access'],
    [USAGE, 'resource=99999999999', 'resource'],
    [USAGE, 'cursor=x', 'cursor'],
    [USAGE, 'page=2', 'page'],
    [SUMMARY, 'period=year', 'period'],
    [SUMMARY, 'workspace=1', 'workspace'],
    [SUMMARY, 'connection=acme', 'connection'],
    [`${USAGE}export/`, 'date_from=2026-02-02&date_to=2026-02-01', 'date_from'],
  ])('%s?%s is a 400 naming %s', async (path, query, field) => {
    const answer = await acme.owner.get(`${path}?${query}`);
    expectError(answer, 400, 'validation_failed');
    expect(Object.keys(answer.body.details.fields)).toEqual([field]);
  });

  it('takes ranges of up to 366 days', async () => {
    expect((await acme.owner.get(`${USAGE}?date_from=2024-01-01&date_to=2024-12-31`)).status).toBe(200);
  });
});
