import type { TransformFnParams } from 'class-transformer';

/** White space around a name is a slip; anything but text stays, so that `@IsString` names it. */
export function trimmed({ value }: TransformFnParams): unknown {
  return typeof value === 'string' ? value.trim() : (value as unknown);
}
