import type { Scope } from '../../src/modules/registry/scopes.js';
import { compileScope } from '../../src/modules/workspace-access/policy/compiled-scope.js';
import type {
  ConnectionFacts,
  GrantFacts,
  Mark,
  PolicyResource,
  PolicyTool,
} from '../../src/modules/workspace-access/policy/facts.js';
import { compileGrant, type GrantPolicy } from '../../src/modules/workspace-access/policy/grant-policy.js';

/** A tracker: projects with a list of issues below each, and tools that name a project in many ways. */
export const PROJECT_SCOPE: Scope = {
  name: 'project',
  parts: { project_key: 'case_insensitive' },
  resources: ['jira://{project_key}'],
  filters: { project_keys: '{project_key}' },
  tools: {
    get_issue: {
      arguments: [{ '/issue_key': '{project_key}-{number}' }],
      results: [
        { kind: 'items', items: '', parts: { '/project': '{project_key}' } },
        { kind: 'items', items: '/links', parts: { '/project': '{project_key}' }, optional: true },
      ],
    },
    search: {
      arguments: [{ '/projects/*': '{project_key}' }],
      inject: { at: '/projects', value: '{project_key}', as: 'list' },
      results: [
        { kind: 'items', items: '/issues', parts: { '/project': '{project_key}' } },
        { kind: 'items', items: '/issues/*/parent', parts: { '/project': '{project_key}' }, optional: true },
      ],
    },
    list_recent: { results: [{ kind: 'items', items: '/issues', parts: { '/project': '{project_key}' } }] },
    comment: {
      arguments: [{ '/issue_key': '{project_key}-{number}' }],
      resolve: {
        tool: 'get_issue',
        arguments: { issue_key: '/issue_key' },
        result: { '/project': '{project_key}' },
      },
    },
    move: { arguments: [{ '/from': '{project_key}' }, { '/to': '{project_key}' }] },
    delete_project: { arguments: [{ '/project': '{project_key}' }] },
  },
  reads: [
    {
      uri: 'jira://{project_key}/issues',
      results: [{ kind: 'items', items: '', parts: { '/project': '{project_key}' } }],
    },
  ],
};

/** Exists for its filter alone. */
export const TYPE_SCOPE: Scope = {
  name: 'issue_type',
  parts: { issue_type: 'case_insensitive' },
  filters: { issue_types: '{issue_type}' },
  tools: {
    comment: {
      resolve: {
        tool: 'get_issue',
        arguments: { issue_key: '/issue_key' },
        result: { '/type': '{issue_type}' },
      },
    },
    list_recent: { results: [{ kind: 'items', items: '/issues', parts: { '/type': '{issue_type}' } }] },
  },
};

/** Owner and repository together. */
export const REPOSITORY_SCOPE: Scope = {
  name: 'repository',
  parts: { owner: 'case_insensitive', repo: 'case_insensitive' },
  resources: ['github://{owner}/{repo}'],
  filters: { repositories: '{owner}/{repo}', organizations: '{owner}' },
  tools: {
    get_file: { arguments: [{ '/owner': '{owner}', '/repo': '{repo}' }] },
    compare: { arguments: [{ '/sides/*/owner': '{owner}', '/sides/*/repo': '{repo}' }] },
  },
};

export const EFFECTS: Record<string, PolicyTool['effect']> = {
  get_issue: 'read',
  search: 'read',
  list_recent: 'read',
  comment: 'write',
  move: 'write',
  delete_project: 'destructive',
  get_file: 'read',
  compare: 'read',
  ping: 'read',
};

export const PROJECTS = ['DEV', 'QA', 'OPS'];

/** Ids: projects 1.., their issue lists 101.., tools 201... */
export function trackerConnection(scopes: Scope[] = [PROJECT_SCOPE, TYPE_SCOPE]): ConnectionFacts {
  const resources: PolicyResource[] = [];
  for (const [index, key] of PROJECTS.entries()) {
    resources.push(resource(1 + index, `jira://${key}`, 'project'));
    resources.push({ ...resource(101 + index, `jira://${key}/issues`, 'issue'), parentId: 1 + index });
  }
  for (const [index, name] of ['acme/app', 'other/lib'].entries())
    resources.push(resource(51 + index, `github://${name}`, 'repository'));
  const tools: PolicyTool[] = Object.entries(EFFECTS).map(([name, effect], index) => ({
    id: 201 + index,
    name,
    publicId: `tracker_${name}`,
    effect,
  }));
  for (const tool of tools)
    resources.push({ ...resource(tool.id, `tool://tracker/${tool.name}`, 'tool'), kind: 'tool', name: tool.name });
  return {
    isActive: true,
    scopes: scopes.map(compileScope),
    resources: new Map(resources.map((each) => [each.id, each])),
    tools: new Map(tools.map((tool) => [tool.id, tool])),
  };
}

export function resource(id: number, uri: string, type: string): PolicyResource {
  return { id, kind: 'resource', uri, name: uri.split('/').at(-1) ?? uri, type, parentId: null };
}

export function grantFacts(more: Partial<GrantFacts> & { allowed?: number[]; excluded?: number[] } = {}): GrantFacts {
  const { allowed = [], excluded = [], ...facts } = more;
  const marks = new Map<number, Mark>([
    ...allowed.map((id) => [id, 'explicit'] as const),
    ...excluded.map((id) => [id, 'excluded'] as const),
  ]);
  return { id: 1, level: 'admin', isActive: true, filters: {}, marks, ...facts };
}

export function policyOf(
  grant: Parameters<typeof grantFacts>[0],
  connection: ConnectionFacts = trackerConnection(),
): GrantPolicy {
  return compileGrant(connection, grantFacts(grant));
}

export function toolNamed(policy: GrantPolicy, name: string): PolicyTool {
  const tool = [...policy.connection.tools.values()].find((each) => each.name === name);
  if (!tool) throw new Error(`no tool ${name}`);
  return tool;
}
