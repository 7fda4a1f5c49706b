import fc from 'fast-check';
import {
  EFFECTS,
  PROJECT_SCOPE,
  REPOSITORY_SCOPE,
  trackerConnection,
  TYPE_SCOPE,
} from '../../../test/support/policies.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { checkDeclarations, GENERIC_FILTERS } from './scopes-check.js';

type Json = Record<string, unknown>;
type Input = Parameters<typeof checkDeclarations>[0];

const TEXTS = { type: 'array', items: { type: 'string' } };
const SCHEMA = {
  type: 'object',
  properties: {
    ...Object.fromEntries(
      ['project_keys', 'issue_types', 'repositories', 'organizations', 'owners', ...GENERIC_FILTERS].map((key) => [
        key,
        TEXTS,
      ]),
    ),
    a_number: { type: 'number' },
    a_text: { type: 'string' },
    numbers: { type: 'array', items: { type: 'number' } },
    anything: true,
    nothing: null,
    bare: { type: 'array' },
    odd_items: { type: 'array', items: null },
  },
};
const RESOURCE = { uri: 'file:///srv/data', name: 'data', type: 'folder' };
const FULL = {
  scopes: [PROJECT_SCOPE, TYPE_SCOPE, REPOSITORY_SCOPE],
  tool_effects: EFFECTS,
  declared_resources: [
    { ...RESOURCE, description: 'Everything' },
    { ...RESOURCE, uri: 'file:///srv/data/a', parent: RESOURCE.uri },
  ],
};

/** What is wrong with each field. */
function problemsOf(input: Input, schema: Json = SCHEMA): Record<string, string[]> {
  try {
    checkDeclarations(input, schema);
    return {};
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    expect(error.code).toBe('validation_failed');
    return error.details.fields as Record<string, string[]>;
  }
}

/** A scope that works, with something else about it. */
function scope(more: Json): Json {
  const parts = { owner: 'exact', repo: 'exact' };
  const place = { '/owner': '{owner}', '/repo': '{repo}' };
  return {
    name: 'repository',
    parts,
    resources: ['x://{owner}/{repo}'],
    tools: { get: { arguments: [place] } },
    ...more,
  };
}

const tool = (binding: unknown, name = 'get'): Json => scope({ tools: { [name]: binding } });
const PLACE = { '/owner': '{owner}', '/repo': '{repo}' };
const ITEMS = { kind: 'items', items: '/all', parts: PLACE };
const LINES = { kind: 'lines', value: '{owner}/{repo}' };
const RESOLVE = { tool: 'look', arguments: { id: '/id' }, result: PLACE };
const INJECT = { at: '/q', value: '{owner}/{repo}', as: 'list' };
const LONG = 'x'.repeat(600);
const EFFECT = { look: 'read', get: 'write' };

describe('a declaration that works', () => {
  it('is taken as it is', () => {
    expect(checkDeclarations(FULL, SCHEMA)).toEqual({
      scopes: FULL.scopes,
      toolEffects: FULL.tool_effects,
      declaredResources: FULL.declared_resources,
    });
  });

  it('may say nothing', () => {
    const nothing = { scopes: [], toolEffects: {}, declaredResources: [] };
    expect(checkDeclarations({}, {})).toEqual(nothing);
    expect(checkDeclarations({ scopes: null, tool_effects: null, declared_resources: null }, {})).toEqual(nothing);
  });

  it.each([
    scope({}),
    scope({ resources: [], filters: { owners: '{owner}' } }),
    scope({ tools: {}, reads: [{ uri: 'x://{owner}/{repo}/{+path}', results: [ITEMS] }] }),
    tool({
      arguments: [{ '/sides/*/owner': '{owner}', '/sides/*/repo': '{repo}' }, { '/full': '{owner}/{repo}#{number}' }],
    }),
    tool({ inject: INJECT }),
    tool({ inject: { ...INJECT, as: 'single' } }),
    tool({ arguments: [PLACE], resolve: RESOLVE }),
    tool({ results: [ITEMS, { ...ITEMS, items: '/all/*/parent', optional: true }] }, 'other'),
    tool({ results: [{ ...LINES, structured: '/content', keep: ['No matches'] }] }, 'other'),
    tool({ results: [{ ...ITEMS, items: '' }] }, 'look'),
  ])('%j', (declared) => expect(problemsOf({ scopes: [declared], tool_effects: EFFECT })).toEqual({}));
});

