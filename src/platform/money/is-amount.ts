import type { TransformFnParams } from 'class-transformer';
import { buildMessage, ValidateBy } from 'class-validator';

/** What an amount may be, for messages. */
export const AMOUNT_RULE = 'a number from 0 to 999999999 with at most 6 decimals';
const AMOUNT = /^(0|[1-9]\d{0,8})(\.\d{1,6})?$/;

/** JSON numbers become the decimal text that they were written as; anything else stays, so that `@IsAmount` names it. */
export function toAmount({ value }: TransformFnParams): unknown {
  return typeof value === 'number' ? String(value) : (value as unknown);
}

export function isAmount(value: unknown): value is string {
  return typeof value === 'string' && AMOUNT.test(value);
}

/** A decimal number or its text, not negative, below 10^9, with at most six digits after the point. */
export function IsAmount(): PropertyDecorator {
  return ValidateBy({
    name: 'isAmount',
    validator: {
      validate: isAmount,
      defaultMessage: buildMessage(() => `$property must be ${AMOUNT_RULE}`),
    },
  });
}
