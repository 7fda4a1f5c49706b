/** An answer of one issue, or a list of them; and what stands in each of it about others. docs/scopes.md */
type ItemsFilter = { kind: 'items'; items: string; parts: Record<string, string>; optional?: true };

const BY_KEY = '{project_key}-{number}';
const LINKED = ['parent', 'subtasks', 'issuelinks'] as const;
const WRITES = ['update_issue', 'transition_issue', 'add_comment'] as const;

/** `issue`: pointer to one issue, or to the elements of a list of them. `all`: what keeps or drops it. */
function projectResults(all: ItemsFilter, issue: string): ItemsFilter[] {
  const others = LINKED.map((member): ItemsFilter => {
    const at = member === 'issuelinks' ? '/issue/key' : '/key';
    return { kind: 'items', items: `${issue}/${member}`, parts: { [at]: BY_KEY }, optional: true };
  });
  return [all, ...others];
}

function typeResults(all: ItemsFilter, issue: string): ItemsFilter[] {
  const others = LINKED.map((member): ItemsFilter => {
    const at = `${member === 'issuelinks' ? '/issue' : ''}/fields/issuetype/name`;
    return { kind: 'items', items: `${issue}/${member}`, parts: { [at]: '{issue_type}' }, optional: true };
  });
  return [all, ...others];
}

/** Nothing is left of an answer whose only issue may not be seen. */
const PROJECT_OF_ONE: ItemsFilter = { kind: 'items', items: '', parts: { '/issue/project': '{project_key}' } };
const TYPE_OF_ONE: ItemsFilter = { kind: 'items', items: '', parts: { '/issue/issue_type': '{issue_type}' } };

const ONE_BY_PROJECT = projectResults(PROJECT_OF_ONE, '/issue');
const ONE_BY_TYPE = typeResults(TYPE_OF_ONE, '/issue');
const LISTED_BY_PROJECT = projectResults(
  { kind: 'items', items: '/issues', parts: { '/project': '{project_key}' } },
  '/issues/*',
);
const LISTED_BY_TYPE = typeResults(
  { kind: 'items', items: '/issues', parts: { '/issue_type': '{issue_type}' } },
  '/issues/*',
);
const READ_BY_PROJECT = projectResults({ kind: 'items', items: '', parts: { '/project': '{project_key}' } }, '/*');

const READ_BY_TYPE = typeResults({ kind: 'items', items: '', parts: { '/issue_type': '{issue_type}' } }, '/*');

const BY_ISSUE_KEY = [{ '/issue_key': BY_KEY }];

function lookedUp(result: Record<string, string>): object {
  return { tool: 'get_issue', arguments: { issue_key: '/issue_key' }, result };
}

const PROJECT_PARTS = {
  parts: { project_key: 'case_insensitive' },
  filters: { project_keys: '{project_key}' },
};
const ISSUES_PARTS = { ...PROJECT_PARTS, resources: ['jira://{project_key}/issues'] };

const LISTED_PROJECT_SCOPE = {
  name: 'listed_project',
  ...PROJECT_PARTS,
  resources: ['jira://{project_key}'],
  tools: {
    list_projects: { results: [{ kind: 'items', items: '/projects', parts: { '/key': '{project_key}' } }] },
  },
};

/**
 * By what the arguments say, which is enough to refuse without asking Jira. It identifies the list of issues, not the project
 * above it: whoever takes that list out of a grant takes its issues out of every tool.
 */
const PROJECT_SCOPE = {
  name: 'project',
  ...ISSUES_PARTS,
  tools: {
    search_issues: {
      arguments: [{ '/projects/*': '{project_key}' }],
      inject: { at: '/projects', value: '{project_key}', as: 'list' },
      results: LISTED_BY_PROJECT,
    },
    get_issue: { arguments: BY_ISSUE_KEY, results: ONE_BY_PROJECT },
    list_issue_types: { arguments: [{ '/project_key': '{project_key}' }] },
    create_issue: { arguments: [{ '/project_key': '{project_key}' }], results: ONE_BY_PROJECT },
    update_issue: { arguments: BY_ISSUE_KEY, results: ONE_BY_PROJECT },
    transition_issue: { arguments: BY_ISSUE_KEY, results: ONE_BY_PROJECT },
    add_comment: { arguments: BY_ISSUE_KEY },
  },
  reads: [{ uri: 'jira://{project_key}/issues', results: READ_BY_PROJECT }],
};

/** By where the issue is now: an issue that moved keeps its old key. Asked only for what the keys have let pass. */
const PRESENT_PROJECT_SCOPE = {
  name: 'present_project',
  ...ISSUES_PARTS,
  tools: Object.fromEntries(WRITES.map((tool) => [tool, { resolve: lookedUp({ '/issue/project': '{project_key}' }) }])),
};

/** Exists for its filter. */
const ISSUE_TYPE_SCOPE = {
  name: 'issue_type',
  parts: { issue_type: 'case_insensitive' },
  filters: { issue_types: '{issue_type}' },
  tools: {
    search_issues: {
      arguments: [{ '/issue_types/*': '{issue_type}' }],
      // What the answer keeps silent about must not be found either: whether there is a next page would tell.
      inject: { at: '/issue_types', value: '{issue_type}', as: 'list' },
      results: LISTED_BY_TYPE,
    },
    get_issue: { results: ONE_BY_TYPE },
    list_issue_types: { results: [{ kind: 'items', items: '/issue_types', parts: { '/name': '{issue_type}' } }] },
    create_issue: { arguments: [{ '/issue_type': '{issue_type}' }], results: ONE_BY_TYPE },
    ...Object.fromEntries(
      WRITES.map((tool) => [
        tool,
        {
          resolve: lookedUp({ '/issue/issue_type': '{issue_type}' }),
          ...(tool === 'add_comment' ? {} : { results: ONE_BY_TYPE }),
        },
      ]),
    ),
  },
  reads: [{ uri: 'jira://{project_key}/issues', results: READ_BY_TYPE }],
};

export const JIRA_SCOPES: readonly object[] = [
  LISTED_PROJECT_SCOPE,
  PROJECT_SCOPE,
  PRESENT_PROJECT_SCOPE,
  ISSUE_TYPE_SCOPE,
];