describe('a declaration that can not work is refused with the field and the reason:', () => {
  const name = 'must be a word of lower case letters, digits and _';
  const placeholder = 'must be a text with placeholders such as {project_key}';
  const pointer = 'must be a JSON pointer such as /project_key (RFC 6901)';
  const arrayOf = (most: number) => `must be an array of at most ${most}`;
  const object = 'must be an object';
  const notAllowed = 'this name is not allowed';
  const s = 'scopes[0]';
  const get = `${s}.tools.get`;

  it.each<[field: string, reason: string, input: Json]>([
    [s, 'decides nothing: it has neither resources nor filters', scope({ resources: [] })],
    [`${s}.name`, name, scope({ name: 'Repository' })],
    [`${s}.name`, name, scope({ name: '__proto__' })],
    [`${s}.name`, name, scope({ name: 'x'.repeat(65) })],
    [`${s}.name`, name, scope({ name: 'a\n' })],
    [`${s}.name`, name, scope({ name: undefined })],
    [`${s}.name`, name, scope({ name: ['repository'] })],
    [`${s}.more`, 'is not a known field', scope({ more: 1 })],
    [`${s}.__proto__`, 'is not a known field', scope(JSON.parse('{"__proto__":{}}') as Json)],
    [`${s}.parts`, object, scope({ parts: ['owner'] })],
    [`${s}.parts`, object, scope({ parts: undefined })],
    [`${s}.parts`, 'must name at least one part, such as {"project_key": "exact"}', scope({ parts: {} })],
    [`${s}.parts.Owner`, name, scope({ parts: { Owner: 'exact' } })],
    [`${s}.parts.__proto__`, name, scope({ parts: JSON.parse('{"__proto__":"exact"}') as Json })],
    [`${s}.parts.owner`, 'must be exact, case_insensitive or path', scope({ parts: { owner: 'regex' } })],
    [`${s}.parts.owner`, 'must be exact, case_insensitive or path', scope({ parts: { owner: null } })],
    [`${s}.parts`, 'may have one part that is compared as a path', scope({ parts: { owner: 'path', repo: 'path' } })],
    [`${s}.parts`, 'may have at most 8 entries', scope({ parts: many(9, (at) => [`p${at}`, 'exact']) })],
    [`${s}.resources`, arrayOf(16), scope({ resources: 'x://{owner}/{repo}' })],
    [`${s}.resources`, arrayOf(16), scope({ resources: Array(17).fill('x://{owner}/{repo}') })],
    [`${s}.resources[0]`, 'does not give the part repo', scope({ resources: ['x://{owner}'] })],
    [`${s}.resources[0]`, placeholder, scope({ resources: [5] })],
    [`${s}.resources[0]`, placeholder, scope({ resources: ['x://{owner}/{repo}\0'] })],
    [`${s}.resources[0]`, 'has no placeholder such as {project_key}', scope({ resources: ['x://'] })],
    [`${s}.resources[0]`, 'is longer than 512 characters', scope({ resources: [`x://{owner}/{repo}${LONG}`] })],
    [
      `${s}.resources[0]`,
      'has two placeholders without anything between them',
      scope({ resources: ['x://{owner}{repo}'] }),
    ],
    [`${s}.resources[0]`, 'has the same placeholder twice', scope({ resources: ['x://{owner}/{owner}/{repo}'] })],
    [`${s}.resources[0]`, 'has more than one {+name}', scope({ resources: ['x://{+owner}/{+repo}'] })],
    [`${s}.filters`, object, scope({ filters: [] })],
    [`${s}.filters.owners`, '{user} is no part of the scope', scope({ filters: { owners: '{user}' } })],
    [`${s}.filters.owners`, placeholder, scope({ filters: { owners: {} } })],
    [
      `${s}.filters.absent`,
      'absent is not a property of scoping_config_schema',
      scope({ filters: { absent: '{owner}' } }),
    ],
    [
      `${s}.filters.constructor`,
      'constructor is not a property of scoping_config_schema',
      scope({ filters: { constructor: '{owner}' } }),
    ],
    [
      `${s}.filters.__proto__`,
      '__proto__ is not a property of scoping_config_schema',
      scope({ filters: JSON.parse('{"__proto__":"{owner}"}') as Json }),
    ],
    [
      `${s}.filters.nothing`,
      'nothing is not a property of scoping_config_schema',
      scope({ filters: { nothing: '{owner}' } }),
    ],
    ...['a_number', 'a_text', 'numbers', 'anything', 'bare', 'odd_items'].map((key): [string, string, Json] => [
      `${s}.filters.${key}`,
      `scoping_config_schema must say that ${key} is an array of strings`,
      scope({ filters: { [key]: '{owner}' } }),
    ]),
    ...GENERIC_FILTERS.map((key): [string, string, Json] => [
      `${s}.filters.${key}`,
      'is a filter that every type has: choose another key',
      scope({ filters: { [key]: '{owner}' } }),
    ]),
    [`${s}.tools`, object, scope({ tools: ['get'] })],
    [
      `${s}.tools`,
      'may have at most 500 entries',
      scope({ tools: many(501, (at) => [`t${at}`, { arguments: [PLACE] }]) }),
    ],
    [`${s}.tools.__proto__`, notAllowed, scope({ tools: JSON.parse('{"__proto__":{}}') as Json })],
    [`${s}.tools.constructor`, notAllowed, tool({ arguments: [PLACE] }, 'constructor')],
    [`${s}.tools.`, notAllowed, tool({ arguments: [PLACE] }, '')],
    [`${s}.tools.a\ud800`, notAllowed, tool({ arguments: [PLACE] }, 'a\ud800')],
    [get, object, tool(null)],
    [get, 'says nowhere where the parts stand', tool({})],
    [get, 'the effect of this tool is write: it must be decided before the call leaves', tool({ results: [ITEMS] })],
    [`${get}.more`, 'is not a known field', tool({ arguments: [PLACE], more: 1 })],
    [`${get}.arguments`, arrayOf(16), tool({ arguments: PLACE })],
    [`${get}.arguments`, arrayOf(16), tool({ arguments: Array(17).fill(PLACE) })],
    [`${get}.arguments[0]`, object, tool({ arguments: ['/owner'] })],
    [`${get}.arguments[0]`, 'does not give the part repo', tool({ arguments: [{ '/owner': '{owner}' }] })],
    [`${get}.arguments[0]`, 'does not give the part owner', tool({ arguments: [{}] })],
    [`${get}.arguments[0]`, 'gives the part owner twice', tool({ arguments: [{ ...PLACE, '/full': '{owner}/x' }] })],
    [`${get}.arguments[0].owner`, pointer, tool({ arguments: [{ owner: '{owner}', '/repo': '{repo}' }] })],
    [`${get}.arguments[0]./~2`, pointer, tool({ arguments: [{ '/~2': '{owner}', '/repo': '{repo}' }] })],
    [`${get}.arguments[0]./a\0`, pointer, tool({ arguments: [{ '/a\0': '{owner}', '/repo': '{repo}' }] })],
    [`${get}.arguments[0]./a\udc00`, pointer, tool({ arguments: [{ '/a\udc00': '{owner}', '/repo': '{repo}' }] })],
    [`${get}.arguments[0]./${LONG}`, pointer, tool({ arguments: [{ [`/${LONG}`]: '{owner}', '/repo': '{repo}' }] })],
    [
      `${get}.arguments[0]./__proto__/x`,
      notAllowed,
      tool({ arguments: [{ '/__proto__/x': '{owner}', '/repo': '{repo}' }] }),
    ],
    [`${get}.arguments[0]./owner`, placeholder, tool({ arguments: [{ '/owner': ['{owner}'], '/repo': '{repo}' }] })],
    [
      `${get}.arguments[0]`,
      'the parts of a tuple must stand in the same elements',
      tool({ arguments: [{ '/a/*/owner': '{owner}', '/b/*/repo': '{repo}' }] }),
    ],
    [
      `${get}.arguments[0]`,
      'the parts of a tuple must stand in the same elements',
      tool({ arguments: [{ '/a/*/owner': '{owner}', '/repo': '{repo}' }] }),
    ],
    [`${get}.inject`, object, tool({ inject: 'x' })],
    [`${get}.inject.more`, 'is not a known field', tool({ inject: { ...INJECT, more: 1 } })],
    [`${get}.inject.at`, pointer, tool({ inject: { ...INJECT, at: 5 } })],
    [`${get}.inject.at`, 'must name one argument', tool({ inject: { ...INJECT, at: '' } })],
    [`${get}.inject.at`, 'must name one argument', tool({ inject: { ...INJECT, at: '/a/*' } })],
    [`${get}.inject.at`, notAllowed, tool({ inject: { ...INJECT, at: '/prototype' } })],
    [`${get}.inject.as`, 'must be single or list', tool({ inject: { ...INJECT, as: 'array' } })],
    [`${get}.inject.value`, placeholder, tool({ inject: { ...INJECT, value: null } })],
    [
      `${get}.inject.value`,
      '{x} is no part of the scope',
      tool({ inject: { ...INJECT, value: '{owner}/{repo}/{x}' } }),
    ],
    [`${get}.inject.value`, 'does not give the part repo', tool({ inject: { ...INJECT, value: '{owner}' } })],
    [`${get}.resolve`, object, tool({ resolve: [] })],
    [`${get}.resolve.more`, 'is not a known field', tool({ resolve: { ...RESOLVE, more: 1 } })],
    ...[5, 'get', 'unknown', 'constructor', '__proto__'].map((asked): [string, string, Json] => [
      `${get}.resolve.tool`,
      'must be a tool that tool_effects says is read',
      tool({ resolve: { ...RESOLVE, tool: asked } }),
    ]),
    [`${get}.resolve.arguments`, object, tool({ resolve: { ...RESOLVE, arguments: null } })],
    [`${get}.resolve.arguments.id`, pointer, tool({ resolve: { ...RESOLVE, arguments: { id: 'id' } } })],
    [
      `${get}.resolve.arguments.id`,
      'must name one value',
      tool({ resolve: { ...RESOLVE, arguments: { id: '/a/*' } } }),
    ],
    [
      `${get}.resolve.arguments.__proto__`,
      notAllowed,
      tool({ resolve: { ...RESOLVE, arguments: JSON.parse('{"__proto__":"/a"}') as Json } }),
    ],
    [`${get}.resolve.result`, object, tool({ resolve: { ...RESOLVE, result: undefined } })],
    [
      `${get}.resolve.result`,
      'does not give the part repo',
      tool({ resolve: { ...RESOLVE, result: { '/o': '{owner}' } } }),
    ],
    [`${get}.results`, arrayOf(16), tool({ arguments: [PLACE], results: ITEMS })],
    [`${get}.results[0]`, object, tool({ arguments: [PLACE], results: [null] })],
    [
      `${get}.results[0].kind`,
      'must be items or lines',
      tool({ arguments: [PLACE], results: [{ ...ITEMS, kind: 'rows' }] }),
    ],
    [`${get}.results`, 'an answer is either items or lines', tool({ arguments: [PLACE], results: [ITEMS, LINES] })],
    [`${get}.results`, 'lines are filtered once', tool({ arguments: [PLACE], results: [LINES, LINES] })],
    [
      `${get}.results`,
      'one of them must always be there: not all are optional',
      tool({ arguments: [PLACE], results: [{ ...ITEMS, optional: true }] }),
    ],
    ...(
      [
        ['more', 'is not a known field', { ...ITEMS, more: 1 }],
        ['items', pointer, { ...ITEMS, items: undefined }],
        ['items', 'must point at the array, not at its elements', { ...ITEMS, items: '/all/*' }],
        ['items', notAllowed, { ...ITEMS, items: '/constructor' }],
        ['optional', 'must be true or false', { ...ITEMS, optional: 'yes' }],
        ['parts', object, { ...ITEMS, parts: 'x' }],
        ['parts', 'does not give the part repo', { ...ITEMS, parts: { '/o': '{owner}' } }],
        ['parts./a/*', 'must name one value of the item', { ...ITEMS, parts: { '/a/*': '{owner}/{repo}' } }],
        ['more', 'is not a known field', { ...LINES, more: 1 }],
        ['value', placeholder, { ...LINES, value: undefined }],
        ['value', 'does not give the part repo', { ...LINES, value: 'by {owner}' }],
        ['structured', pointer, { ...LINES, structured: 'content' }],
        ['structured', 'must name one text', { ...LINES, structured: '/a/*' }],
        ['keep', arrayOf(16), { ...LINES, keep: 'No matches' }],
        ['keep[0]', 'must be a text of at most 500 characters', { ...LINES, keep: [''] }],
        ['keep[0]', 'must be a text of at most 500 characters', { ...LINES, keep: [LONG] }],
      ] as [string, string, Json][]
    ).map(([field, reason, filter]): [string, string, Json] => [
      `${get}.results[0].${field}`,
      reason,
      tool({ arguments: [PLACE], results: [filter] }),
    ]),
    [`${s}.reads`, arrayOf(16), scope({ reads: {} })],
    [`${s}.reads[0]`, object, scope({ reads: ['x://{owner}/{repo}'] })],
    [`${s}.reads[0].more`, 'is not a known field', scope({ reads: [{ uri: 'x://{owner}/{repo}', more: 1 }] })],
    [`${s}.reads[0].uri`, placeholder, scope({ reads: [{}] })],
    [`${s}.reads[0].uri`, 'does not give the part repo', scope({ reads: [{ uri: 'x://{owner}' }] })],
    [
      `${s}.reads[0].results[0].kind`,
      'must be items or lines',
      scope({ reads: [{ uri: 'x://{owner}/{repo}', results: [{}] }] }),
    ],
  ])('%s %s', (field, reason, declared) => {
    const problems = problemsOf({ scopes: [declared], tool_effects: EFFECT });
    expect(problems[field]).toContain(reason);
  });

  it.each<[field: string, reason: string, input: Input]>([
    ['scopes', arrayOf(16), { scopes: {} }],
    ['scopes', arrayOf(16), { scopes: 'repository' }],
    ['scopes', arrayOf(16), { scopes: Array(17).fill(scope({})) }],
    ['scopes[0]', object, { scopes: [null] }],
    ['scopes[0]', object, { scopes: [[scope({})]] }],
    ['scopes[1].name', 'is there twice', { scopes: [scope({}), scope({})] }],
    ['tool_effects', object, { tool_effects: ['read'] }],
    ['tool_effects', object, { tool_effects: 5 }],
    ['tool_effects', 'may have at most 2000 entries', { tool_effects: many(2_001, (at) => [`t${at}`, 'read']) }],
    ['tool_effects.get', 'must be read, write or destructive', { tool_effects: { get: 'admin' } }],
    ['tool_effects.get', 'must be read, write or destructive', { tool_effects: { get: ['read'] } }],
    ['tool_effects.__proto__', notAllowed, { tool_effects: JSON.parse('{"__proto__":"read"}') }],
    ['tool_effects.', notAllowed, { tool_effects: { '': 'read' } }],
    [`tool_effects.${LONG}`, notAllowed, { tool_effects: { [LONG]: 'read' } }],
    ['declared_resources', arrayOf(500), { declared_resources: RESOURCE }],
    ['declared_resources', arrayOf(500), { declared_resources: Array(501).fill(RESOURCE) }],
    ['declared_resources[0]', object, { declared_resources: ['file:///srv'] }],
    ['declared_resources[0].more', 'is not a known field', { declared_resources: [{ ...RESOURCE, more: 1 }] }],
    [
      'declared_resources[0].uri',
      'must be a text of at most 2048 characters',
      { declared_resources: [{ ...RESOURCE, uri: '' }] },
    ],
    [
      'declared_resources[0].uri',
      'must be a text of at most 2048 characters',
      { declared_resources: [{ ...RESOURCE, uri: 'a\0' }] },
    ],
    [
      'declared_resources[0].name',
      'must be a text of at most 500 characters',
      { declared_resources: [{ ...RESOURCE, name: LONG }] },
    ],
    ...['tool', 'prompt', 'Folder', '', 5].map((type): [string, string, Input] => [
      'declared_resources[0].type',
      'must be 1 to 64 lower case letters, digits, _ or -, and neither tool nor prompt',
      { declared_resources: [{ ...RESOURCE, type }] },
    ]),
    [
      'declared_resources[0].description',
      'must be a text of at most 2000 characters',
      { declared_resources: [{ ...RESOURCE, description: null }] },
    ],
    [
      'declared_resources[0].parent',
      'must be the uri of a resource before it',
      { declared_resources: [{ ...RESOURCE, parent: RESOURCE.uri }] },
    ],
    [
      'declared_resources[0].parent',
      'must be the uri of a resource before it',
      {
        declared_resources: [
          { ...RESOURCE, parent: 'b' },
          { ...RESOURCE, uri: 'b' },
        ],
      },
    ],
    ['declared_resources[1].uri', 'is there twice', { declared_resources: [RESOURCE, RESOURCE] }],
  ])('%s %s', (field, reason, input) => expect(problemsOf(input)[field]).toContain(reason));

  it('every mistake at once', () => {
    const input = { scopes: [scope({ name: 'A', parts: {} })], tool_effects: { get: 'x' }, declared_resources: [{}] };
    expect(Object.keys(problemsOf(input))).toEqual([
      'tool_effects.get',
      'scopes[0].name',
      'scopes[0].parts',
      'declared_resources[0].uri',
      'declared_resources[0].name',
      'declared_resources[0].type',
    ]);
  });

  it.each([[{}], [{ properties: null }], [{ properties: [] }], [{ properties: 'project_keys' }]])(
    'filters, where scoping_config_schema is %j',
    (schema) => {
      expect(
        problemsOf({ scopes: [scope({ filters: { owners: '{owner}' } })] }, schema)['scopes[0].filters.owners'],
      ).toEqual(['owners is not a property of scoping_config_schema']);
    },
  );
});

