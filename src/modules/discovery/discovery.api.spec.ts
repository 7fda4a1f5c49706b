import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startApp, type TestApp } from '../../../test/support/app.js';
import type { Answer } from '../../../test/support/api-client.js';
import {
  expectError,
  itHidesForeignRows,
  itIsProtected,
  itRefusesBadBodies,
  type Operation,
} from '../../../test/support/contract.js';
import { newMember, newTenant, type Tenant } from '../../../test/support/tenants.js';
import {
  manyTools,
  startHostile,
  type HostileOptions,
  type HostileUpstream,
} from '../../../test/support/upstreams/hostile.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

const STREAMABLE_HTTP = 3;

describe('discovery', () => {
  let app: TestApp;
  let acme: Tenant;
  let other: Tenant;
  let good: OldEraUpstream;
  let connection: string;
  let database: pg.Client;
  const closers: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    [app, good] = await Promise.all([startApp(), startOldEra()]);
    [acme, other] = [await newTenant(app), await newTenant(app)];
    connection = await connect('Good', good.url);
    database = new pg.Client({ connectionString: app.databaseUrl });
    await database.connect();
  });
  afterAll(async () => {
    await database.end();
    await app.close();
    await good.close();
    for (const close of closers) await close();
  });

  async function connect(name: string, url: string): Promise<string> {
    const { status, body } = await acme.owner.post('/api/v1/mcp/connections/', {
      server: STREAMABLE_HTTP,
      organization: acme.organization,
      connection_name: name,
      auth_data: { base_url: url },
      config_options: { timeout: 3 },
    });
    expect(status).toBe(201);
    return body.id as string;
  }
  async function hostile(name: string, options: HostileOptions): Promise<{ id: string; upstream: HostileUpstream }> {
    const upstream = await startHostile(options);
    closers.push(() => upstream.close());
    return { id: await connect(name, upstream.url), upstream };
  }
  const discover = (id: string, body?: object): Promise<Answer> =>
    acme.owner.post(`/api/v1/mcp/connections/${id}/discover/`, body);
  const resources = (query: string): Promise<Answer> => acme.owner.get(`/api/v1/mcp/resources/?limit=500&${query}`);
  const available = async (id: string): Promise<string[]> =>
    (await resources(`connection=${id}&is_available=true`)).body.map(
      (row: { external_id: string | null; resource_uri: string }) => row.external_id ?? row.resource_uri,
    );

  const operations = (id: string): Operation[] => [
    { method: 'POST', path: `/api/v1/mcp/connections/${id}/discover/`, body: {} },
    { method: 'GET', path: `/api/v1/mcp/connections/${id}/discoveries/` },
    { method: 'GET', path: `/api/v1/mcp/connections/${id}/discoveries/01890f5e-7c3a-7cc4-9c2e-3a1f0f3b9d11/` },
  ];
  itIsProtected(
    () => app.anonymous,
    () => [
      ...operations(connection),
      { method: 'GET', path: '/api/v1/mcp/resources/' },
      { method: 'GET', path: '/api/v1/mcp/resources/1/' },
    ],
  );
  describe('a connection', () =>
    itHidesForeignRows(
      () => other.owner,
      () => connection,
      (id) => operations(id).slice(0, 2),
    ));
  itRefusesBadBodies(
    () => acme.owner,
    () => ({ method: 'POST', path: `/api/v1/mcp/connections/${connection}/discover/`, body: {} }),
  );

  it('finds everything, counts truthfully, and finds nothing new the second time', async () => {
    const first = await discover(connection);
    expect([first.status, first.body]).toEqual([
      200,
      {
        success: true,
        message: 'Resource discovery completed',
        resources_found: 15,
        resources_created: 15,
        resources_updated: 0,
        resources_vanished: 0,
        complete: true,
        problems: [],
        run_id: expect.any(String),
      },
    ]);
    expect((await discover(connection)).body).toMatchObject({
      resources_found: 15,
      resources_created: 0,
      resources_updated: 0,
    });
  });

  it('lists resources as the specification says, tools among them', async () => {
    const { body } = await resources(`connection=${connection}&search=Adds`);
    expect(body).toEqual([
      {
        id: expect.any(Number),
        connection,
        resource_uri: 'tool://good/add',
        resource_name: 'add',
        resource_type: 'tool',
        description: 'Adds two numbers, structured',
        schema: { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } } },
        operations: ['execute'],
        external_id: 'add',
        parent_resource: null,
        discovered_at: expect.stringMatching(/Z$/),
        last_verified: expect.stringMatching(/Z$/),
        is_available: true,
      },
    ]);
    expect((await acme.owner.get(`/api/v1/mcp/resources/${body[0].id}/`)).body).toEqual(body[0]);
    const types = (await resources(`connection=${connection}`)).body.map(
      (row: { resource_type: string }) => row.resource_type,
    );
    expect([...new Set(types)].sort()).toEqual(['prompt', 'resource', 'resource_template', 'tool']);
  });

  it('filters, refuses malformed filters, and knows nothing of strangers', async () => {
    expect((await resources(`connection=${connection}&resource_type=prompt`)).body).toHaveLength(1);
    expect((await resources('resource_type=nothing')).body).toEqual([]);
    expect((await resources('parent=1999999999')).body).toEqual([]);
    expect((await other.owner.get(`/api/v1/mcp/resources/?connection=${connection}`)).body).toEqual([]);
    for (const query of ['connection=1', 'parent=x', 'is_available=perhaps', 'surprise=1', 'limit=1000']) {
      expectError(await acme.owner.get(`/api/v1/mcp/resources/?${query}`), 400, 'validation_failed');
    }
    const [{ id }] = (await resources(`connection=${connection}`)).body as [{ id: number }];
    for (const path of [
      `/api/v1/mcp/resources/${id}/`,
      '/api/v1/mcp/resources/1999999999/',
      '/api/v1/mcp/resources/x/',
    ]) {
      expectError(await other.owner.get(path), 404, 'resource_not_found');
    }
    expectError(await other.owner.post(`/api/v1/mcp/resources/${id}/read/`), 404, 'resource_not_found');
  });

  it('answers an id that nobody has as the specification says', async () => {
    expect((await acme.owner.get('/api/v1/mcp/resources/999999/')).body).toEqual({
      error: 'resource_not_found',
      message: 'The requested resource was not found',
      details: { resource_id: 999999 },
      request_id: expect.any(String),
    });
  });

  it('reads a resource by its id', async () => {
    const [row] = (await resources(`connection=${connection}&search=First memo`)).body as [{ id: number }];
    const answer = await acme.owner.post(`/api/v1/mcp/resources/${row.id}/read/`);
    expect([answer.status, answer.body]).toEqual([200, { content: 'This is one.', mime_type: 'text/plain' }]);
  });

  it('is for admins; members see what their workspaces were granted, which is nothing yet', async () => {
    const member = await newMember(app, acme, 'member');
    expectError(await member.client.post(`/api/v1/mcp/connections/${connection}/discover/`), 403, 'forbidden');
    expect((await member.client.get('/api/v1/mcp/resources/')).body).toEqual([]);
  });

  it.each([
    [{ resource_types: 'tool' }, 'resource_types'],
    [{ resource_types: [1] }, 'resource_types'],
    [{ max_results: 0 }, 'max_results'],
    [{ max_results: '5' }, 'max_results'],
    [{ max_results: 1e9 }, 'max_results'],
  ])('refuses %j, naming the field', async (body, field) => {
    const answer = await discover(connection, body);
    expectError(answer, 400, 'validation_failed');
    expect(Object.keys(answer.body.details.fields)).toEqual([field]);
  });

  it('takes only the types it is asked for, and marks only those as gone', async () => {
    const { id, upstream } = await hostile('Types', { tools: manyTools(3) });
    expect((await discover(id, { resource_types: ['tool'] })).body).toMatchObject({
      resources_found: 3,
      resources_created: 3,
    });
    expect((await discover(id, { resource_types: ['project', 'issue'] })).body).toMatchObject({
      resources_found: 0,
      resources_vanished: 0,
    });
    upstream.become({ tools: manyTools(1) });
    expect((await discover(id, { resource_types: ['tool'] })).body).toMatchObject({
      resources_found: 1,
      resources_vanished: 2,
    });
  });

  it('stops at max_results, says so, and takes nothing for gone', async () => {
    const { id, upstream } = await hostile('Max', { tools: manyTools(30) });
    await discover(id);
    upstream.become({ tools: manyTools(20) });
    const answer = await discover(id, { max_results: 5 });
    expect(answer.body).toMatchObject({ success: true, complete: false, resources_found: 5, resources_vanished: 0 });
    expect(answer.body.problems).toEqual([expect.stringContaining('max_results')]);
    expect((await resources(`connection=${id}&resource_type=tool&is_available=true`)).body).toHaveLength(30);
  });

  it('marks what vanished as unavailable, brings back what returns, and updates what changed', async () => {
    const { id, upstream } = await hostile('Changing', { tools: manyTools(3), capabilities: { tools: {} } });
    await discover(id);
    upstream.become({
      tools: [...manyTools(1), { name: 'fresh', inputSchema: { type: 'object' } }],
      capabilities: { tools: {} },
    });
    expect((await discover(id)).body).toMatchObject({
      resources_found: 2,
      resources_created: 1,
      resources_updated: 0,
      resources_vanished: 2,
    });
    expect(await available(id)).toEqual(['tool_0', 'fresh']);
    expectError(await acme.owner.post('/mcp/tools/changing_tool_1/execute', {}), 404, 'resource_not_found');
    const changed = [
      { name: 'fresh', description: 'Now with words', inputSchema: { type: 'object' } },
      ...manyTools(3),
    ];
    upstream.become({ tools: changed, capabilities: { tools: {} } });
    expect((await discover(id)).body).toMatchObject({
      resources_found: 4,
      resources_created: 0,
      resources_updated: 3,
      resources_vanished: 0,
    });
    expect((await acme.owner.get('/mcp/tools/changing_fresh')).body.description).toBe('Now with words');
  });

  it('ends in the state of one when two run at once', async () => {
    const { id } = await hostile('Twice', { tools: manyTools(200), pageSize: 50, capabilities: { tools: {} } });
    const answers = await Promise.all([discover(id), discover(id), discover(id)]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
    expect(answers.map((answer) => answer.body.resources_found)).toEqual([200, 200, 200]);
    expect(answers.map((answer) => answer.body.resources_created).sort((a, b) => a - b)).toEqual([0, 0, 200]);
    const { rows } = await database.query(
      'SELECT count(*)::int AS resources, count(DISTINCT resource_uri)::int AS uris, (SELECT count(*)::int FROM tools WHERE connection_id = $1) AS tools FROM resources WHERE connection_id = $1',
      [id],
    );
    expect(rows[0]).toEqual({ resources: 200, uris: 200, tools: 200 });
  });

  it('puts parents before their children, whatever the order of the server', async () => {
    const resource = (uri: string, parent?: string, type = 'project') => ({
      uri,
      name: uri,
      _meta: {
        'mcp-control-plane/resource': {
          type,
          ...(parent === undefined ? {} : { parent }),
          operations: ['read', 'create'],
          external_id: uri.slice(-4),
        },
      },
    });
    const upstream = await startListing([
      resource('x://child', 'x://parent', 'issue'),
      resource('x://parent'),
      resource('x://loop-1', 'x://loop-2'),
      resource('x://loop-2', 'x://loop-1'),
      resource('x://orphan', 'x://nobody'),
    ]);
    const id = await connect('Families', upstream.url);
    expect((await discover(id)).body).toMatchObject({ resources_found: 5, resources_created: 5 });
    const rows = (await resources(`connection=${id}`)).body as {
      id: number;
      resource_uri: string;
      parent_resource: number | null;
    }[];
    const byUri = new Map(rows.map((row) => [row.resource_uri, row]));
    expect(byUri.get('x://child')).toMatchObject({
      resource_type: 'issue',
      operations: ['read', 'create'],
      external_id: 'hild',
      parent_resource: byUri.get('x://parent')?.id,
    });
    expect(byUri.get('x://child')?.id).toBeGreaterThan(byUri.get('x://parent')?.id ?? Infinity);
    expect(byUri.get('x://orphan')?.parent_resource).toBeNull();
    expect((await resources(`parent=${byUri.get('x://parent')?.id}`)).body).toHaveLength(1);
  });

  /** A server that lists exactly these resources. */
  async function startListing(list: object[]): Promise<{ url: string }> {
    const { serve } = await import('../../../test/support/upstreams/http-server.js');
    const upstream = await serve('/mcp', (_request, response, body) => {
      const { id, method } = body as { id?: number; method?: string };
      if (id === undefined) return void response.writeHead(202).end();
      const result =
        method === 'initialize'
          ? {
              protocolVersion: '2025-11-25',
              capabilities: { resources: {} },
              serverInfo: { name: 'listing', version: '1' },
            }
          : method === 'resources/list'
            ? { resources: list }
            : method === 'resources/templates/list'
              ? { resourceTemplates: [] }
              : null;
      const answer = result
        ? { jsonrpc: '2.0', id, result }
        : { jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    });
    closers.push(() => upstream.close());
    return upstream;
  }

  it('stores text that PostgreSQL has no characters for', async () => {
    const upstream = await startListing([
      { uri: 'x://nul', name: 'a\u0000b', description: 'half \ud83d of a pair and a \\u0000 in words' },
      { uri: 'x://other', name: 'x'.repeat(10_000), description: 'y'.repeat(100_000), mimeType: 'text/plain' },
      { uri: `x://${'ü'.repeat(2_000)}`, name: 'long' },
      { uri: `x://${'z'.repeat(3_000)}`, name: 'too long' },
      'no object' as never,
      { name: 'no uri' },
    ]);
    const id = await connect('Odd text', upstream.url);
    const answer = await discover(id);
    expect(answer.body).toMatchObject({ resources_found: 3, resources_created: 3, complete: false });
    const [nul] = (await resources(`connection=${id}`)).body as [{ resource_name: string; description: string }];
    expect([nul.resource_name, nul.description]).toEqual(['a\ufffdb', 'half \ufffd of a pair and a \\u0000 in words']);
  });

  describe('of a server that misbehaves', () => {
    it.each<[string, HostileOptions]>([
      ['pages that never end', { tools: manyTools(10), pageSize: 5, pages: 'endless' }],
      ['the same page again and again', { tools: manyTools(10), pageSize: 5, pages: 'repeated' }],
      ['empty pages without end', { tools: manyTools(10), pageSize: 5, pages: 'empty' }],
      ['25,000 tools', { tools: manyTools(25_000), pageSize: 5_000 }],
    ])(
      'with %s is cut short, says so, and takes nothing for gone',
      async (name, options) => {
        const { id, upstream } = await hostile(`Cut ${name}`, { tools: manyTools(3) });
        await discover(id);
        upstream.become(options);
        const answer = await discover(id);
        expect(answer.body).toMatchObject({ success: true, complete: false, resources_vanished: 0 });
        expect(answer.body.problems[0]).toContain('cut short');
      },
      90_000,
    );

    it('that fails in the middle of its pages marks nothing as gone', async () => {
      const { id, upstream } = await hostile('Middle', { tools: manyTools(3) });
      await discover(id);
      upstream.become({ tools: [{ name: 'x' }], handshake: 'status-500' });
      await acme.owner.put(`/api/v1/mcp/connections/${id}/credentials/`, { auth_data: { base_url: upstream.url } });
      const answer = await discover(id);
      expectError(answer, 502, 'upstream_error');
      expect((await resources(`connection=${id}&resource_type=tool&is_available=true`)).body).toHaveLength(3);
      const [, failed] = (await acme.owner.get(`/api/v1/mcp/connections/${id}/discoveries/`)).body;
      expect(failed).toMatchObject({
        status: 'failed',
        problems: [expect.any(String)],
        finished_at: expect.any(String),
      });
    });

    it('is a 504 when it hangs and a 502 when it is gone', async () => {
      const { id } = await hostile('Hanging', { handshake: 'hang' });
      expectError(await discover(id), 504, 'upstream_timeout');
      const gone = await connect('Gone', 'http://127.0.0.1:1/mcp');
      expectError(await discover(gone), 502, 'upstream_error');
      expect((await acme.owner.get(`/api/v1/mcp/connections/${gone}/`)).body.status).toBe('error');
    }, 30_000);
  });

  it('runs in the background where asked to, with an address to look at', async () => {
    const { id } = await hostile('Background', { tools: manyTools(2_000), pageSize: 100 });
    const answer = await acme.owner.post(`/api/v1/mcp/connections/${id}/discover/`, {}, { prefer: 'respond-async' });
    expect([answer.status, answer.body.status, answer.headers.get('preference-applied')]).toEqual([
      202,
      'running',
      'respond-async',
    ]);
    const address = answer.headers.get('location') ?? '';
    let run = (await acme.owner.get(address)).body;
    for (let tries = 0; run.status === 'running' && tries < 100; tries++) {
      await sleep(100);
      run = (await acme.owner.get(address)).body;
    }
    expect(run).toMatchObject({
      id: answer.body.id,
      connection: id,
      status: 'completed',
      resources_created: run.resources_found,
    });
    expectError(await other.owner.get(address), 404, 'resource_not_found');
    expectError(await acme.owner.get(address.replace(id, connection)), 404, 'resource_not_found');
  });

  it('follows a server that says its list changed, once for a storm', async () => {
    const { id, upstream } = await hostile('Storm', { tools: [{ name: 'echo', inputSchema: { type: 'object' } }] });
    await discover(id);
    // The call's session is the one that hears of changes.
    expect((await acme.owner.post('/mcp/tools/storm_echo/execute', { arguments: {} })).status).toBe(200);
    const runs = async (): Promise<number> =>
      (await acme.owner.get(`/api/v1/mcp/connections/${id}/discoveries/`)).body.length;
    const before = await runs();
    for (let tries = 0; upstream.standing() === 0 && tries < 50; tries++) await sleep(100);
    upstream.setTools([...manyTools(2), { name: 'echo', inputSchema: { type: 'object' } }], 50);
    const tools = async (): Promise<number> => (await acme.owner.get('/mcp/tools?server_id=storm')).body.length;
    for (let tries = 0; (await tools()) < 3 && tries < 100; tries++) await sleep(100);
    expect(await tools()).toBe(3);
    expect((await runs()) - before).toBeLessThanOrEqual(2);
  });

  it('takes another thing under a known name for another thing: who was granted the old one was not granted it', async () => {
    const project = (external: string): object => ({
      uri: 'jira://P1',
      name: `Project ${external}`,
      _meta: { 'mcp-control-plane/resource': { type: 'project', external_id: external } },
    });
    const listed = [project('10001')] as { uri: string; name: string }[];
    const upstream = await startOldEra({ tools: [], resources: { listed, read: () => 'SECRET' } });
    closers.push(() => upstream.close());
    const id = await connect('Renamed', upstream.url);
    await discover(id);
    const [old] = (await resources(`connection=${id}&resource_type=project`)).body;
    await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection: id,
      access_name: 'P1',
      allowed_resources: [old.id],
    });
    const { body: agent } = await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: 'P1' });
    const read = (row: number): Promise<Answer> =>
      app.anonymous.withToken(agent.token as string).post(`/api/v1/mcp/resources/${row}/read/`);
    expect((await read(old.id)).body.content).toBe('SECRET');
    listed[0] = project('77777') as { uri: string; name: string };
    expect((await discover(id)).body).toMatchObject({ resources_created: 1 });
    const rows = (await resources(`connection=${id}&resource_type=project`)).body;
    expect(
      rows.map((row: { external_id: string; is_available: boolean }) => [row.external_id, row.is_available]),
    ).toEqual([
      ['10001', false],
      ['77777', true],
    ]);
    for (const row of rows) expect((await read(row.id)).status).toBe(404);
  });

  it('links ten thousand resources to their parents in seconds', async () => {
    const listed = Array.from({ length: 5_000 }, (_, index) => [
      { uri: `jira://P${index}`, name: `Project ${index}` },
      {
        uri: `jira://P${index}/issues`,
        name: `Issues ${index}`,
        _meta: { 'mcp-control-plane/resource': { type: 'issue', parent: `jira://P${index}` } },
      },
    ]).flat();
    const upstream = await startOldEra({ json: true, tools: [], resources: { listed, read: () => '' } });
    closers.push(() => upstream.close());
    const id = await connect('Nested', upstream.url);
    const started = Date.now();
    expect((await discover(id)).body.resources_found).toBeGreaterThanOrEqual(10_000);
    // It was two minutes when each parent was looked for among all rows.
    expect(Date.now() - started).toBeLessThan(20_000);
    const [child] = (await resources(`connection=${id}&resource_type=issue`)).body;
    expect(child.parent_resource).not.toBeNull();
  });
});
