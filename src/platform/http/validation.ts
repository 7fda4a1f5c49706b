import { ValidationError, ValidationPipe } from '@nestjs/common';
import { DomainError, invalid } from './domain-error.js';

/** The one pipe that checks bodies and queries: unknown properties are refused, errors name every field. */
export function requestValidation(): ValidationPipe {
  return new ValidationPipe({
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
