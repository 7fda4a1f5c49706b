import { isObject, type JsonObject } from '../../platform/schemas/schema-keywords.js';
import { sameJson } from './definition-json.js';

type Schema = JsonObject | boolean;

/** They say something about a value and refuse none. `format` is not among them: a server may assert it. */
const ANNOTATIONS: ReadonlySet<string> = new Set([
  ...['title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', '$comment'],
  ...['$schema', '$id', '$defs', 'definitions'],
]);
/** Left out, they allow more and nothing else changes its meaning. What stands in neither list must stay as it is. */
const MAY_BE_DROPPED: ReadonlySet<string> = new Set([
  'format',
  'pattern',
  'multipleOf',
  'uniqueItems',
  'propertyNames',
  'not',
  'oneOf',
  'dependentRequired',
  'dependentSchemas',
]);
/** What refers to other places, or makes a place that can be referred to. */
const REFERENCES: ReadonlySet<string> = new Set(['$ref', '$dynamicRef', '$recursiveRef']);
const PLACES: ReadonlySet<string> = new Set(['$id', '$anchor', '$dynamicAnchor', '$recursiveAnchor']);
/** Their meaning hangs on all others beside them, so beside anything that changed they prove nothing. */
const BY_NEIGHBOURS: ReadonlySet<string> = new Set(['unevaluatedProperties', 'unevaluatedItems']);
const OBJECT_KEYWORDS = ['properties', 'patternProperties', 'additionalProperties'];
const ARRAY_KEYWORDS = ['prefixItems', 'items', 'additionalItems'];
/** Comparisons of one pair of schemas; with unions inside unions it could be more than anybody waits for. */
const MOST_STEPS = 20_000;

/**
 * Whether every value that is valid under `before` is proven to be valid under `after`. False says only that it is not
 * proven: what is unusual is not thought through.
 */
export function acceptsAllOf(after: Schema, before: Schema): boolean {
  if (sameJson(before, after)) return true;
  return isComparable(before, after) && new Comparison().accepts(before, after);
}

/** The two must be read in the same dialect, and what they refer to must be the same: then equal texts mean the same. */
function isComparable(before: Schema, after: Schema): boolean {
  if (!isObject(before) || !isObject(after)) return true;
  if (before.$schema !== after.$schema || hasListItems(before) !== hasListItems(after)) return false;
  const [old, current] = [referencesIn(before), referencesIn(after)];
  if (old === null || current === null) return false;
  if (old.length + current.length === 0) return true;
  return (
    [...old, ...current].every((target) => target.startsWith('#/$defs/') || target.startsWith('#/definitions/')) &&
    sameJson(before.$defs, after.$defs) &&
    sameJson(before.definitions, after.definitions)
  );
}

/** Targets of all references; null where a place below the root has a name of its own, or a reference is no text. */
function referencesIn(value: unknown, isRoot = true): string[] | null {
  if (typeof value !== 'object' || value === null) return [];
  const targets: string[] = [];
  for (const [key, inner] of Object.entries(value)) {
    if (PLACES.has(key) && !(isRoot && key === '$id')) return null;
    if (REFERENCES.has(key)) {
      if (key !== '$ref' || typeof inner !== 'string') return null;
      targets.push(inner);
    }
    const deeper = referencesIn(inner, false);
    if (deeper === null) return null;
    targets.push(...deeper);
  }
  return targets;
}

/** A list under `items` makes the whole of an undeclared schema one of an older dialect (platform/schemas/compile-schema). */
function hasListItems(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (isObject(value) && Array.isArray(value.items)) return true;
  return Object.values(value).some(hasListItems);
}

class Comparison {
  private steps = 0;

  accepts(before: unknown, after: unknown): boolean {
    if (++this.steps > MOST_STEPS) return false;
    if (before === false || acceptsAnything(after)) return true;
    if (sameJson(before, after)) return true;
    const old = before === true ? {} : before;
    if (!isObject(old) || !isObject(after)) return false;
    const keywords = new Set([...Object.keys(old), ...Object.keys(after)]);
    return [...keywords].every((keyword) => ANNOTATIONS.has(keyword) || this.keyword(keyword, old, after));
  }

  private keyword(keyword: string, before: JsonObject, after: JsonObject): boolean {
    if (OBJECT_KEYWORDS.includes(keyword)) return this.properties(before, after);
    if (ARRAY_KEYWORDS.includes(keyword)) return this.items(before, after);
    const value = after[keyword];
    if (BY_NEIGHBOURS.has(keyword)) return value === undefined;
    if (value === undefined && (HANDLED.has(keyword) || MAY_BE_DROPPED.has(keyword))) return true;
    if (sameJson(before[keyword], value)) return true;
    const rule = RULES.get(keyword);
    if (rule) return rule(value, before);
    if (keyword === 'anyOf') return this.anyOf(before, value);
    if (keyword === 'allOf') return Array.isArray(value) && value.every((branch) => this.accepts(before, branch));
    return false;
  }