describe('hostile declarations', () => {
  it.each<[string, () => Input]>([
    [
      'thousands of parts that thousands of places do not give',
      () => ({
        scopes: [
          scope({
            parts: many(30_000, (at) => [`p${at}`, 'exact']),
            tools: many(500, (at) => [`t${at}`, { arguments: Array(16).fill({ '/a': '{a}' }) }]),
          }),
        ],
      }),
    ],
    ['a hundred thousand tools', () => ({ scopes: [scope({ tools: many(100_000, (at) => [`t${at}`, 5]) })] })],
    ['a hundred thousand unknown fields', () => ({ scopes: [scope(many(100_000, (at) => [`f${at}`, 5]))] })],
    ['a hundred thousand effects', () => ({ tool_effects: many(100_000, (at) => [`t${at}`, 'read']) })],
    ['a million scopes', () => ({ scopes: Array(1_000_000).fill(5) })],
    ['a long template', () => ({ scopes: [scope({ resources: ['{a}-'.repeat(250_000)] })] })],
    ['a long pointer', () => ({ scopes: [tool({ arguments: [{ ['/*'.repeat(250_000)]: '{owner}/{repo}' }] })] })],
  ])('are refused in a short time and with a short answer: %s', (_what, input) => {
    const declared = input();
    const started = performance.now();
    const problems = problemsOf(declared);
    expect(performance.now() - started).toBeLessThan(2_000);
    const count = Object.values(problems).flat().length;
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(100_000);
  });
});

