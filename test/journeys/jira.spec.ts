import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../support/api-client.js';
import { startApp, type TestApp } from '../support/app.js';
import { newMember, newTenant, type Tenant, type TestUser } from '../support/tenants.js';
import { startJira, type FakeJira } from '../support/upstreams/jira/jira-server.js';

const ACCESS = '/api/v1/mcp/workspace-access/';

/** Everything in the fake that is of OPS says so, its name, its key and its number included. */
const OF_OPS = /SECRET|OPS-\d/;

describe('a Jira of three projects, one of them granted', () => {
  let app: TestApp;
  let jira: FakeJira;
  let acme: Tenant;
  let member: TestUser;
  let connection: string;
  const ids = new Map<string, number>();

  beforeAll(async () => {
    [app, jira] = await Promise.all([startApp(), startJira()]);
    acme = await newTenant(app);
    member = await newMember(app, acme, 'member');
    await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/members/`, {
      username: member.username,
      role: 'member',
    });
    const created = await acme.owner.post('/api/v1/mcp/connections/', {
      server: 1,
      organization: acme.organization,
      connection_name: 'Jira',
      auth_data: { api_token: jira.token, base_url: jira.url, email: jira.email },
    });
    connection = created.body.id;
    await acme.owner.post(`/api/v1/mcp/connections/${connection}/discover/`);
    const { body } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}`);
    for (const { id, resource_uri: uri } of body) ids.set(uri, id);
  });
  afterAll(async () => {
    await app.close();
    await jira.close();
  });

  const id = (uri: string): number => ids.get(uri) ?? 0;
  const call = (tool: string, args: object): Promise<Answer> =>
    member.client.post(`/mcp/tools/jira_${tool}/execute`, { arguments: args });
  const read = (uri: string, window: object = {}): Promise<Answer> =>
    member.client.post(`/api/v1/mcp/resources/${id(uri)}/read/`, window);
  let names = 0;
  async function grant(body: object): Promise<string> {
    const created = await acme.owner.post(ACCESS, {
      workspace: acme.workspace,
      connection,
      access_name: `Grant ${++names}`,
      permission_level: 'write',
      ...body,
    });
    expect([created.status, created.body.details]).toEqual([201, undefined]);
    return `${ACCESS}${created.body.id}/`;
  }
  /** What reached Jira, each as `GET issue/DEV-1`, without what is looked up about projects. */
  const reached = (): string[] =>
    jira.journal
      .splice(0)
      .map(({ method, path }) => `${method} ${(path.slice(2).split('?')[0] ?? '').replace(/\d{5}/, 'ID')}`)
      .filter((entry) => !/serverInfo|myself|project/.test(entry));
  const keysIn = (answer: Answer): string[] =>
    answer.body.structured_content.issues.map(({ key }: { key: string }) => key).sort();

  describe('by its resource', () => {
    let path: string;
    beforeAll(async () => {
      path = await grant({ allowed_resources: [id('jira://DEV')] });
    });
    afterAll(() => acme.owner.delete(path));
    beforeEach(() => void jira.journal.splice(0));

    it('lists its issues, and of others nothing: not as links, parents or subtasks either', async () => {
      const found = await call('search_issues', {});
      expect([found.status, keysIn(found)]).toEqual([200, ['DEV-1', 'DEV-2', 'DEV-3']]);
      const { jql } = jira.journal.at(-1)?.body ?? {};
      expect(jql).toBe('project in ("DEV") ORDER BY updated DESC');
      const one = await call('get_issue', { issue_key: 'DEV-1' });
      expect(one.body.structured_content.issue).toMatchObject({
        key: 'DEV-1',
        subtasks: [{ key: 'DEV-3' }],
        issuelinks: [{ direction: 'inward', issue: { key: 'DEV-2' } }],
      });
      const items = await read('jira://DEV/issues');
      expect(JSON.parse(items.body.content)).toMatchObject([
        { key: 'DEV-1', subtasks: [{ key: 'DEV-3' }], issuelinks: [{ issue: { key: 'DEV-2' } }] },
        { key: 'DEV-2' },
        { key: 'DEV-3', parent: { key: 'DEV-1' } },
      ]);
      for (const answer of [found, one, items]) expect(answer.text).not.toMatch(OF_OPS);
      const projects = await call('list_projects', {});
      expect(projects.body.structured_content.projects).toMatchObject([{ key: 'DEV' }]);
      expect(projects.text).not.toContain('Operations');
    });

    it('refuses another project in the arguments, before anything is asked', async () => {
      const calls: [string, object][] = [
        ['search_issues', { projects: ['OPS'] }],
        ['search_issues', { projects: ['DEV', 'ops'] }],
        ['get_issue', { issue_key: 'OPS-1' }],
        ['list_issue_types', { project_key: 'OPS' }],
        ['create_issue', { project_key: 'OPS', issue_type: 'Bug', summary: 'x' }],
        ['update_issue', { issue_key: 'OPS-1', summary: 'x' }],
        ['transition_issue', { issue_key: 'ops-1', transition: 'Finish' }],
        ['add_comment', { issue_key: 'OPS-1', body: 'x' }],
      ];
      for (const [tool, args] of calls) {
        const { status, body, text } = await call(tool, args);
        expect([tool, status, body.details.reason]).toEqual([tool, 403, 'scope_not_granted']);
        expect(text).toContain('This project is not granted');
        expect(text).not.toContain('SECRET');
      }
      expect((await call('get_issue', { issue_key: '20004' })).status).toBe(400);
      expect((await read('jira://OPS/issues')).status).toBe(404);
      expect((await read('jira://OPS')).status).toBe(404);
      expect(reached()).toEqual([]);
    });

    it.each([
      'project in (DEV, OPS)',
      'project = OPS OR project = DEV',
      'project = "OPS"',
      "project = 'Operations'",
      'project = 10001',
      'key = OPS-1',
      'issuekey in (OPS-1)',
      '"Epic Link" = OPS-2',
      'issue in linkedIssues("OPS-1")',
      'status = "To Do") OR (project = "OPS"',
      'status = "To Do" \\" OR project = OPS OR summary ~ "x',
    ])('refuses JQL that names another project: %s', async (jql) => {
      const answer = await call('search_issues', { jql });
      expect([answer.status, answer.body.is_error]).toEqual([200, true]);
      expect(answer.text).not.toContain('SECRET');
      expect(reached()).toEqual([]);
    });

    it('finds nothing beyond with JQL that names no project', async () => {
      for (const jql of [
        'summary ~ SECRET',
        'status = "To Do" OR type = Epic',
        'NOT type = Bug',
        'id is EMPTY or !type=Story',
      ]) {
        const answer = await call('search_issues', { jql });
        expect(answer.text).not.toMatch(OF_OPS);
        expect(keysIn(answer).every((key) => key.startsWith('DEV-'))).toBe(true);
      }
    });

    it('writes within it, and what was written is read back', async () => {
      const created = await call('create_issue', {
        project_key: 'DEV',
        issue_type: 'Task',
        summary: 'Ship it',
        description: 'Today.',
      });
      const { key } = created.body.structured_content.issue;
      expect(created.body.structured_content.issue).toMatchObject({
        title: 'Ship it',
        description: 'Today.',
        project: 'DEV',
      });
      reached();
      await call('update_issue', { issue_key: key, summary: 'Shipped', fields: { labels: ['done'] } });
      // Looked up by the policy, by the tool itself, and read back.
      expect(reached()).toEqual([`GET issue/${key}`, `GET issue/${key}`, 'PUT issue/ID', `GET issue/${key}`]);
      await call('transition_issue', { issue_key: key, transition: 'Finish' });
      await call('add_comment', { issue_key: key, body: 'There it is' });
      const { body } = await call('get_issue', { issue_key: key, fields: ['labels', 'comment'] });
      expect(body.structured_content.issue).toMatchObject({
        title: 'Shipped',
        status: 'Done',
        labels: ['done'],
        comment: { comments: [{ body: 'There it is' }] },
      });
      const above = await call('update_issue', { issue_key: key, fields: { parent: 'OPS-2' } });
      expect([above.body.is_error, above.text.includes('SECRET')]).toEqual([true, false]);
      const away = await call('update_issue', { issue_key: key, fields: { project: { key: 'OPS' } } });
      expect(away.body.is_error).toBe(true);
    });

    it('takes an issue that moved away for one that is not there, and writes nothing to it', async () => {
      const asked = await call('get_issue', { issue_key: 'DEV-9' });
      expect([asked.body.is_error, asked.text.includes('does not exist'), asked.text.includes('SECRET')]).toEqual([
        true,
        true,
        false,
      ]);
      const unknown = await call('add_comment', { issue_key: 'DEV-999', body: 'x' });
      for (const [tool, args] of [
        ['update_issue', { summary: 'x' }],
        ['transition_issue', { transition: 'Finish' }],
        ['add_comment', { body: 'x' }],
      ] as const) {
        const { status, body } = await call(tool, { issue_key: 'DEV-9', ...args });
        expect([status, body.details.reason]).toEqual([403, 'lookup_failed']);
        if (tool === 'add_comment') expect(body.message).toBe(unknown.body.message);
      }
      expect(reached().filter((entry) => !entry.startsWith('GET'))).toEqual([]);
    });

    it('lets a reader write nothing', async () => {
      await acme.owner.patch(path, { permission_level: 'read' });
      const { status, body } = await call('add_comment', { issue_key: 'DEV-1', body: 'x' });
      expect([status, body.details.reason]).toEqual([403, 'permission_level']);
      await acme.owner.patch(path, { permission_level: 'write' });
    });
  });

  it('without its issues where they were taken out, and with nothing but its issues where they alone are granted', async () => {
    const path = await grant({ allowed_resources: [id('jira://DEV'), id('jira://QA')] });
    await acme.owner.post(`${path}remove-resource/`, { resource_id: id('jira://DEV/issues') });
    expect((await read('jira://DEV/issues')).status).toBe(404);
    expect(keysIn(await call('search_issues', {})).filter((key) => key.startsWith('DEV'))).toEqual([]);
    for (const [tool, args] of [
      ['search_issues', { projects: ['DEV'] }],
      ['get_issue', { issue_key: 'DEV-1' }],
      ['list_issue_types', { project_key: 'DEV' }],
      ['create_issue', { project_key: 'DEV', issue_type: 'Bug', summary: 'x' }],
      ['update_issue', { issue_key: 'DEV-1', summary: 'x' }],
      ['transition_issue', { issue_key: 'DEV-1', transition: 'Finish' }],
      ['add_comment', { issue_key: 'DEV-1', body: 'x' }],
    ] as const)
      expect([tool, (await call(tool, args)).body.details?.reason]).toEqual([tool, 'scope_not_granted']);
    expect((await call('list_projects', {})).text).toContain('Development');
    await acme.owner.delete(path);

    const child = await grant({ allowed_resources: [id('jira://DEV/issues')] });
    expect(keysIn(await call('search_issues', {}))).toContain('DEV-1');
    expect((await call('get_issue', { issue_key: 'DEV-1' })).body.is_error).toBeFalsy();
    expect((await call('add_comment', { issue_key: 'DEV-1', body: 'x' })).status).toBe(200);
    expect((await call('list_projects', {})).status).toBe(404);
    expect((await read('jira://DEV')).status).toBe(404);
    await acme.owner.delete(child);
  });

  it('by its filters: projects are taken in by themselves, and issues of other types are not there', async () => {
    const path = await grant({ resource_filters: { project_keys: ['DEV', 'QA'], issue_types: ['bug', 'epic'] } });
    const allowed = async (): Promise<number> => (await acme.owner.get(path)).body.allowed_resources.length;
    for (let tries = 0; (await allowed()) < 2 && tries < 100; tries++) await sleep(20);
    jira.journal.splice(0);

    expect(keysIn(await call('search_issues', {}))).toEqual(['DEV-1', 'QA-1']);
    const one = await call('get_issue', { issue_key: 'DEV-1' });
    expect(one.body.structured_content.issue).toMatchObject({ key: 'DEV-1', subtasks: [], issuelinks: [] });
    expect(one.text).not.toMatch(OF_OPS);
    const task = await call('get_issue', { issue_key: 'DEV-2' });
    expect([task.status, task.body.details.reason]).toEqual([403, 'result_withheld']);
    const types = await call('list_issue_types', { project_key: 'DEV' });
    expect(types.body.structured_content.issue_types).toMatchObject([{ name: 'Bug' }, { name: 'Epic' }]);

    expect((await call('add_comment', { issue_key: 'DEV-1', body: 'x' })).status).toBe(200);
    const comment = await call('add_comment', { issue_key: 'DEV-2', body: 'x' });
    expect([comment.status, comment.body.details.reason]).toEqual([403, 'filtered_out']);
    const create = await call('create_issue', { project_key: 'QA', issue_type: 'Task', summary: 'x' });
    expect([create.status, create.body.details.reason]).toEqual([403, 'filtered_out']);
    const bug = await call('create_issue', { project_key: 'QA', issue_type: 'Bug', summary: 'x' });
    expect(bug.body.structured_content.issue).toMatchObject({ project: 'QA', issue_type: 'Bug' });
    const list = await read('jira://DEV/issues');
    expect(JSON.parse(list.body.content)).toMatchObject([{ key: 'DEV-1', subtasks: [], issuelinks: [] }]);
    expect(list.text).not.toMatch(OF_OPS);
    await acme.owner.delete(path);
  });

  it('tells nothing of issues of other types by whether something was found', async () => {
    const path = await grant({ allowed_resources: [id('jira://DEV')], resource_filters: { issue_types: ['bug'] } });
    const oracle = (text: string): Promise<Answer> =>
      call('search_issues', {
        jql: `key = DEV-1 OR (key = DEV-2 AND summary ~ "${text}") ORDER BY key DESC`,
        max_results: 1,
      });
    const [right, wrong] = [await oracle('Write'), await oracle('Nothing')];
    expect(right.body.structured_content).toEqual({ issues: [expect.objectContaining({ key: 'DEV-1' })] });
    expect(right.body.structured_content).toEqual(wrong.body.structured_content);
    expect(jira.journal.at(-1)?.body.jql).toContain('project in ("DEV") AND issuetype in ("Bug") AND (');
    expect(keysIn(await call('search_issues', { issue_types: ['BUG'] }))).toEqual(['DEV-1']);
    const { status, body } = await call('search_issues', { issue_types: ['Bug', 'Task'] });
    expect([status, body.details.reason]).toEqual([403, 'filtered_out']);
    await acme.owner.delete(path);
    const none = await grant({ allowed_resources: [id('jira://DEV')], resource_filters: { issue_types: ['Wish'] } });
    jira.journal.splice(0);
    expect(keysIn(await call('search_issues', {}))).toEqual([]);
    expect(reached().filter((entry) => entry.includes('search'))).toEqual([]);
    await acme.owner.delete(none);
  });

  it('reads items until nothing is new, each with what a mapping names it by', async () => {
    const path = await grant({ allowed_resources: [id('jira://QA')] });
    const items = (answer: Answer): { key: string }[] => JSON.parse(answer.body.content) as { key: string }[];
    const first = await read('jira://QA/issues');
    expect(items(first)).toMatchObject([{ key: 'QA-1', issue_id: 'QA-1', title: 'Flaky test', status: 'To Do' }, {}]);
    const { checkpoint } = first.body;
    await call('update_issue', { issue_key: 'QA-1', summary: 'Less flaky' });
    const second = await read('jira://QA/issues', { since: checkpoint });
    expect(items(second)).toMatchObject([{ key: 'QA-2' }, { key: 'QA-1', title: 'Less flaky' }]);
    const third = await read('jira://QA/issues', { since: second.body.checkpoint });
    expect(items(third)).toMatchObject([{ key: 'QA-1' }]);
    expect(third.body.checkpoint).toBe(second.body.checkpoint);
    await acme.owner.delete(path);
  });
});
