import { INSTALLATION_TOKEN, startGithub, type FakeGitHub } from '../../../test/support/upstreams/github/github.js';
import { connectGitHub, type GitHubSession } from '../../../test/support/upstreams/github/session.js';
import { ITEMS_META } from '../../mcp/provider-meta.js';

interface Page {
  numbers: number[];
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  items: any[];
  checkpoint: string | null;
  next: string | undefined;
}

describe('the resources of GitHub', () => {
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

  async function read(uri: string, window: { since?: string; cursor?: string } = {}): Promise<Page> {
    const result = await github.client.readResource({ uri, _meta: { [ITEMS_META]: window } });
    const [content] = result.contents as { text?: string }[];
    const items = JSON.parse(content?.text ?? '[]') as { number: number }[];
    const page = (result._meta?.[ITEMS_META] ?? {}) as { checkpoint: string | null; next_cursor?: string };
    const numbers = items.map(({ number }) => number);
    return { items, numbers, checkpoint: page.checkpoint, next: page.next_cursor };
  }

  it('are every repository with what is below it, after it', async () => {
    const { resources } = await github.client.listResources();
    const app = resources.filter(({ uri }) => uri.startsWith('github://acme/app'));
    expect(app.map(({ uri, _meta }) => [uri, _meta?.['mcp-control-plane/resource']])).toMatchObject([
      ['github://acme/app', { type: 'repository', operations: ['read'], external_id: expect.stringMatching(/^\d+$/) }],
      [
        'github://acme/app/issues',
        { type: 'issue', parent: 'github://acme/app', operations: ['read', 'create', 'update'] },
      ],
      ['github://acme/app/pulls', { type: 'pull_request', operations: ['read'] }],
      ['github://acme/app/contents', { type: 'file' }],
      ['github://acme/app/branches', { type: 'branch' }],
    ]);
    const { resourceTemplates } = await github.client.listResourceTemplates();
    expect(resourceTemplates).toMatchObject([{ uriTemplate: 'github://{owner}/{repo}/contents/{+path}' }]);
  });

  it('go without issues where a repository has none, and over as many pages as there are', async () => {
    const other = await startGithub();
    for (let index = 0; index < 250; index++) other.world.addRepository('many', `r${index}`).hasIssues = false;
    for (const token of [undefined, INSTALLATION_TOKEN]) {
      const session = await connectGitHub(other.url, token);
      const uris: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await session.client.listResources(cursor === undefined ? undefined : { cursor });
        uris.push(...page.resources.map(({ uri }) => uri));
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      expect(new Set(uris).size).toBe(5 * 5 + 250 * 4);
      expect(uris).not.toContain('github://many/r7/issues');
      await session.close();
    }
    const paths = new Set(other.requests.map(({ path }) => path));
    expect([...paths]).toEqual(['/user', '/user/repos', '/installation/repositories']);
    await other.close();
  });

  it('give a thousand issues, each once, oldest update first, and from a checkpoint only what came after', async () => {
    const repository = fake.world.addRepository('acme', 'thousand');
    for (let number = 3; number <= 1_000; number++) fake.world.addIssue(repository, { title: `Issue ${number}` });
    const uri = 'github://acme/thousand/issues';
    const numbers: number[] = [];
    let page = await read(uri);
    for (numbers.push(...page.numbers); page.next !== undefined; numbers.push(...page.numbers))
      page = await read(uri, { cursor: page.next });
    expect(numbers).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1));
    expect(page.checkpoint).toBe(repository.issues.get(1_000)?.updatedAt);

    Object.assign(repository.issues.get(5) ?? {}, { updatedAt: fake.world.now(), title: 'Changed' });
    const since = await read(uri, { since: page.checkpoint ?? '' });
    expect([since.numbers, since.checkpoint]).toEqual([[1_000, 5], repository.issues.get(5)?.updatedAt]);
    expect(await read(uri, { since: '2030-01-01T00:00:00Z' })).toMatchObject({ items: [], checkpoint: null });
  });

  it('miss no issue although others are updated between two pages', async () => {
    const repository = fake.world.addRepository('acme', 'busy');
    for (let number = 3; number <= 250; number++) fake.world.addIssue(repository, { title: `Issue ${number}` });
    const seen = new Set<number>();
    let page = await read('github://acme/busy/issues');
    for (let turn = 1; ; turn++) {
      for (const number of page.numbers) seen.add(number);
      if (page.next === undefined) break;
      Object.assign(repository.issues.get(turn) ?? {}, { updatedAt: fake.world.now() });
      page = await read('github://acme/busy/issues', { cursor: page.next });
    }
    expect(seen.size).toBe(250);
  });

  it('give the last issue of a page again that is updated before the next one', async () => {
    const repository = fake.world.addRepository('acme', 'edge');
    for (let number = 3; number <= 110; number++) fake.world.addIssue(repository, { title: `Issue ${number}` });
    const first = await read('github://acme/edge/issues');
    Object.assign(repository.issues.get(100) ?? {}, { updatedAt: fake.world.now(), title: 'Changed' });
    const second = await read('github://acme/edge/issues', { cursor: first.next ?? '' });
    expect(second.numbers).toEqual([101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 100]);
    expect(second.items.at(-1)?.title).toBe('Changed');
  });

  it('page through issues that were all updated in one second', async () => {
    const repository = fake.world.addRepository('acme', 'import');
    const updatedAt = fake.world.now();
    for (let number = 3; number <= 350; number++)
      fake.world.addIssue(repository, { title: `Issue ${number}`, updatedAt });
    const numbers: number[] = [];
    let page = await read('github://acme/import/issues');
    for (numbers.push(...page.numbers); page.next !== undefined; numbers.push(...page.numbers))
      page = await read('github://acme/import/issues', { cursor: page.next });
    expect(new Set(numbers).size).toBe(350);
    expect([numbers.length, page.checkpoint]).toEqual([350, updatedAt]);
  });

  it('give issues with long texts in as many pages as it takes', async () => {
    const repository = fake.world.addRepository('acme', 'essays');
    const inOneSecond = { body: '\u{1f680}'.repeat(30_000), updatedAt: '2026-01-02T00:00:00Z' };
    for (let number = 3; number <= 120; number++)
      fake.world.addIssue(repository, { title: `Issue ${number}`, body: '"\\\n'.repeat(21_000) });
    for (let number = 121; number <= 240; number++)
      fake.world.addIssue(repository, { title: `Issue ${number}`, ...inOneSecond });
    const numbers: number[] = [];
    let page = await read('github://acme/essays/issues');
    for (numbers.push(...page.numbers); page.next !== undefined; numbers.push(...page.numbers))
      page = await read('github://acme/essays/issues', { cursor: page.next });
    expect(numbers).toEqual(Array.from({ length: 240 }, (_, index) => index + 1));
    expect(fake.requests.map(({ query }) => query.get('per_page'))).toContain('20');
  });

  it('give pull requests from a checkpoint on, which comes with the last page', async () => {
    const repository = fake.world.addRepository('acme', 'pulls');
    for (let number = 3; number <= 232; number++) fake.world.addPull(repository, `Pull ${number}`);
    const uri = 'github://acme/pulls/pulls';
    const pages = [await read(uri)];
    for (let next = pages[0]?.next; next !== undefined; next = pages.at(-1)?.next)
      pages.push(await read(uri, { cursor: next }));
    expect(pages.map(({ numbers }) => numbers.length)).toEqual([30, 30, 30, 30, 30, 30, 30, 20]);
    expect(pages.slice(0, -1).map(({ checkpoint }) => checkpoint)).toEqual(Array.from({ length: 7 }, () => null));
    expect(pages.at(-1)?.checkpoint).toBe(repository.issues.get(232)?.updatedAt);
    const since = repository.issues.get(231)?.updatedAt ?? '';
    expect((await read(uri, { since })).numbers).toEqual([232, 231]);
    expect(pages[0]?.items[0]).toMatchObject({ issue_id: 'acme/pulls#232', status: 'open', head: { ref: 'topic' } });
  });

  it('are files by the template, with media types, and folders', async () => {
    const contents = async (uri: string): Promise<object | undefined> =>
      (await github.client.readResource({ uri })).contents[0];
    expect(await contents('github://acme/app/contents/docs/set%20up%3F.md')).toMatchObject({
      mimeType: 'text/markdown',
      text: 'Setting up only in acme/app',
    });
    expect(await contents('github://acme/app/contents/docs/logo.png')).toMatchObject({
      mimeType: 'image/png',
      blob: 'iVBORwABAgM=',
    });
    const root = await read('github://acme/app/contents');
    expect(root.items).toMatchObject([
      { path: 'README.md', type: 'file', project: 'acme/app' },
      { path: 'docs', type: 'dir' },
      { path: 'vendor', type: 'dir' },
    ]);
    const branches = await read('github://acme/app/branches');
    expect(branches.items).toMatchObject([
      { name: 'main', protected: true, project: 'acme/app' },
      { name: 'release/1.0', protected: false },
    ]);
    const repository = await github.client.readResource({ uri: 'github://acme/app' });
    expect(JSON.stringify(repository)).not.toMatch(/SECRET|acme\/lib/);
  });

  it.each([
    'github://acme/nothing/issues',
    'github://acme/motor/issues',
    'github://acme/motor/contents/README.md',
    'github://acme/app/wiki',
    'github://acme/app/issues/1',
    'github://acme/app/contents/../lib/README.md',
    'github://acme/app/contents/..%2F..%2Flib%2Fcontents%2FREADME.md',
    'github://acme/app/contents/%2e%2e/lib',
    'github://acme/app/contents/README.md?ref=0123456789',
    'github://acme/app/contents/README.md#x',
    'github://acme/app/contents/%zz',
    'github://acme/%61pp/issues',
    'github://acme/app%2F..%2Flib/issues',
    'github://acme/..',
    'https://acme/app/issues',
    'github:///app/issues',
  ])('are nothing else: %s', async (uri) => {
    await expect(github.client.readResource({ uri })).rejects.toThrow('There is no such resource');
    expect(fake.requests.filter(({ path }) => !/^\/repos\/acme\/(nothing|motor)/.test(path))).toEqual([]);
  });

  it.each([
    [401, {}, { 'mcp-control-plane/reason': 'unauthorized' }],
    [403, {}, { 'mcp-control-plane/reason': 'forbidden' }],
    [500, {}, { 'mcp-control-plane/reason': 'server_error' }],
    [502, { 'retry-after': '7' }, { 'mcp-control-plane/reason': 'server_error', 'mcp-control-plane/retry_after': 7 }],
    [422, {}, undefined],
  ])('say what became of them at GitHub: %i', async (status, headers, data) => {
    fake.fail(/issues$/, { status, body: { message: 'No' }, headers });
    await expect(read('github://acme/app/issues')).rejects.toMatchObject({ code: -32603, data });
  });

  it('say how long a limit lasts', async () => {
    const other = await startGithub();
    const session = await connectGitHub(other.url);
    other.fail(/issues$/, { status: 429, body: {}, headers: { 'retry-after': '90' } });
    await expect(session.client.readResource({ uri: 'github://acme/app/issues' })).rejects.toMatchObject({
      data: { 'mcp-control-plane/reason': 'rate_limited', 'mcp-control-plane/retry_after': 90 },
    });
    await session.close();
    await other.close();
  });

  it('refuse windows that are none', async () => {
    const cursors = ['x', '{}', '[]', Buffer.from('{"seen":[],"page":"page=1&x=/../"}').toString('base64url')];
    for (const window of [{ since: 'yesterday' }, { since: '2026-13-45T00:00:00Z' }, { cursor: 'x'.repeat(5_000) }])
      await expect(read('github://acme/app/issues', window)).rejects.toThrow(/since|cursor/);
    for (const cursor of cursors.slice(0, 3)) {
      await expect(read('github://acme/app/issues', { cursor })).rejects.toThrow('cursor');
      await expect(read('github://acme/app/pulls', { cursor })).rejects.toThrow('cursor');
    }
    await expect(github.client.listResources({ cursor: 'https://evil.example' })).rejects.toMatchObject({
      code: -32602,
      data: { 'mcp-control-plane/field': 'cursor' },
    });
    await expect(read('github://acme/app/pulls', { since: 'yesterday' })).rejects.toMatchObject({
      code: -32602,
      data: { 'mcp-control-plane/field': 'since' },
    });
  });
});
