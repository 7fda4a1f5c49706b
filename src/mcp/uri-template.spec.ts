import { expanded, isExpansionOf, variablesOf } from './uri-template.js';

describe('URI templates (RFC 6570)', () => {
  it.each([
    ['memo://{id}', 'memo://one'],
    ['memo://{id}', 'memo://a%20b'],
    ['memo://{id}/x', 'memo://one/x'],
    ['{+path}', 'file:///a/b'],
    ['file:///{+path}', 'file:///a/b/c.txt'],
    ['x://{a}-{b}', 'x://1-2-3'],
    ['x://{a}{b}', 'x://ab'],
    ['x://{a}{?q,r}', 'x://one?q=1&r=2'],
    ['x://{a}{?q}', 'x://one'],
    ['x://{a}{/b,c}', 'x://one/two/three'],
    ['x://{a}{#f}', 'x://one#there'],
    ['x://{a}{.ext}', 'x://one.json'],
    ['x://{a}?fixed=1{&q}', 'x://one?fixed=1&q=2'],
    ['x://{a}{;p}', 'x://one;p=1'],
    ['x://plain', 'x://plain'],
    ['x://a.c{b}', 'x://a.cd'],
  ])('%s expands to %s', (template, uri) => expect(isExpansionOf(template, uri)).toBe(true));

  it.each([
    ['memo://{id}', 'memo://'],
    ['memo://{id}', 'memo://one/two'],
    ['memo://{id}', 'memo://one?x'],
    ['memo://{id}', 'MEMO://one'],
    ['memo://{id}/x', 'memo://one/y'],
    ['{+path}', 'a b'],
    ['x://{a}-{b}', 'x://12'],
    ['x://{a}{b}', 'x://a'],
    ['x://{a}{?q}', 'x://one#q=1'],
    ['x://{a}{/b}', 'x://one#two'],
    ['x://plain', 'x://plain/'],
    ['x://a.c{b}', 'x://abcd'],
    ['{a}'.repeat(17), 'abcdefghijklmnopqrstuvwxyz'],
  ])('%s does not expand to %s', (template, uri) => expect(isExpansionOf(template, uri)).toBe(false));

  it.each(['{+a}'.repeat(16) + '!', '{+a}/{+b}/{+c}/{+d}/{+e}!', `${'{a}-'.repeat(16)}!`, '{/a}{/b}{?c}{&d}{#e}!'])(
    '%s takes no long time over anything',
    (template) => {
      const started = performance.now();
      for (const text of ['a', '/', '-', '-a', '/a', '?']) isExpansionOf(template, text.repeat(2_048));
      expect(performance.now() - started).toBeLessThan(500);
    },
  );
});

describe('what a template expands to', () => {
  const expand = (template: string, values: Record<string, string>): string | null =>
    expanded(template, (name) => values[name] ?? '');

  it.each([
    ['a://{owner}/{repo}', 'a://acme/my%20app'],
    ['a://{+repo}{?owner,repo}', 'a://my%20app?owner=acme&repo=my%20app'],
    ['a:{/owner,repo*}{#owner}', 'a:/acme/my%20app#acme'],
    ['a:{.owner}{;repo}{owner:3}', 'a:.acme;repo=my%20appacme'],
  ])('is that of RFC 6570: %s', (template, expansion) => {
    expect(expand(template, { owner: 'acme', repo: 'my app' })).toBe(expansion);
    expect(variablesOf(template)).toEqual(expect.arrayContaining(['owner', 'repo']));
    expect(isExpansionOf(template, expansion)).toBe(true);
  });

  it('is nothing where a value is no text', () => {
    expect(expand('a://{owner}', { owner: '\ud800' })).toBeNull();
  });
});
