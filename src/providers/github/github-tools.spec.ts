import { startGithub, READER_TOKEN, type FakeGitHub } from '../../../test/support/upstreams/github/github.js';
import { connectGitHub, type GitHubSession } from '../../../test/support/upstreams/github/session.js';

const APP = { owner: 'acme', repo: 'app' };
const NOWHERE = 'GitHub has nothing there, or the token may not see it';

describe('the tools of GitHub', () => {
  let fake: FakeGitHub;
  let github: GitHubSession;

  beforeAll(async () => {
    fake = await startGithub();
    github = await connectGitHub(fake.url);
  });
  afterAll(async () => {
    await github.close();
    await fake.close();
  });
  beforeEach(() => void fake.requests.splice(0));
  const asked = (): string[] => fake.requests.splice(0).map(({ method, path }) => `${method} ${path}`);

  it('are listed with schemas that take nothing else, and with hints that tell writes from reads', async () => {
    const { tools } = await github.client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      'search_issues',
      'search_pull_requests',
      'search_code',
      'list_issues',
      'get_issue',
      'create_issue',
      'update_issue',
      'add_comment',
      'list_pull_requests',
      'get_pull_request',
      'add_pull_request_comment',
      'read_file',
      'list_commits',
    ]);
    for (const { inputSchema, outputSchema, annotations, name } of tools) {
      expect([inputSchema.additionalProperties, outputSchema?.type]).toEqual([false, 'object']);
      expect(annotations?.readOnlyHint).toBe(!/^(create|update|add)_/.test(name));
    }
  });

  it('say what an issue is in the same words everywhere, over fields of its own and of no other repository', async () => {
    const { content } = await github.call('get_issue', { ...APP, issue_number: 1 });
    expect(content).toMatchObject({
      number: 1,
      issue_id: 'acme/app#1',
      title: 'Login fails, only in acme/app',
      url: 'https://github.com/acme/app/issues/1',
      status: 'open',
      project: 'acme/app',
      body: 'A body only in acme/app',
      labels: [{ name: 'bug', color: 'd73a4a', description: null }],
      user: { login: 'octocat', type: 'User' },
      is_pull_request: false,
    });
    expect([typeof content.id, content.updated_at]).toEqual(['string', expect.stringMatching(/^2026-01-01T00:.*Z$/)]);
    expect(Object.keys(content).filter((key) => /_url$|node_id|parent|sub_issues/.test(key))).toEqual([]);
    const pull = await github.call('get_pull_request', { ...APP, pull_number: 3 });
    expect(pull.content).toMatchObject({ issue_id: 'acme/app#3', head: { ref: 'topic' }, base: { ref: 'main' } });
    expect(pull.text).not.toMatch(/acme\/lib|SECRET/);
    const pulls = await github.call('list_pull_requests', APP);
    expect(pulls.content.pull_requests).toMatchObject([{ issue_id: 'acme/app#3', status: 'open' }]);
    expect(pulls.text).not.toMatch(/acme\/lib|SECRET/);
  });

  it('list issues without the pull requests among them, by state, label and time, page by page', async () => {
    const app = fake.world.addRepository('acme', 'many');
    for (let number = 3; number <= 120; number++)
      fake.world.addIssue(app, { title: `Issue ${number}`, labels: ['many'] });
    fake.world.addPull(app, 'No issue');
    const many = { owner: 'acme', repo: 'many', labels: ['many'] };
    const numbers: number[] = [];
    let cursor: string | undefined;
    do {
      const { content } = await github.call('list_issues', { ...many, ...(cursor === undefined ? {} : { cursor }) });
      numbers.push(...content.issues.map(({ number }: { number: number }) => number));
      cursor = content.next_cursor;
    } while (cursor !== undefined);
    expect(numbers).toEqual(Array.from({ length: 118 }, (_, index) => 120 - index));
    expect(fake.requests.map(({ query }) => query.get('page'))).toEqual([null, '2', '3', '4']);
    const since = app.issues.get(119)?.updatedAt;
    expect((await github.call('list_issues', { ...many, since })).content.issues).toHaveLength(2);
    expect((await github.call('list_issues', { ...many, state: 'closed' })).content.issues).toEqual([]);
    expect((await github.call('list_issues', { ...many, cursor: 'page=2&per_page=1&x=http://evil' })).isError).toBe(
      false,
    );
    expect((await github.call('list_issues', { ...many, cursor: 'nonsense' })).text).toContain('cursor');
  });

  it('write what can be read back', async () => {
    const created = await github.call('create_issue', { ...APP, title: 'New', body: 'Text', labels: ['bug'] });
    const issue = { ...APP, issue_number: created.content.number };
    expect(created.content).toMatchObject({ title: 'New', body: 'Text', status: 'open', project: 'acme/app' });
    const changes = { state: 'closed', state_reason: 'not_planned', assignees: ['hubot'], title: 'Newer' };
    expect((await github.call('update_issue', { ...issue, ...changes })).content).toMatchObject({ status: 'closed' });
    const comment = await github.call('add_comment', { ...issue, body: 'Done' });
    expect(comment.content).toMatchObject({ body: 'Done', project: 'acme/app', user: { login: 'octocat' } });
    expect((await github.call('get_issue', issue)).content).toMatchObject({
      title: 'Newer',
      body: 'Text',
      state_reason: 'not_planned',
      assignees: [{ login: 'hubot' }],
      comments: 1,
    });
    expect((await github.call('update_issue', issue)).text).toBe('There is nothing to change');
  });

  it('keep issues and pull requests apart, which are one to GitHub', async () => {
    for (const [tool, more] of [
      ['get_issue', {}],
      ['update_issue', { title: 'x' }],
      ['add_comment', { body: 'x' }],
    ] as const)
      expect(await github.call(tool, { ...APP, issue_number: 3, ...more })).toMatchObject({
        isError: true,
        text: 'This is a pull request: the tools for pull requests have it',
      });
    const comment = await github.call('add_pull_request_comment', { ...APP, pull_number: 3, body: 'Nice' });
    expect(comment.content).toMatchObject({ body: 'Nice', issue_id: 'acme/app#3', project: 'acme/app' });
    expect(asked().filter((request) => !request.startsWith('GET'))).toEqual(['POST /repos/acme/app/issues/3/comments']);
    const issue = await github.call('add_pull_request_comment', { ...APP, pull_number: 1, body: 'x' });
    expect([issue.text, asked()]).toEqual([NOWHERE, ['GET /repos/acme/app/pulls/1']]);
  });

  it('read files as text or bytes, and folders, by paths that need encoding', async () => {
    const text = await github.call('read_file', { ...APP, path: 'docs/set up?.md' });
    expect(text.content).toMatchObject({ type: 'file', content: 'Setting up only in acme/app', encoding: 'utf-8' });
    expect(asked()).toEqual(['GET /repos/acme/app/contents/docs/set%20up%3F.md']);
    expect((await github.call('read_file', { ...APP, path: 'docs/logo.png' })).content).toMatchObject({
      encoding: 'base64',
      content: 'iVBORwABAgM=',
      size: 8,
    });
    const folder = await github.call('read_file', { ...APP, path: '/docs/' });
    expect(folder.content).toMatchObject({ type: 'dir', entries: [{ name: 'set up?.md' }, { name: 'logo.png' }] });
    const older = await github.call('read_file', { ...APP, path: 'README.md', ref: 'release/1.0' });
    expect(older.content.content).toBe('# app 1.0\n');
    const large = Buffer.alloc(1_500_000, 'x');
    fake.world.named('acme', 'app').trees.get('main')?.set('large.txt', { bytes: large });
    expect((await github.call('read_file', { ...APP, path: 'large.txt' })).content.size).toBe(1_500_000);
    expect((await github.call('read_file', { ...APP, path: 'vendor/other' })).text).toContain('submodule');
    const commits = await github.call('list_commits', { ...APP, path: 'README.md' });
    expect(commits.content.commits).toMatchObject([{ message: 'Begin, only in acme/app', author: { login: 'hubot' } }]);
  });

  it.each([
    ['the owner', { owner: 'acme/lib', repo: 'app' }],
    ['dots', { owner: 'acme', repo: '..' }],
    ['an encoded slash', { owner: 'acme', repo: 'app%2F..%2Flib' }],
    ['a query', { owner: 'acme', repo: 'lib?x=' }],
    ['a fragment', { owner: 'acme', repo: 'lib#' }],
    ['a line break', { owner: 'acme', repo: 'lib\n' }],
    ['an ending that GitHub drops', { owner: 'acme', repo: 'lib.git' }],
    ['no text', { owner: 'acme', repo: 7 }],
  ])('send nothing for a repository that is named with %s', async (_, name) => {
    for (const [tool, more] of [
      ['list_issues', {}],
      ['get_issue', { issue_number: 1 }],
      ['create_issue', { title: 'x' }],
      ['read_file', { path: 'README.md' }],
      ['list_commits', {}],
      ['get_pull_request', { pull_number: 1 }],
    ] as const)
      expect((await github.call(tool, { ...name, ...more })).isError).toBe(true);
    expect(asked()).toEqual([]);
  });

  it.each(['../../lib/contents/README.md', 'docs/../../x', './x', 'a//b', 'a\\b', 'a\0b'])(
    'send nothing for the path %j',
    async (path) => {
      expect((await github.call('read_file', { ...APP, path })).isError).toBe(true);
      expect((await github.call('list_commits', { ...APP, path })).isError).toBe(true);
      expect(asked()).toEqual([]);
    },
  );

  it.each(['0123abcd', 'a'.repeat(40), 'v1.0-3-g0123abcd', 'main~1', 'main@{1}', 'a..b', '-x', 'main^'])(
    'take the ref %j for no branch: a commit may be that of a fork',
    async (ref) => {
      expect((await github.call('read_file', { ...APP, path: 'README.md', ref })).isError).toBe(true);
      expect((await github.call('list_commits', { ...APP, sha: ref })).isError).toBe(true);
      expect(asked()).toEqual([]);
    },
  );

  it('find nothing under the old name of a repository, and write nothing to it', async () => {
    const motor = { owner: 'acme', repo: 'motor' };
    for (const [tool, more] of [
      ['list_issues', {}],
      ['get_issue', { issue_number: 1 }],
      ['create_issue', { title: 'x' }],
      ['update_issue', { issue_number: 1, title: 'x' }],
      ['add_comment', { issue_number: 1, body: 'x' }],
      ['read_file', { path: 'README.md' }],
    ] as const)
      expect(await github.call(tool, { ...motor, ...more })).toMatchObject({ isError: true, text: NOWHERE });
    expect(asked().filter((request) => !/^GET \/repos\/acme\/motor/.test(request))).toEqual([]);
  });

  it('do not follow an issue to the repository it was transferred to', async () => {
    const moved = { ...APP, issue_number: 90 };
    for (const [tool, more] of [
      ['get_issue', {}],
      ['update_issue', { title: 'x' }],
      ['add_comment', { body: 'x' }],
    ] as const)
      expect((await github.call(tool, { ...moved, ...more })).text).toBe(NOWHERE);
    expect(asked().join()).not.toMatch(/repositories|PATCH|POST/);
  });

  it('take an answer about another repository for none, whoever gave it', async () => {
    const lib = fake.world.named('acme', 'lib');
    const foreign = { number: 1, id: 5, title: 'SECRET', state: 'open', repository_url: `${fake.url}/repos/acme/lib` };
    fake.fail(/^\/repos\/acme\/app\/issues\/1$/, { status: 200, body: foreign });
    expect((await github.call('get_issue', { ...APP, issue_number: 1 })).text).toBe(NOWHERE);
    fake.fail(/^\/repos\/acme\/app\/issues$/, { status: 200, body: [foreign, null, 7, { number: 'x' }] });
    expect((await github.call('list_issues', { ...APP, labels: ['x'] })).content).toEqual({ issues: [] });
    fake.fail(/^\/repos\/acme\/app$/, { status: 200, body: { full_name: 'acme/lib' } });
    expect((await github.call('create_issue', { ...APP, title: 'x' })).text).toBe(NOWHERE);
    expect([...lib.issues.values()].map(({ title }) => title)).not.toContain('x');
  });

  it('may not write with the token of a reader, and say which right it takes', async () => {
    const reader = await connectGitHub(fake.url, READER_TOKEN);
    const { text, isError } = await reader.call('create_issue', { ...APP, title: 'x' });
    expect([isError, text]).toEqual([
      true,
      'The token may not do this: Resource not accessible by personal access token. ' +
        'It takes one of these rights: issues=write; pull_requests=write',
    ]);
    await reader.close();
  });
});
