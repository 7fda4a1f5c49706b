import fc from 'fast-check';
import { LineReader } from './line-reader.js';
import { parseMessage } from './json-rpc.js';

it('parses any object as JSON.parse does', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 20 })), (value) => {
      const text = JSON.stringify(value);
      expect(JSON.stringify(parseMessage(text))).toBe(text);
    }),
  );
});

it.each(['', '{', '[]', '[{}]', '1', '"x"', 'null', '{"a":1}}', '<html>'])('refuses %j', (text) => {
  expect(() => parseMessage(text)).toThrow(expect.objectContaining({ reason: 'protocol_error' }));
});

it('refuses what is nested deeper than anybody could write again, but not brackets in texts', () => {
  const nested = (depth: number) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  expect(() => parseMessage(nested(500))).not.toThrow();
  expect(() => parseMessage(nested(600))).toThrow(/nested/);
  const text = JSON.stringify({ a: `${'[{"\\'.repeat(5000)}`, b: '\\'.repeat(4000) });
  expect(parseMessage(text)).toEqual(JSON.parse(text));
});

it('cuts lines however the chunks fall, and keeps only the ends of those that are too long', () => {
  const lines: string[] = [];
  const long: string[] = [];
  const reader = new LineReader(
    1000,
    (line) => lines.push(line),
    ({ head, tail }) => long.push(`${head.slice(0, 3)}...${tail.slice(-3)}`),
  );
  const text = Buffer.from(`first\r\nsecond ü\nBIG${'x'.repeat(5000)}END\n\nlast\n`);
  for (let at = 0; at < text.length; at += 7) reader.push(text.subarray(at, at + 7));
  expect(lines).toEqual(['first', 'second ü', '', 'last']);
  expect(long).toEqual(['BIG...END']);
});
