import { startApp, type TestApp } from '../../../test/support/app.js';
import type { Answer } from '../../../test/support/api-client.js';
import { newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startJira, type FakeJira } from '../../../test/support/upstreams/jira/jira-server.js';

const CONNECTIONS = '/api/v1/mcp/connections/';
const RESOURCES = '/api/v1/mcp/resources/';

describe('Jira as a server type', () => {
  let app: TestApp;
  let jira: FakeJira;
  let center: FakeJira;
  let acme: Tenant;
  let connection: string;
  let slug: string;

  beforeAll(async () => {
    [app, jira, center] = await Promise.all([
      startApp(),
      startJira({ issues: 250 }),
      startJira({ mode: 'server', context: '/jira' }),
    ]);
    acme = await newTenant(app);
    const created = await connect({ api_token: jira.token, base_url: jira.url, email: jira.email });
    connection = created.body.id;
    expect(created.status).toBe(201);
    const discovered = await acme.owner.post(`${CONNECTIONS}${connection}/discover/`, {
      resource_types: ['project', 'issue'],
      max_results: 100,
    });
    expect(discovered.body).toMatchObject({ success: true, resources_found: 6, resources_created: 6 });
    await acme.owner.post(`${CONNECTIONS}${connection}/discover/`);
    const tools = await acme.owner.get('/mcp/tools');
    slug = (tools.body.find(({ id }: { id: string }) => id.endsWith('_get_issue')).id as string).replace(
      /_get_issue$/,
      '',
    );
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([jira.close(), center.close()]);
  });
  afterEach(() => void jira.faults.splice(0));

  /** As the specification's example does it. */
  const connect = (auth: object, name = 'Acme Jira'): Promise<Answer> =>
    acme.owner.post(CONNECTIONS, {
      server: 1,
      organization: acme.organization,
      connection_name: name,
      description: 'Jira connection for Acme Corp',
      auth_data: auth,
      config_options: { timeout: 60 },
    });
  const call = (tool: string, args: object): Promise<Answer> =>
    acme.owner.post(`/mcp/tools/${slug}_${tool}/execute`, { arguments: args });
  const resources = async (of = connection): Promise<Record<string, unknown>[]> =>
    (await acme.owner.get(`${RESOURCES}?connection=${of}&limit=100`)).body;

  it('is there from the start, as the specification shows it', async () => {
    const { body } = await acme.owner.get('/api/v1/mcp/registry/?provider_type=jira');
    expect(body).toMatchObject([
      {
        id: '1',
        qualified_name: 'jira/mcp-server',
        display_name: 'Jira Server',
        description: 'Connect to Jira Cloud or Server instances',
        provider_type: 'jira',
        supports_workspace_scoping: true,
        scoping_config_schema: {
          properties: {
            project_keys: {
              type: 'array',
              items: { type: 'string' },
              description: 'List of Jira project keys to allow access to',
            },
            issue_types: { type: 'array', items: { type: 'string' } },
          },
        },
      },
    ]);
    expect((await acme.owner.get('/api/v1/mcp/registry/1/config-schema/')).body).toMatchObject({
      auth: {
        type: 'object',
        properties: { api_token: { type: 'string', format: 'password' }, base_url: { type: 'string', format: 'uri' } },
        required: ['api_token', 'base_url'],
      },
      options: { type: 'object', properties: { timeout: { type: 'integer', default: 30 } } },
    });
  });

  it('tells the version and the time of Jira when it is tested', async () => {
    const { body } = await acme.owner.post(`${CONNECTIONS}${connection}/test/`);
    expect(body).toMatchObject({
      success: true,
      message: 'Connection successful',
      details: { version: '1001.0.0-SNAPSHOT', server_time: expect.stringMatching(/^2023-07-14T10:35:00(\.000)?Z$/) },
    });
  });

  it('tells what is wrong with a connection, without the credentials', async () => {
    const cases: [object, string][] = [
      [{ api_token: 'wrong-token-123', email: jira.email }, 'credentials'],
      [{ api_token: jira.token }, 'credentials'],
      [{ api_token: jira.token, email: jira.email, base_url: `${jira.url}/nowhere` }, 'not as Jira does'],
      [{ api_token: jira.token, email: jira.email, base_url: `${jira.url}/?os_username=x` }, 'base URL'],
    ];
    for (const [index, [auth, text]] of cases.entries()) {
      const { body } = await connect({ base_url: jira.url, ...auth }, `Broken ${index}`);
      const tested = await acme.owner.post(`${CONNECTIONS}${body.id}/test/`);
      expect(tested.body.success).toBe(false);
      expect(tested.text).toContain(text);
      expect(tested.text).not.toMatch(/wrong-token-123|jira-token-1234567890|robot@acme/);
    }
    const incomplete = await connect({ api_token: 'x' }, 'Incomplete');
    expect(incomplete.status).toBe(400);
    const noMail = await connect({ api_token: 'x', base_url: jira.url, email: 'no mail' }, 'No mail');
    expect(noMail.status).toBe(400);
  });

  it('has projects and their issues as resources, as the specification shows them', async () => {
    const listed = await resources();
    const project = listed.find(({ resource_uri: uri }) => uri === 'jira://DEV');
    expect(project).toMatchObject({ resource_name: 'Development', resource_type: 'project', external_id: '10000' });
    expect(listed.find(({ resource_uri: uri }) => uri === 'jira://DEV/issues')).toMatchObject({
      resource_name: 'Development Issues',
      resource_type: 'issue',
      description: 'Issues in the DEV project',
      schema: { properties: { key: { type: 'string' }, summary: {} } },
      operations: ['read', 'create', 'update'],
      external_id: '10000',
      parent_resource: project?.id,
      is_available: true,
    });
  });

  it('has tools with verified effects and schemas of both sides', async () => {
    const { body } = await acme.owner.get('/mcp/tools');
    const own = body.filter(({ id }: { id: string }) => id.startsWith(`${slug}_`));
    expect(own.map(({ id }: { id: string }) => id.slice(slug.length + 1)).sort()).toEqual([
      ...['add_comment', 'create_issue', 'get_issue', 'list_issue_types', 'list_projects'],
      ...['search_issues', 'transition_issue', 'update_issue'],
    ]);
    const one = await acme.owner.get(`/mcp/tools/${slug}_update_issue`);
    expect(one.text).toContain('"write"');
  });

  it('reads items page by page, and after that what changed since', async () => {
    const id = (await resources()).find(({ resource_uri: uri }) => uri === 'jira://DEV/issues')?.id;
    const read = (window: object): Promise<Answer> => acme.owner.post(`${RESOURCES}${String(id)}/read/`, window);
    const keys: string[] = [];
    let window: Record<string, unknown> = {};
    let checkpoint: unknown;
    for (let pages = 0; pages < 10; pages++) {
      const { status, body } = await read(window);
      expect([status, body.mime_type]).toEqual([200, 'application/json']);
      const items = JSON.parse(body.content) as { key: string }[];
      keys.push(...items.map(({ key }) => key));
      checkpoint = body.checkpoint;
      if (!body.next_cursor) break;
      window = { cursor: body.next_cursor };
    }
    expect([keys.length, new Set(keys).size]).toEqual([253, 253]);
    await call('add_comment', { issue_key: 'DEV-7', body: 'Hello' });
    const { body } = await read({ since: checkpoint });
    const changed = JSON.parse(body.content) as { key: string; updated_at: string }[];
    expect(changed.map(({ key }) => key)).toEqual(['DEV-253', 'DEV-7']);
    expect(body.checkpoint).toBe(changed[1]?.updated_at);
    const nothingNew = await read({ since: body.checkpoint });
    expect([JSON.parse(nothingNew.body.content), nothingNew.body.checkpoint]).toMatchObject([
      [{ key: 'DEV-7' }],
      body.checkpoint,
    ]);
    for (const odd of [{ cursor: 'bm9uZQ' }, { since: '2026-99-99T00:00:00Z' }])
      expect((await read(odd)).status).toBeGreaterThanOrEqual(400);
  });

  it('answers with what Jira says where it says no, and as any server that is away where it says nothing', async () => {
    const none = await call('get_issue', { issue_key: 'DEV-9999' });
    expect([none.status, none.body.is_error]).toEqual([200, true]);
    expect(none.text).toContain('DEV-9999 does not exist or is not visible');
    for (const status of [401, 403, 500, 503]) {
      jira.faults.push({
        path: /issue\/DEV-1/,
        kind: 'answer',
        status,
        body: { errorMessages: [`Not ${jira.token}`] },
      });
      const answer = await call('get_issue', { issue_key: 'DEV-1' });
      expect([answer.status, answer.body.is_error, answer.text.includes(`(${status})`)]).toEqual([200, true, true]);
      expect(answer.text).not.toContain(jira.token);
    }
    jira.faults.push({ path: /issue\/DEV-1/, kind: 'reset' });
    expect((await call('get_issue', { issue_key: 'DEV-1' })).status).toBe(502);
    const invalid = await call('get_issue', { issue_key: '../myself' });
    expect([invalid.status, (await call('get_issue', { issue_key: 'DEV-1', surprise: 1 })).status]).toEqual([400, 400]);
    expect((await call('get_issue', { issue_key: 'DEV-1' })).body.is_error).toBeFalsy();
  });

  it('works at Data Center with a personal token, below a path', async () => {
    const { body } = await connect({ api_token: center.token, base_url: `${center.url}/` }, 'Data Center');
    const tested = await acme.owner.post(`${CONNECTIONS}${body.id}/test/`);
    expect(tested.body.details).toMatchObject({ version: '8.20.0' });
    await acme.owner.post(`${CONNECTIONS}${body.id}/discover/`);
    expect((await resources(body.id)).filter(({ resource_type: type }) => type === 'project')).toHaveLength(3);
    const { text } = await acme.owner.post('/mcp/tools/data-center_add_comment/execute', {
      arguments: { issue_key: 'DEV-1', body: 'Plain' },
    });
    expect(text).toContain('Plain');
    expect(center.journal.at(-1)).toMatchObject({ method: 'POST', body: { body: 'Plain' } });
    expect(center.journal.at(-1)?.path).toMatch(/^2\/issue\/\d+\/comment$/);
  });

  it('leaves no credential in the log', () => {
    expect(app.log.join('\n')).not.toMatch(/jira-token-1234567890|robot@acme\.example/);
  });
});
