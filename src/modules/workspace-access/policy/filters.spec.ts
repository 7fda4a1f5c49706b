import {
  grantFacts,
  PROJECT_SCOPE,
  REPOSITORY_SCOPE,
  resource,
  trackerConnection,
  TYPE_SCOPE,
} from '../../../../test/support/policies.js';
import type { Scope } from '../../registry/registry.service.js';
import { compileScope } from './compiled-scope.js';
import type { PolicyResource, PolicyTool, ResourceFilters } from './facts.js';
import {
  activeFilters,
  declaredVerdicts,
  FiltersTooCostly,
  genericVerdicts,
  identifiedBy,
  matchesFilters,
  matchesGlob,
  passes,
  undecidableKeys,
} from './filters.js';
import { automaticResources, compileGrant } from './grant-policy.js';

const project = resource(1, 'jira://DEV', 'project');
const issues = resource(2, 'jira://DEV/issues', 'issue');
const repository = resource(3, 'github://acme/app', 'repository');
const note = resource(4, 'note:1', 'note');
const tool: PolicyTool = { id: 5, name: 'get_issue', publicId: 'tracker_get_issue', effect: 'read' };
const toolRow: PolicyResource = { ...resource(5, 'tool://tracker/get_issue', 'tool'), kind: 'tool' };

function filtered(filters: ResourceFilters, declared: Scope[] = [PROJECT_SCOPE, TYPE_SCOPE, REPOSITORY_SCOPE]) {
  return declared.map(compileScope).map((scope) => ({ scope, filters: activeFilters(scope, filters) }));
}

function verdictsOf(
  filters: ResourceFilters,
  row: PolicyResource,
  of: PolicyTool | null = null,
): Record<string, boolean> {
  const verdicts = [...genericVerdicts(filters, row, of), ...declaredVerdicts(filtered(filters), row)];
  return Object.fromEntries(verdicts.map(({ key, holds }) => [key, holds]));
}

function matches(filters: ResourceFilters, row: PolicyResource, of: PolicyTool | null = null): boolean {
  return matchesFilters(filters, filtered(filters), row, of);
}

describe('keys that every type has', () => {
  it.each([
    [{ resource_types: ['proj*'] }, true],
    [{ resource_types: ['issue', 'project'] }, true],
    [{ resource_types: ['Project'] }, false],
    [{ resource_types: [] }, false],
    [{ resource_names: ['D?V'] }, true],
    [{ resource_names: ['D'] }, false],
    [{ uri_patterns: ['jira://*'] }, true],
    [{ uri_patterns: ['*'] }, true],
    [{ uri_patterns: ['jira'] }, false],
  ])('%j speak of every resource, by globs over the whole text: %s', (filters, holds) => {
    expect(verdictsOf(filters, project)).toEqual({ [Object.keys(filters)[0] ?? '']: holds });
    expect(matches(filters, project)).toBe(holds);
  });

  it('speak of tools by their name at the server and their public id, and of nothing else', () => {
    expect(verdictsOf({ tools: ['get_*'] }, toolRow, tool)).toEqual({ tools: true });
    expect(verdictsOf({ tools: ['tracker_*'] }, toolRow, tool)).toEqual({ tools: true });
    expect(verdictsOf({ tools: ['issue'] }, toolRow, tool)).toEqual({ tools: false });
    expect(verdictsOf({ tools: ['*'] }, project)).toEqual({});
    expect(matches({ tools: ['*'] }, project)).toBe(false);
    expect(verdictsOf({ resource_types: ['tool'] }, toolRow, tool)).toEqual({ resource_types: true });
  });

  it('must all hold', () => {
    expect(matches({ resource_types: ['project'], resource_names: ['DEV'] }, project)).toBe(true);
    expect(matches({ resource_types: ['project'], resource_names: ['QA'] }, project)).toBe(false);
    expect(matches({ resource_types: ['*'], project_keys: ['QA'] }, project)).toBe(false);
  });

  it.each([['*'], [null], [{ 0: '*' }], [true], [[['*']]], [[null, 5]]])(
    'hold for nothing when they are %j',
    (value) => {
      expect(verdictsOf({ resource_types: value }, project)).toEqual({ resource_types: false });
      expect(verdictsOf({ project_keys: value }, project)).toEqual({ project_keys: false });
    },
  );

  it('are own keys: nothing of a prototype is a filter', () => {
    const inherited = Object.create({ resource_types: ['*'], project_keys: ['DEV'] }) as ResourceFilters;
    expect(verdictsOf(inherited, project)).toEqual({});
    expect(undecidableKeys([], inherited)).toEqual([]);
  });
});

