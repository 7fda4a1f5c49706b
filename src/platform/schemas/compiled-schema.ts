import type { ValidateFunction } from 'ajv';
import { type CheckMode, compileSchema, describeErrors, type SchemaError } from './compile-schema.js';
import type { JsonObject } from './schema-keywords.js';

/** `undecided`: the schema or the value could not be checked within the limits; callers deny. */
export type CheckResult = { valid: true; value: unknown } | { valid: false; undecided?: true; errors: SchemaError[] };

export type CheckOptions = Partial<Pick<CheckMode, 'formats' | 'applyDefaults'>>;

const NOT_COMPILED = 'it does not compile';

/** What the compiler has against a schema. */
export class SchemaCompileError extends Error {}

/** A schema with its validators, each compiled when first needed; throws SchemaCompileError where it does not compile. */
export class CompiledSchema {
  private readonly validators = new Map<number, ValidateFunction>();

  constructor(private readonly schema: JsonObject | boolean) {}

  /**
   * Checks a value; with `applyDefaults` a copy of it, which is answered. Stops at the first error, since a large
   * value can have millions; `detailed` collects the others with a second validator.
   */
  check(value: unknown, options: CheckOptions | undefined, detailed: boolean): CheckResult {
    const first = this.validator(options, false);
    const checked = options?.applyDefaults === true ? structuredClone(value) : value;
    if (first(checked)) return { valid: true, value: checked };
    if (!detailed) return { valid: false, errors: describeErrors(first.errors) };
    const all = this.validator(options, true);
    all(options?.applyDefaults === true ? structuredClone(value) : value);
    return { valid: false, errors: describeErrors(all.errors ?? first.errors) };
  }

  /** Compiles the validators that `check` may use, to move that work to another moment. */
  prepare(options: CheckOptions | undefined, detailed: boolean): void {
    for (const allErrors of detailed ? [false, true] : [false]) {
      const validator = this.validator(options, allErrors);
      try {
        // V8 compiles a function when it is first called, which takes as long as Ajv does before.
        validator(null);
      } catch {
        throw new SchemaCompileError(NOT_COMPILED);
      }
    }
  }

  private validator(options: CheckOptions | undefined, allErrors: boolean): ValidateFunction {
    const formats = options?.formats === true;
    const applyDefaults = options?.applyDefaults === true;
    const index = (formats ? 1 : 0) + (applyDefaults ? 2 : 0) + (allErrors ? 4 : 0);
    const known = this.validators.get(index);
    if (known) return known;
    const compiled = compile(this.schema, { formats, applyDefaults, allErrors });
    this.validators.set(index, compiled);
    return compiled;
  }
}

function compile(schema: JsonObject | boolean, mode: CheckMode): ValidateFunction {
  try {
    return compileSchema(schema, mode);
  } catch (error) {
    // Ajv throws plain errors to be read; all others are its code failing on a value it did not expect.
    const isReadable = error instanceof Error && error.name === 'Error';
    throw new SchemaCompileError(isReadable ? error.message : NOT_COMPILED);
  }
}

export function undecided(message: string): CheckResult {
  return { valid: false, undecided: true, errors: [{ path: '', message }] };
}
