import fc from 'fast-check';
import { whyNotRead as whyNot } from './modest-json.js';

const whyNotRead = (json: string): string | null => whyNot(json, 500_000);
const LARGE = 'The answer of Jira is too large: ask for fewer issues or fields';
const DEEP = 'Jira answered something that is nested too deeply';

describe('JSON before it is parsed', () => {
  it('is read where it is of usual size, whatever its texts are', () => {
    fc.assert(fc.property(fc.json(), (json) => expect(whyNotRead(json)).toBeNull()));
    expect(whyNotRead(JSON.stringify({ text: '[,{"\\'.repeat(400_000) }))).toBeNull();
    expect(whyNotRead(JSON.stringify(Array.from({ length: 100_000 }, (_, id) => ({ id, name: 'x' }))))).toBeNull();
    for (const odd of ['', '"', '"\\', ']]]]', '<html>']) expect(whyNotRead(odd)).toBeNull();
  });

  it('is not where it has a million values, or some deep below each other', () => {
    for (const each of ['[]', '{}', '1', '""']) expect(whyNotRead(`[${`${each},`.repeat(600_000)}1]`)).toBe(LARGE);
    expect(whyNotRead('['.repeat(200_000) + ']'.repeat(200_000))).toBe(DEEP);
    expect(whyNotRead('{"a":'.repeat(200_000))).toBe(DEEP);
  });
});
