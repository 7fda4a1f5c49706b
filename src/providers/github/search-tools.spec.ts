import { startGithub, type FakeGitHub } from '../../../test/support/upstreams/github/github.js';
import { connectGitHub, type GitHubSession } from '../../../test/support/upstreams/github/session.js';

const BOTH = ['acme/app', 'other/lib'];
type Found = { issue_id: string; project: string; path: string };

describe('searching GitHub', () => {
  let fake: FakeGitHub;
  let server: FakeGitHub;
  let github: GitHubSession;
  let enterprise: GitHubSession;

  beforeAll(async () => {
    [fake, server] = await Promise.all([startGithub(), startGithub({ enterprise: '3.14.2' })]);
    [github, enterprise] = await Promise.all([connectGitHub(fake.url), connectGitHub(server.url)]);
  });
  afterAll(async () => {
    await Promise.all([github.close(), enterprise.close()]);
    await Promise.all([fake.close(), server.close()]);
  });
  beforeEach(() => [fake, server].forEach(({ requests }) => requests.splice(0)));
  const queries = (of = fake): (string | null)[] => of.requests.map(({ query }) => query.get('q'));
  const ids = (found: Found[]): string[] => found.map(({ issue_id: id }) => id);

  it('finds issues in all repositories that are named, with one request', async () => {
    const { content } = await github.call('search_issues', { query: 'Login', repositories: BOTH });
    expect(ids(content.issues)).toEqual(['acme/app#1', 'other/lib#1']);
    expect(content.issues[0]).toMatchObject({ project: 'acme/app', status: 'open', labels: [{ name: 'bug' }] });
    expect(content.issues[0].body).toBeUndefined();
    expect(queries()).toEqual(['(repo:acme/app OR repo:other/lib) is:issue Login']);
    expect(fake.requests[0]?.query.get('advanced_search')).toBe('true');
  });

  it('finds pull requests by a tool of their own, and what GitHub mixes in of the other kind by neither', async () => {
    const pulls = await github.call('search_pull_requests', { query: 'is:open', repositories: BOTH });
    expect(ids(pulls.content.pull_requests)).toEqual(['acme/app#3']);
    expect(queries()).toEqual(['(repo:acme/app OR repo:other/lib) is:pr is:open']);
    for (const query of ['is:pr', 'TYPE:pr', '(is:pr OR Login)', 'Login is:"pull-request"']) {
      const refused = await github.call('search_issues', { query, repositories: BOTH });
      expect(refused.text).toBe('query asks for what search_pull_requests finds');
    }
    const issues = await github.call('search_pull_requests', { query: 'type:issue', repositories: BOTH });
    expect([issues.text, queries().length]).toEqual(['query asks for what search_issues finds', 1]);
    const row = (number: number, more: object): object => {
      return { number, id: number, title: 'x', repository_url: `${fake.url}/repos/acme/app`, ...more };
    };
    const body = { items: [row(1, {}), row(3, { pull_request: { merged_at: null } })] };
    fake.fail(/search/, { status: 200, body }, 2);
    const ask = { query: 'x', repositories: BOTH };
    expect(ids((await github.call('search_issues', ask)).content.issues)).toEqual(['acme/app#1']);
    expect(ids((await github.call('search_pull_requests', ask)).content.pull_requests)).toEqual(['acme/app#3']);
  });

  it('finds what has a plus in it', async () => {
    const app = fake.world.named('acme', 'app');
    fake.world.addIssue(app, { title: 'Port to C++ and 100% of {braces} & more' });
    for (const query of ['"c++"', '100%', '{braces}', '"& more"']) {
      const { content } = await github.call('search_issues', { query, repositories: BOTH });
      expect([query, ids(content.issues)]).toEqual([query, ['acme/app#4']]);
    }
  });

  it('keeps operators, brackets and quotes of a query within the repositories', async () => {
    for (const query of ['Login OR guide', 'NOT nothing', '(Login) OR (guide)', '"Login fails" OR "a guide"']) {
      const { content, text } = await github.call('search_issues', { query, repositories: ['acme/app'] });
      expect([query, ids(content.issues).slice(0, 2)]).toEqual([query, ['acme/app#1', 'acme/app#2']]);
      expect(text).not.toMatch(/acme\/lib|other/);
    }
    const refused = await github.call('search_issues', { query: 'Login OR repo:acme/lib', repositories: BOTH });
    expect([refused.isError, refused.text]).toEqual([
      true,
      'query must not choose where to search: leave repo: out, and name repositories in repositories',
    ]);
    expect(queries()).toHaveLength(4);
  });

  it('drops what an answer says of other repositories, and tells no count of it', async () => {
    const foreign = { number: 1, id: 1, title: 'SECRET', state: 'open', repository_url: `${fake.url}/repos/acme/lib` };
    fake.fail(/search\/issues/, {
      status: 200,
      body: { total_count: 1, incomplete_results: true, items: [foreign, null] },
    });
    const found = await github.call('search_issues', { query: 'x', repositories: BOTH });
    expect(found.content).toEqual({ issues: [], incomplete: true });
    const file = { name: 'x', path: 'x', repository: { full_name: 'acme/lib' } };
    fake.fail(/search\/code/, { status: 200, body: { total_count: 1, items: [file] } });
    expect((await github.call('search_code', { query: 'x', repositories: BOTH })).content).toEqual({ files: [] });
  });

  it('pages through several groups of repositories, of any size of page', async () => {
    const projects = Array.from({ length: 9 }, (_, index) => `many/r${index}`);
    for (const project of projects) {
      const repository = fake.world.addRepository('many', project.slice(5));
      for (let number = 3; number <= 7; number++) fake.world.addIssue(repository, { title: `Found ${number}` });
    }
    const all = projects.flatMap((project) => [3, 4, 5, 6, 7].map((number) => `${project}#${number}`));
    for (const size of [4, 7, 100]) {
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const args = {
          query: 'Found',
          repositories: projects,
          max_results: size,
          ...(cursor === undefined ? {} : { cursor }),
        };
        const { content } = await github.call('search_issues', args);
        expect(content.issues.length).toBeLessThanOrEqual(size);
        found.push(...ids(content.issues));
        cursor = content.next_cursor;
      } while (cursor !== undefined);
      expect(found).toEqual(all);
      fake.limits.search.remaining = 30;
    }
  });

  it('asks for names where they are missing, are none, or are too many', async () => {
    for (const repositories of [[], ['acme'], ['acme/app/x'], ['acme/app repo:acme/lib'], [7]])
      expect((await github.call('search_issues', { query: 'x', repositories })).isError).toBe(true);
    expect((await github.call('search_issues', { query: 'x' })).text).toContain('repositories');
    const many = Array.from({ length: 31 }, (_, index) => `acme/r${index}`);
    expect((await github.call('search_code', { query: 'x', repositories: many })).text).toContain('at most 30');
    expect((await github.call('search_issues', { query: 'x', repositories: BOTH, cursor: '0.-1' })).isError).toBe(true);
    expect(queries()).toEqual([]);
  });

  it('finds files by their text', async () => {
    const { content } = await github.call('search_code', { query: '"Setting up"', repositories: BOTH });
    expect(content.files.map(({ project, path }: Found) => `${project} ${path}`)).toEqual([
      'acme/app docs/set up?.md',
      'other/lib docs/set up?.md',
    ]);
    expect(queries()).toEqual(['repo:acme/app repo:other/lib "Setting up"']);
  });

  it('asks an Enterprise Server for one repository at a time, whose search reads several in its own way', async () => {
    const { content } = await enterprise.call('search_issues', { query: 'Login', repositories: BOTH });
    expect(ids(content.issues)).toEqual(['acme/app#1', 'other/lib#1']);
    expect(queries(server)).toEqual(['repo:acme/app is:issue Login', 'repo:other/lib is:issue Login']);
  });

  it('stops at a used up limit of searches, and nothing else does', async () => {
    fake.limits.code_search.remaining = 1;
    const code = { query: 'guide', repositories: BOTH };
    expect((await github.call('search_code', code)).isError).toBe(false);
    fake.requests.splice(0);
    expect((await github.call('search_code', { ...code, query: 'other' })).text).toMatch(
      /rate limit.* try again in \d+ s/,
    );
    expect(fake.requests).toEqual([]);
    expect((await github.call('get_issue', { owner: 'acme', repo: 'app', issue_number: 1 })).isError).toBe(false);
  });
});
