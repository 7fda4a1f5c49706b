import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formatsPlugin from 'ajv-formats';
import { compilePattern } from './schema-bounds.js';
import { isObject, type JsonObject, pointer } from './schema-keywords.js';

/** What a schema is compiled for; each combination is a validator of its own. */
export interface CheckMode {
  /** Assert `format`; otherwise it is an annotation (2020-12, 7.2.1). */
  formats: boolean;
  /** Fill in `default` values; the validator then changes the value it is given. */
  applyDefaults: boolean;
  /** Collect all errors instead of the first. */
  allErrors: boolean;
}

export interface SchemaError {
  /** JSON pointer into the value; for a missing or unknown property that of the property itself. */
  path: string;
  message: string;
}

const MAX_ERRORS = 20;
const MAX_TEXT = 200;

/**
 * Compiles a schema in an Ajv instance of its own, so that no `$id` ever collides with another schema's. Throws what
 * Ajv throws when it does not compile. Costs about 0.1-0.2 ms per subschema on the calling thread.
 */
export function compileSchema(schema: JsonObject | boolean, mode: CheckMode): ValidateFunction {
  const ajv = newAjv(schema, {
    strict: false,
    meta: false,
    validateSchema: false,
    inlineRefs: false,
    // A property inherited from Object.prototype is no property of a JSON value.
    ownProperties: true,
    logger: false,
    validateFormats: mode.formats,
    useDefaults: mode.applyDefaults,
    allErrors: mode.allErrors,
    // Its passes over the code take time quadratic in the number of properties, and its recursion overflows the stack.
    code: { regExp: PATTERNS, optimize: false },
  });
  if (mode.formats) formatsPlugin.default(ajv);
  if (!isObject(schema)) return ajv.compile(schema);
  // Its identity and dialect have done their part; both would only make Ajv look for other schemas.
  const { $id: _id, $schema: _dialect, ...rest } = schema;
  return ajv.compile(rest);
}

const PATTERNS = Object.assign(
  (source: string) => {
    const pattern = compilePattern(source);
    if (pattern === null) throw new Error('A pattern is not a valid regular expression.');
    return pattern;
  },
  { code: 'compilePattern' },
);

/** 2020-12 unless `$schema` names another; an undeclared schema with list-shaped `items` is from before 2020-12. */
function newAjv(schema: JsonObject | boolean, options: Options): Ajv {
  const dialect = isObject(schema) && typeof schema.$schema === 'string' ? schema.$schema : '';
  if (/draft-0[3-7]/.test(dialect)) return new Ajv(options);
  if (dialect.includes('2019-09')) return new Ajv2019(options);
  if (dialect === '' && hasListItems(schema)) return new Ajv(options);
  return new Ajv2020(options);
}

function hasListItems(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return false;
  if (isObject(schema) && Array.isArray(schema.items)) return true;
  return Object.values(schema).some(hasListItems);
}

/** At most 20 errors in words that never repeat the value, each at the property it is about. */
export function describeErrors(errors: readonly ErrorObject[] | null | undefined): SchemaError[] {
  // The branches of anyOf and oneOf say more than the summary, and `if` only announces the error of then or else.
  const telling = (errors ?? []).filter(({ keyword }) => keyword !== 'if');
  return telling.slice(0, MAX_ERRORS).map((error) => ({ path: pathOf(error), message: messageOf(error) }));
}

function pathOf({ instancePath, keyword, params }: ErrorObject): string {
  const names: unknown[] = [
    params.missingProperty,
    params.additionalProperty,
    params.unevaluatedProperty,
    params.propertyName,
  ];
  const name = names.find((value) => typeof value === 'string');
  return clip(name === undefined || keyword === 'dependencies' ? instancePath : pointer(instancePath, name));
}

function messageOf({ keyword, params, message = 'is not valid' }: ErrorObject): string {
  if (keyword === 'required' || keyword === 'dependentRequired') return 'is required';
  if (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties') return 'is not a known property';
  if (keyword === 'propertyNames') return 'has a name that is not allowed';
  if (keyword === 'enum') return clip(`must be one of ${JSON.stringify(params.allowedValues)}`);
  if (keyword === 'const') return clip(`must be ${JSON.stringify(params.allowedValue)}`);
  if (keyword === 'false schema') return 'is not allowed';
  return clip(message);
}

function clip(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
}
