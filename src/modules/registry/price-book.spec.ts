import fc from 'fast-check';
import { checkPriceBook, costOf, priceOf, toPriceBookResponse } from './price-book.js';

describe('a price book', () => {
  const book = checkPriceBook({ per_call: 0.01, per_megabyte: '2.5', tools: { search: 0.000001, free: 0 } });

  it('prices a call, the bytes beside it, and single tools instead of a call', () => {
    expect(costOf(priceOf(book, null), 1_000_000)).toBe('2.51');
    expect(costOf(priceOf(book, 'echo'), 0)).toBe('0.01');
    expect(costOf(priceOf(book, 'search'), 0)).toBe('0.000001');
    expect(costOf(priceOf(book, 'free'), 400)).toBe('0.001');
    expect(costOf(priceOf({}, 'echo'), 1_000_000)).toBe('0');
  });

  it('knows no tool of the name of something every object has', () => {
    expect(costOf(priceOf(book, 'constructor'), 0)).toBe('0.01');
  });

  it('is exact to the byte, and never more than by the byte more', () => {
    fc.assert(
      fc.property(fc.nat({ max: 20_000_000 }), fc.nat({ max: 999_999_999 }), (bytes, millionths) => {
        const price = { perCall: '0', perMegabyte: `0.${String(millionths % 1_000_000).padStart(6, '0')}` };
        const expected = BigInt(millionths % 1_000_000) * BigInt(bytes);
        const [whole = '0', fraction = ''] = costOf(price, bytes).split('.');
        expect(BigInt(whole + fraction.padEnd(12, '0'))).toBe(expected);
      }),
    );
  });

  it.each([
    [{ per_call: -1 }, 'price_book.per_call'],
    [{ per_call: '1e3' }, 'price_book.per_call'],
    [{ per_call: 0.0000001 }, 'price_book.per_call'],
    [{ per_call: null }, 'price_book.per_call'],
    [{ per_megabyte: '01' }, 'price_book.per_megabyte'],
    [{ per_minute: 1 }, 'price_book.per_minute'],
    [{ tools: [] }, 'price_book.tools'],
    [{ tools: { echo: 'free' } }, 'price_book.tools.echo'],
  ])('%j is refused, naming %s', (sent, place) => {
    expect(() => checkPriceBook(sent)).toThrow(
      expect.objectContaining({ details: { fields: { [place]: expect.anything() } } }),
    );
  });

  it('is shown in numbers', () => {
    expect(toPriceBookResponse(book)).toEqual({
      per_call: 0.01,
      per_megabyte: 2.5,
      tools: { search: 0.000001, free: 0 },
    });
  });
});
