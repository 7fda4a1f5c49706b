import fc from 'fast-check';
import { amountOf, sumOf, unitsOf } from './amount.js';

describe('amounts of money', () => {
  it.each([
    ['0', 0n],
    ['1', 1_000_000_000_000n],
    ['0.05', 50_000_000_000n],
    ['0.000000000001', 1n],
    ['1200', 1_200_000_000_000_000n],
  ])('%s is exact', (amount, units) => {
    expect(unitsOf(amount)).toBe(units);
    expect(amountOf(units)).toBe(amount);
  });

  it('adds what binary fractions can not', () => {
    expect(sumOf('0.1', '0.2')).toBe('0.3');
    expect(sumOf('0', '10')).toBe('10');
    expect(sumOf('99.999999999999', '0.000000000001')).toBe('100');
  });

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), (units) => {
        expect(unitsOf(amountOf(units))).toBe(units);
      }),
    );
  });
});
