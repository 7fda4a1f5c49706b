import type { Type } from '@nestjs/common';
import type { TransformFnParams } from 'class-transformer';
import { getMetadataStorage, ValidateBy } from 'class-validator';

/** White space around a name is a slip; anything but text stays, so that `@IsString` names it. */
export function trimmed({ value }: TransformFnParams): unknown {
  return typeof value === 'string' ? value.trim() : (value as unknown);
}

const AS_SENT = 'asSent';
const known = new Map<unknown, string[]>();

/**
 * Marks a field of free-form JSON: it reaches the service exactly as it was sent, see RequestValidationPipe. A rule of
 * class-validator that everything fits, so that `PartialType` and inheritance carry it along.
 */
export function AsSent(): PropertyDecorator {
  return ValidateBy({ name: AS_SENT, validator: { validate: () => true } });
}

/** The fields so marked of a class of request bodies. */
export function freeFormFields(bodyClass: Type<unknown> | undefined): string[] {
  if (bodyClass === undefined) return [];
  const fields =
    known.get(bodyClass) ??
    getMetadataStorage()
      .getTargetValidationMetadatas(bodyClass, '', false, false)
      .filter((rule) => rule.name === AS_SENT)
      .map((rule) => rule.propertyName);
  known.set(bodyClass, fields);
  return fields;
}
