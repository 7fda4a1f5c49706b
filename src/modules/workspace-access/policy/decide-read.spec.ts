import fc from 'fast-check';
import { policyOf, PROJECT_SCOPE, resource, trackerConnection, TYPE_SCOPE } from '../../../../test/support/policies.js';
import type { Scope } from '../../registry/registry.service.js';
import { decideRead, judgeRead } from './decide-read.js';
import type { ConnectionFacts, PolicyResource } from './facts.js';
import type { GrantPolicy } from './grant-policy.js';

const DEV = 1;
const DEV_ISSUES = 101;
const OPS_ISSUES = 103;
const ISSUES = 301;
const FILES = 302;
const README = 303;

/** Scopes that read every URI below a project. */
const TRACKER: Scope = {
  ...PROJECT_SCOPE,
  reads: [
    ...(PROJECT_SCOPE.reads ?? []),
    { uri: 'jira://{project_key}/issues/{number}' },
    { uri: 'jira://{project_key}/f/{+path}' },
  ],
};
const NO_SCOPE: Scope[] = [];

function template(id: number, uri: string): PolicyResource {
  return { ...resource(id, uri, 'template'), kind: 'resource_template' };
}

function connectionWith(scopes: Scope[] = [TRACKER, TYPE_SCOPE], ...more: PolicyResource[]): ConnectionFacts {
  const base = trackerConnection(scopes);
  const rows = [
    template(ISSUES, 'jira://{project}/issues/{number}'),
    template(FILES, 'jira://{project}/f/{+path}'),
    resource(README, 'jira://DEV/f/README', 'file'),
    ...more,
  ];
  return { ...base, resources: new Map([...base.resources, ...rows.map((row) => [row.id, row] as const)]) };
}

function grantOf(...allowed: number[]): GrantPolicy {
  return policyOf({ allowed }, connectionWith());
}

/** As the product asks: a listed URI by its row, any other as an expansion. */
function read(policy: GrantPolicy, uri: string): string {
  const listed = [...policy.connection.resources.values()].find((row) => row.kind === 'resource' && row.uri === uri);
  return decideRead(policy, { uri, resourceId: listed?.id ?? null }).reason;
}

describe('a listed resource', () => {
  it('is read where it, or one above it, is granted', () => {
    expect(read(grantOf(DEV), 'jira://DEV')).toBe('granted');
    expect(read(grantOf(DEV), 'jira://DEV/issues')).toBe('granted');
    expect(read(grantOf(DEV_ISSUES), 'jira://DEV/issues')).toBe('granted');
    expect(read(grantOf(DEV_ISSUES), 'jira://DEV')).toBe('not_granted');
    expect(read(grantOf(DEV), 'jira://OPS/issues')).toBe('not_granted');
    expect(read(grantOf(), 'jira://DEV')).toBe('not_granted');
  });

  it('is not read once it was taken out, nor what is below it', () => {
    const policy = policyOf({ allowed: [DEV], excluded: [DEV_ISSUES] }, connectionWith());
    expect(read(policy, 'jira://DEV/issues')).toBe('excluded');
    const below = policyOf({ allowed: [ISSUES], excluded: [DEV] }, connectionWith());
    expect(read(below, 'jira://DEV/issues')).toBe('excluded');
  });

  it('is narrowed by filters, by its own URI too', () => {
    const filtered = (filters: Record<string, unknown>) =>
      policyOf({ allowed: [DEV, OPS_ISSUES], filters }, connectionWith());
    expect(read(filtered({ resource_types: ['project'] }), 'jira://DEV')).toBe('granted');
    expect(read(filtered({ resource_types: ['project'] }), 'jira://DEV/issues')).toBe('filtered_out');
    expect(read(filtered({ uri_patterns: ['*/issues'] }), 'jira://DEV')).toBe('filtered_out');
    expect(read(filtered({ project_keys: ['dev'] }), 'jira://DEV/issues')).toBe('granted');
    expect(read(filtered({ project_keys: ['dev'] }), 'jira://OPS/issues')).toBe('filtered_out');
    expect(read(filtered({ teams: ['a'] }), 'jira://DEV')).toBe('filter_undecidable');
  });

  it('is not read while grant or connection are off', () => {
    expect(read(policyOf({ allowed: [DEV], isActive: false }, connectionWith()), 'jira://DEV')).toBe('grant_inactive');
    const off = { ...connectionWith(), isActive: false };
    expect(read(policyOf({ allowed: [DEV] }, off), 'jira://DEV')).toBe('connection_inactive');
  });

  it('brings the result filters that its URI declares', () => {
    const decision = decideRead(grantOf(DEV), { uri: 'jira://DEV/issues', resourceId: DEV_ISSUES });
    expect(decision).toMatchObject({ allowed: true, resourceId: DEV_ISSUES, decidedBefore: true });
    expect(decision.allowed && decision.results.map(({ filters }) => filters.length)).toEqual([1]);
    const project = decideRead(grantOf(DEV), { uri: 'jira://DEV', resourceId: DEV });
    expect(project.allowed && project.results).toEqual([]);
  });
});

