/** docs/scopes.md: owner and repository are one tuple, so that grants of acme/app and other/lib never open acme/lib. */

const REPOSITORY = { '/owner': '{owner}', '/repo': '{repo}' };
const PROJECT = { '/project': '{owner}/{repo}' };
const PARTS = { owner: 'case_insensitive', repo: 'case_insensitive' };

/** Answers are filtered although the arguments decided: names change, and what is behind one may not be what was granted. */
const within = (items: string): object[] => [{ kind: 'items', items, parts: PROJECT }];
const inRepository = (items: string): object => ({ arguments: [REPOSITORY], results: within(items) });
const amongRepositories = (items: string): object => ({
  arguments: [{ '/repositories/*': '{owner}/{repo}' }],
  inject: { at: '/repositories', value: '{owner}/{repo}', as: 'list' },
  results: within(items),
});

/**
 * What filters choose. They are read here and not by the scopes of what lies below: that is granted along with its repository
 * and rejected along with it. Filters there would have auto-sync take it in by itself, and it would stay when the repository
 * is taken out.
 */
const REPOSITORY_SCOPE = {
  name: 'repository',
  parts: PARTS,
  resources: ['github://{owner}/{repo}'],
  filters: { repositories: '{owner}/{repo}', organizations: '{owner}' },
  reads: [{ uri: 'github://{owner}/{repo}/branches', results: within('') }],
};

/** Tools go by what they work on, so that what was taken out of a granted repository is closed to them as well. */
const ISSUES_SCOPE = {
  name: 'issue_list',
  parts: PARTS,
  resources: ['github://{owner}/{repo}/issues'],
  tools: {
    search_issues: amongRepositories('/issues'),
    list_issues: inRepository('/issues'),
    get_issue: inRepository(''),
    create_issue: inRepository(''),
    update_issue: inRepository(''),
    add_comment: inRepository(''),
  },
  reads: [{ uri: 'github://{owner}/{repo}/issues', results: within('') }],
};

const PULLS_SCOPE = {
  name: 'pull_request_list',
  parts: PARTS,
  resources: ['github://{owner}/{repo}/pulls'],
  tools: {
    search_pull_requests: amongRepositories('/pull_requests'),
    list_pull_requests: inRepository('/pull_requests'),
    get_pull_request: inRepository(''),
    add_pull_request_comment: inRepository(''),
  },
  reads: [{ uri: 'github://{owner}/{repo}/pulls', results: within('') }],
};

const FILES_SCOPE = {
  name: 'file_tree',
  parts: PARTS,
  resources: ['github://{owner}/{repo}/contents'],
  tools: {
    read_file: inRepository(''),
    list_commits: inRepository('/commits'),
    search_code: amongRepositories('/files'),
  },
  reads: [
    { uri: 'github://{owner}/{repo}/contents', results: within('') },
    // A file's text is its own: nothing in it says whose it is.
    { uri: 'github://{owner}/{repo}/contents/{+path}' },
  ],
};

export const GITHUB_SCOPES: readonly object[] = [REPOSITORY_SCOPE, ISSUES_SCOPE, PULLS_SCOPE, FILES_SCOPE];

export const TOOL_EFFECTS = {
  search_issues: 'read',
  search_pull_requests: 'read',
  list_issues: 'read',
  get_issue: 'read',
  create_issue: 'write',
  update_issue: 'write',
  add_comment: 'write',
  list_pull_requests: 'read',
  get_pull_request: 'read',
  add_pull_request_comment: 'write',
  read_file: 'read',
  list_commits: 'read',
  search_code: 'read',
} as const;
