import { commentItem, issueItem, issueItems, within } from './issue-item.js';
import { projectKeys } from './issue-key.js';

const BASE = 'https://acme.example/jira';
const issue = (fields: object, more: object = {}): object => ({ id: '10', key: 'DEV-1', fields, ...more });

describe('an issue as an item', () => {
  it('says the same of every issue, over the fields of Jira', () => {
    const fields = {
      summary: 'Fix it',
      status: { name: 'To Do', id: '1' },
      updated: '2026-01-05T09:00:00.000+0100',
      issuetype: { name: 'Bug' },
      project: { key: 'DEV', id: '10000' },
      url: 'https://elsewhere.example',
      labels: ['a'],
    };
    expect(issueItem(issue(fields), BASE)).toEqual({
      ...fields,
      id: '10',
      key: 'DEV-1',
      issue_id: 'DEV-1',
      title: 'Fix it',
      url: 'https://acme.example/jira/browse/DEV-1',
      status: 'To Do',
      updated_at: '2026-01-05T08:00:00.000Z',
      project: 'DEV',
      issue_type: 'Bug',
    });
  });

  it('has one form of links for both directions', () => {
    const type = { id: '1', name: 'Blocks', inward: 'is blocked by', outward: 'blocks' };
    const links = [
      { id: '1', type, inwardIssue: { key: 'DEV-2' } },
      { id: '2', type, outwardIssue: { key: 'OPS-2' } },
      { id: '3', type },
      'odd',
    ];
    expect(issueItem(issue({ issuelinks: links }), BASE)?.issuelinks).toEqual([
      { id: '1', type: 'Blocks', direction: 'inward', description: 'is blocked by', issue: { key: 'DEV-2' } },
      { id: '2', type: 'Blocks', direction: 'outward', description: 'blocks', issue: { key: 'OPS-2' } },
    ]);
  });

  it('can be without what it says of issues of other projects', () => {
    const item = issueItem(
      issue({
        parent: { key: 'OPS-1' },
        subtasks: [{ key: 'DEV-2' }, { key: 'OPS-2' }, { key: 'DEV-2-OPS' }, {}],
        issuelinks: [
          { type: {}, inwardIssue: { key: 'OPS-3' } },
          { type: {}, outwardIssue: { key: 'dev-4' } },
        ],
      }),
      BASE,
    );
    if (!item) throw new Error('an item');
    const kept = within(item, projectKeys(['DEV']));
    expect('parent' in kept).toBe(false);
    expect(kept.subtasks).toEqual([{ key: 'DEV-2' }]);
    expect(kept.issuelinks).toMatchObject([{ issue: { key: 'dev-4' } }]);
    const odd = within(
      { ...item, subtasks: 'OPS-1', issuelinks: { key: 'OPS-1' }, parent: 'OPS-1' },
      projectKeys(['DEV']),
    );
    expect([odd.subtasks, odd.issuelinks, 'parent' in odd]).toEqual([[], [], false]);
  });

  it('has plain texts, no key that leads to a prototype, and an end', () => {
    const hostile = JSON.parse(
      '{"__proto__": {"polluted": 1}, "a": {"constructor": 1, "prototype": 2, "b": 3}}',
    ) as object;
    const document = { type: 'doc', content: [{ type: 'paragraph', content: [{ type: 'text', text: 'Plain' }] }] };
    let deep: object = {};
    for (let level = 0; level < 20_000; level++) deep = { deep };
    const item = issueItem(issue({ ...hostile, description: document, deep }), BASE);
    expect(item?.description).toBe('Plain');
    expect(item?.a).toEqual({ b: 3 });
    expect(Object.keys(item ?? {})).not.toContain('__proto__');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(JSON.stringify(item).length).toBeLessThan(2_000);
  });

  it('is none without a key, and whole where Jira leaves everything out', () => {
    for (const odd of [null, 7, {}, { key: 7 }, { key: 'odd' }, { key: 'DEV-0' }])
      expect(issueItem(odd, BASE)).toBeNull();
    expect(issueItem({ key: 'DEV-1' }, BASE)).toMatchObject({ id: '0', title: '', status: '', issue_type: '' });
    expect(commentItem({}, 'DEV-1')).toEqual({
      id: '',
      issue_key: 'DEV-1',
      author: '',
      body: '',
      created_at: null,
      updated_at: null,
    });
  });

  it('tells so much of a field, and no more than so much of an issue or a page', () => {
    const link = (index: number): object => ({ id: String(index), outwardIssue: { key: `DEV-${index}`, fields: {} } });
    const links = Array.from({ length: 10_000 }, (_, index) => link(index + 1));
    const dense = Array.from({ length: 400_000 }, () => []);
    const item = issueItem(issue({ summary: 'Fix it', issuelinks: links, priority: dense, labels: ['a'] }), BASE);
    expect(item).toMatchObject({ title: 'Fix it', labels: ['a'] });
    const told = item?.issuelinks as { issue: { key: string } }[];
    expect(told.at(99)?.issue.key).toBe('DEV-100');
    expect(told.length).toBeLessThan(5_000);
    expect(JSON.stringify(item?.priority).length).toBeLessThan(20_000);
    const fields = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`customfield_${index}`, dense]));
    expect(() => issueItem(issue(fields), BASE)).toThrow('too large');
    const ofPage = Array.from({ length: 100 }, () => issue({ priority: dense }));
    expect(issueItems(ofPage.slice(0, 30), BASE)).toHaveLength(30);
    expect(() => issueItems(ofPage, BASE)).toThrow('ask for fewer issues or fields');
  });
});
