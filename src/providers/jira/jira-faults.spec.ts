import { EgressError } from '../../platform/egress/egress-error.js';
import { authOf, connectProvider, type ConnectedProvider } from '../../../test/support/upstreams/jira/connected.js';
import { startJira, type Fault, type FakeJira } from '../../../test/support/upstreams/jira/jira-server.js';
import { UpstreamError } from '../../mcp/upstream.js';

describe('a Jira in trouble', () => {
  let jira: FakeJira;
  let provider: ConnectedProvider;
  beforeAll(async () => {
    jira = await startJira();
    provider = await connectProvider(authOf(jira));
  });
  afterAll(async () => {
    await provider.close();
    await jira.close();
  });
  beforeEach(() => void jira.faults.splice(0));

  const faulty = (fault: Record<string, unknown>): void => {
    jira.faults.push({ path: /issue\//, kind: 'answer', ...fault } as unknown as Fault);
  };
  const getIssue = () => provider.call('get_issue', { issue_key: 'DEV-1' });

  it.each([
    [401, { errorMessages: ['jira-token-1234567890'] }, 'Jira does not accept the credentials of the connection (401)'],
    [
      403,
      { errorMessages: ['You may not'] },
      'The account of the connection is not permitted to do this (403): You may not',
    ],
    [404, { errorMessages: ['OPS-7 has gone'] }, 'DEV-1 does not exist or is not visible'],
    [400, { errors: { summary: 'is\n\u0007bad' } }, 'Jira did not accept the request (400): summary: is bad'],
    [409, {}, 'Jira reports a conflict with another change: look again, then try again (409)'],
    [500, { message: 'Oh' }, 'Jira is in trouble (500): Oh'],
    [503, '<html>Maintenance</html>', 'Jira is in trouble (503)'],
    [418, null, 'Jira answered unexpectedly (418)'],
  ])('is told in words: %s', async (status, body, text) => {
    faulty(typeof body === 'string' ? { status, text: body } : { status, body });
    expect(await getIssue()).toMatchObject({ isError: true, text });
  });

  it('says nothing of the token, the e-mail address or the header', async () => {
    const basic = btoa(`${jira.email}:${jira.token}`);
    faulty({ status: 400, body: { errorMessages: [`Bad: ${jira.token} of ${jira.email}, Basic ${basic}`] } });
    expect((await getIssue()).text).toBe('Jira did not accept the request (400): Bad: *** of ***, Basic ***');
    faulty({ status: 400, body: { errorMessages: [`${'x'.repeat(990)}${jira.token}`] } });
    expect((await getIssue()).text).not.toContain(jira.token.slice(0, 5));
    faulty({ status: 500, body: { errors: { [jira.token]: { deep: jira.token } }, message: [jira.token] } });
    expect((await getIssue()).text).toBe('Jira is in trouble (500)');
  });

  it('is no use where its answer is no JSON, cut off, too large or of another shape', async () => {
    faulty({ status: 200, text: '<html>Log in</html>' });
    expect((await getIssue()).text).toBe('Jira answered something that is no JSON');
    for (const body of [[], 'text', 7, {}, { key: 'OPS-1' }]) {
      faulty({ status: 200, body });
      expect((await getIssue()).text).toBe('DEV-1 does not exist or is not visible');
    }
    faulty({ status: 200, body: { key: 'DEV-1', fields: { summary: 'x'.repeat(6 * 1024 * 1024) } } });
    expect((await getIssue()).text).toBe('The answer of Jira is too large: ask for fewer issues or fields');
    for (const body of [
      null,
      [],
      { issues: 'none' },
      { issues: [null, 7, {}], nextPageToken: 7 },
      { issues: [], nextPageToken: 'x'.repeat(3_000) },
    ]) {
      jira.faults.push({ path: /search\/jql/, kind: 'answer', status: 200, body });
      const { isError, content } = await provider.call('search_issues');
      expect(isError || content.issues.length === 0).toBe(true);
    }
  });

  it('keeps nobody waiting where its answer is dense or deep', async () => {
    const dense = `{"id": "1", "key": "DEV-1", "fields": {"priority": [${'[],'.repeat(1_400_000)}[]]}}`;
    faulty({ status: 200, text: dense });
    expect(await getIssue()).toMatchObject({
      isError: true,
      text: 'The answer of Jira is too large: ask for fewer issues or fields',
    });
    const deep = (open: string, close: string): string =>
      `{"id": "1", "key": "DEV-1", "fields": {"priority": ${open.repeat(200_000)}1${close.repeat(200_000)}}}`;
    for (const text of [deep('[', ']'), deep('{"a":', '}')]) {
      faulty({ status: 200, text });
      expect(await getIssue()).toMatchObject({ text: 'Jira answered something that is nested too deeply' });
    }
    faulty({ status: 500, text: deep('[', ']') });
    expect((await getIssue()).text).toBe('Jira is in trouble (500)');
    const within = `{"id": "1", "key": "DEV-1", "fields": {"priority": [${'[],'.repeat(40_000)}[]]}}`;
    faulty({ status: 200, text: within });
    expect((await getIssue()).content.issue.priority.length).toBeLessThanOrEqual(5_000);
  });

  it('is not written to with values that are nested too deeply', async () => {
    const deep = JSON.parse('['.repeat(50_000) + ']'.repeat(50_000)) as unknown;
    const { isError, text } = await provider.call('update_issue', { issue_key: 'DEV-1', fields: { priority: deep } });
    expect([isError, text]).toEqual([true, 'The values of the fields are nested too deeply']);
  });

  it('tells nothing of another project where it answers what it was not asked for', async () => {
    const of = (key: string): object => ({ key, fields: { summary: 'SECRET' } });
    const own = { id: '1', key: 'DEV-1', fields: { parent: of('OPS-2'), subtasks: [of('OPS-3')] } };
    const body = { issues: [own, of('OPS-1'), of('DEV2-1'), of('DEV-1-OPS'), { key: 'DEV', fields: {} }] };
    jira.faults.push({ path: /search\/jql/, kind: 'answer', status: 200, body });
    const { content } = await provider.call('search_issues', { projects: ['DEV'] });
    expect(content.issues).toMatchObject([{ key: 'DEV-1', subtasks: [] }]);
    expect(JSON.stringify(content)).not.toContain('SECRET');
    jira.faults.push({ path: /search\/jql/, kind: 'answer', status: 200, body });
    expect((await provider.read('jira://DEV/issues')).document.map(({ key }: { key: string }) => key)).toEqual([
      'DEV-1',
    ]);
  });

  it('is waited for where it says how long, and not where that is too long', async () => {
    faulty({ status: 429, headers: { 'retry-after': '1' } });
    const started = Date.now();
    expect((await getIssue()).content.issue.key).toBe('DEV-1');
    expect(Date.now() - started).toBeGreaterThan(900);
    const other = await connectProvider(authOf(jira));
    faulty({ status: 429, headers: { 'retry-after': '3600' } });
    const { isError, text } = await other.call('get_issue', { issue_key: 'DEV-1' });
    expect([isError, text]).toEqual([true, 'The rate limit is used up: try again in 3600 s']);
    await other.close();
  });

  it('fails as a connection does where there is no answer', async () => {
    for (const kind of ['reset', 'cut'] as const) {
      jira.faults.push({ path: /issue\//, kind });
      await expect(getIssue()).rejects.toThrow('closed the connection');
    }
    const aborter = new AbortController();
    jira.faults.push({ path: /issue\//, kind: 'hang' });
    const call = provider.client.callTool(
      { name: 'get_issue', arguments: { issue_key: 'DEV-1' } },
      { signal: aborter.signal },
    );
    setTimeout(() => aborter.abort(), 50);
    await expect(call).rejects.toThrow();
    jira.faults.push({ path: /issue\//, kind: 'slow', ms: 50 });
    expect((await getIssue()).isError).toBe(false);
  });

  const startWith = (auth: Record<string, unknown>): Promise<unknown> =>
    connectProvider({ ...authOf(jira), ...auth }).then(
      (connected) => connected.close().then(() => 'connected'),
      (error: unknown) => (error instanceof UpstreamError || error instanceof EgressError ? error.reason : error),
    );

  it('is not connected to with credentials that it does not take, nor where it is not', async () => {
    expect(await startWith({ api_token: 'wrong' })).toBe('unauthorized');
    expect(await startWith({ email: undefined })).toBe('unauthorized');
    expect(await startWith({ base_url: `${jira.url}/elsewhere` })).toBe('not_mcp');
    expect(await startWith({ base_url: `${jira.url}?x=1` })).toBe('misconfigured');
    expect(await startWith({ base_url: 'ftp://jira.example' })).toBe('misconfigured');
    expect(await startWith({ base_url: 'no url' })).toBe('misconfigured');
    expect(await startWith({ base_url: 'http://user:password@jira.example' })).toBe('misconfigured');
    expect(await startWith({ base_url: 'http://10.0.0.1' })).toBe('address_refused');
    expect(await startWith({ base_url: 'http://127.0.0.1:1' })).toBe('connection_refused');
    expect(await startWith({ api_token: 'a\r\nb' })).toBe('misconfigured');
  });

  it.each([
    [/serverInfo/, { status: 503, text: 'Starting' }, 'server_error'],
    [/serverInfo/, { status: 200, text: '<html>Log in</html>' }, 'not_mcp'],
    [/serverInfo/, { status: 200, body: [1] }, 'not_mcp'],
    [/serverInfo/, { status: 200, body: { name: 'other' } }, 'not_mcp'],
    [/serverInfo/, { status: 200, text: 'x'.repeat(6_000_000) }, 'not_mcp'],
    [/serverInfo/, { status: 429, headers: { 'retry-after': '100' } }, 'rate_limited'],
    [/myself/, { status: 403, body: {} }, 'forbidden'],
    [/myself/, { status: 400, body: {} }, 'rejected'],
    [/myself/, { status: 429, headers: { 'retry-after': '100' } }, 'rate_limited'],
  ])('is not connected to while %s answers %j', async (path, answer, reason) => {
    jira.faults.push({ path, kind: 'answer', ...answer });
    expect(await startWith({})).toBe(reason);
  });

  it('may be old and say little of itself', async () => {
    const old = await startJira({ mode: 'server' });
    old.faults.push({ path: /serverInfo/, kind: 'answer', status: 200, body: { version: '6.4.14' } });
    old.faults.push({ path: /myself/, kind: 'answer', status: 200, body: {} });
    const connected = await connectProvider(authOf(old, 'server'));
    expect(connected.client.getServerVersion()).toMatchObject({ version: '6.4.14', title: 'Jira' });
    expect(connected.serverTime).toBeUndefined();
    expect((await connected.call('get_issue', { issue_key: 'DEV-1' })).content.issue.key).toBe('DEV-1');
    await connected.close();
    await old.close();
  });
});
