import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { newMember, newTenant, type Tenant, type TestUser } from '../../../test/support/tenants.js';
import {
  INSTALLATION_TOKEN,
  startGithub,
  USER_TOKEN,
  type FakeGitHub,
} from '../../../test/support/upstreams/github/github.js';
import { GITHUB } from './github.provider.js';

const CONNECTIONS = '/api/v1/mcp/connections/';

describe('the GitHub server type', () => {
  let app: TestApp;
  let fake: FakeGitHub;
  let enterprise: FakeGitHub;
  let acme: Tenant;
  let member: TestUser;
  let connection: string;
  const ids = new Map<string, number>();

  beforeAll(async () => {
    [app, fake, enterprise] = await Promise.all([
      startApp({ EGRESS_ALLOW: '127.0.0.1' }),
      startGithub(),
      startGithub({ enterprise: '3.14.2' }),
    ]);
    acme = await newTenant(app);
    member = await newMember(app, acme, 'member');
    const members = `/api/v1/workspaces/${acme.workspace}/members/`;
    await acme.owner.post(members, { username: member.username, role: 'member' });
    for (const limit of Object.values(fake.limits)) Object.assign(limit, { limit: 5_000, remaining: 5_000 });
    connection = (await connect('GitHub', { base_url: fake.url })).body.id;
    await acme.owner.post(`${CONNECTIONS}${connection}/discover/`);
    const { body } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}&limit=500`);
    for (const { id, resource_uri } of body) ids.set(resource_uri, id);
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([fake.close(), enterprise.close()]);
  });

  const connect = (connection_name: string, auth: object): Promise<Answer> =>
    acme.owner.post(CONNECTIONS, {
      server: 2,
      organization: acme.organization,
      connection_name,
      auth_data: { api_token: USER_TOKEN, ...auth },
    });
  const call = (tool: string, args: object): Promise<Answer> =>
    member.client.post(`/mcp/tools/github_${tool}/execute`, { arguments: args });
  let names = 0;
  async function grant(body: object): Promise<string> {
    const created = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection,
      access_name: `Grant ${++names}`,
      permission_level: 'write',
      ...body,
    });
    expect([created.status, created.body.details]).toEqual([201, undefined]);
    return `/api/v1/mcp/workspace-access/${created.body.id}/`;
  }
  const id = (uri: string): number => ids.get(uri) ?? 0;
  afterEach(async () => {
    const { body } = await acme.owner.get('/api/v1/mcp/workspace-access/');
    for (const row of body) await acme.owner.delete(`/api/v1/mcp/workspace-access/${row.id}/`);
  });

  it('is listed with what it asks for and what it governs', async () => {
    const { body } = await acme.owner.get('/api/v1/mcp/registry/2/');
    expect(body).toMatchObject({
      qualified_name: 'github/mcp-server',
      display_name: 'GitHub Server',
      provider_type: 'github',
      supports_workspace_scoping: true,
      scopes: GITHUB.entry.scopes,
      tool_effects: GITHUB.entry.tool_effects,
    });
    expect(Object.keys(body.scoping_config_schema.properties)).toEqual(['repositories', 'organizations']);
    const missing = await connect('No token', { api_token: undefined });
    expect([missing.status, missing.body.error]).toEqual([400, 'validation_failed']);
  });

  it('is tested against github.com and an Enterprise Server, with versions, times and reasons', async () => {
    const test = async (name: string, auth: object): Promise<Answer['body']> => {
      const { body } = await connect(name, auth);
      return (await acme.owner.post(`${CONNECTIONS}${body.id}/test/`)).body;
    };
    const good = await test('Cloud', { base_url: fake.url });
    expect(good).toMatchObject({ success: true, details: { version: '2022-11-28' } });
    expect(Date.parse(good.details.server_time)).not.toBeNaN();
    expect(await test('Server', { base_url: enterprise.url })).toMatchObject({ details: { version: '3.14.2' } });
    expect(await test('App', { base_url: fake.url, api_token: INSTALLATION_TOKEN })).toMatchObject({ success: true });
    const wrong = await test('Wrong', { base_url: fake.url, api_token: 'ghp_wrongToken0000000000000000000000000' });
    expect(wrong).toMatchObject({ success: false, details: { reason: 'unauthorized' } });
    expect(JSON.stringify(wrong)).not.toContain('ghp_');
  });

  it('discovers repositories with what is below them, and tools with their effects', async () => {
    const { body } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}&limit=500`);
    const app = body.filter(({ resource_uri: uri }: { resource_uri: string }) => uri.startsWith('github://acme/app'));
    expect(app).toMatchObject([
      { resource_type: 'repository', resource_name: 'acme/app', external_id: expect.stringMatching(/^\d+$/) },
      {
        resource_type: 'issue',
        parent_resource: expect.anything(),
        operations: ['read', 'create', 'update'],
      },
      { resource_type: 'pull_request' },
      { resource_type: 'file' },
      { resource_type: 'branch' },
    ]);
    const tools = await acme.owner.get('/mcp/tools?limit=200');
    const effects = tools.body.map(({ id: tool, effect }: { id: string; effect: string }) => [
      tool.replace('github_', ''),
      effect,
    ]);
    expect(Object.fromEntries(effects)).toEqual(GITHUB.entry.tool_effects);
  });

  it('reads items since a checkpoint, and files by their template, of granted repositories alone', async () => {
    const files = 'github://{owner}/{repo}/contents/{+path}';
    await grant({ allowed_resources: [id('github://acme/app'), id(files)] });
    const read = (body: object): Promise<Answer> =>
      member.client.post(`/api/v1/mcp/resources/${id('github://acme/app/issues')}/read/`, body);
    const first = await read({});
    expect(JSON.parse(first.body.content)).toMatchObject([
      { issue_id: 'acme/app#1', project: 'acme/app', status: 'open' },
      { issue_id: 'acme/app#2' },
    ]);
    expect(first.body).toMatchObject({
      mime_type: 'application/json',
      checkpoint: expect.any(String),
    });
    expect(first.body.next_cursor ?? null).toBeNull();
    fake.world.addIssue(fake.world.named('acme', 'app'), { title: 'Later' });
    const later = await read({ since: first.body.checkpoint });
    expect(JSON.parse(later.body.content).map(({ title }: { title: string }) => title)).toEqual(['Later']);

    const file = (uri: string): Promise<Answer> =>
      member.client.post(`/mcp/servers/github/resources/${encodeURIComponent(uri)}/read`);
    expect((await file('github://acme/app/contents/README.md')).body).toMatchObject({ mime_type: 'text/markdown' });
    expect((await file('github://acme/app/contents/docs/logo.png')).body).toMatchObject({ encoding: 'base64' });
    const before = fake.requests.length;
    for (const uri of [
      'github://acme/lib/contents/README.md',
      'github://acme/app/../lib/contents/README.md',
      'github://acme/app/contents/../../lib/contents/README.md',
      'github://acme/app%2F..%2Flib/contents/README.md',
      'github://acme/lib/issues',
    ]) {
      const refused = await file(uri);
      expect([uri, [403, 404].includes(refused.status), refused.text.includes('only in')]).toEqual([uri, true, false]);
    }
    expect(fake.requests).toHaveLength(before);
  });

  const APP = { owner: 'acme', repo: 'app' };
  /** One tool or more for each area, with arguments that it can use. */
  const AREAS: Record<string, [tool: string, args: object][]> = {
    issues: [
      ['list_issues', APP],
      ['get_issue', { ...APP, issue_number: 1 }],
      ['create_issue', { ...APP, title: 'x' }],
      ['update_issue', { ...APP, issue_number: 1, body: 'x' }],
      ['add_comment', { ...APP, issue_number: 1, body: 'x' }],
      ['search_issues', { query: 'Login', repositories: ['acme/app'] }],
    ],
    pulls: [
      ['list_pull_requests', APP],
      ['get_pull_request', { ...APP, pull_number: 3 }],
      ['add_pull_request_comment', { ...APP, pull_number: 3, body: 'x' }],
      ['search_pull_requests', { query: 'start', repositories: ['acme/app'] }],
    ],
    contents: [
      ['read_file', { ...APP, path: 'README.md' }],
      ['list_commits', APP],
      ['search_code', { query: 'only', repositories: ['acme/app'] }],
    ],
  };
  /** The areas whose tools answer; all of an area or none. */
  async function openAreas(): Promise<string[]> {
    const open: string[] = [];
    for (const [area, tools] of Object.entries(AREAS)) {
      const answers = new Set<boolean>();
      for (const [tool, args] of tools) {
        const { status, body } = await call(tool, args);
        answers.add(status === 200);
        if (status === 200) expect([tool, body.is_error, body.result]).toEqual([tool, false, expect.any(String)]);
        else expect([tool, [403, 404].includes(status)]).toEqual([tool, true]);
      }
      expect([area, answers.size]).toEqual([area, 1]);
      if (answers.has(true)) open.push(area);
    }
    return open;
  }

  it.each(Object.keys(AREAS))('closes tools of a granted repository with what is taken out of it: %s', async (area) => {
    const uri = `github://acme/app/${area}`;
    const path = await grant({ allowed_resources: [id('github://acme/app'), id('github://other/app')] });
    expect(await openAreas()).toEqual(Object.keys(AREAS));
    await acme.owner.post(`${path}remove-resource/`, { resource_id: id(uri) });
    expect(await openAreas()).toEqual(Object.keys(AREAS).filter((each) => each !== area));
    expect((await member.client.post(`/api/v1/mcp/resources/${id(uri)}/read/`)).status).toBe(404);
    for (const [tool, query, of] of [
      ['search_issues', 'Login', 'issues'],
      ['search_pull_requests', 'start', 'pulls'],
      ['search_code', 'only', 'contents'],
    ] as const)
      expect([tool, (await call(tool, { query })).text.includes('acme/app')]).toEqual([tool, of !== area]);
  });

  it.each(Object.keys(AREAS))('opens to tools what is granted of a repository alone: %s', async (area) => {
    await grant({ allowed_resources: [id(`github://acme/app/${area}`)] });
    expect(await openAreas()).toEqual([area]);
  });

  it('gives no pull request to tools of issues, and no file by its template where files are taken out', async () => {
    const files = id('github://{owner}/{repo}/contents/{+path}');
    const path = await grant({ allowed_resources: [id('github://acme/app'), files] });
    const uri = encodeURIComponent('github://acme/app/contents/README.md');
    const file = async (): Promise<number> =>
      (await member.client.post(`/mcp/servers/github/resources/${uri}/read`)).status;
    expect(await file()).toBe(200);
    for (const area of ['pulls', 'contents'])
      await acme.owner.post(`${path}remove-resource/`, { resource_id: id(`github://acme/app/${area}`) });
    expect([403, 404]).toContain(await file());
    const pull = { ...APP, issue_number: 3 };
    for (const [tool, args] of [
      ['get_issue', pull],
      ['update_issue', { ...pull, title: 'x' }],
      ['add_comment', { ...pull, body: 'x' }],
      ['search_issues', { query: 'is:pr' }],
    ] as const)
      expect(await call(tool, args)).toMatchObject({ status: 200, body: { is_error: true } });
    for (const [tool, args] of [
      ['list_issues', { ...APP, state: 'all' }],
      ['search_issues', { query: 'start OR Login' }],
    ] as const)
      expect((await call(tool, args)).text).not.toContain('Speed up the start');
  });

  it('closes a repository that filters took in with all that is below it once it is taken out', async () => {
    const path = await grant({ resource_filters: { repositories: ['acme/app'] } });
    const taken = async (): Promise<number> => (await acme.owner.get(path)).body.allowed_resources.length;
    for (let tries = 0; (await taken()) < 1 && tries < 100; tries++) await sleep(20);
    expect(await openAreas()).toEqual(Object.keys(AREAS));
    await acme.owner.post(`${path}remove-resource/`, { resource_id: id('github://acme/app') });
    expect(await openAreas()).toEqual([]);
  });

  it('lets filters on repositories reject what is granted of another one', async () => {
    const allowed = Object.keys(AREAS).map((area) => id(`github://acme/app/${area}`));
    await grant({ allowed_resources: allowed, resource_filters: { repositories: ['acme/lib'] } });
    expect(await openAreas()).toEqual([]);
  });

  it('says where resources are read what GitHub has against it, and for how long', async () => {
    await grant({ allowed_resources: [id('github://other/app')] });
    const read = (): Promise<Answer> =>
      member.client.post(`/api/v1/mcp/resources/${id('github://other/app/issues')}/read/`);
    for (let turn = 0; turn < 6; turn++) {
      fake.fail(/other\/app\/issues$/, { status: 403, body: { message: 'No' } });
      expect((await read()).body.details).toMatchObject({ reason: 'forbidden' });
    }
    fake.fail(/other\/app\/issues$/, { status: 502, body: {}, headers: { 'retry-after': '7' } });
    const { status, body, headers } = await read();
    expect([status, body.details.reason, headers.get('retry-after')]).toEqual([502, 'server_error', '7']);
    expect((await read()).status).toBe(200);
  });

  it('takes in repositories and organizations of filters by itself, and holds tools to them', async () => {
    const allowed = async (path: string): Promise<string[]> =>
      (await acme.owner.get(path)).body.allowed_resources.map((row: { resource_name: string }) => row.resource_name);
    const path = await grant({ resource_filters: { repositories: ['acme/app', 'OTHER/lib'] } });
    for (let tries = 0; (await allowed(path)).length < 2 && tries < 100; tries++) await sleep(20);
    expect(await allowed(path)).toEqual(['acme/app', 'other/lib']);
    expect((await call('get_issue', { owner: 'Acme', repo: 'App', issue_number: 1 })).status).toBe(200);
    const mixed = await call('get_issue', { owner: 'acme', repo: 'lib', issue_number: 1 });
    expect([mixed.status, mixed.body.details.reason]).toEqual([403, 'scope_not_granted']);
    await acme.owner.delete(path);

    const organization = await grant({ resource_filters: { organizations: ['other'] } });
    for (let tries = 0; (await allowed(organization)).length < 2 && tries < 100; tries++) await sleep(20);
    expect(await allowed(organization)).toEqual(['other/lib', 'other/app']);
    const found = await call('search_issues', { query: 'Login' });
    const projects = found.body.structured_content.issues.map(({ project }: { project: string }) => project);
    expect(projects).toEqual(['other/lib', 'other/app']);
  });

  it('passes on what GitHub says of a failure as a tool error, and a dead GitHub as a failure of the server', async () => {
    await grant({ allowed_resources: [id('github://acme/app')] });
    const issue = { owner: 'acme', repo: 'app', issue_number: 1 };
    const missing = await call('get_issue', { ...issue, issue_number: 999 });
    expect([missing.status, missing.body.is_error, missing.body.result]).toEqual([
      200,
      true,
      'GitHub has nothing there, or the token may not see it',
    ]);
    const invalid = await call('update_issue', { ...issue, assignees: ['nobody'] });
    expect(invalid.body.result).toBe('GitHub can not take this: Validation Failed: assignees is not valid');
    const schema = await call('get_issue', { ...issue, extra: 1 });
    expect(schema.status).toBe(400);
    fake.fail(/issues\/1$/, 'cut');
    const cut = await call('get_issue', issue);
    expect([cut.status, cut.body.details.reason]).toEqual([502, 'connection_lost']);
  });

  it('asks GitHub with ETags, and stops where the limit is used up', async () => {
    await grant({ allowed_resources: [id('github://acme/app')] });
    const issue = { owner: 'acme', repo: 'app', issue_number: 2 };
    await call('get_issue', issue);
    fake.requests.splice(0);
    expect((await call('get_issue', issue)).body.structured_content.number).toBe(2);
    expect(fake.requests.map(({ status, isCounted }) => [status, isCounted])).toEqual([[304, false]]);
    fake.limits.core.remaining = 0;
    const used = await call('list_commits', { owner: 'acme', repo: 'app' });
    expect([used.body.is_error, used.body.result]).toEqual([
      true,
      expect.stringMatching(/rate limit is used up: try again/),
    ]);
    fake.limits.core.remaining = 5_000;
  });

  it('leaves the token in no answer, log or trail', async () => {
    const seen = JSON.stringify([
      app.log,
      (await acme.owner.get(`${CONNECTIONS}${connection}/`)).body,
      (await acme.owner.get(`/api/v1/mcp/calls/?connection=${connection}`)).body,
    ]);
    expect(seen).not.toContain(USER_TOKEN);
  });
});
