import {
  policyOf,
  PROJECT_SCOPE,
  REPOSITORY_SCOPE,
  resource,
  toolNamed,
  trackerConnection,
  TYPE_SCOPE,
} from '../../../../test/support/policies.js';
import type { Scope } from '../../registry/registry.service.js';
import { decideCall, type Lookups } from './decide-call.js';
import type { GrantPolicy } from './grant-policy.js';

const DEV = 1;
const QA = 2;

function decide(policy: GrantPolicy, name: string, args: Record<string, unknown>, lookups?: Lookups) {
  return decideCall(policy, toolNamed(policy, name), args, lookups);
}

function reasonOf(policy: GrantPolicy, name: string, args: Record<string, unknown> = {}, lookups?: Lookups): string {
  const decision = decide(policy, name, args, lookups);
  return decision.allowed === 'lookup' ? `lookup ${decision.tool}` : decision.reason;
}

describe('a grant of one project', () => {
  const policy = policyOf({ allowed: [DEV] });

  it.each([
    ['get_issue', { issue_key: 'DEV-1' }, 'granted'],
    ['get_issue', { issue_key: 'dev-1' }, 'granted'],
    ['get_issue', { issue_key: 'OPS-1' }, 'scope_not_granted'],
    ['get_issue', { issue_key: '10001' }, 'granted_results_filtered'],
    ['get_issue', { issue_key: ['DEV-1'] }, 'scope_value_unreadable'],
    ['get_issue', { issue_key: 'DEV-OPS-1' }, 'granted_results_filtered'],
    ['delete_project', { project: ['DEV'] }, 'scope_value_unreadable'],
    ['get_issue', {}, 'granted_results_filtered'],
    ['search', { projects: ['DEV'] }, 'granted'],
    ['search', { projects: ['DEV', 'OPS'] }, 'scope_not_granted'],
    ['search', { projects: ['DEV', { key: 'OPS' }] }, 'scope_value_unreadable'],
    ['search', { projects: ['DEV', null] }, 'granted_results_filtered'],
    ['search', { projects: 'DEV' }, 'scope_value_unreadable'],
    ['move', { from: 'DEV', to: 'DEV' }, 'granted'],
    ['move', { from: 'DEV', to: 'OPS' }, 'scope_not_granted'],
    ['move', { from: 'OPS', to: 'DEV' }, 'scope_not_granted'],
    ['move', {}, 'scope_undecided'],
    ['comment', { issue_key: 'DEV-1' }, 'granted'],
    ['comment', { issue_key: '10001' }, 'lookup get_issue'],
    ['comment', {}, 'lookup get_issue'],
    ['list_recent', {}, 'granted_results_filtered'],
    ['ping', {}, 'not_granted'],
  ])('%s with %j: %s', (tool, args, reason) => expect(reasonOf(policy, tool, args)).toBe(reason));

  it('names the object, the rule and the change', () => {
    expect(decide(policy, 'get_issue', { issue_key: 'OPS-1' })).toEqual({
      allowed: false,
      reason: 'scope_not_granted',
      object: { type: 'argument', id: '/issue_key', value: 'OPS' },
      rule: 'This project is not granted',
      change: 'Add the resource of this project to the grant',
    });
  });

  it('puts what is allowed where the caller names nothing', () => {
    const both = policyOf({ allowed: [DEV, QA] });
    expect(decide(both, 'search', { text: 'x' })).toMatchObject({
      allowed: true,
      reason: 'granted',
      arguments: { text: 'x', projects: ['DEV', 'QA'] },
      resourceId: null,
    });
    expect(decide(policy, 'search', { projects: [] })).toMatchObject({
      arguments: { projects: ['DEV'] },
      resourceId: DEV,
    });
  });

  it('decides by what a read tool says, and by nothing else', () => {
    const lookup = (...keys: string[]): Lookups => new Map([['project', keys.map((key) => [key])]]);
    expect(reasonOf(policy, 'comment', { issue_key: '10001' }, lookup('DEV'))).toBe('granted');
    expect(reasonOf(policy, 'comment', { issue_key: '10001' }, lookup('OPS'))).toBe('lookup_failed');
    expect(reasonOf(policy, 'comment', { issue_key: '10001' }, lookup('DEV', 'OPS'))).toBe('lookup_failed');
    expect(reasonOf(policy, 'comment', { issue_key: '10001' }, lookup())).toBe('lookup_failed');
    expect(decide(policy, 'comment', { issue_key: '10001' })).toMatchObject({ arguments: { issue_key: '10001' } });
  });
});

