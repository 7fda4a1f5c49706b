import { Injectable } from '@nestjs/common';
import { DomainError, invalid } from '../../platform/http/domain-error.js';
import { SchemaChecker } from '../../platform/schemas/schema-checker.js';
import type { ConfigSchemas } from './registry.dto.js';
import type { JsonSchema } from './transport.js';

/** JSON Schemas that users submit: bounded, without references to other places, with patterns that can't be made to hang. */
@Injectable()
export class SubmittedSchemas {
  constructor(private readonly checker: SchemaChecker) {}

  /**
   * @param schemas request field to schema; each describes an object
   * @throws DomainError 400 naming the place in each schema
   */
  async check(schemas: Record<string, JsonSchema>): Promise<void> {
    const fields: Record<string, string[]> = {};
    for (const [field, schema] of Object.entries(schemas)) {
      for (const { path, message } of await this.checker.inspect(schema))
        (fields[`${field}${path}`] ??= []).push(message);
      if (schema.type !== undefined && schema.type !== 'object')
        (fields[`${field}/type`] ??= []).push('must be object');
    }
    for (const place of secretsIn(schemas['config_schema.options'] ?? {}, '')) {
      (fields[`config_schema.options${place}`] ??= []).push(
        'is shown to everybody: secrets belong in config_schema.auth',
      );
    }
    if (Object.keys(fields).length > 0)
      throw new DomainError('schema_refused', 'A JSON Schema can not be used', { fields });
  }
}

/** @throws DomainError 400 naming what is missing, too much or no schema */
export function checkConfigSchemas(input: ConfigSchemas): ConfigSchemas {
  const problems: Record<string, string[]> = {};
  const isSchema = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);
  for (const name of ['auth', 'options'] as const)
    if (!Object.hasOwn(input, name) || !isSchema(input[name]))
      problems[`config_schema.${name}`] = ['must be an object'];
  for (const name of Object.keys(input))
    if (name !== 'auth' && name !== 'options') problems[`config_schema.${name}`] = ['is not a known field'];
  if (Object.keys(problems).length > 0) throw invalid(problems);
  return input;
}

/** Places that a schema marks as secret. */
function* secretsIn(value: unknown, path: string): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  const { format, writeOnly } = value as JsonSchema;
  if (format === 'password' || writeOnly === true) yield path;
  for (const [key, inner] of Object.entries(value))
    yield* secretsIn(inner, `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
}
