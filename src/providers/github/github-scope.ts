/** docs/scopes.md: owner and repository are one tuple, so that grants of acme/app and other/lib never open acme/lib. */

const REPOSITORY = { '/owner': '{owner}', '/repo': '{repo}' };
const PROJECT = { '/project': '{owner}/{repo}' };

/** Answers are filtered although the arguments decided: names change, and what is behind one may not be what was granted. */
const within = (items: string): object[] => [{ kind: 'items', items, parts: PROJECT }];
const inRepository = (items: string): object => ({ arguments: [REPOSITORY], results: within(items) });
const amongRepositories = (items: string): object => ({
  arguments: [{ '/repositories/*': '{owner}/{repo}' }],
  inject: { at: '/repositories', value: '{owner}/{repo}', as: 'list' },
  results: within(items),
});

export const REPOSITORY_SCOPE = {
  name: 'repository',
  parts: { owner: 'case_insensitive', repo: 'case_insensitive' },
  resources: ['github://{owner}/{repo}'],
  filters: { repositories: '{owner}/{repo}', organizations: '{owner}' },
  tools: {
    search_issues: amongRepositories('/issues'),
    list_issues: inRepository('/issues'),
    get_issue: inRepository(''),
    create_issue: inRepository(''),
    update_issue: inRepository(''),
    add_comment: inRepository(''),
    list_pull_requests: inRepository('/pull_requests'),
    get_pull_request: inRepository(''),
    read_file: inRepository(''),
    list_commits: inRepository('/commits'),
    search_code: amongRepositories('/files'),
  },
  reads: [
    ...['issues', 'pulls', 'branches', 'contents'].map((part) => ({
      uri: `github://{owner}/{repo}/${part}`,
      results: within(''),
    })),
    // A file's text is its own: nothing in it says whose it is.
    { uri: 'github://{owner}/{repo}/contents/{+path}' },
  ],
};

export const TOOL_EFFECTS = {
  search_issues: 'read',
  list_issues: 'read',
  get_issue: 'read',
  create_issue: 'write',
  update_issue: 'write',
  add_comment: 'write',
  list_pull_requests: 'read',
  get_pull_request: 'read',
  read_file: 'read',
  list_commits: 'read',
  search_code: 'read',
} as const;
