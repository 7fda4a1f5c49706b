import { Ajv2020 } from 'ajv/dist/2020.js';
import { startPrismGitHub, type PrismGitHub } from '../../../test/support/upstreams/github/prism.js';
import { connectGitHub, type GitHubSession } from '../../../test/support/upstreams/github/session.js';

const REPOSITORY = { owner: 'octocat', repo: 'Hello-World' };

/** Examples of GitHub's own description, so that what the product reads is what GitHub says it writes. */
describe("GitHub's description of its API", () => {
  let prism: PrismGitHub;
  let github: GitHubSession;
  const outputSchemas = new Map<string, object>();

  beforeAll(async () => {
    prism = await startPrismGitHub();
    github = await connectGitHub(prism.url);
    for (const { name, outputSchema } of (await github.client.listTools()).tools)
      outputSchemas.set(name, outputSchema ?? {});
  }, 90_000);
  afterAll(async () => {
    await github?.close();
    await prism?.close();
  });

  it.each([
    ['list_issues', REPOSITORY, { issues: [{ number: 1347, issue_id: 'octocat/Hello-World#1347' }] }],
    [
      'get_issue',
      { ...REPOSITORY, issue_number: 1347 },
      { title: 'Found a bug', status: 'open', labels: [{ name: 'bug' }] },
    ],
    ['create_issue', { ...REPOSITORY, title: 'Found a bug' }, { number: 1347 }],
    ['update_issue', { ...REPOSITORY, issue_number: 1347, state: 'open' }, { number: 1347 }],
    [
      'add_comment',
      { ...REPOSITORY, issue_number: 1347, body: 'Me too' },
      { body: 'Me too', user: { login: 'octocat' } },
    ],
    ['list_pull_requests', REPOSITORY, { pull_requests: [{ number: 1347, base: { ref: 'master' } }] }],
    [
      'add_pull_request_comment',
      { ...REPOSITORY, pull_number: 1347, body: 'Me too' },
      { body: 'Me too', issue_id: 'octocat/Hello-World#1347' },
    ],
    ['get_pull_request', { ...REPOSITORY, pull_number: 1347 }, { additions: 100, changed_files: 5 }],
    [
      'read_file',
      { owner: 'octokit', repo: 'octokit.rb', path: 'README.md' },
      { type: 'file', size: expect.any(Number) },
    ],
    ['list_commits', REPOSITORY, { commits: [{ message: 'Fix all the bugs', project: 'octocat/Hello-World' }] }],
    [
      'search_issues',
      { query: 'windows', repositories: ['batterseapower/pinyin-toolkit'] },
      { issues: [{ issue_id: 'batterseapower/pinyin-toolkit#132' }] },
    ],
    [
      'search_code',
      { query: 'addClass', repositories: ['jquery/jquery'] },
      { files: [{ path: 'src/attributes/classes.js' }] },
    ],
  ])('fits %s', async (tool, args, expected) => {
    const { content, isError, text } = await github.call(tool, args);
    expect([isError, isError ? text : '']).toEqual([false, '']);
    expect(content).toMatchObject(expected);
    const validate = new Ajv2020({ strict: false, allErrors: true }).compile(outputSchemas.get(tool) ?? {});
    expect([validate(content), validate.errors]).toEqual([true, null]);
  });

  it('fits what is listed and read', async () => {
    const { resources } = await github.client.listResources();
    expect(resources[0]).toMatchObject({ uri: 'github://octocat/Hello-World', name: 'octocat/Hello-World' });
    for (const part of ['', '/issues', '/pulls', '/branches']) {
      const { contents } = await github.client.readResource({ uri: `github://octocat/Hello-World${part}` });
      expect(contents[0]).toMatchObject({
        mimeType: 'application/json',
        text: expect.stringContaining('octocat/Hello-World'),
      });
    }
  });
});
