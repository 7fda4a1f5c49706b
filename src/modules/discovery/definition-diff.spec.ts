import fc from 'fast-check';
import { canonicalJson } from '../../platform/json/canonical-json.js';
import { definitionDigest, sameJson } from './definition-json.js';
import { changesBetween } from './definition-diff.js';

it('names each place that changed, what was there and what is', () => {
  const before = {
    name: 'a',
    description: 'x',
    inputSchema: { required: ['a', 'b'], properties: { 'a/b': { type: 'string' } } },
  };
  const after = {
    name: 'a',
    title: 'A',
    inputSchema: { required: ['a', 'c'], properties: { 'a/b': { type: ['string'] } } },
  };
  expect(changesBetween(before, after)).toEqual([
    { path: '/description', before: 'x' },
    { path: '/inputSchema/required/1', before: 'b', after: 'c' },
    { path: '/inputSchema/properties/a~1b/type', before: 'string', after: ['string'] },
    { path: '/title', after: 'A' },
  ]);
});

it('shows lists of another length whole', () => {
  expect(changesBetween({ a: [1, 2] }, { a: [1] })).toEqual([{ path: '/a', before: [1, 2], after: [1] }]);
});

it('finds changes exactly where there are any', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (left, right) => {
      const [before, after] = [JSON.parse(JSON.stringify(left)), JSON.parse(JSON.stringify(right))] as unknown[];
      expect(changesBetween(before, after).length === 0).toBe(sameJson(before, after));
      expect(canonicalJson(before) === canonicalJson(after)).toBe(sameJson(before, after));
    }),
  );
});

it('gives one digest to one definition, in whatever order it is written', () => {
  expect(definitionDigest({ a: 1, b: { c: [], d: null } })).toBe(definitionDigest({ b: { d: null, c: [] }, a: 1 }));
  expect(definitionDigest({ a: [1, 2] })).not.toBe(definitionDigest({ a: [2, 1] }));
  expect(definitionDigest({})).toMatch(/^[\w-]{43}$/);
});
