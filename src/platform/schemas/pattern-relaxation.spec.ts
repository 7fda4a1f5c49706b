import { relaxPattern } from './pattern-relaxation.js';

describe('relaxPattern', () => {
  it.each([
    ['^[a-z0-9]{1,64}$', '^[a-z0-9]+$'],
    ['^(a?){30}a{30}$', '^(a*)+a+$'],
    ['^\\d{4}-\\d{2}$', '^\\d+-\\d+$'],
    ['^(a|a)(b|b)$', '^(a|a)+(b|b)+$'],
    ['^(?:GET|PUT){0,1}$', '^(?:GET|PUT)*$'],
    ['^(?<year>\\d+)?x{2,}?y??$', '^(?<year>\\d+)*x+?y*?$'],
    ['[(|)?*{1}]+\\(\\?\\{\\}', '[(|)?*{1}]+\\(\\?\\{\\}'],
    ['[\\]\\\\]{2}\\p{L}\\u{1F600}{3}', '[\\]\\\\]+\\p{L}\\u{1F600}+'],
    ['((a|b)c)d', '((a|b)+c)d'],
  ])('writes %s as %s', (source, relaxed) => {
    expect(relaxPattern(source)).toBe(relaxed);
    expect(() => new RegExp(relaxed, 'u')).not.toThrow();
  });

  it.each(['(a)\\1', '(?<n>a)\\k<n>', '(?=a)b', '(?!a)b', '(?<=a)b', '(?<!a)b', 'a'.repeat(501)])(
    'does not judge %s',
    (source) => {
      expect(relaxPattern(source)).toBeNull();
    },
  );

  it('does not judge more than 16 choices, since some ambiguity stays finite when relaxed', () => {
    expect(relaxPattern('^a?'.padEnd(33, '-b?c?'))).not.toBeNull();
    expect(relaxPattern('(a|ab)(bc|c)'.repeat(9))).toBeNull();
    expect(relaxPattern('\\d{4}'.repeat(40))).not.toBeNull();
  });
});
