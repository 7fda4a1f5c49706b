import fc from 'fast-check';
import { compileSchema } from '../../platform/schemas/compile-schema.js';
import { acceptsAllOf } from './schema-compatibility.js';

type Schema = Record<string, unknown>;

const object = (properties: Schema, more: Schema = {}): Schema => ({ type: 'object', properties, ...more });
const one = (schema: Schema | boolean): Schema => object({ a: schema }, { additionalProperties: false });
const A = { $defs: { a: { type: 'string' } } };
const REF = { $ref: '#/$defs/a' };

describe('a changed schema is compatible', () => {
  it.each<[string, Schema, Schema]>([
    [
      'when only words change',
      one({ type: 'string' }),
      one({ type: 'string', title: 'A', description: 'b', default: 'c' }),
    ],
    ['when properties are written in another order', object({ a: true, b: false }), object({ b: false, a: true })],
    ['when an enum grows', one({ enum: ['a', 'b'] }), one({ enum: ['c', 'b', 'a'] })],
    ['when a constant becomes one of several', one({ const: 'a' }), one({ enum: ['a', 'b'] })],
    ['when bounds loosen', one({ minimum: 1, maximum: 5 }), one({ minimum: 0, exclusiveMaximum: 5.5 })],
    ['when lengths loosen', one({ minLength: 2, maxLength: 5 }), one({ minLength: 0, maxLength: 6 })],
    ['when less is required', object({}, { required: ['a', 'b'] }), object({}, { required: ['b'] })],
    ['when an integer becomes a number', one({ type: 'integer' }), one({ type: ['number', 'null'] })],
    ['when a property is added where unknown ones were refused', one(true), object({ a: true, b: { type: 'string' } })],
    ['when a property is added that takes anything', object({ a: true }), object({ a: true, b: { description: 'x' } })],
    [
      'when unknown properties become known and stay possible',
      object({}, { additionalProperties: { type: 'string' } }),
      object({ a: { type: 'string' } }),
    ],
    [
      'when a type becomes one of a union',
      one({ type: 'string' }),
      one({ anyOf: [{ type: 'string' }, { type: 'null' }] }),
    ],
    [
      'when a union grows',
      one({ anyOf: [{ type: 'string' }, { const: 1 }] }),
      one({ anyOf: [{ const: 1 }, { type: 'null' }, { type: 'string' }] }),
    ],
    [
      'when items loosen',
      one({ type: 'array', items: { enum: [1] } }),
      one({ type: 'array', items: { enum: [1, 2] } }),
    ],
    ['when a format is given up', one({ type: 'string', format: 'uri' }), one({ type: 'string' })],
    [
      'beside references whose targets stay',
      { ...A, ...object({ a: REF, b: { maxLength: 1 } }) },
      { ...A, ...object({ a: REF, b: {} }) },
    ],
  ])('%s', (_title, before, after) => {
    expect(acceptsAllOf(after, before)).toBe(true);
  });

  it.each<[string, Schema, Schema]>([
    ['an enum shrinks', one({ enum: ['a', 'b'] }), one({ enum: ['a'] })],
    ['a type is named where none was', one({}), one({ type: 'string' })],
    ['a number becomes an integer', one({ type: 'number' }), one({ type: 'integer' })],
    ['bounds tighten', one({ minimum: 1 }), one({ exclusiveMinimum: 1 })],
    ['a length is limited', one({ type: 'string' }), one({ type: 'string', maxLength: 5 })],
    ['more is required', object({}, { required: ['a'] }), object({}, { required: ['a', 'b'] })],
    [
      'a property vanishes where unknown ones are refused',
      object({ a: true, b: true }, { additionalProperties: false }),
      one(true),
    ],
    ['unknown properties are refused', object({ a: true }), one(true)],
    ['a property gets a type that could be anything before', object({}), object({ a: { type: 'string' } })],
    ['a pattern appears or changes', one({ pattern: 'a' }), one({ pattern: 'b' })],
    ['a format appears', one({ type: 'string' }), one({ type: 'string', format: 'uri' })],
    ['an unknown keyword appears', one({}), one({ 'x-mcp-header': 'A' })],
    ['an unknown keyword vanishes', one({ type: 'string', nullable: true }), one({ type: 'string' })],
    ['the target of a reference changes', { ...A, ...one(REF) }, { $defs: { a: { type: 'number' } }, ...one(REF) }],
    [
      'something it refers to in passing changes',
      { ...object({ a: { type: 'string' }, b: { $ref: '#/properties/a' } }) },
      { ...object({ a: {}, b: { $ref: '#/properties/a' } }) },
    ],
    ['a union shrinks', one({ anyOf: [{ type: 'string' }, { type: 'null' }] }), one({ anyOf: [{ type: 'string' }] })],
    [
      'a choice of exactly one grows',
      one({ oneOf: [{ const: 1 }] }),
      one({ oneOf: [{ const: 1 }, { type: 'number' }] }),
    ],
    [
      'what hangs on its neighbours stays and they do not',
      object({ a: true, b: true }, { unevaluatedProperties: false }),
      object({ a: true }, { unevaluatedProperties: false }),
    ],
    ['a condition loses its half', one({ if: {}, then: { type: 'string' } }), one({ then: { type: 'string' } })],
    ['so many must be contained', one({ contains: {}, minContains: 0 }), one({ contains: {} })],
    [
      'patterns of names are involved',
      object({}, { patternProperties: { a: {} } }),
      object({ a: { type: 'string' } }, { patternProperties: { a: {} } }),
    ],
    [
      'the dialect changes',
      { $schema: 'https://json-schema.org/draft/2020-12/schema', ...one({}) },
      one({ description: 'x' }),
    ],
    [
      'another place makes it an older dialect',
      object({ a: { prefixItems: [{}] }, b: {} }),
      object({ a: { prefixItems: [{}] }, b: { items: [] } }),
    ],
  ])('never while %s', (_title, before, after) => {
    expect(acceptsAllOf(after, before)).toBe(false);
  });

  it('gives up on unions inside unions instead of thinking for ever', () => {
    const nested = (depth: number, leaf: Schema): Schema =>
      depth === 0
        ? leaf
        : { anyOf: [1, 2, 3, 4].map((number) => ({ properties: { [`p${number}`]: nested(depth - 1, leaf) } })) };
    const started = performance.now();
    expect(acceptsAllOf(nested(4, { maximum: 4 }), nested(4, { maximum: 5 }))).toBe(false);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe('what it says is true of the validator that decides', () => {
  const asJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
  const scalars = [null, true, 0, 1, 2.5, -1, '', 'a', 'ab', 'abc'];
  const value = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(...scalars),
      fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
      fc.array(tie('value'), { maxLength: 3 }),
    ),
  })).value;
  const bound = fc.integer({ min: -1, max: 3 });
  const length = fc.integer({ min: 0, max: 3 });
  const type = fc.constantFrom('string', 'number', 'integer', 'object', 'array', 'null', 'boolean');
  const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 2 });
  /** Few keywords in one schema, so that values are valid often enough to say something. */
  const schema = fc.letrec<{ schema: Schema | boolean }>((tie) => {
    const map = fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('schema'), { maxKeys: 3 });
    const some = fc.array(tie('schema'), { minLength: 1, maxLength: 2 });
    const keywords: Record<string, fc.Arbitrary<unknown>> = {
      type: fc.oneof(type, fc.uniqueArray(type, { minLength: 1, maxLength: 3 })),
      enum: fc.uniqueArray(fc.constantFrom(...scalars), { minLength: 1, maxLength: 4 }),
      const: fc.constantFrom(...scalars),
      ...Object.fromEntries(
        ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'].map((name) => [name, bound]),
      ),
      ...Object.fromEntries(
        ['Length', 'Items', 'Properties'].flatMap((what) => [`min${what}`, `max${what}`]).map((name) => [name, length]),
      ),
      multipleOf: fc.constantFrom(1, 2),
      pattern: fc.constantFrom('^a', 'b$'),
      uniqueItems: fc.boolean(),
      required: names,
      title: fc.constantFrom('x', 'y'),
      properties: map,
      patternProperties: fc.record({ '^a': tie('schema') }),
      additionalProperties: tie('schema'),
      propertyNames: tie('schema'),
      unevaluatedProperties: fc.boolean(),
      items: tie('schema'),
      prefixItems: some,
      contains: tie('schema'),
      minContains: length,
      unevaluatedItems: fc.boolean(),
      ...Object.fromEntries(['anyOf', 'allOf', 'oneOf'].map((name) => [name, some])),
      ...Object.fromEntries(['not', 'if', 'then', 'else'].map((name) => [name, tie('schema')])),
    };
    const entry = fc.oneof(...Object.entries(keywords).map(([name, values]) => fc.tuple(fc.constant(name), values)));
    // What hangs together is drawn together more often than chance would.
    const together = fc.record(
      { properties: map, additionalProperties: fc.boolean(), required: names },
      { requiredKeys: ['properties'] },
    );
    return {
      schema: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.boolean(),
        {
          arbitrary: fc.array(entry, { minLength: 1, maxLength: 3 }).map((entries) => Object.fromEntries(entries)),
          weight: 3,
        },
        { arbitrary: together, weight: 2 },
      ),
    };
  }).schema;

  /** Changes one place of a schema: most pairs that are compatible are small changes. */
  const changed = fc
    .tuple(schema.map(asJson), schema.map(asJson), fc.nat(), fc.boolean())
    .map(([before, other, at, drop]) => {
      const after = structuredClone(before);
      const places: [Record<string, unknown>, string][] = [];
      const collect = (part: unknown): void => {
        if (typeof part !== 'object' || part === null) return;
        for (const key of Object.keys(part)) {
          places.push([part as Record<string, unknown>, key]);
          collect((part as Record<string, unknown>)[key]);
        }
      };
      collect(after);
      const [holder, key] = places[at % Math.max(1, places.length)] ?? [];
      if (holder === undefined || key === undefined) return { before, after: other };
      const replacement = typeof other === 'object' ? other[key] : undefined;
      if (drop && !Array.isArray(holder)) delete holder[key];
      else if (replacement !== undefined) holder[key] = replacement;
      else if (typeof holder[key] === 'object') holder[key] = other;
      return { before, after };
    });

  /** Undefined where the validator fails on the value, as Ajv's do on a few odd schemas: then it is refused as undecided. */
  const check = (schemaOf: Schema | boolean): ((value: unknown) => boolean | undefined) | null => {
    try {
      const validate = compileSchema(schemaOf, { formats: false, applyDefaults: false, allErrors: false });
      return (value) => {
        try {
          return validate(value);
        } catch {
          return undefined;
        }
      };
    } catch {
      return null;
    }
  };

  it.each([
    ['two schemas', fc.record({ before: schema, after: schema }).map(asJson)],
    ['a schema and a change of it', changed],
  ])('of %s: no value that was valid is invalid after', (_title, pairs) => {
    fc.assert(
      fc.property(pairs, fc.array(value.map(asJson), { minLength: 40, maxLength: 40 }), ({ before, after }, values) => {
        if (!acceptsAllOf(after, before)) return;
        const [old, current] = [check(before), check(after)];
        if (!old || !current) return;
        for (const each of values) if (old(each) === true) expect(current(each)).not.toBe(false);
      }),
      { numRuns: 3_000 },
    );
  });
});
