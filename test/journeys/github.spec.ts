import type { Answer } from '../support/api-client.js';
import { startApp, type TestApp } from '../support/app.js';
import { expectTotalsToEqualRows } from '../support/ledger.js';
import { newMember, newTenant, type Tenant, type TestUser } from '../support/tenants.js';
import { startGithub, USER_TOKEN, type FakeGitHub } from '../support/upstreams/github/github.js';

const APP = { owner: 'acme', repo: 'app' };
const LIB = { owner: 'other', repo: 'lib' };
/** Owner of one grant, repository of the other. */
const MIXED = { owner: 'acme', repo: 'lib' };

describe('two repositories of a GitHub', () => {
  let app: TestApp;
  let fake: FakeGitHub;
  let acme: Tenant;
  let member: TestUser;
  let connection: string;
  let path: string;
  const ids = new Map<string, number>();

  beforeAll(async () => {
    [app, fake] = await Promise.all([startApp({ EGRESS_ALLOW: '127.0.0.1' }), startGithub()]);
    acme = await newTenant(app);
    member = await newMember(app, acme, 'member');
    const members = `/api/v1/workspaces/${acme.workspace}/members/`;
    await acme.owner.post(members, { username: member.username, role: 'member' });
  });
  afterAll(async () => {
    await app.close();
    await fake.close();
  });

  const call = (tool: string, args: object): Promise<Answer> =>
    member.client.post(`/mcp/tools/github_${tool}/execute`, { arguments: args });
  const reached = (): string[] => fake.requests.splice(0).map(({ method, path: at }) => `${method} ${at}`);
  const projectsIn = ({ body }: Answer): string[] => [
    ...new Set<string>(body.structured_content.issues.map(({ project }: { project: string }) => project)),
  ];

  it('are connected, tested, discovered and granted', async () => {
    const created = await acme.owner.post('/api/v1/mcp/connections/', {
      server: 2,
      organization: acme.organization,
      connection_name: 'GitHub',
      auth_data: { base_url: fake.url, api_token: USER_TOKEN },
    });
    expect(created.status).toBe(201);
    connection = created.body.id;
    const at = `/api/v1/mcp/connections/${connection}/`;
    expect((await acme.owner.post(`${at}test/`)).body).toMatchObject({ success: true });
    expect((await acme.owner.post(`${at}discover/`)).status).toBeLessThan(300);
    const { body } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}&limit=500`);
    for (const { id, resource_uri } of body) ids.set(resource_uri, id);
    const granted = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection,
      access_name: 'Two repositories',
      permission_level: 'write',
      allowed_resources: [ids.get('github://acme/app'), ids.get('github://other/lib')],
    });
    expect(granted.status).toBe(201);
    path = `/api/v1/mcp/workspace-access/${granted.body.id}/`;
    const { body: effective } = await member.client.get(`${path}effective/`);
    expect(effective.tools).toHaveLength(13);
    expect(effective.tools.filter(({ unscoped }: { unscoped?: boolean }) => unscoped)).toEqual([]);
  });

  it('show their issues, pull requests, files and commits', async () => {
    for (const name of [APP, LIB, { owner: 'ACME', repo: 'APP' }]) {
      for (const [tool, more] of [
        ['list_issues', {}],
        ['get_issue', { issue_number: 1 }],
        ['list_pull_requests', {}],
        ['read_file', { path: 'README.md' }],
        ['list_commits', {}],
      ] as const) {
        const answer = await call(tool, { ...name, ...more });
        expect([tool, answer.status, answer.body.is_error]).toEqual([tool, 200, false]);
        expect(JSON.parse(answer.body.result)).toEqual(answer.body.structured_content);
      }
    }
  });

  it('are written to, and what was written is read back', async () => {
    const created = await call('create_issue', { ...LIB, title: 'From a workspace', labels: ['bug'] });
    const issue = { ...LIB, issue_number: created.body.structured_content.number };
    await call('add_comment', { ...issue, body: 'A comment' });
    await call('update_issue', { ...issue, state: 'closed' });
    const { body } = await call('get_issue', issue);
    expect(body.structured_content).toMatchObject({
      title: 'From a workspace',
      status: 'closed',
      comments: 1,
      project: 'other/lib',
    });
  });

  it('never open a third one, whose owner is of one grant and whose name is of the other', async () => {
    reached();
    for (const name of [MIXED, { owner: 'Acme', repo: 'LIB' }, { owner: 'other', repo: 'app' }])
      for (const [tool, more] of [
        ['list_issues', {}],
        ['get_issue', { issue_number: 1 }],
        ['create_issue', { title: 'x' }],
        ['update_issue', { issue_number: 1, title: 'x' }],
        ['add_comment', { issue_number: 1, body: 'x' }],
        ['list_pull_requests', {}],
        ['get_pull_request', { pull_number: 3 }],
        ['add_pull_request_comment', { pull_number: 3, body: 'x' }],
        ['read_file', { path: 'README.md' }],
        ['list_commits', {}],
      ] as const) {
        const refused = await call(tool, { ...name, ...more });
        expect([tool, refused.status, refused.body.details?.reason]).toEqual([tool, 403, 'scope_not_granted']);
      }
    for (const name of [
      { owner: 'acme', repo: 'app/../lib' },
      { owner: 'acme', repo: 'app%2F..%2Flib' },
      { owner: 'acme/lib', repo: '' },
      { owner: 'acme/lib/contents', repo: 'app' },
      { owner: 'acme', repo: ['lib'] },
      { owner: 'acme' },
      {},
    ])
      for (const tool of ['list_issues', 'create_issue', 'read_file']) {
        const refused = await call(tool, { title: undefined, ...name });
        expect([name, refused.status >= 400 || refused.body.is_error]).toEqual([name, true]);
      }
    const check = await member.client.post(`${path}check/`, { tool: 'github_list_issues', arguments: MIXED });
    expect(check.body).toMatchObject({ allowed: false, reason: 'scope_not_granted' });
    expect(reached()).toEqual([]);
  });

  it('are all that a search looks into', async () => {
    const found = await call('search_issues', { query: 'Login' });
    expect(projectsIn(found)).toEqual(['acme/app', 'other/lib']);
    expect(fake.requests.at(-1)?.query.get('q')).toBe('(repo:acme/app OR repo:other/lib) is:issue Login');
    expect(projectsIn(await call('search_issues', { query: 'Login', repositories: ['other/lib'] }))).toEqual([
      'other/lib',
    ]);
    for (const query of ['Login OR guide', 'NOT Login', '(Login OR (guide))', '"Login fails" OR docs', '-label:bug']) {
      const answer = await call('search_issues', { query });
      expect([query, projectsIn(answer)]).toEqual([query, ['acme/app', 'other/lib']]);
      expect(answer.text).not.toMatch(/acme\/lib|other\/app/);
    }
    reached();
    for (const repositories of [['acme/lib'], ['acme/app', 'ACME/lib'], ['acme/app/../lib'], ['acme']]) {
      for (const tool of ['search_issues', 'search_code']) {
        const refused = await call(tool, { query: 'only', repositories });
        expect([repositories, refused.status === 403 || refused.body.is_error]).toEqual([repositories, true]);
      }
    }
    for (const query of [
      'repo:acme/lib',
      'Login OR repo:acme/lib',
      'REPO:ACME/LIB',
      '"repo:acme/lib"',
      'repo:"acme/lib"',
      '-repo:acme/lib',
      '(repo:acme/lib)',
      'Login) OR (repo:acme/lib',
      'Login) OR (Login',
      'Login" OR',
      '"Login) OR ("',
      'org:acme',
      'user:acme',
      're\u200bpo:acme/lib',
      'Login+repo:acme/lib',
      'Login\nrepo:acme/lib',
    ])
      for (const tool of ['search_issues', 'search_code']) {
        const refused = await call(tool, { query });
        expect([tool, query, refused.body.is_error]).toEqual([tool, query, true]);
      }
    const searches = fake.requests.splice(0).map(({ query }) => query.get('q') ?? '');
    expect(searches.filter((q) => /acme\/lib|org:|user:/i.test(q))).toEqual([]);
  });

  it('have results filtered, were GitHub to find something elsewhere', async () => {
    const row = (full: string) => ({
      number: 1,
      id: 1,
      title: `In ${full}`,
      state: 'open',
      repository_url: `${fake.url}/repos/${full}`,
    });
    const items = ['acme/lib', 'acme/app', 'other/app'].map(row);
    fake.fail(/search\/issues/, { status: 200, body: { total_count: 3, incomplete_results: false, items } });
    const found = await call('search_issues', { query: 'Login anything' });
    expect([projectsIn(found), found.body.structured_content.total_count]).toEqual([['acme/app'], undefined]);
    expect(found.text).not.toContain('acme/lib');
  });

  it('lead to no other one where a repository was renamed or an issue transferred', async () => {
    const engine = fake.world.named('acme', 'engine');
    Object.assign(fake.world.named('acme', 'app'), { name: 'web' });
    fake.world.named('acme', 'web').formerNames.push('acme/app');
    reached();
    for (const [tool, more] of [
      ['get_issue', { issue_number: 1 }],
      ['create_issue', { title: 'x' }],
      ['add_comment', { issue_number: 1, body: 'x' }],
      ['read_file', { path: 'README.md' }],
    ] as const) {
      const answer = await call(tool, { ...APP, ...more });
      expect([tool, answer.body.is_error, answer.text.includes('only in')]).toEqual([tool, true, false]);
    }
    expect(reached().filter((request) => !/^GET \/repos\/acme\/app/.test(request))).toEqual([]);
    Object.assign(fake.world.named('acme', 'web'), { name: 'app', formerNames: [] });
    expect((await call('get_issue', { ...APP, issue_number: 90 })).body.is_error).toBe(true);
    expect(reached()).toEqual(['GET /repos/acme/app/issues/90']);
    expect(engine.issues.size).toBe(2);
  });

  it('are metered by repository and area', async () => {
    const { body } = await acme.owner.get(`/api/v1/mcp/calls/?connection=${connection}&limit=500`);
    const used = body.map((row: { resource: { resource_name: string } | null }) => row.resource?.resource_name);
    const areas = used.filter((name: string | undefined) => name?.includes('/'));
    expect([...new Set(areas)].sort()).toEqual(
      ['acme/app', 'other/lib'].flatMap((name) =>
        ['files', 'issues', 'pull requests'].map((area) => `${name} ${area}`),
      ),
    );
    await expectTotalsToEqualRows(app);
    expect(app.log.join('')).not.toContain(USER_TOKEN);
  });
});
