import { setTimeout as sleep } from 'node:timers/promises';
import {
  INSTALLATION_TOKEN,
  startGithub,
  USER_TOKEN,
  type FakeGitHub,
  type Fault,
} from '../../../test/support/upstreams/github/github.js';
import { connectGitHub, type GitHubSession } from '../../../test/support/upstreams/github/session.js';
import { UpstreamError } from '../../mcp/upstream.js';

const ISSUE = { owner: 'acme', repo: 'app', issue_number: 1 };
const PATH = /^\/repos\/acme\/app\/issues\/1$/;
const answer = (status: number, body: object, headers: Record<string, string> = {}): Fault => ({
  status,
  body,
  headers,
});

describe('GitHub in trouble', () => {
  let fake: FakeGitHub;
  let github: GitHubSession;
  beforeEach(async () => {
    fake = await startGithub();
    github = await connectGitHub(fake.url);
    fake.requests.splice(0);
  });
  afterEach(async () => {
    await github.close();
    await fake.close();
  });

  it.each<[string, Fault, string | RegExp]>([
    ['a revoked token', answer(401, { message: 'Bad credentials' }), /does not accept the token/],
    [
      'single sign-on',
      answer(
        403,
        { message: 'Resource protected by organization SAML enforcement.' },
        { 'x-github-sso': 'required; url=https://github.com/orgs/acme/sso?x=SECRET' },
      ),
      'The organization asks for single sign-on: authorize the token for it at GitHub, in the settings of tokens',
    ],
    [
      'a missing scope',
      answer(403, { message: 'Must have admin rights to Repository.' }, { 'x-accepted-oauth-scopes': 'repo' }),
      'The token may not do this: Must have admin rights to Repository.. It takes one of these rights: repo',
    ],
    [
      'a secondary limit that says no time',
      answer(403, { message: 'You have exceeded a secondary rate limit.' }),
      /rate limit is used up: try again in (59|60) s/,
    ],
    ['nothing there', answer(404, { message: 'Not Found' }), 'GitHub has nothing there, or the token may not see it'],
    [
      'a conflict',
      answer(409, { message: 'Git Repository is empty.' }),
      'GitHub sees a conflict with how things stand: Git Repository is empty.',
    ],
    [
      'issues that are switched off',
      answer(410, { message: 'Issues are disabled for this repo' }),
      /switched off for the repository: Issues are disabled/,
    ],
    [
      'a validation error',
      answer(422, {
        message: 'Validation Failed',
        errors: [
          { resource: 'Issue', field: 'title', code: 'missing_field' },
          'Only texts',
          { message: 'body is too long', field: 'body' },
          7,
        ],
      }),
      'GitHub can not take this: Validation Failed: title is missing; Only texts; body is too long',
    ],
    [
      'an error of its own',
      { text: '<html>SECRET unicorn</html>', type: 'text/html', status: 502 },
      'GitHub has a problem of its own (502): try again later',
    ],
    ['HTML in place of JSON', { text: '<html>SECRET proxy</html>', type: 'text/html' }, /not what its API answers/],
    ['JSON that is broken', { text: '{"id": 1,', type: 'application/json' }, /not what its API answers/],
    ['a list in place of an object', { text: '[1]', type: 'application/json' }, /not what its API answers/],
    ['a media type that is none', { text: '{}', type: 'application' }, /not what its API answers|nothing there/],
    [
      'a redirect',
      answer(302, {}, { location: 'http://127.0.0.1:1/' }),
      'GitHub has nothing there, or the token may not see it',
    ],
    [
      'a token that is repeated',
      answer(422, { message: `no ${USER_TOKEN}\u0007 \u202e${'x'.repeat(2_000)}` }),
      /^GitHub can not take this: no \[token\]  {1,2}x{100,500}\.\.\.$/,
    ],
  ])('is told in words: %s', async (_, fault, words) => {
    fake.fail(PATH, fault);
    const { text, isError } = await github.call('get_issue', ISSUE);
    expect(isError).toBe(true);
    if (typeof words === 'string') expect(text).toBe(words);
    else expect(text).toMatch(words);
    expect(text).not.toMatch(/SECRET|ghp_/);
    expect(text.length).toBeLessThan(600);
  });

  it('does not keep everybody waiting by JSON that takes long to read', async () => {
    for (const text of ['["' + '\\"'.repeat(2_000_000), `[${'1'.repeat(8_000_000)}]`, '['.repeat(4_000_000)])
      fake.fail(PATH, { text, type: 'application/json' });
    for (let turn = 0; turn < 3; turn++) {
      const started = Date.now();
      expect((await github.call('get_issue', ISSUE)).text).toMatch(/not what its API answers/);
      expect(Date.now() - started).toBeLessThan(2_000);
    }
  });

  it('tells that JSON is nothing of its API that is nested deeper than anybody would', async () => {
    const nested = `{"a":`.repeat(100_000) + '1' + '}'.repeat(100_000);
    const text = `[{"number":1,"id":1,"updated_at":"2026-01-01T00:00:00Z","body":${nested}}]`;
    fake.fail(/issues$/, { text, type: 'application/json' }, 2);
    await expect(github.client.readResource({ uri: 'github://acme/app/issues' })).rejects.toMatchObject({
      message: expect.stringMatching(/not what its API answers/),
      data: undefined,
    });
    expect((await github.call('list_issues', { owner: 'acme', repo: 'app' })).text).toMatch(/not what its API/);
    const brackets = `[{"number":1,"id":1,"repository_url":"x/repos/acme/app","title":"\\"${'[{'.repeat(1_000)}"}]`;
    fake.fail(/issues$/, { text: brackets, type: 'application/json' });
    const { content } = await github.call('list_issues', { owner: 'acme', repo: 'app' });
    expect(content.issues).toMatchObject([{ title: expect.stringMatching(/^"\[\{/) }]);
  });

  it('leaves open whether a write was carried out that it failed at', async () => {
    fake.fail(/issues$/, answer(502, {}));
    const { text } = await github.call('create_issue', { owner: 'acme', repo: 'app', title: 'x' });
    expect(text).toContain('It may have been carried out all the same: look first');
  });

  it('is a failure of the server where no answer came', async () => {
    fake.fail(PATH, 'cut');
    await expect(github.call('get_issue', ISSUE)).rejects.toMatchObject({
      message: expect.stringContaining('closed the connection before its answer was complete'),
      data: { 'mcp-control-plane/reason': 'connection_lost' },
    });
    await fake.close();
    await expect(github.call('list_issues', { owner: 'acme', repo: 'app' })).rejects.toMatchObject({
      data: { 'mcp-control-plane/reason': 'connection_refused' },
    });
  });

  it('is not waited for by a call that was cancelled', async () => {
    fake.fail(PATH, { slowMs: 5_000 });
    const abort = new AbortController();
    const call = github.call('get_issue', ISSUE, abort.signal);
    await sleep(50);
    abort.abort();
    await expect(call).rejects.toThrow();
    expect((await github.call('get_issue', ISSUE)).isError).toBe(false);
  });

  it('is asked again with the ETag of its answer, which costs nothing of the limit', async () => {
    const [first, second] = [await github.call('get_issue', ISSUE), await github.call('get_issue', ISSUE)];
    expect(second.content).toEqual(first.content);
    expect(fake.requests.map(({ status, isCounted }) => [status, isCounted])).toEqual([
      [200, true],
      [304, false],
    ]);
    await github.call('update_issue', { ...ISSUE, title: 'Changed' });
    expect((await github.call('get_issue', ISSUE)).content.title).toBe('Changed');
  });

  it('is waited for as long as it asks, and then asked again: a read, and a write that was not carried out', async () => {
    const limit = answer(403, { message: 'You have exceeded a secondary rate limit' }, { 'retry-after': '1' });
    fake.fail(/issues$/, limit);
    const started = Date.now();
    const { content } = await github.call('create_issue', { owner: 'acme', repo: 'app', title: 'Once' });
    expect(Date.now() - started).toBeGreaterThan(900);
    expect(content).toMatchObject({ title: 'Once' });
    expect(fake.requests.map(({ method, status }) => [method, status])).toEqual([
      ['GET', 200],
      ['POST', 403],
      ['POST', 201],
    ]);
  });

  it('is not asked before the limit is reset, and says how long that is', async () => {
    fake.limits.core.remaining = 1;
    fake.limits.core.reset = Date.now() + 120_000;
    expect((await github.call('get_issue', ISSUE)).isError).toBe(false);
    const { text } = await github.call('get_issue', { ...ISSUE, issue_number: 2 });
    expect(text).toMatch(/rate limit is used up: try again in 1[12]\d s/);
    expect(fake.requests).toHaveLength(1);
  });

  it('ends a connection test with the reason', async () => {
    const reason = async (fault: Fault | null, token = USER_TOKEN): Promise<string> => {
      if (fault) fake.fail(/^\/user$/, fault);
      const error: unknown = await connectGitHub(fake.url, token).catch((failure: unknown) => failure);
      if (!(error instanceof UpstreamError)) throw error;
      expect(error.message).not.toContain(token);
      return error.reason;
    };
    expect(await reason(null, 'ghp_wrong')).toBe('unauthorized');
    expect(await reason(answer(500, {}))).toBe('server_error');
    expect(await reason({ text: '<html>', type: 'text/html' })).toBe('rejected');
    expect(await reason({ text: '{}', type: 'application/json' })).toBe('rejected');
    expect(await reason(answer(301, {}, { location: '/x' }))).toBe('redirect_refused');
    expect(await reason(answer(403, { message: 'IP allow list' }))).toBe('forbidden');
    const limit = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Math.ceil(Date.now() / 1_000) + 900) };
    expect(await reason(answer(403, { message: 'API rate limit exceeded' }, limit))).toBe('rate_limited');
    await expect(connectGitHub('ftp://example.com')).rejects.toMatchObject({ reason: 'misconfigured' });
    await expect(connectGitHub(fake.url, ' ')).rejects.toMatchObject({ reason: 'misconfigured' });
    await expect(connectGitHub(fake.url, 'two\r\nlines')).rejects.toMatchObject({ reason: 'misconfigured' });
  });

  it('says which version it is, of a server under the address that people type', async () => {
    expect(github.client.getServerVersion()).toEqual({ name: 'github', title: 'GitHub', version: '2022-11-28' });
    expect(Date.parse(github.serverTime ?? '')).not.toBeNaN();
    const server = await startGithub({ enterprise: '3.14.2' });
    for (const address of [server.url, `${server.url}/`, `${server.url}/api/v3`, `${server.url}/api/v3/`]) {
      const session = await connectGitHub(address);
      expect(session.client.getServerVersion()?.version).toBe('3.14.2');
      expect((await session.call('get_issue', ISSUE)).content.project).toBe('acme/app');
      await session.close();
    }
    await server.close();
  });

  it('is told no more than it needs, by requests that go through the guarded way out alone', async () => {
    const urls: string[] = [];
    const session = await connectGitHub(fake.url, INSTALLATION_TOKEN, (url) => urls.push(url));
    const written = jest.spyOn(console, 'warn');
    fake.fail(PATH, { ...(answer(200, {}, { deprecation: 'true', sunset: 'soon' }) as object) } as Fault);
    await session.call('get_issue', ISSUE);
    expect(urls).toHaveLength(fake.requests.length);
    expect(fake.requests[0]?.headers).toMatchObject({
      accept: 'application/vnd.github+json, application/json',
      authorization: `token ${INSTALLATION_TOKEN}`,
      'user-agent': 'mcp-control-plane',
      'x-github-api-version': '2022-11-28',
    });
    expect(written).not.toHaveBeenCalled();
    written.mockRestore();
    await session.close();
  });
});
