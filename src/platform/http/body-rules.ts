import type { TransformFnParams } from 'class-transformer';
import { Matches, ValidateIf } from 'class-validator';

/** PostgreSQL stores neither NUL nor half of a surrogate pair. */
export const NOT_STORABLE = /\0|\p{Surrogate}/u;

/** May be left out, but null is not a value: `IsOptional` lets null past every other rule. */
export function MayBeLeftOut(): PropertyDecorator {
  return ValidateIf((_body: object, value: unknown) => value !== undefined);
}

/** Text that can be stored as it is. */
export function IsStorable(): PropertyDecorator {
  return Matches(/^(?:(?!\0|\p{Surrogate}).)*$/su, {
    message: '$property must not contain NUL or unpaired surrogates',
  });
}

/** UUIDs are written in lower case and read in either (RFC 9562, section 4). */
export function lowerCased({ value }: TransformFnParams): unknown {
  return typeof value === 'string' ? value.toLowerCase() : (value as unknown);
}