describe('a folder below a granted one that was taken out', () => {
  const scope: Scope = {
    name: 'folder',
    parts: { path: 'path' },
    resources: ['file://{+path}'],
    tools: {
      get_file: { arguments: [{ '/path': '{path}' }] },
      search: { arguments: [{ '/path': '{path}' }], results: [{ kind: 'lines', value: '{path}' }] },
    },
  };
  const connection = trackerConnection([scope]);
  const resources = new Map(connection.resources);
  resources.set(301, resource(301, 'file:///a', 'folder'));
  resources.set(302, { ...resource(302, 'file:///a/secret', 'folder'), parentId: 301 });
  resources.set(303, { ...resource(303, 'file:///a/secret/open', 'folder'), parentId: 302 });
  const policy = policyOf({ allowed: [301, 303], excluded: [302] }, { ...connection, resources });

  it.each([
    ['get_file', '/a/x', 'granted'],
    ['get_file', '/a/secret', 'scope_not_granted'],
    ['get_file', '/a/secret/y', 'scope_not_granted'],
    ['get_file', '/a/secretly', 'granted'],
    ['get_file', '/a/secret/open/y', 'granted'],
    // Nobody knows how deep the tool goes.
    ['get_file', '/a', 'excluded'],
    ['search', '/a', 'granted'],
  ])('%s of %s: %s', (tool, path, reason) => expect(reasonOf(policy, tool, { path })).toBe(reason));
});

describe('what is granted', () => {
  it('is what is marked and below it, less exclusions', () => {
    expect([...policyOf({ allowed: [DEV] }).granted]).toEqual([1, 101]);
    expect([...policyOf({ allowed: [DEV], excluded: [101] }).granted]).toEqual([1]);
    expect([...policyOf({ allowed: [101], excluded: [DEV] }).granted]).toEqual([101]);
    expect([...policyOf({}).granted]).toEqual([]);
  });

  it('ends nowhere in a circle of parents', () => {
    const connection = trackerConnection();
    const resources = new Map(connection.resources);
    resources.set(1, { id: 1, kind: 'resource', uri: 'jira://DEV', name: 'DEV', type: 'project', parentId: 2 });
    resources.set(2, { id: 2, kind: 'resource', uri: 'jira://QA', name: 'QA', type: 'project', parentId: 1 });
    expect([...policyOf({ allowed: [2] }, { ...connection, resources }).granted].sort()).toEqual([1, 101, 102, 2]);
  });

  it('is narrowed by filters, also below what they reject', () => {
    const policy = policyOf({ allowed: [1, 2, 3], filters: { project_keys: ['dev'] } });
    expect([...policy.granted]).toEqual([1, 101]);
    expect(reasonOf(policy, 'get_issue', { issue_key: 'QA-1' })).toBe('scope_not_granted');
    expect([...policyOf({ allowed: [1], filters: { project_keys: [] } }).granted]).toEqual([]);
  });

  it('is nothing while the grant or the connection is off, or a filter can not be decided', () => {
    const args = { issue_key: 'DEV-1' };
    expect(reasonOf(policyOf({ allowed: [DEV], isActive: false }), 'get_issue', args)).toBe('grant_inactive');
    const off = { ...trackerConnection(), isActive: false };
    expect(reasonOf(policyOf({ allowed: [DEV] }, off), 'get_issue', args)).toBe('connection_inactive');
    expect(reasonOf(policyOf({ allowed: [DEV], filters: { teams: ['a'] } }), 'get_issue', args)).toBe(
      'filter_undecidable',
    );
  });

  it('is no tool whose effect is above the level', () => {
    const at = (level: 'read' | 'write' | 'admin') => policyOf({ allowed: [DEV], level });
    expect(reasonOf(at('read'), 'get_issue', { issue_key: 'DEV-1' })).toBe('granted');
    expect(reasonOf(at('read'), 'move', { from: 'DEV', to: 'DEV' })).toBe('permission_level');
    expect(reasonOf(at('write'), 'move', { from: 'DEV', to: 'DEV' })).toBe('granted');
    expect(reasonOf(at('write'), 'delete_project', { project: 'DEV' })).toBe('permission_level');
    expect(reasonOf(at('admin'), 'delete_project', { project: 'DEV' })).toBe('granted');
  });

  it('leaves out tools that are excluded, or that a filter on tools rejects', () => {
    const tool = toolNamed(policyOf({}), 'get_issue').id;
    const args = { issue_key: 'DEV-1' };
    expect(reasonOf(policyOf({ allowed: [DEV], excluded: [tool] }), 'get_issue', args)).toBe('excluded');
    expect(reasonOf(policyOf({ allowed: [DEV], filters: { tools: ['se*'] } }), 'get_issue', args)).toBe('filtered_out');
    expect(reasonOf(policyOf({ allowed: [DEV], filters: { tools: ['*_get_*'] } }), 'get_issue', args)).toBe('granted');
  });

  it('is a tool without scopes only where it is granted itself', () => {
    const ping = toolNamed(policyOf({}), 'ping').id;
    expect(reasonOf(policyOf({ allowed: [ping] }), 'ping')).toBe('granted');
    expect(reasonOf(policyOf({ allowed: [ping], filters: { resource_types: ['project'] } }), 'ping')).toBe(
      'filtered_out',
    );
    expect(reasonOf(policyOf({ allowed: [toolNamed(policyOf({}), 'move').id] }), 'move', { from: 'DEV' })).toBe(
      'scope_not_granted',
    );
  });
});

