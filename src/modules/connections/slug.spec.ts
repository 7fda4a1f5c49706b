import fc from 'fast-check';
import { slugFrom } from './slug.js';

describe('slugFrom', () => {
  it.each([
    ['Acme Jira (EU)', 'acme-jira-eu'],
    ['Ünïcödé  Wiki', 'unicode-wiki'],
    ['--- a__b ---', 'a-b'],
    ['日本', 'server'],
    ['x'.repeat(100), 'x'.repeat(48)],
  ])('makes of %s %s', (name, slug) => {
    expect(slugFrom(name)).toBe(slug);
  });

  it('makes of any name something that ids of tools can begin with', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(slugFrom(name)).toMatch(/^[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?$/);
      }),
      { numRuns: 1_000 },
    );
  });
});
