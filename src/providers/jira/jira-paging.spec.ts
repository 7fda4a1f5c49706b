import { authOf, connectProvider, type ConnectedProvider } from '../../../test/support/upstreams/jira/connected.js';
import { startJira, type FakeJira, type JiraOptions } from '../../../test/support/upstreams/jira/jira-server.js';

interface Item {
  key: string;
  updated_at: string;
}

/** Reads page after page until there is none. */
async function everyItem(
  provider: ConnectedProvider,
  since?: string,
  between: (page: number) => void = () => undefined,
): Promise<{ items: Item[]; checkpoint: string | null; pages: number }> {
  const items: Item[] = [];
  let cursor: string | undefined;
  for (let pages = 1; ; pages++) {
    const window = { ...(since === undefined ? {} : { since }), ...(cursor === undefined ? {} : { cursor }) };
    const { document, page } = await provider.read('jira://DEV/issues', window);
    items.push(...(document as Item[]));
    if (page?.nextCursor === undefined) return { items, checkpoint: page?.checkpoint ?? null, pages };
    cursor = page.nextCursor;
    between(pages);
  }
}

const CASES: [string, JiraOptions][] = [
  ['Cloud', { mode: 'cloud' }],
  ['Cloud with the old search', { mode: 'cloud', hasOldSearch: true }],
  ['Data Center', { mode: 'server' }],
];

describe.each(CASES)('a thousand issues at %s', (_, options) => {
  let jira: FakeJira;
  let provider: ConnectedProvider;
  beforeAll(async () => {
    jira = await startJira({ ...options, issues: 1_000 });
    provider = await connectProvider(authOf(jira, options.mode));
  });
  afterAll(async () => {
    await provider.close();
    await jira.close();
  });

  it('are found page by page', async () => {
    const keys: string[] = [];
    let cursor: string | undefined;
    do {
      const given = { projects: ['DEV'], jql: 'order by key asc', max_results: 100, ...(cursor ? { cursor } : {}) };
      const { content } = await provider.call('search_issues', given);
      keys.push(...content.issues.map(({ key }: Item) => key));
      cursor = content.next_cursor as string | undefined;
    } while (cursor !== undefined);
    expect([keys.length, new Set(keys).size, keys[0], keys.at(-1)]).toEqual([1_003, 1_003, 'DEV-1', 'DEV-1003']);
  });

  it('have cursors of use for one query alone', async () => {
    const { content } = await provider.call('search_issues', { projects: ['DEV'], max_results: 1 });
    const cursor = content.next_cursor as string;
    const own = await provider.call('search_issues', { projects: ['DEV'], max_results: 1, cursor });
    expect(own.content.issues).toHaveLength(1);
    for (const args of [{ projects: ['QA'] }, { projects: ['DEV'], jql: 'type = Bug' }, {}]) {
      const { isError, text } = await provider.call('search_issues', { ...args, cursor });
      expect([isError, text]).toEqual([true, 'The cursor is not one of this listing: begin again without it']);
    }
  });

  it('are read as items, oldest change first, and then only what changed', async () => {
    const all = await everyItem(provider);
    expect([all.items.length, new Set(all.items.map(({ key }) => key)).size, all.pages]).toEqual([1_003, 1_003, 11]);
    const times = all.items.map(({ updated_at: time }) => time);
    expect(times).toEqual([...times].sort());
    expect(all.checkpoint).toBe(times.at(-1));

    await provider.call('update_issue', { issue_key: 'DEV-500', summary: 'Changed' });
    await provider.call('add_comment', { issue_key: 'DEV-2', body: 'Changed' });
    const changed = await everyItem(provider, all.checkpoint ?? '');
    expect(changed.items.map(({ key }) => key)).toEqual(['DEV-1003', 'DEV-500', 'DEV-2']);
    const later = await everyItem(provider, changed.checkpoint ?? '');
    expect([later.items.map(({ key }) => key), later.checkpoint]).toEqual([['DEV-2'], changed.checkpoint]);
  });

  it('are all read where some change meanwhile', async () => {
    const change = (page: number): void => {
      for (let number = page * 20; number < page * 20 + 7; number++) {
        const issue = jira.world.find(`DEV-${number}`);
        if (issue) jira.world.touch(issue);
      }
    };
    const since = '2026-01-05T08:00:30.000Z';
    const { items, checkpoint } = await everyItem(provider, since, change);
    const seen = new Map(items.map(({ key, updated_at: time }) => [key, time]));
    const missing = jira.world.issues
      .filter(({ project, updated }) => project.key === 'DEV' && updated >= Date.parse(since))
      .filter((issue) => seen.get(jira.world.keyOf(issue)) !== new Date(issue.updated).toISOString())
      .map((issue) => jira.world.keyOf(issue));
    // What changed after it was read comes by the checkpoint.
    const after = new Set((await everyItem(provider, checkpoint ?? '')).items.map(({ key }) => key));
    expect(missing.filter((key) => !after.has(key))).toEqual([]);
  });
});
