import { authOf, connectProvider, type ConnectedProvider } from '../../../test/support/upstreams/jira/connected.js';
import { startJira, type FakeJira } from '../../../test/support/upstreams/jira/jira-server.js';

describe.each(['cloud', 'server'] as const)('the Jira provider at %s', (mode) => {
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

  it('says which Jira it is, and its time', () => {
    expect(provider.client.getServerVersion()).toMatchObject({
      name: 'jira',
      title: 'Acme Jira',
      version: mode === 'cloud' ? '1001.0.0-SNAPSHOT' : '8.20.0',
    });
    expect(provider.serverTime).toBe('2023-07-14T10:35:00.000Z');
  });

  it('reads an issue with the fields that were asked for, and none that could name another project', async () => {
    const { content } = await provider.call('get_issue', {
      issue_key: 'dev-1',
      fields: ['customfield_10016', 'labels'],
    });
    expect(content.issue).toMatchObject({ key: 'DEV-1', customfield_10016: 5, labels: ['login'], issue_type: 'Bug' });
    expect(content.issue.parent).toBeUndefined();
    for (const field of [
      'customfield_10014',
      '*all',
      'customfield_99999',
      '-summary',
      'subtasks,parent',
      '__proto__',
    ]) {
      const refused = await provider.call('get_issue', { issue_key: 'DEV-1', fields: [field] });
      expect([refused.isError, refused.text]).toEqual([true, expect.stringContaining(`The field ${field} is not`)]);
    }
  });

  it('lists projects and issue types', async () => {
    const { content } = await provider.call('list_projects', { query: 'dev' });
    expect(content).toEqual({
      projects: [{ id: '10000', key: 'DEV', name: 'Development', type: 'software', url: `${jira.url}/browse/DEV` }],
    });
    const types = (await provider.call('list_issue_types', { project_key: 'DEV' })).content.issue_types;
    expect(types[0]).toEqual({ id: '10100', name: 'Bug', subtask: false, statuses: ['To Do', 'In Progress', 'Done'] });
    expect((await provider.call('list_issue_types', { project_key: 'NONE' })).text).toBe(
      'The project NONE does not exist or is not visible',
    );
  });

  it('creates, updates, transitions and comments, and answers what it became', async () => {
    const created = await provider.call('create_issue', {
      project_key: 'dev',
      issue_type: 'bug',
      summary: 'A new\none',
      description: 'First.\n\nSecond\nline.',
      fields: { labels: ['new'], parent: 'DEV-2', customfield_10016: 3 },
    });
    expect(created.content?.issue ?? created.text).toMatchObject({
      title: 'A new one',
      description: 'First.\n\nSecond\nline.',
      issue_type: 'Bug',
      labels: ['new'],
      parent: { key: 'DEV-2' },
    });
    const { key } = created.content.issue;
    const updated = await provider.call('update_issue', {
      issue_key: key,
      summary: 'Renamed',
      fields: { parent: null },
    });
    expect(updated.content.issue).toMatchObject({ key, title: 'Renamed', labels: ['new'] });
    expect(updated.content.issue.parent).toBeUndefined();
    const moved = await provider.call('transition_issue', { issue_key: key, transition: 'finish', comment: 'Done it' });
    expect(moved.content.issue).toMatchObject({ key, status: 'Done' });
    const commented = await provider.call('add_comment', { issue_key: key, body: 'Well done' });
    expect(commented.content.comment).toMatchObject({ issue_key: key, author: 'Robot', body: 'Well done' });
    const { content } = await provider.call('get_issue', { issue_key: key, fields: ['comment'] });
    expect(content.issue.comment.comments.map(({ body }: { body: string }) => body)).toEqual(['Done it', 'Well done']);
  });

  it('writes and reads the further texts of an issue as plain ones', async () => {
    const fields = { environment: 'Two\nlines', customfield_10020: 'One line', customfield_10030: 'Two\n\nparagraphs' };
    const written = await provider.call('update_issue', { issue_key: 'DEV-3', fields });
    expect(written.content?.issue ?? written.text).toMatchObject({ environment: 'Two\nlines' });
    const { content } = await provider.call('get_issue', { issue_key: 'DEV-3', fields: Object.keys(fields) });
    expect(content.issue).toMatchObject(fields);
  });

  it('says what it did where that can not be read back', async () => {
    const gone = (path: RegExp): void => {
      jira.faults.push({ path, kind: 'answer', status: 500 });
    };
    gone(/issue\/DEV-\d{2,}\?/);
    const wanted = { project_key: 'DEV', issue_type: 'Task', summary: 'x' };
    // Numbers of two digits: those that follow.
    while (jira.world.issues.filter(({ project }) => project.key === 'DEV').length < 9)
      jira.world.add('DEV', 'Task', 'y');
    const created = await provider.call('create_issue', wanted);
    expect([created.isError, created.text]).toEqual([
      true,
      expect.stringMatching(/^DEV-\d+ was created, but could not be read back: Jira is in trouble \(500\)$/),
    ]);
  });

  it('writes nothing that would tie an issue to another project or make it something else', async () => {
    const before = JSON.stringify(jira.world.issues);
    jira.journal.splice(0);
    const update = (fields: object) => provider.call('update_issue', { issue_key: 'DEV-1', fields });
    for (const fields of [
      { project: { key: 'OPS' } },
      { issuetype: { name: 'Epic' } },
      { parent: 'OPS-2' },
      { parent: { key: 'OPS-2' } },
      { parent: { id: '20005' } },
      { parent: { key: 'DEV-2', id: '20005' } },
      { parent: 'DEV-9' },
      { issuelinks: [] },
      { subtasks: [] },
      { customfield_10014: 'OPS-2' },
      { summary: 'by the back door' },
      { status: 'Done' },
      JSON.parse('{"__proto__": {"project": 1}}') as object,
      {},
    ])
      expect([(await update(fields)).isError, fields]).toEqual([true, fields]);
    const create = (fields: object) =>
      provider.call('create_issue', { project_key: 'DEV', issue_type: 'Task', summary: 'x', fields });
    for (const fields of [{ project: { key: 'OPS' } }, { parent: 'OPS-2' }, { issuetype: { id: '10103' } }])
      expect((await create(fields)).isError).toBe(true);
    expect(
      (await provider.call('create_issue', { project_key: 'DEV', issue_type: '10100', summary: 'x' })).isError,
    ).toBe(true);
    expect(JSON.stringify(jira.world.issues)).toBe(before);
    expect(jira.journal.filter(({ method }) => method !== 'GET')).toEqual([]);
  });

  it('takes the key of an issue that moved to another project for one that is not there', async () => {
    jira.journal.splice(0);
    const answers = [
      await provider.call('get_issue', { issue_key: 'DEV-9' }),
      await provider.call('update_issue', { issue_key: 'DEV-9', summary: 'x' }),
      await provider.call('transition_issue', { issue_key: 'DEV-9', transition: '31' }),
      await provider.call('add_comment', { issue_key: 'DEV-9', body: 'x' }),
    ];
    for (const answer of answers)
      expect([answer.isError, answer.text]).toEqual([true, 'DEV-9 does not exist or is not visible']);
    expect((await provider.call('get_issue', { issue_key: 'DEV-999' })).text).toBe(
      'DEV-999 does not exist or is not visible',
    );
    expect(jira.journal.filter(({ method }) => method !== 'GET')).toEqual([]);
  });

  it.each([
    ['get_issue', { issue_key: '10000' }],
    ['get_issue', { issue_key: 'DEV-1/../OPS-1' }],
    ['get_issue', {}],
    ['update_issue', { issue_key: 'DEV-1' }],
    ['update_issue', { issue_key: 'DEV-1', summary: '  ' }],
    ['update_issue', { issue_key: 'DEV-1', fields: [] }],
    ['transition_issue', { issue_key: 'DEV-1', transition: 'Fly' }],
    ['search_issues', { max_results: 101 }],
    ['search_issues', { projects: 'DEV' }],
    ['search_issues', { projects: ['DEV") OR project = ("OPS'] }],
    ['search_issues', { cursor: 'bm9uZQ' }],
    ['search_issues', { jql: 7 }],
  ])('tells why it does not take %s %j', async (tool, args) => {
    const { isError, text } = await provider.call(tool, args);
    expect([isError, text.length > 10, text.includes('undefined')]).toEqual([true, true, false]);
  });

  it('lists every project with its issues below it', async () => {
    const { resources } = await provider.client.listResources();
    expect(resources.map(({ uri }) => uri)).toEqual(
      ['DEV', 'OPS', 'QA'].flatMap((key) => [`jira://${key}`, `jira://${key}/issues`]),
    );
    expect(resources[1]).toMatchObject({
      name: 'Development Issues',
      description: 'Issues in the DEV project',
      _meta: {
        'mcp-control-plane/resource': {
          type: 'issue',
          parent: 'jira://DEV',
          external_id: '10000',
          operations: ['read', 'create', 'update'],
          schema: { properties: { key: { type: 'string' }, summary: {} } },
        },
      },
    });
    expect((await provider.read('jira://DEV')).document).toEqual({
      id: '10000',
      key: 'DEV',
      name: 'Development',
      type: 'software',
      url: `${jira.url}/browse/DEV`,
      description: 'What we build',
    });
    await expect(provider.read('jira://NONE/issues')).rejects.toThrow('no such resource');
    await expect(provider.read('jira://dev/issues')).rejects.toThrow('no such resource');
    await expect(provider.read('jira://DEV/../OPS/issues')).rejects.toThrow('no such resource');
  });

  it('reads once more what is so new that the search of Cloud may not know what came before it', async () => {
    const issue = jira.world.add('QA', 'Task', 'Now');
    const { updated } = issue;
    issue.updated = Date.now() - 1_000;
    const { document, page } = await provider.read('jira://QA/issues');
    const newest = document.at(-1).updated_at as string;
    expect([document.at(-1).title, newest]).toEqual(['Now', new Date(issue.updated).toISOString()]);
    const behind = Date.parse(newest) - Date.parse(page?.checkpoint ?? '');
    if (mode === 'server') expect(behind).toBe(0);
    else expect(Math.round(behind / 60_000)).toBe(5);
    const again = await provider.read('jira://QA/issues', { since: newest });
    expect(again.page?.checkpoint).toBe(newest);
    issue.updated = updated;
    jira.world.issues.splice(jira.world.issues.indexOf(issue), 1);
  });

  it('reads the items that changed since a checkpoint', async () => {
    const first = await provider.read('jira://QA/issues');
    expect(first.document).toMatchObject([{ key: 'QA-1', title: 'Flaky test', project: 'QA', issue_id: 'QA-1' }]);
    const { checkpoint } = first.page ?? {};
    expect(checkpoint).toBe(first.document[0].updated_at);
    jira.world.add('QA', 'Task', 'Later');
    const second = await provider.read('jira://QA/issues', { since: checkpoint ?? '' });
    expect(second.document.map(({ key }: { key: string }) => key)).toEqual(['QA-1', 'QA-2']);
    const third = await provider.read('jira://QA/issues', { since: second.page?.checkpoint ?? '' });
    expect(third.document.map(({ key }: { key: string }) => key)).toEqual(['QA-2']);
    expect(third.page).toEqual({ checkpoint: second.page?.checkpoint });
    const none = await provider.read('jira://QA/issues', { since: '2030-01-01T00:00:00Z' });
    expect([none.document, none.page]).toEqual([[], { checkpoint: '2030-01-01T00:00:00.000Z' }]);
    await expect(provider.read('jira://QA/issues', { since: 'yesterday' })).rejects.toThrow('ISO 8601');
    await expect(provider.read('jira://QA/issues', { cursor: 'e30' })).rejects.toThrow('cursor');
  });
});