describe('a scope that exists for its filter alone', () => {
  it('says nothing while the grant does not set its filter', () => {
    expect(reasonOf(policyOf({ allowed: [DEV] }), 'comment', { issue_key: 'DEV-1' })).toBe('granted');
  });

  it('is looked up before a write', () => {
    const policy = policyOf({ allowed: [DEV], filters: { issue_types: ['bug'] } });
    expect(reasonOf(policy, 'comment', { issue_key: 'DEV-1' })).toBe('lookup get_issue');
    const types = (type: string): Lookups => new Map([['issue_type', [[type]]]]);
    expect(reasonOf(policy, 'comment', { issue_key: 'DEV-1' }, types('Bug'))).toBe('granted');
    expect(reasonOf(policy, 'comment', { issue_key: 'DEV-1' }, types('Task'))).toBe('filtered_out');
    expect(reasonOf(policy, 'comment', { issue_key: 'OPS-1' })).toBe('scope_not_granted');
  });

  it('is asked for with what the filter takes in, and not at all where that is nothing', () => {
    const listing = { ...TYPE_SCOPE.tools?.list_recent, inject: { at: '/types', value: '{issue_type}', as: 'list' } };
    const scope = { ...TYPE_SCOPE, tools: { list_recent: listing } } as Scope;
    const connection = trackerConnection([PROJECT_SCOPE, scope]);
    const of = (issue_types: string[]): GrantPolicy =>
      policyOf({ allowed: [DEV], filters: { issue_types } }, connection);
    expect(decide(of(['bug']), 'list_recent', {})).toMatchObject({ arguments: { types: ['bug'] } });
    expect(decide(of([]), 'list_recent', {})).toMatchObject({
      reason: 'filtered_out',
      object: { type: 'argument', id: '/types' },
      change: 'Let resource_filters.issue_types of the grant take something in',
    });
  });
});

describe('a scope of two parts', () => {
  const policy = policyOf({ allowed: [51, 52] }, trackerConnection([REPOSITORY_SCOPE]));

  it.each([
    ['get_file', { owner: 'acme', repo: 'app' }, 'granted'],
    ['get_file', { owner: 'other', repo: 'lib' }, 'granted'],
    ['get_file', { owner: 'acme', repo: 'lib' }, 'scope_not_granted'],
    ['get_file', { owner: 'acme' }, 'scope_undecided'],
    ['get_file', { owner: 'acme', repo: null }, 'scope_undecided'],
    [
      'compare',
      {
        sides: [
          { owner: 'acme', repo: 'app' },
          { owner: 'other', repo: 'lib' },
        ],
      },
      'granted',
    ],
    [
      'compare',
      {
        sides: [
          { owner: 'acme', repo: 'app' },
          { owner: 'acme', repo: 'lib' },
        ],
      },
      'scope_not_granted',
    ],
    ['compare', { sides: [{ owner: 'acme', repo: 'app' }, { owner: 'acme' }] }, 'scope_undecided'],
    ['compare', { sides: [] }, 'scope_undecided'],
  ])('%s with %j: %s', (tool, args, reason) => expect(reasonOf(policy, tool, args)).toBe(reason));

  it('is limited by filters on one part and on both', () => {
    const limited = (filters: Record<string, unknown>) =>
      policyOf({ allowed: [51, 52], filters }, trackerConnection([REPOSITORY_SCOPE]));
    expect([...limited({ organizations: ['ACME'] }).granted]).toEqual([51]);
    expect([...limited({ repositories: ['other/lib'] }).granted]).toEqual([52]);
    expect([...limited({ organizations: ['acme'], repositories: ['other/lib'] }).granted]).toEqual([]);
  });
});