  /** One branch takes everything, or each branch of before finds one that takes it. */
  private anyOf(before: JsonObject, branches: unknown): boolean {
    if (!Array.isArray(branches)) return false;
    const some = (schema: unknown): boolean => branches.some((branch) => this.accepts(schema, branch));
    return some(before) || (Array.isArray(before.anyOf) && before.anyOf.every(some));
  }

  private properties(before: JsonObject, after: JsonObject): boolean {
    if (OBJECT_KEYWORDS.every((keyword) => sameJson(before[keyword], after[keyword]))) return true;
    const [old, current] = [before.properties ?? {}, after.properties ?? {}];
    if (!isObject(old) || !isObject(current)) return false;
    // A name that a pattern fits is under both, and no property for Ajv is `__proto__`.
    if (before.patternProperties !== undefined || after.patternProperties !== undefined) return false;
    if (Object.hasOwn(old, '__proto__') || Object.hasOwn(current, '__proto__')) return false;
    const [oldRest, currentRest] = [before.additionalProperties ?? true, after.additionalProperties ?? true];
    const names = new Set([...Object.keys(old), ...Object.keys(current)]);
    return (
      this.accepts(oldRest, currentRest) &&
      [...names].every((name) =>
        this.accepts(
          Object.hasOwn(old, name) ? old[name] : oldRest,
          Object.hasOwn(current, name) ? current[name] : currentRest,
        ),
      )
    );
  }

  private items(before: JsonObject, after: JsonObject): boolean {
    if (ARRAY_KEYWORDS.every((keyword) => sameJson(before[keyword], after[keyword]))) return true;
    const isPlain = ({ items, prefixItems, additionalItems }: JsonObject): boolean =>
      !Array.isArray(items) && prefixItems === undefined && additionalItems === undefined;
    return isPlain(before) && isPlain(after) && this.accepts(before.items ?? true, after.items ?? true);
  }
}

function acceptsAnything(schema: unknown): boolean {
  return schema === true || (isObject(schema) && Object.keys(schema).every((keyword) => ANNOTATIONS.has(keyword)));
}

type Rule = (value: unknown, before: JsonObject) => boolean;

/** What a new value of a keyword needs of the old schema, where the two differ. */
const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['type', (value, before) => typesAllow(value, before.type)],
  ['enum', (value, before) => Array.isArray(value) && onlyAllows(before, (one) => includes(value, one))],
  ['const', (value, before) => onlyAllows(before, (one) => sameJson(one, value))],
  ['required', (value, before) => isSubset(value, before.required)],
  ['uniqueItems', (value) => value === false],
  ['minimum', (value, before) => atLeast(value, before.minimum) || atLeast(value, before.exclusiveMinimum)],
  ['maximum', (value, before) => atMost(value, before.maximum) || atMost(value, before.exclusiveMaximum)],
  ['exclusiveMinimum', (value, before) => atLeast(value, before.exclusiveMinimum) || above(value, before.minimum)],
  ['exclusiveMaximum', (value, before) => atMost(value, before.exclusiveMaximum) || below(value, before.maximum)],
  ...['minLength', 'minItems', 'minProperties'].map((keyword): [string, Rule] => [
    keyword,
    (value, before) => atLeast(value, before[keyword] ?? 0),
  ]),
  ...['maxLength', 'maxItems', 'maxProperties'].map((keyword): [string, Rule] => [
    keyword,
    (value, before) => atMost(value, before[keyword]),
  ]),
]);
/** Keywords that may also be left out. */
const HANDLED: ReadonlySet<string> = new Set([...RULES.keys(), 'anyOf', 'allOf']);

function typesAllow(after: unknown, before: unknown): boolean {
  if (before === undefined) return false;
  const [allowed, old] = [listed(after), listed(before)];
  return old.every((type) => allowed.includes(type) || (type === 'integer' && allowed.includes('number')));
}

function onlyAllows(before: JsonObject, test: (value: unknown) => boolean): boolean {
  if (Object.hasOwn(before, 'const')) return test(before.const);
  return Array.isArray(before.enum) && before.enum.every(test);
}

function includes(values: readonly unknown[], value: unknown): boolean {
  return values.some((one) => sameJson(one, value));
}

function isSubset(names: unknown, of: unknown): boolean {
  return Array.isArray(names) && Array.isArray(of) && names.every((name) => of.includes(name));
}

function listed(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [value];
}

function atLeast(bound: unknown, old: unknown): boolean {
  return typeof bound === 'number' && typeof old === 'number' && old >= bound;
}

function atMost(bound: unknown, old: unknown): boolean {
  return typeof bound === 'number' && typeof old === 'number' && old <= bound;
}

function above(bound: unknown, old: unknown): boolean {
  return typeof bound === 'number' && typeof old === 'number' && old > bound;
}

function below(bound: unknown, old: unknown): boolean {
  return typeof bound === 'number' && typeof old === 'number' && old < bound;
}
