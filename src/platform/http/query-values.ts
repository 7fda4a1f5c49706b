import type { TransformFnParams } from 'class-transformer';

/** Query strings carry text only: `"5"` becomes 5; anything else stays, so that `@IsInt` names it. */
export function toInteger({ value }: TransformFnParams): unknown {
  return typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : (value as unknown);
}

/** `true`/`false` (and `1`/`0`); anything else stays, so that `@IsBoolean` names it. */
export function toBoolean({ value }: TransformFnParams): unknown {
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  return value as unknown;
}
