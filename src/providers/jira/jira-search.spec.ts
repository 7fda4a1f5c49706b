import { authOf, connectProvider, type ConnectedProvider } from '../../../test/support/upstreams/jira/connected.js';
import { startJira, type FakeJira } from '../../../test/support/upstreams/jira/jira-server.js';

/** Keys of the issues in an answer. */
const keysIn = (content: { issues: { key: string }[] }): string[] => content.issues.map(({ key }) => key);

describe.each(['cloud', 'server'] as const)('the search of the Jira provider at %s', (mode) => {
  let jira: FakeJira;
  let provider: ConnectedProvider;
  beforeAll(async () => {
    jira = await startJira({ mode, context: mode === 'server' ? '/jira' : '' });
    provider = await connectProvider({ ...authOf(jira, mode), base_url: `${jira.url}/` });
    await provider.client.listTools();
  });
  afterAll(async () => {
    await provider.close();
    await jira.close();
  });

  it('finds issues within the projects, whatever the query says beside', async () => {
    const { content } = await provider.call('search_issues', {
      projects: ['DEV'],
      jql: 'status = Done OR status = "To Do" ORDER BY key ASC',
    });
    expect(keysIn(content)).toEqual(['DEV-1', 'DEV-2', 'DEV-3']);
    expect(JSON.stringify(content)).not.toContain('SECRET');
    expect(content.issues[0]).toMatchObject({
      key: 'DEV-1',
      issue_id: 'DEV-1',
      title: 'Fix login',
      url: `${jira.url}/browse/DEV-1`,
      status: 'To Do',
      project: 'DEV',
      issue_type: 'Bug',
      labels: ['login'],
      subtasks: [{ key: 'DEV-3' }],
      issuelinks: [{ type: 'Blocks', direction: 'inward', issue: { key: 'DEV-2' } }],
    });
    expect(content.issues[0].updated_at).toMatch(/^2026-01-05T08:00:\d\d\.000Z$/);
  });

  it.each([
    'project in (DEV, OPS)',
    'project = OPS OR project = DEV',
    'project = "OPS"',
    "project = 'Operations'",
    'project = 10001',
    'project = "10001"',
    'PROJECT != ops',
    '"project" not in ("DEV", \'o\\u0070s\')',
    'space = OPS',
    '"ſpace" = OPS',
    '"ıd" = 20004',
    'key = OPS-1',
    'issuekey in (DEV-1, OPS-1)',
    'KEY >= ops-1',
    'id = 20004',
    'id = 99999',
    'parent = OPS-2',
    '"Epic Link" = OPS-2',
    'cf[10014] = OPS-2',
    '"Some picker" = OPS-2',
    '"Some picker" = "ıps-2"',
    'cf[10014] = 20005',
    'cf[10014] = "20005"',
    'cf[010014] in (20001, "+20005")',
    'cf[10014] = "٢٠٠٠٥"',
    'cf[10014] != 99999',
    'cf[10099] = 20005',
    '"Some picker" = 20005',
    'nobody-knows = 20005',
    'Twice = 20005',
    'issue in linkedIssues("OPS-1")',
    'issue in linkedIssues(20004)',
    'fixVersion in releasedVersions(OPS)',
    'issue in linkedIssuesOf("project = OPS")',
    'filter = 10000',
    'status = Done) OR (project = OPS',
    'summary ~ "x" ORDER BY key) OR (project = OPS',
    'status was Done by "OPS-1" and "Parent Link" changed to OPS-2',
  ])('refuses a query that names something of another project: %s', async (jql) => {
    jira.journal.splice(0);
    const { isError, text } = await provider.call('search_issues', { projects: ['DEV'], jql });
    expect([isError, text.includes('SECRET')]).toEqual([true, false]);
    expect(jira.journal.filter(({ path }) => path.includes('/search') && !path.includes('project/'))).toEqual([]);
  });

  it.each([
    ['project = dev', ['DEV-1', 'DEV-2', 'DEV-3']],
    ["project in ('Development', 10000) AND type = Bug", ['DEV-1']],
    ['key in (DEV-1, dev-2)', ['DEV-1', 'DEV-2']],
    ['id = 20002', ['DEV-2']],
    ['parent = DEV-1', ['DEV-3']],
    ['issue in linkedIssues("DEV-1")', ['DEV-2']],
    ['cf[10014] = DEV-1 OR cf[10014] = 20001', ['DEV-3']],
    ['cf[10016] = 5 AND Estimate = 5', ['DEV-1']],
    ['summary ~ "OPS too"', ['DEV-2']],
    ['summary ~ "\\"docs\\" ("', ['DEV-2']],
    ['NOT (type = Bug or type in (Task))', ['DEV-3']],
    ['!type=Bug&&type!=Task', ['DEV-3']],
    ['labels is EMPTY AND type = Task', ['DEV-2']],
    ['', ['DEV-1', 'DEV-2', 'DEV-3']],
    ['order by key', ['DEV-1', 'DEV-2', 'DEV-3']],
  ])('runs a query within the projects: %s', async (jql, keys) => {
    const { text, content } = await provider.call('search_issues', { projects: ['DEV', 'GONE'], jql });
    expect(content?.issues ? keysIn(content).sort() : text).toEqual(keys);
  });

  it.each([
    ['key = KEY', 'DEV-9', 'DEV-77'],
    ['NOT key in (DEV-1, KEY)', 'DEV-9', 'DEV-77'],
    ['parent = KEY', 'dev-9', 'dev-77'],
    ['cf[10014] = KEY OR key = DEV-1', 'DEV-9', 'DEV-77'],
    ['issue in linkedIssues("KEY")', 'DEV-9', 'DEV-77'],
    ['KEY = Done', 'other', 'nothing'],
    ['type = KEY', 'Wish', 'Hope'],
  ])('says the same of what is elsewhere and of what is nowhere: %s', async (jql, one, other) => {
    for (const key of [one, other]) {
      const query = jql.replaceAll('KEY', key);
      const { isError, text } = await provider.call('search_issues', { projects: ['DEV'], jql: query });
      expect([isError, text]).toEqual([
        true,
        "Jira does not accept the JQL: a field or value in it is not known, or can't be used so",
      ]);
    }
    const { text } = await provider.call('search_issues', { jql: 'nothing = Done' });
    expect(text).toContain("Field 'nothing' does not exist");
  });

  it('asks for an issue that its search does not know yet, and takes one that moved between the projects', async () => {
    jira.faults.push({ path: /search/, kind: 'answer', status: 200, body: { issues: [] } });
    const fresh = await provider.call('search_issues', { projects: ['DEV'], jql: 'key = DEV-1' });
    expect(keysIn(fresh.content)).toEqual(['DEV-1']);
    const moved = await provider.call('search_issues', { projects: ['DEV', 'OPS'], jql: 'key = DEV-9' });
    expect(moved.content.issues).toMatchObject([{ project: 'OPS', title: 'SECRET move' }]);
    const many = Array.from({ length: 300 }, (_, index) => `DEV-${index + 1}`).join();
    const unknown = await provider.call('search_issues', { projects: ['DEV'], jql: `key in (${many})` });
    expect(unknown.isError).toBe(true);
  });

  it('finds nothing in projects that are not there, and everything where none are asked for', async () => {
    expect((await provider.call('search_issues', { projects: ['GONE'] })).content).toEqual({ issues: [] });
    expect((await provider.call('search_issues', { projects: [] })).content).toEqual({ issues: [] });
    const { content } = await provider.call('search_issues', { max_results: 100 });
    expect(content.issues).toHaveLength(8);
    expect(keysIn((await provider.call('search_issues', { jql: 'order by key asc' })).content)[0]).toBe('DEV-1');
  });

  it('finds issues of the types that were asked for, and leaves out types that are not there', async () => {
    const found = async (args: object): Promise<string[]> =>
      keysIn((await provider.call('search_issues', { ...args })).content).sort();
    expect(await found({ projects: ['DEV'], issue_types: ['bug', 'Wish', 'sub-task'] })).toEqual(['DEV-1', 'DEV-3']);
    expect(await found({ projects: ['DEV'], issue_types: ['Wish'] })).toEqual([]);
    expect(await found({ projects: ['DEV'], issue_types: [] })).toEqual([]);
    expect(await found({ issue_types: ['Bug'] })).toEqual(['DEV-1', 'OPS-1', 'QA-1']);
    expect(await found({ issue_types: ['Bug'], jql: 'project = QA OR type = Epic' })).toEqual(['QA-1']);
    const broken = await provider.call('search_issues', { issue_types: ['Bug'], jql: 'key = QA-1) OR (type = Epic' });
    expect(broken.isError).toBe(true);
    const body = { issues: [{ id: '1', key: 'DEV-2', fields: { issuetype: { name: 'Task' } } }] };
    jira.faults.push({ path: /search/, kind: 'answer', status: 200, body });
    expect(await found({ issue_types: ['Bug'] })).toEqual([]);
  });
});
