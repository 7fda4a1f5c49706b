import fc from 'fast-check';
import { Masker } from './masker.js';

it('keeps the last characters of an output and nothing of a secret, wherever it is cut', () => {
  const secret = 'ABCDEFGHIJ0123456789';
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant(secret), fc.stringMatching(/^[a-z ]{0,30}$/)), { maxLength: 60 }),
      fc.integer({ min: 1, max: 40 }),
      (parts, size) => {
        const masker = new Masker([secret], 100);
        const output = Buffer.from(parts.join(''));
        for (let at = 0; at < output.length; at += size) masker.add(output.subarray(at, at + size));
        const text = masker.text();
        expect(text.length).toBeLessThanOrEqual(100);
        expect(text).not.toMatch(/[A-J0-9]/);
      },
    ),
  );
});

it('masks each line of a key, values inside JSON, and the longer of two that overlap', () => {
  const masker = new Masker(['line one\nline two', 'a"b"c', 'abc', 'abcdef'], 1000);
  masker.add(Buffer.from('line two | {"x":"a\\"b\\"c"} | abcdef'));
  expect(masker.text()).toBe('*** | {"x":"***"} | ***');
});
