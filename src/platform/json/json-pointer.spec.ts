import { parsePointer, valueAt, withValueAt } from './json-pointer.js';

describe('JSON pointers', () => {
  it.each([
    ['', []],
    ['/a/b', ['a', 'b']],
    ['/a~1b/~0', ['a/b', '~']],
    ['/', ['']],
  ])('%j is split as RFC 6901 says', (text, path) => expect(parsePointer(text)).toEqual(path));

  it.each(['a', '/~', '/~2'])('%j is none', (text) => expect(parsePointer(text)).toBeNull());

  it('finds own members only', () => {
    expect(valueAt({ a: [{ b: 1 }] }, ['a', '0', 'b'])).toBe(1);
    expect(valueAt({}, ['constructor'])).toBeUndefined();
    expect(valueAt([], ['length'])).toBeUndefined();
    expect(valueAt('text', ['0'])).toBeUndefined();
  });

  it('writes into a copy', () => {
    const document = { a: { b: 1 }, c: 2 };
    expect(withValueAt(document, ['a', 'd'], 3)).toEqual({ a: { b: 1, d: 3 }, c: 2 });
    expect(document).toEqual({ a: { b: 1 }, c: 2 });
    expect(withValueAt({}, ['x', 'y'], 1)).toEqual({ x: { y: 1 } });
  });
});
