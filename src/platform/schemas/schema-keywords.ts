export type JsonObject = Readonly<Record<string, unknown>>;

/** How a keyword holds subschemas, and whether they apply to the same value, to parts of it, or only when referred to. */
export interface Applicator {
  holds: 'schema' | 'schemas' | 'map';
  applies: 'in-place' | 'deeper' | 'by-reference';
}

/** All keywords with subschemas of the drafts 04 to 2020-12. Arrays of strings under `dependencies` are no schemas. */
export const APPLICATORS: ReadonlyMap<string, Applicator> = new Map<string, Applicator>([
  ...applicators('schemas', 'in-place', ['allOf', 'anyOf', 'oneOf']),
  ...applicators('schema', 'in-place', ['not', 'if', 'then', 'else']),
  ...applicators('map', 'in-place', ['dependentSchemas', 'dependencies']),
  ...applicators('map', 'deeper', ['properties', 'patternProperties']),
  ...applicators('schemas', 'deeper', ['prefixItems', 'items']),
  ...applicators('schema', 'deeper', ['additionalProperties', 'unevaluatedProperties', 'propertyNames']),
  ...applicators('schema', 'deeper', ['additionalItems', 'unevaluatedItems', 'contains']),
  ...applicators('schema', 'by-reference', ['contentSchema']),
  ...applicators('map', 'by-reference', ['$defs', 'definitions']),
]);

const TYPES = new Set(['array', 'boolean', 'integer', 'null', 'number', 'object', 'string']);
const isString = (value: unknown): boolean => typeof value === 'string';
const isBoolean = (value: unknown): boolean => typeof value === 'boolean';
const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
const isCount = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0;
const isStringList = (value: unknown): boolean => Array.isArray(value) && value.every(isString);
const isType = (value: unknown): boolean =>
  Array.isArray(value)
    ? value.length > 0 && value.every((one) => TYPES.has(one as string))
    : TYPES.has(value as string);

/** What the value of a keyword has to look like; the text completes "must be ...". */
export const KEYWORD_TYPES: ReadonlyMap<string, readonly [(value: unknown) => boolean, string]> = new Map([
  ...keywords(isType, 'a JSON type or a list of them', ['type']),
  ...keywords(Array.isArray, 'an array', ['enum', 'allOf', 'anyOf', 'oneOf', 'prefixItems']),
  ...keywords(isStringList, 'an array of strings', ['required']),
  ...keywords(isString, 'a string', ['pattern', 'format', '$ref', '$dynamicRef', '$recursiveRef', '$anchor', '$id']),
  ...keywords(isNumber, 'a number', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']),
  ...keywords((value) => isNumber(value) && Number(value) > 0, 'a number above 0', ['multipleOf']),
  ...keywords(isCount, 'a whole number of at least 0', ['minLength', 'maxLength', 'minItems', 'maxItems']),
  ...keywords(isCount, 'a whole number of at least 0', [
    'minProperties',
    'maxProperties',
    'minContains',
    'maxContains',
  ]),
  ...keywords(isBoolean, 'true or false', ['uniqueItems']),
]);

/** Keys that reach the prototype of an object when somebody copies them carelessly. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isSchema(value: unknown): value is JsonObject | boolean {
  return typeof value === 'boolean' || isObject(value);
}

/** One more step of a JSON pointer (RFC 6901). */
export function pointer(path: string, key: string | number): string {
  return `${path}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** The subschemas directly under one keyword, with the keys that lead to them. */
export function subschemasOf(keyword: string, value: unknown): [key: string | number | null, schema: unknown][] {
  const holds = APPLICATORS.get(keyword)?.holds;
  if (holds === undefined) return [];
  if (holds === 'map') {
    if (!isObject(value)) return [];
    return Object.entries(value).filter(([, schema]) => !(keyword === 'dependencies' && Array.isArray(schema)));
  }
  // `items` was a list of schemas before 2020-12 and is one schema since.
  if (Array.isArray(value) && holds === 'schemas') return [...value.entries()];
  return [[null, value]];
}

function applicators(
  holds: Applicator['holds'],
  applies: Applicator['applies'],
  names: string[],
): [string, Applicator][] {
  return names.map((name) => [name, { holds, applies }]);
}

function keywords(
  test: (value: unknown) => boolean,
  text: string,
  names: string[],
): [string, readonly [(value: unknown) => boolean, string]][] {
  return names.map((name) => [name, [test, text]]);
}
