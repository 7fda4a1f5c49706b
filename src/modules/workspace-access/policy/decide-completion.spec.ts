import {
  policyOf,
  PROJECT_SCOPE,
  REPOSITORY_SCOPE,
  resource,
  trackerConnection,
  TYPE_SCOPE,
} from '../../../../test/support/policies.js';
import type { Scope } from '../../registry/registry.service.js';
import { decideCompletion, filterCompletion, type CompletionTarget } from './decide-completion.js';
import type { ConnectionFacts } from './facts.js';

const [PROMPT, ISSUE, FILE, FOLDER] = [301, 302, 303, 304];
const ISSUE_TEMPLATE = 'jira://{project}/issues{?page}';
const FILE_TEMPLATE = 'github://{owner}/{repo}';
const FOLDER_TEMPLATE = 'file:///{+folder}/{name}';
const FOLDERS: Scope = { name: 'folder', parts: { path: 'path' }, resources: ['file://{+path}'] };

function connectionOf(scopes: Scope[]): ConnectionFacts {
  const connection = trackerConnection(scopes);
  const templates = [ISSUE_TEMPLATE, FILE_TEMPLATE, FOLDER_TEMPLATE].map((uri, index) => ({
    ...resource(ISSUE + index, uri, 'text'),
    kind: 'resource_template' as const,
  }));
  const prompt = { ...resource(PROMPT, 'prompt://tracker/report', 'prompt'), kind: 'prompt' as const };
  const folders = ['/data/open', '/data/closed'].map((path, index) =>
    resource(401 + index, `file://${path}`, 'folder'),
  );
  const all = [...connection.resources.values(), prompt, ...templates, ...folders];
  return { ...connection, resources: new Map(all.map((each) => [each.id, each])) };
}

type Grant = Parameters<typeof policyOf>[0];

function decide(scopes: Scope[], grant: Grant, target: Partial<CompletionTarget>) {
  const { resourceId = PROMPT } = target;
  const connection = connectionOf(scopes);
  const policy = policyOf(grant, connection);
  const uri = connection.resources.get(resourceId)?.uri ?? '';
  const kind = resourceId === PROMPT ? 'prompt' : 'template';
  return decideCompletion(policy, { resourceId, uri, kind, argument: 'x', context: new Map(), ...target });
}

function offered(
  scopes: Scope[],
  grant: Grant,
  target: Partial<CompletionTarget>,
  values: string[],
): string[] | string {
  const decision = decide(scopes, grant, target);
  return decision.allowed ? values.filter((value) => decision.offers?.(value)) : decision.reason;
}

describe('completions of arguments of prompts', () => {
  const grant = { allowed: [1, PROMPT] };
  const of = (argument: string, values: string[], context = {}, more: Grant = grant) =>
    offered([PROJECT_SCOPE, TYPE_SCOPE], more, { argument, context: new Map(Object.entries(context)) }, values);

  it('are those of a part of a scope, as it is compared', () => {
    expect(of('project_key', ['DEV', 'dev', 'OPS', 'DEV ', ''])).toEqual(['DEV', 'dev']);
  });

  it('are those of an argument of a tool, in the form in which it names the part', () => {
    expect(of('issue_key', ['DEV-1', 'OPS-1', 'DEV', '10001'])).toEqual(['DEV-1']);
    expect(of('projects', ['DEV', 'OPS'])).toEqual(['DEV']);
    expect(of('tone', ['OPS'])).toEqual(['OPS']);
  });

  it('are held to filters of scopes that identify nothing', () => {
    const bugs = { ...grant, filters: { issue_types: ['bug'] } };
    expect(of('issue_type', ['Bug', 'Task'], {}, bugs)).toEqual(['Bug']);
    expect(of('issue_type', ['Bug', 'Task'])).toEqual(['Bug', 'Task']);
  });

  it('are none of what was chosen and is not granted, whichever argument hides it', () => {
    expect(of('tone', ['kind'], { project_key: 'OPS' })).toBe('scope_not_granted');
    expect(of('tone', ['kind'], { from: 'OPS', to: 'DEV' })).toBe('scope_not_granted');
    expect(of('tone', ['kind'], { to: 'DEV', from: 'OPS' })).toBe('scope_not_granted');
    expect(of('tone', ['kind'], { project_key: 'DEV' })).toEqual(['kind']);
    expect(of('project_key', ['DEV'], { project_key: 'OPS' })).toEqual(['DEV']);
  });

  it('are none for a prompt that is not granted, nor under a grant that is off', () => {
    expect(of('project_key', ['DEV'], {}, { allowed: [1] })).toBe('not_granted');
    expect(of('project_key', ['DEV'], {}, { ...grant, isActive: false })).toBe('grant_inactive');
  });

  it('hold the parts of a tuple together', () => {
    const repositories = (argument: string, context = {}): unknown =>
      offered([REPOSITORY_SCOPE], { allowed: [51, PROMPT] }, { argument, context: new Map(Object.entries(context)) }, [
        'acme',
        'other',
        'app',
        'lib',
      ]);
    expect(repositories('owner')).toEqual(['acme']);
    expect(repositories('repo')).toEqual(['app']);
    expect(repositories('repo', { owner: 'ACME' })).toEqual(['app']);
    expect(repositories('repo', { owner: 'other' })).toBe('scope_not_granted');
  });

  it('take no value for one that is still open', () => {
    expect(of('project_key', ['\u{E000}', 'OPS\u{E000}'])).toEqual([]);
  });
});