describe('an expansion of a granted template', () => {
  it.each([
    ['jira://DEV/issues/7', 'granted'],
    ['jira://dev/issues/7', 'granted'],
    ['jira://D%45V/issues/7', 'granted'],
    ['jira://OPS/issues/7', 'scope_not_granted'],
    ['jira://O%50S/issues/7', 'scope_not_granted'],
    ['jira://DEV%2FOPS/issues/7', 'scope_not_granted'],
    ['jira://DEV%00/issues/7', 'scope_not_granted'],
    ['jira://%44%45%56%/issues/7', 'scope_undecided'],
    ['jira://%FF/issues/7', 'scope_undecided'],
    ['jira://DEV@OPS/issues/7', 'scope_not_granted'],
    ['jira://OPS#@DEV/issues/7', 'not_granted'],
    ['JIRA://DEV/issues/7', 'not_granted'],
    ['jira:///issues/7', 'not_granted'],
    ['jira://DEV//issues/7', 'not_granted'],
    ['jira://DEV/issues/7/8', 'not_granted'],
    ['jira://DEV/f/a/b.txt', 'granted'],
    ['jira://DEV/f/..hidden/...', 'granted'],
    ['jira://DEV/f/a%2Fb', 'granted'],
    ['jira://OPS/f/a', 'scope_not_granted'],
  ])('%s: %s, by the scopes', (uri, reason) => expect(read(grantOf(DEV, ISSUES, FILES), uri)).toBe(reason));

  it.each([
    'jira://DEV/f/..',
    'jira://DEV/f/../../OPS/f/a',
    'jira://DEV/f/./a',
    'jira://DEV/f/a/..',
    'jira://DEV/f/%2e%2e/%2E%2E/OPS/f/a',
    'jira://DEV/f/%2e./.%2e/OPS/f/a',
    'jira://DEV/f/%252e%252e/OPS',
    'jira://DEV/f/%25252e%25252e%25252fOPS',
    'jira://DEV/f/%%32%65%%32%65/OPS',
    'jira://DEV/f/..%2FOPS',
    'jira://DEV/f/..%2fOPS',
    'jira://DEV/f/..%5cOPS',
    'jira://DEV/f/..\\OPS',
    'jira://DEV/f/..?x',
    'jira://DEV/f/..;/OPS',
    'jira://DEV/f/a?path=../OPS',
    'jira://DEV/f/a#../OPS',
    'jira://DEV/f/.%09./OPS',
    'jira://DEV/f/.\u200b./OPS',
    'jira://DEV/f/%20../OPS',
    'jira://DEV/f/%ff%2f%2e%2e%2fOPS',
    'jira://DEV/issues/..',
    'jira://DEV/issues/.\t.',
    'jira://DEV/issues/7%2F..%2F..%2FOPS',
    `jira://DEV/f/${'%25'.repeat(1)}${'25'.repeat(20)}2e`,
  ])('%s may lead a server that resolves it to something else: it is not read', (uri) => {
    const policy = grantOf(DEV, ISSUES, FILES);
    expect(decideRead(policy, { uri, resourceId: null }).allowed).toBe(false);
    const free = policyOf({ allowed: [ISSUES, FILES] }, connectionWith(NO_SCOPE));
    expect(decideRead(free, { uri, resourceId: null }).allowed).toBe(false);
  });

  it('is granted by its template alone where no scope identifies resources', () => {
    const policy = policyOf({ allowed: [FILES] }, connectionWith(NO_SCOPE));
    expect(read(policy, 'jira://OPS/f/a')).toBe('granted');
    expect(read(policy, 'jira://DEV/f/README')).toBe('granted');
    expect(read(policy, 'jira://OPS/issues/1')).toBe('not_granted');
  });

  it('is denied where scopes identify resources, and none of them reads its URI', () => {
    const policy = policyOf({ allowed: [DEV, ISSUES] }, connectionWith([PROJECT_SCOPE]));
    expect(read(policy, 'jira://DEV/issues/7')).toBe('scope_undecided');
  });

  it('needs the template to be granted, and available', () => {
    expect(read(grantOf(DEV), 'jira://DEV/issues/7')).toBe('not_granted');
    const { resources, ...connection } = connectionWith();
    const without = new Map([...resources].filter(([id]) => id !== ISSUES));
    const policy = policyOf({ allowed: [DEV, ISSUES] }, { ...connection, resources: without });
    expect(read(policy, 'jira://DEV/issues/7')).toBe('not_granted');
    const excluded = policyOf({ allowed: [DEV], excluded: [ISSUES] }, connectionWith());
    expect(read(excluded, 'jira://DEV/issues/7')).toBe('not_granted');
  });

  it('is narrowed by filters: those on its template, on its URI and on what scopes read', () => {
    const filtered = (filters: Record<string, unknown>) =>
      policyOf({ allowed: [DEV, 3, ISSUES, FILES], filters }, connectionWith());
    expect(read(filtered({ project_keys: ['DEV'] }), 'jira://DEV/issues/7')).toBe('granted');
    expect(read(filtered({ project_keys: ['DEV'] }), 'jira://OPS/issues/7')).toBe('scope_not_granted');
    expect(read(filtered({ uri_patterns: ['*DEV*'] }), 'jira://DEV/issues/7')).toBe('filtered_out');
    expect(read(filtered({ uri_patterns: ['jira://*'] }), 'jira://DEV/issues/7')).toBe('granted');
    expect(read(filtered({ uri_patterns: ['jira://DEV', 'jira://{*', '*7'] }), 'jira://DEV/issues/7')).toBe('granted');
    expect(read(filtered({ uri_patterns: ['jira://DEV', 'jira://{*', '*7'] }), 'jira://DEV/issues/8')).toBe(
      'filtered_out',
    );
    expect(read(filtered({ resource_types: ['project'] }), 'jira://DEV/issues/7')).toBe('filtered_out');
    expect(read(filtered({ resource_types: [] }), 'jira://DEV/issues/7')).toBe('filtered_out');
  });
});

