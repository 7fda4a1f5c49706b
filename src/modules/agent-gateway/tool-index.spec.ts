import { ToolIndex } from './tool-index.js';

const TOOLS = [
  { name: 'jira_create_issue', title: 'Create issue', description: 'Creates an issue in a project' },
  { name: 'jira_add_comment', title: 'Add comment', description: 'Writes a comment on an issue' },
  { name: 'github_list_issues', title: 'List issues', description: 'Issues of a repository' },
  { name: 'files_readTextFile', title: '', description: 'Contents of a file' },
  { name: 'files_getHTTPServerLog', title: '', description: 'What was served' },
  { name: 'wiki_search', title: 'Search', description: 'Straßen, Plätze and 東京 in pages; says nothing of creating' },
];

describe('a search for tools', () => {
  const index = new ToolIndex(TOOLS);
  const search = (query: string, limit = 10): string[] =>
    index.search(query, limit).map((place) => TOOLS[place]?.name ?? '');

  it.each([
    ['create issue', 'jira_create_issue'],
    ['comment', 'jira_add_comment'],
    ['jira_add_comment', 'jira_add_comment'],
    ['how can I list the issues of a repo', 'github_list_issues'],
    ['text file', 'files_readTextFile'],
    ['READ', 'files_readTextFile'],
    ['http log', 'files_getHTTPServerLog'],
    ['repos', 'github_list_issues'],
    ['github issue', 'github_list_issues'],
    ['PLÄTZE', 'wiki_search'],
    ['東京', 'wiki_search'],
  ])('finds by %s first %s', (query, name) => {
    expect(search(query)[0]).toBe(name);
  });

  it('puts names before descriptions, and what fits all words before what fits one', () => {
    expect(search('issue')).toEqual(['jira_create_issue', 'github_list_issues', 'jira_add_comment']);
    expect(search('list issue')[0]).toBe('github_list_issues');
    expect(search('issue', 1)).toHaveLength(1);
  });

  it('finds nothing by words that stand nowhere, nor by none, nor by the middle of a word', () => {
    for (const query of ['', ' .*%_', 'zebra', 'ssue', '\ud800']) expect(search(query)).toEqual([]);
  });

  it('is quick over thousands of tools, whatever is asked', () => {
    const many = Array.from({ length: 5_000 }, (_, at) => ({
      name: `server${at % 50}_do_thing_${at}`,
      title: `Thing ${at}`,
      description: `Does the thing number ${at} with a value, a place and a name. `.repeat(10),
    }));
    const built = performance.now();
    const large = new ToolIndex(many);
    const asked = performance.now();
    large.search('s t d w v p n do th nu wi va pl na thing '.repeat(20), 50);
    const done = performance.now();
    expect([asked - built < 3_000, done - asked < 1_000]).toEqual([true, true]);
  });
});