describe('keys that a scope declares', () => {
  it('speak of resources that the scope identifies, as it compares them, and of no other', () => {
    const filters = { project_keys: ['dev'] };
    expect(verdictsOf(filters, project)).toEqual({ project_keys: true });
    expect(verdictsOf({ project_keys: ['QA', 'D*'] }, project)).toEqual({ project_keys: false });
    for (const row of [issues, repository, note]) expect(verdictsOf(filters, row)).toEqual({});
    expect(verdictsOf(filters, toolRow, tool)).toEqual({});
    expect(verdictsOf(filters, { ...project, kind: 'resource_template' })).toEqual({});
    expect(verdictsOf(filters, { ...project, uri: 'jira://d%65v' })).toEqual({ project_keys: true });
    expect(verdictsOf(filters, { ...project, uri: 'jira://%' })).toEqual({});
  });

  it('speak of no resource where the scope identifies none', () => {
    expect(verdictsOf({ issue_types: ['bug'] }, project)).toEqual({});
    expect(matches({ issue_types: ['bug'] }, project)).toBe(false);
  });

  it('may speak of some of the parts', () => {
    expect(verdictsOf({ organizations: ['ACME'] }, repository)).toEqual({ organizations: true });
    expect(verdictsOf({ organizations: ['other'], repositories: ['acme/app'] }, repository)).toEqual({
      organizations: false,
      repositories: true,
    });
    expect(verdictsOf({ repositories: ['acme'] }, repository)).toEqual({ repositories: false });
    expect(matches({ organizations: ['acme'], repositories: ['acme/app'] }, repository)).toBe(true);
  });

  it('pass the tuples that their values hold', () => {
    const [repositories] =
      filtered({ repositories: ['acme/app', 'no slash', 'a/b/c'] }, [REPOSITORY_SCOPE])[0]?.filters ?? [];
    if (!repositories) throw new Error('no filter');
    expect(repositories.values.size).toBe(1);
    expect(passes(repositories, ['Acme', 'APP'])).toBe(true);
    expect(passes(repositories, ['acme', 'lib'])).toBe(false);
    expect(passes(repositories, [])).toBe(false);
  });

  it('hold what is below a path', () => {
    const scope: Scope = {
      name: 'folder',
      parts: { path: 'path' },
      resources: ['file://{+path}'],
      filters: { folders: '{path}' },
    };
    const folder = (uri: string) =>
      declaredVerdicts(filtered({ folders: ['/srv/data'] }, [scope]), resource(1, uri, 'folder'));
    expect(folder('file:///srv/data/a')).toEqual([{ key: 'folders', holds: true }]);
    expect(folder('file:///srv/data')).toEqual([{ key: 'folders', holds: true }]);
    expect(folder('file:///srv/database')).toEqual([{ key: 'folders', holds: false }]);
    expect(folder('file:///srv/data/%2e%2e/x')).toEqual([{ key: 'folders', holds: false }]);
    expect(folder('file:///srv')).toEqual([{ key: 'folders', holds: false }]);
  });
});

describe('what auto-sync takes in', () => {
  it('is nothing without filters, and nothing that no key applies to', () => {
    for (const row of [project, issues, repository, note, toolRow]) expect(matches({}, row)).toBe(false);
    expect(matches({ project_keys: ['DEV'] }, note)).toBe(false);
    expect(matches({ project_keys: ['DEV'] }, issues)).toBe(false);
    expect(matches({ project_keys: ['DEV'] }, project)).toBe(true);
  });
});

describe('keys that nothing reads', () => {
  it('are named, whatever they are called', () => {
    const scopes = [PROJECT_SCOPE].map(compileScope);
    const filters = JSON.parse(
      '{"project_keys":[],"tools":[],"teams":[],"__proto__":[],"constructor":[]}',
    ) as ResourceFilters;
    expect(undecidableKeys(scopes, filters)).toEqual(['teams', '__proto__', 'constructor']);
    expect(undecidableKeys(scopes, {})).toEqual([]);
  });
});

describe('the tuple of a resource', () => {
  const scope = compileScope({
    ...REPOSITORY_SCOPE,
    resources: ['github://{owner}/{repo}', 'gh://{owner}/{repo}/{more}'],
  });

  it.each([
    ['github://acme/app', ['acme', 'app']],
    ['gh://acme/app/anything', ['acme', 'app']],
    ['github://acme/a%2Fb', ['acme', 'a/b']],
    ['github://acme/a%252Fb', ['acme', 'a%2Fb']],
    ['github://acme/app/', null],
    ['github://acme', null],
    ['github://acme/%C3', null],
    ['xgithub://acme/app', null],
    ['github://acme/app\n', ['acme', 'app\n']],
  ])('%j is %j', (uri, tuple) => expect(identifiedBy(scope, resource(1, uri, 'repository'))).toEqual(tuple));
});

describe('globs', () => {
  it.each([
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['?', '', false],
    ['a*b*c', 'axxbyyc', true],
    ['a*b*c', 'axxbyy', false],
    ['**', 'anything', true],
    ['*.md', 'a.md.txt', false],
    ['[a]', 'a', false],
    ['a\\*', 'a\\b', true],
    ['A', 'a', false],
    ['a*', 'a\nb', true],
  ])('%j over %j: %s', (glob, text, is) => expect(matchesGlob(glob, text)).toBe(is));
});

describe('globs of strangers', () => {
  it('that take too long let nothing pass, and say so', () => {
    const resources = new Map(
      Array.from({ length: 5_000 }, (_, index) => [
        index,
        { ...resource(index, `x://${index}`, 'thing'), name: 'a'.repeat(480) },
      ]),
    );
    const filters = { resource_names: Array.from({ length: 50 }, (_, index) => `*${'a'.repeat(240)}b${index}`) };
    const connection = { ...trackerConnection(), resources };
    const began = performance.now();
    const facts = grantFacts({ filters, marks: new Map([...resources.keys()].map((id) => [id, 'explicit' as const])) });
    const policy = compileGrant(connection, facts);
    expect([policy.granted.size, policy.undecidableKeys]).toEqual([0, ['resource_names']]);
    expect(() => automaticResources(connection, grantFacts({ filters }))).toThrow(FiltersTooCostly);
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  it('without wildcards may be many', () => {
    const filters = { resource_names: Array.from({ length: 1_000 }, (_, index) => `thing ${index}`) };
    const resources = new Map(
      Array.from({ length: 20_000 }, (_, index) => [
        index,
        { ...resource(index, `x://${index}`, 'thing'), name: `thing ${index}` },
      ]),
    );
    expect(automaticResources({ ...trackerConnection(), resources }, grantFacts({ filters })).size).toBe(1_000);
  });
});