describe('what was taken out of a granted template', () => {
  const spellings = [
    'jira://DEV/f/README',
    'jira://DEV/f/%52EADME',
    'jira://DEV/f/%2552EADME',
    'jira://DEV/f/READM%45',
    'jira://DEV/f/%52%45%41%44%4d%45',
    'jira://DEV/f/%52%45%41%44%4D%45',
    'jira://%44EV/f/README',
    'jira://dev/f/README',
    'jira://DEV/f/readme',
    'jira://DEV/f/README/',
    'jira://DEV/f/README?x=1',
    'jira://DEV/f/README?',
    'jira://DEV/f/README#x',
    'jira://DEV/f/\uff32EADME',
    'jira://DEV/f/./README',
  ];

  it.each(spellings)('is not read as %s', (uri) => {
    const excluded = policyOf({ allowed: [DEV, FILES], excluded: [README] }, connectionWith());
    expect(['excluded', 'not_granted', 'scope_value_unreadable']).toContain(read(excluded, uri));
    const free = policyOf({ allowed: [FILES], excluded: [README] }, connectionWith(NO_SCOPE));
    expect(['excluded', 'not_granted', 'scope_value_unreadable']).toContain(read(free, uri));
  });

  it.each(spellings)('nor what a filter rejects by its row, as %s', (uri) => {
    const filters = { resource_types: ['template', 'project'] };
    const policy = policyOf({ allowed: [DEV, FILES], filters }, connectionWith());
    expect(['filtered_out', 'scope_value_unreadable']).toContain(read(policy, uri));
  });

  it('says so with the URI that was asked for, not with the number of a row', () => {
    const policy = policyOf({ allowed: [DEV, FILES], excluded: [README] }, connectionWith());
    const uri = 'jira://DEV/f/%52EADME';
    expect(judgeRead(policy, { uri, resourceId: null })).toMatchObject({
      isGranted: false,
      denial: { reason: 'excluded', object: { type: 'resource', id: uri } },
    });
  });

  it('leaves everything else readable', () => {
    const policy = policyOf({ allowed: [DEV, FILES], excluded: [README] }, connectionWith());
    expect(read(policy, 'jira://DEV/f/README.md')).toBe('granted');
    expect(read(policy, 'jira://DEV/f/docs/README')).toBe('granted');
  });

  it('is not opened by another spelling of what is granted', () => {
    const policy = policyOf({ allowed: [README] }, connectionWith(NO_SCOPE));
    expect(read(policy, 'jira://DEV/f/README')).toBe('granted');
    for (const uri of spellings.slice(1)) expect(read(policy, uri)).toBe('not_granted');
  });
});

