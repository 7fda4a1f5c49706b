import * as fc from 'fast-check';
import {
  parseAdvanced,
  parseLegacy,
  QueryError,
  type Searched,
} from '../../../test/support/upstreams/github/search-grammar.js';
import { ToolFailure } from '../kit/tool.js';
import { repositoryIn, type RepositoryName } from './repository-name.js';
import { confinedQuery, searchQuery, type RepositorySyntax } from './search-query.js';

const names = (...texts: string[]): RepositoryName[] => texts.map(repositoryIn).filter((name) => name !== null);
const ALLOWED = names('acme/app', 'other/lib');
const OTHERS = ['acme/lib', 'other/app'];

const items = [...ALLOWED.map(({ owner, repo }) => `${owner}/${repo}`), ...OTHERS].map((repository): Searched => ({
  repository,
  text: 'login fails',
  labels: ['bug'],
  state: 'open',
  isPull: false,
  author: 'octocat',
}));
const repositoriesFound = (query: string, parse: typeof parseAdvanced): string[] =>
  items.filter(parse(query)).map(({ repository }) => repository);
const confined = (query: string, syntax: RepositorySyntax = 'or', repositories = ALLOWED): string =>
  confinedQuery(searchQuery(query, ALLOWED), repositories, syntax);

describe('a search query', () => {
  it.each([
    'repo:acme/lib',
    'login repo:acme/lib',
    'REPO:acme/lib',
    'Repo:ACME/LIB',
    '-repo:acme/app repo:acme/lib',
    '-repo:acme/lib',
    'NOT repo:acme/lib',
    'login OR repo:acme/lib',
    '(login OR (repo:acme/lib))',
    'repo:"acme/lib"',
    '"repo:acme/lib"',
    'label:"x" "a repo:acme/lib b"',
    'login"repo:acme/lib"',
    'login\trepo:acme/lib',
    'login\u00a0repo:acme/lib',
    'login\u2028repo:acme/lib',
    'login+repo:acme/lib',
    'login,repo:acme/lib',
    're\u200bpo:acme/lib',
    'ｒｅｐｏ：acme/lib',
    'repo :acme/lib',
    'repo: acme/lib',
    'repo:acme/app,acme/lib',
    'repo:acme/app/../lib',
    'repo:acme/*',
    'repo:',
    'org:acme',
    'user:acme',
    'uſer:acme',
    'owner:acme',
    'enterprise:acme',
    'parent-issue:acme/lib#1',
  ])('may not choose another repository: %j', (query) => {
    expect(() => searchQuery(query, ALLOWED)).toThrow(/must not choose where to search/);
  });

  it.each([
    'login)',
    '(login',
    'login) OR (x',
    '")" OR "("',
    '“(” ) OR (',
    '((((((x))))))',
    '"login',
    'a "b" c"',
    '"a\\" b"',
  ])('may not leave its brackets or quotes: %j', (query) => {
    expect(() => searchQuery(query, ALLOWED)).toThrow(ToolFailure);
  });

  it.each(['', '   ', '\u200b'])('may not be empty: %j', (query) => {
    expect(() => searchQuery(query, ALLOWED)).toThrow('query is empty');
  });

  it('stays as it is within one repository, and gets brackets where it has operators', () => {
    const [app] = [ALLOWED.slice(0, 1)];
    expect(confined('login label:"help wanted"', 'or', app)).toBe('repo:acme/app login label:"help wanted"');
    expect(confined('login OR label:bug', 'or', app)).toBe('repo:acme/app (login OR label:bug)');
    expect(confined('x OR" "', 'or', app)).toBe('repo:acme/app (x OR" ")');
    expect(confined('login', 'or')).toBe('(repo:acme/app OR repo:other/lib) login');
    expect(confined('login', 'spaces')).toBe('repo:acme/app repo:other/lib login');
    expect(confined('repo:ACME/app login')).toBe('(repo:acme/app OR repo:other/lib) repo:ACME/app login');
    expect(confined('myrepo:x “two words”')).toBe('(repo:acme/app OR repo:other/lib) myrepo:x "two words"');
  });

  it('finds what it means within them', () => {
    expect(repositoriesFound(confined('login OR nothing'), parseAdvanced)).toEqual(['acme/app', 'other/lib']);
    expect(repositoriesFound(confined('NOT nothing'), parseAdvanced)).toEqual(['acme/app', 'other/lib']);
    expect(repositoriesFound(confined('repo:other/lib login'), parseAdvanced)).toEqual(['other/lib']);
    expect(repositoriesFound(confined('login', 'spaces'), parseLegacy)).toEqual(['acme/app', 'other/lib']);
  });

  /** GitHub's grammar as it is documented, the older one, and what parsers make of quotes that they do not know. */
  const READINGS = [
    parseAdvanced,
    parseLegacy,
    (query: string) => parseAdvanced(query.replaceAll('"', '')),
    (query: string) => parseAdvanced(query.replaceAll('"', ' ')),
    (query: string) => parseAdvanced(query.replaceAll(/"[^"]*"/g, ' x ')),
  ];
  const piece = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('login', 'OR', '(', ')', ') OR (', '"', 'NOT', 'repo:acme/app') },
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        ...['nothing', 'AND', 'or', '\\', '-', '+', ' ', '\n', '“', '”', '\u200b', '）', '" OR "', ')) OR (('],
        ...[
          'repo:acme/lib',
          'Repo:',
          'repo',
          ':',
          'acme/lib',
          'org:acme',
          'user:other',
          'label:bug',
          'is:pr',
          '-label:x',
        ],
      ),
    },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 4 }) },
  );
  const separator = fc.constantFrom(' ', ' ', '', '\t');
  const anyQuery = fc
    .array(fc.tuple(piece, separator), { minLength: 1, maxLength: 9 })
    .map((pieces) => pieces.map(([text, after]) => text + after).join(''));

  it('is refused, or reaches nothing beyond its repositories, however GitHub reads it', () => {
    let accepted = 0;
    fc.assert(
      fc.property(anyQuery, fc.constantFrom<RepositorySyntax>('or', 'spaces'), fc.boolean(), (query, syntax, isOne) => {
        const repositories = isOne ? ALLOWED.slice(0, 1) : ALLOWED;
        for (const parse of READINGS) {
          try {
            const found = repositoriesFound(confined(query, syntax, repositories), parse);
            accepted++;
            expect(found.filter((repository) => OTHERS.includes(repository))).toEqual([]);
          } catch (error) {
            if (!(error instanceof ToolFailure) && !(error instanceof QueryError)) throw error;
          }
        }
      }),
      { numRuns: 5_000 },
    );
    expect(accepted).toBeGreaterThan(1_000);
  });
});