describe('completions of variables of templates', () => {
  it('are what can be read then', () => {
    const of = (values: string[], more: Grant = {}) =>
      offered(
        [PROJECT_SCOPE],
        { allowed: [1, ISSUE], ...more },
        { resourceId: ISSUE, argument: 'project', context: new Map([['page', '1']]) },
        values,
      );
    // With a query no scope reads it: it could not be read either.
    expect(of(['DEV', 'OPS'])).toEqual([]);
    const whole = (values: string[], more: Grant = {}, context = new Map<string, string>()) =>
      offered(
        [REPOSITORY_SCOPE],
        { allowed: [51, FILE], ...more },
        { resourceId: FILE, argument: 'owner', context },
        values,
      );
    expect(whole(['acme', 'other'])).toEqual(['acme']);
    expect(whole(['acme', 'other', '..', 'acme/app'], {}, new Map([['repo', 'app']]))).toEqual(['acme']);
    expect(whole(['acme'], { allowed: [51] })).toBe('not_granted');
    expect(whole(['acme'], { filters: { resource_names: ['nothing'] } })).toBe('filtered_out');
  });

  it('are none while a pattern of whole URIs could not be asked', () => {
    const filters = { uri_patterns: ['github://{owner}/{repo}', 'github://acme/*'] };
    const of = (context: Map<string, string>) =>
      offered([], { allowed: [FILE], filters }, { resourceId: FILE, argument: 'owner', context }, ['acme', 'other']);
    expect(of(new Map())).toEqual([]);
    expect(of(new Map([['repo', 'app']]))).toEqual(['acme']);
  });

  it('are within paths that are granted', () => {
    const of = (argument: string, values: string[], context = {}) =>
      offered(
        [FOLDERS],
        { allowed: [401, FOLDER] },
        { resourceId: FOLDER, argument, context: new Map(Object.entries(context)) },
        values,
      );
    expect(of('name', ['a.txt', '..', '../closed/b.txt'], { folder: 'data/open' })).toEqual(['a.txt']);
    expect(of('name', ['b.txt'], { folder: 'data/closed' })).toEqual([]);
    expect(of('folder', ['data/open', 'data/closed'], { name: 'a.txt' })).toEqual(['data/open']);
  });
});

describe('an answer with completions', () => {
  const restricted = decide([PROJECT_SCOPE], { allowed: [1, PROMPT] }, { argument: 'project_key' });
  const free = decide([], { allowed: [PROMPT] }, { argument: 'tone' });
  const filter = (decision: typeof free, completion: unknown): unknown =>
    decision.allowed ? filterCompletion({ completion }, decision) : decision;

  it.each([
    [
      { values: ['DEV', 'OPS'], total: 2 },
      { values: ['DEV'], total: 1, hasMore: false },
    ],
    [{ values: ['OPS', 7, null] }, { values: [], total: 0, hasMore: false }],
    [
      { values: ['DEV'], total: 900 },
      { values: ['DEV'], hasMore: true },
    ],
    [
      { values: ['DEV'], hasMore: true },
      { values: ['DEV'], hasMore: true },
    ],
  ])('tells of %j no more than is granted', (completion, shown) => {
    expect(filter(restricted, completion)).toEqual({ completion: shown });
  });

  it('is as the server gave it where nothing restricts it, up to a hundred', () => {
    expect(filter(free, { values: ['a'], total: 9 })).toEqual({
      completion: { values: ['a'], total: 9, hasMore: true },
    });
    const values = Array.from({ length: 101 }, String);
    expect(filter(free, { values })).toEqual({ completion: { values: values.slice(0, 100), hasMore: true } });
  });

  it.each([undefined, null, 7, {}, { values: 'DEV' }])('is none: %j', (completion) => {
    expect(filter(free, completion)).toBeNull();
  });
});

it('offers nothing that a template makes of a listed resource which is taken out of the grant', () => {
  const connection = connectionOf([]);
  const closed = 402;
  const template = { ...resource(500, 'file:///data/{name}', 'text'), kind: 'resource_template' as const };
  const resources = new Map([...connection.resources, [500, template]]);
  const policy = policyOf({ allowed: [500, 401], excluded: [closed] }, { ...connection, resources });
  const target = {
    resourceId: 500,
    uri: template.uri,
    kind: 'template',
    argument: 'name',
    context: new Map(),
  } as const;
  const decision = decideCompletion(policy, target);
  const values = ['open', 'closed', 'other'];
  expect(decision.allowed && values.filter((value) => decision.offers?.(value))).toEqual(['open', 'other']);
});
