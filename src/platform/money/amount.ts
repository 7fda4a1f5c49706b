/**
 * Money as decimal text, exact to twelve digits after the point: a price of six digits times bytes, divided by 10^6 bytes of a
 * megabyte. Binary fractions never touch it.
 */
export type Amount = string;

const DIGITS = 12;

/** In units of 10^-12. */
export function unitsOf(amount: Amount): bigint {
  const [whole = '0', fraction = ''] = amount.split('.');
  return BigInt(whole + fraction.padEnd(DIGITS, '0'));
}

/** Without trailing zeros. */
export function amountOf(units: bigint): Amount {
  const digits = units.toString().padStart(DIGITS + 1, '0');
  return `${digits.slice(0, -DIGITS)}.${digits.slice(-DIGITS)}`.replace(/\.?0+$/, '');
}

export function sumOf(left: Amount, right: Amount): Amount {
  if (left === '0') return right;
  if (right === '0') return left;
  return amountOf(unitsOf(left) + unitsOf(right));
}
