import { inspectSchema } from './schema-bounds.js';

const problemsOf = (schema: unknown): string[] =>
  inspectSchema(schema).problems.map(({ path, message }) => `${path} ${message}`);

function nested(levels: number, wrap: (inner: unknown) => unknown): unknown {
  let schema: unknown = { type: 'string' };
  for (let level = 0; level < levels; level++) schema = wrap(schema);
  return schema;
}

describe('inspectSchema', () => {
  it('accepts ordinary schemas of several drafts', () => {
    for (const schema of [
      true,
      {},
      { type: 'object', properties: { a: { type: ['string', 'null'], pattern: '^[a-z]+$' } }, required: ['a'] },
      { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }], additionalItems: false },
      {
        $id: 'https://example.com/a',
        $defs: { 'x/y': { $anchor: 'n' } },
        allOf: [{ $ref: '#/$defs/x~1y' }, { $ref: '#n' }],
      },
      { definitions: { a: { $id: '#here' } }, properties: { a: { $ref: '#here' }, b: { $ref: '#/definitions/a' } } },
      { dependencies: { a: ['b'], b: { required: ['c'] } }, properties: { pattern: { type: 'string' }, type: {} } },
      {
        properties: { child: { $ref: '#' } },
        'x-note': { anything: ['goes', 1] },
        enum: [{ $ref: 'not a reference' }],
      },
      { type: 'object', properties: { a: { pattern: '^[\\w\\-.]+$' } } },
    ])
      expect(problemsOf(schema)).toEqual([]);
  });

  it.each([
    ['a string', 'x', ' must be a JSON object'],
    ['null', null, ' must be a JSON object'],
    ['an array', [], ' must be a JSON object'],
    ['a wrong type', { type: 'text' }, '/type must be a JSON type or a list of them'],
    ['no type at all', { type: [] }, '/type must be a JSON type or a list of them'],
    [
      'a required that is true',
      { properties: { a: { required: true } } },
      '/properties/a/required must be an array of strings',
    ],
    ['a length below 0', { maxLength: -1 }, '/maxLength must be a whole number of at least 0'],
    ['a minimum as text', { minimum: '1' }, '/minimum must be a number'],
    ['properties as list', { properties: [] }, '/properties must be an object'],
    [
      'a subschema as text',
      { properties: { 'a/b~c': 'string' } },
      '/properties/a~1b~0c must be a schema: an object, true or false',
    ],
    ['allOf as object', { allOf: {} }, '/allOf must be an array'],
    ['a broken pattern', { pattern: '(' }, '/pattern must be a valid regular expression'],
    [
      'a broken property pattern',
      { patternProperties: { '[': {} } },
      '/patternProperties/[ must be a valid regular expression',
    ],
    [
      'a network reference',
      { $ref: 'https://example.com/s' },
      '/$ref must refer to a place within this schema ("#/...")',
    ],
    [
      'a file reference',
      { items: { $ref: 'other.json#/a' } },
      '/items/$ref must refer to a place within this schema ("#/...")',
    ],
    ['a dangling reference', { $ref: '#/$defs/none' }, '/$ref refers to something that is not in this schema'],
    ['an inherited reference', { $ref: '#/toString' }, '/$ref refers to something that is not in this schema'],
    ['a reference to a list', { $ref: '#/allOf', allOf: [] }, '/$ref refers to something that is not in this schema'],
    ['a broken escape', { $ref: '#/%zz' }, '/$ref refers to something that is not in this schema'],
    [
      'a nested identity',
      { properties: { a: { $id: 'https://a.example/' } } },
      '/properties/a/$id is only supported at the root',
    ],
  ])('refuses %s', (_what, schema, problem) => {
    expect(problemsOf(schema)).toEqual([problem]);
  });

  it.each(['__proto__', 'constructor', 'prototype'])('refuses the key %s wherever it is', (key) => {
    const schema: unknown = JSON.parse(`{"properties":{"a":{"default":[{"${key}":1}]}}}`);
    expect(problemsOf(schema)).toEqual([`/properties/a/default/0/${key} is not allowed as a key`]);
  });

  it('inspects what only a reference makes a schema', () => {
    expect(problemsOf({ $ref: '#/x-types/a', 'x-types': { a: { type: 'nope' } } })).toEqual([
      '/x-types/a/type must be a JSON type or a list of them',
    ]);
  });

  it('keeps 64 KiB, 32 levels and 2,000 subschemas', () => {
    expect(problemsOf({ description: 'x'.repeat(65_000) })).toEqual([]);
    expect(problemsOf({ description: 'x'.repeat(65_536) })).toEqual([' must not be larger than 65536 bytes']);
    expect(problemsOf({ description: 'é'.repeat(40_000) })).toEqual([' must not be larger than 65536 bytes']);
    expect(problemsOf({ enum: Array(100_000).fill(1) })).toEqual([' must not be larger than 65536 bytes']);
    expect(problemsOf(nested(31, (not) => ({ not })))).toEqual([]);
    expect(problemsOf(nested(33, (not) => ({ not })))).toEqual([
      `${'/not'.repeat(33)} must not be nested deeper than 32 schemas`,
    ]);
    expect(problemsOf({ default: nested(100, (a) => ({ a })) })[0]).toContain(
      'must not be nested deeper than 64 levels',
    );
    expect(
      problemsOf({
        anyOf: Array(2100)
          .fill(0)
          .map(() => ({})),
      })[0],
    ).toBe(' must not have more than 2000 subschemas');
  });

  it('lists each pattern once', () => {
    const schema = { patternProperties: { '^a': { pattern: '^b' } }, items: { pattern: '^b' } };
    expect([...inspectSchema(schema).patterns]).toEqual([
      ['^a', '/patternProperties/^a'],
      ['^b', '/patternProperties/^a/pattern'],
    ]);
  });

  it('stops after 20 problems', () => {
    const properties = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`p${at}`, { type: 'nope' }]));
    expect(problemsOf({ properties })).toHaveLength(20);
  });

  it('is quick with a schema at its limits', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 1500 }, (_, at) => [`p${at}`, { type: 'string', minLength: 1 }]),
    );
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      expect(problemsOf({ properties })).toEqual([]);
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(50);
  });
});