describe('a read of whatever URI', () => {
  it('never leaves the granted project once a URL parser has resolved it', () => {
    const unit = fc.constantFrom(
      '..',
      '.',
      '/',
      '%2e',
      '%2F',
      '%252e',
      'OPS',
      'DEV',
      'f',
      '?',
      '#',
      '\\',
      '\t',
      ' ',
      'a',
      '%',
      '25',
    );
    const policy = grantOf(DEV, ISSUES, FILES);
    fc.assert(
      fc.property(
        fc.constantFrom('jira://DEV/f/', 'jira://DEV/issues/', 'jira://'),
        fc.array(unit, { maxLength: 8 }),
        (start, rest) => {
          const uri = start + rest.join('');
          const decision = decideRead(policy, { uri, resourceId: null });
          if (!decision.allowed) return;
          expect(uri.toLowerCase()).toMatch(/^jira:\/\/(dev)\//);
          // As servers read it: a parser of URLs, after none, one or two rounds of decoding.
          for (const url of [uri, decoded(uri), decoded(decoded(uri))]) {
            const path = new URL(url.replace('jira://', 'http://')).pathname;
            expect(path).toMatch(/^\/(f|issues)\//);
          }
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it('takes no long time', () => {
    const policy = grantOf(DEV, FILES);
    const started = performance.now();
    for (const tail of [
      '%25'.repeat(30_000),
      '../'.repeat(30_000),
      '/'.repeat(90_000),
      ' '.repeat(90_000),
      '%2e'.repeat(30_000),
    ])
      decideRead(policy, { uri: `jira://DEV/f/${tail}`, resourceId: null });
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

function decoded(uri: string): string {
  try {
    return decodeURI(uri).replaceAll(/%2e/gi, '.').replaceAll(/%2f/gi, '/');
  } catch {
    return uri;
  }
}