describe('arguments that try to get around what is granted', () => {
  const policy = policyOf({ allowed: [DEV] });

  it.each([
    ['comment', { issue_key: 'DEV-1/../OPS' }, 'scope_value_unreadable'],
    ['comment', { issue_key: 'DEV-1/../10001' }, 'scope_value_unreadable'],
    ['comment', { issue_key: 'DEV-1%2F%2e%2e%2F10001' }, 'scope_value_unreadable'],
    ['comment', { issue_key: 'DEV-..\\10001' }, 'scope_value_unreadable'],
    ['get_issue', { issue_key: 'DEV-1/../10001' }, 'scope_value_unreadable'],
    ['get_issue', { issue_key: 'DEV-1/..?x' }, 'scope_value_unreadable'],
    ['search', { projects: [null, 'OPS'] }, 'scope_not_granted'],
    ['search', { projects: [null, { key: 'OPS' }] }, 'scope_value_unreadable'],
    ['delete_project', { project: 2 ** 53 }, 'scope_value_unreadable'],
    ['delete_project', { project: 1.5 }, 'scope_value_unreadable'],
  ])('%s with %j: %s', (tool, args, reason) => expect(reasonOf(policy, tool, args)).toBe(reason));

  it('may have dots that lead nowhere', () => {
    expect(reasonOf(policy, 'comment', { issue_key: 'DEV-1..2' })).toBe('granted');
  });
});

describe('arrays within arrays', () => {
  const nested = policyOf(
    { allowed: [DEV, QA] },
    trackerConnection([
      { ...PROJECT_SCOPE, tools: { move: { arguments: [{ '/steps/*/projects/*/key': '{project_key}' }] } } },
    ]),
  );
  const step = (...keys: unknown[]) => ({ projects: keys.map((key) => ({ key })) });

  it.each([
    [[step('DEV', 'QA'), step('QA')], 'granted'],
    [[step('DEV'), step('OPS')], 'scope_not_granted'],
    [[step('DEV'), step()], 'scope_undecided'],
    [[step('DEV'), {}], 'scope_undecided'],
    [[step('DEV'), null], 'scope_undecided'],
    [[step('DEV'), { projects: null }], 'scope_undecided'],
    [[step('DEV'), step(null)], 'scope_undecided'],
    [[step('DEV'), { projects: 'OPS' }], 'scope_value_unreadable'],
    [[], 'scope_undecided'],
  ])('%j: %s, because an element that says nothing may mean everything', (steps, reason) =>
    expect(reasonOf(nested, 'move', { steps })).toBe(reason),
  );
});

describe('a lookup', () => {
  const resolve = {
    tool: 'get_issue',
    arguments: { issue_key: '/from' },
    result: { '/project': '{project_key}' },
  };
  const issueAt = (...pointers: string[]): { arguments: Record<string, string>[]; resolve: typeof resolve } => ({
    arguments: pointers.map((pointer) => ({ [pointer]: '{project_key}-{number}' })),
    resolve,
  });
  const policy = policyOf(
    { allowed: [DEV] },
    trackerConnection([
      {
        ...PROJECT_SCOPE,
        tools: {
          move: issueAt('/from', '/to'),
          delete_project: { ...issueAt('/all/*'), resolve: { ...resolve, arguments: { issue_key: '/all/0' } } },
        },
      },
    ]),
  );
  const dev: Lookups = new Map([['project', [['DEV']]]]);

  it.each([
    ['move', { from: '10001', to: 'DEV-1' }, 'granted'],
    ['move', { from: '10001', to: 'OPS-1' }, 'scope_not_granted'],
    ['move', { from: '10001', to: '10002' }, 'scope_value_unreadable'],
    ['move', { from: 'DEV-1', to: '10002' }, 'scope_value_unreadable'],
    ['delete_project', { all: ['10001', 'DEV-1'] }, 'scope_value_unreadable'],
    ['delete_project', { all: ['10001', 'OPS-1'] }, 'scope_not_granted'],
    ['delete_project', { all: ['DEV-1', null] }, 'scope_undecided'],
  ])('answers one question and no other: %s with %j is %s', (tool, args, reason) => {
    expect(reasonOf(policy, tool, args, dev)).toBe(reason);
  });

  it('counts on no single resource where the arguments name another one', () => {
    const both = policyOf({ allowed: [DEV, QA] }, policy.connection);
    expect(decide(both, 'move', { from: '10001', to: 'QA-1' }, dev)).toMatchObject({ resourceId: null });
    expect(decide(both, 'move', { from: '10001', to: 'DEV-1' }, dev)).toMatchObject({ resourceId: DEV });
  });

  it('is not made for a call that another scope denies, whatever the order of the scopes', () => {
    const filters = { issue_types: ['bug'] };
    const turned = policyOf({ allowed: [DEV], filters }, trackerConnection([TYPE_SCOPE, PROJECT_SCOPE]));
    expect(reasonOf(turned, 'comment', { issue_key: 'OPS-1' })).toBe('scope_not_granted');
    expect(decide(turned, 'comment', { issue_key: '10001' })).toMatchObject({ allowed: 'lookup', scope: 'project' });
    const found: Lookups = new Map([
      ['project', [['OPS']]],
      ['issue_type', [['secret']]],
    ]);
    expect(reasonOf(turned, 'comment', { issue_key: '10001' }, found)).toBe('lookup_failed');
  });
});