describe('the cost of a schema', () => {
  const costOf = (schema: unknown) => inspectSchema(schema).cost;

  it('counts references as if they were written out', () => {
    const once = costOf({ $defs: { a: { type: 'string' } }, properties: { x: { $ref: '#/$defs/a' } } });
    const twice = costOf({
      $defs: { a: { type: 'string' } },
      properties: { x: { $ref: '#/$defs/a' }, y: { $ref: '#/$defs/a' } },
    });
    expect([once.bounded, twice.bounded]).toEqual([true, true]);
    expect(twice.applications).toBe(once.applications + 3);
  });

  it('is not bounded when doubling references write out to billions', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 60 }, (_, at) => [
        `d${at}`,
        { allOf: [{ $ref: `#/$defs/d${at + 1}` }, { $ref: `#/$defs/d${at + 1}` }] },
      ]),
    );
    const cost = costOf({ $ref: '#/$defs/d0', $defs: { ...$defs, d60: { type: 'string' } } });
    expect([cost.bounded, cost.applications]).toEqual([false, 1e12]);
  });

  it('is not bounded when the schema is recursive, also through combinators, or refers dynamically', () => {
    expect(costOf({ properties: { child: { $ref: '#' } } }).bounded).toBe(false);
    expect(costOf({ anyOf: [{ items: { $ref: '#' } }, { items: { $ref: '#' } }] }).bounded).toBe(false);
    expect(costOf({ items: { $dynamicRef: '#' } }).bounded).toBe(false);
  });

  it('finds a schema that applies itself to the same value for ever', () => {
    const message = 'refers to itself without going deeper into the value';
    expect(problemsOf({ $ref: '#' })).toEqual([expect.stringContaining(message)]);
    expect(
      problemsOf({
        $defs: { a: { anyOf: [{ $ref: '#/$defs/b' }] }, b: { not: { $ref: '#/$defs/a' } } },
        $ref: '#/$defs/a',
      }),
    ).toEqual([expect.stringContaining(message)]);
    expect(
      problemsOf({
        properties: { a: { $defs: { x: { if: { $ref: '#/properties/a/$defs/x' } } }, $ref: '#/properties/a/$defs/x' } },
      }),
    ).toEqual([expect.stringContaining(message)]);
    expect(problemsOf({ allOf: [{ properties: { a: { $ref: '#' } } }] })).toEqual([]);
  });

  it('tells unique items that have to be compared in pairs', () => {
    expect(costOf({ items: { type: 'string' }, uniqueItems: true }).comparesPairs).toBe(false);
    expect(costOf({ items: { type: ['string', 'integer'] }, uniqueItems: true }).comparesPairs).toBe(false);
    expect(costOf({ items: { type: 'object' }, uniqueItems: true }).comparesPairs).toBe(true);
    expect(costOf({ properties: { a: { uniqueItems: true } } }).comparesPairs).toBe(true);
  });
});