describe('whatever JSON is declared', () => {
  const run = (input: Input, schema: Json = SCHEMA): void => {
    let accepted;
    try {
      accepted = checkDeclarations(input, schema);
    } catch (error) {
      expect(error).toBeInstanceOf(DomainError);
      return;
    }
    // What is accepted can be used.
    trackerConnection(accepted.scopes);
  };

  it('it is accepted or refused, never a crash', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.jsonValue(),
        fc.jsonValue(),
        fc.jsonValue(),
        (scopes, effects, resources, schema) => {
          run({ scopes, tool_effects: effects, declared_resources: resources });
          run({ scopes: [scopes], declared_resources: [resources] }, { properties: schema });
        },
      ),
      { numRuns: 500 },
    );
  });

  it('nor where it replaces any one value of a declaration that works', () => {
    const places = [...pathsOf(FULL)];
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.jsonValue(), (path, value) =>
        run(replacedAt(FULL, path, value) as Input),
      ),
      { numRuns: 1_500 },
    );
  });
});

function many<T>(count: number, entry: (at: number) => [string, T]): Record<string, T> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => entry(at)));
}

function* pathsOf(value: unknown, path: string[] = []): Generator<string[]> {
  yield path;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, child] of Object.entries(value)) yield* pathsOf(child, [...path, key]);
}

function replacedAt(value: unknown, [key, ...rest]: string[], by: unknown): unknown {
  if (key === undefined) return by ?? {};
  if (Array.isArray(value))
    return value.map((each: unknown, at) => (String(at) === key ? replacedAt(each, rest, by) : each));
  const object = value as Json;
  return { ...object, [key]: replacedAt(object[key], rest, by) };
}
