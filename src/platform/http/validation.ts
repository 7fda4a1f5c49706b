import { ArgumentMetadata, ValidationError, ValidationPipe } from '@nestjs/common';
import { freeFormFields } from './body-values.js';
import { DomainError, invalid } from './domain-error.js';

/**
 * Nest's pipe, but for fields of free-form JSON (`@AsSent()`): it would delete keys such as `constructor` in them, which
 * arguments of a tool may have, and class-transformer would copy them. They stand aside while the rest is checked.
 */
class RequestValidationPipe extends ValidationPipe {
  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    // Path parameters have pipes of their own, which want the text as it was sent: 0x10 is no id.
    if (metadata.type === 'param') return value;
    if (metadata.type === 'query') refuseInheritedNames(value);
    const fields = freeFormFields(metadata.metatype);
    if (fields.length === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) {
      return super.transform(value, metadata);
    }
    const sent = value as Record<string, unknown>;
    const aside = fields.filter((field) => typeof sent[field] === 'object' && sent[field] !== null);
    const standIns = aside.map((field) => [field, Array.isArray(sent[field]) ? [] : {}] as const);
    const checked = (await super.transform({ ...sent, ...Object.fromEntries(standIns) }, metadata)) as object;
    return Object.assign(checked, Object.fromEntries(aside.map((field) => [field, sent[field]])));
  }
}

/** Names that every object has by birth: libraries take them for known, or drop them without a word. */
function refuseInheritedNames(query: unknown): void {
  const names = Object.keys(query ?? {}).filter((name) => name in Object.prototype);
  if (names.length > 0)
    throw invalid(Object.fromEntries(names.map((name) => [name, [`${name} is not a known field`]])));
}

/** The one pipe that checks bodies and queries: unknown properties are refused, errors name every field. */
export function requestValidation(): ValidationPipe {
  return new RequestValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    transform: true,
    forbidUnknownValues: true,
    stopAtFirstError: false,
    validationError: { target: false, value: false },
    exceptionFactory: (errors) => fieldErrors(errors),
  });
}

function fieldErrors(errors: ValidationError[]): DomainError {
  const fields: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  const collect = (error: ValidationError, path: string): void => {
    const name = path === '' ? error.property : `${path}.${error.property}`;
    const texts = Object.values(error.constraints ?? {}).map((text) =>
      text.replace(/^property (.+) should not exist$/, '$1 is not a known field'),
    );
    if (texts.length > 0) fields[name] = texts;
    for (const child of error.children ?? []) collect(child, name);
  };
  for (const error of errors) collect(error, '');
  return Object.keys(fields).length > 0
    ? invalid(fields)
    : new DomainError('validation_failed', 'The body must be a JSON object', { fields: {} });
}
