import { Injectable } from '@nestjs/common';
import { DomainError } from '../../platform/http/domain-error.js';
import { SchemaChecker } from '../../platform/schemas/schema-checker.js';
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
    if (Object.keys(fields).length > 0)
      throw new DomainError('schema_refused', 'A JSON Schema can not be used', { fields });
  }
}
