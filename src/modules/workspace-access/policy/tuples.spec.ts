import { comparable, hasDotSegment, spelling, TupleSet } from './tuples.js';

describe('paths', () => {
  it.each(['/srv/data', '/srv/data/a b', '/', '/srv/..data', '/srv/...', '/srv/data/'])(
    '%j can be compared',
    (path) => {
      expect(comparable('path', path)).not.toBeNull();
    },
  );

  it.each([
    '',
    'srv/data',
    './data',
    '~/data',
    '/srv/../etc',
    '/srv/data/..',
    '/srv/./data',
    '/srv//data',
    '//srv/data',
    '/srv/data//',
    '/srv/data/.."',
    "/srv/data/..'",
    '/srv/data/.. ',
    '/srv/data/ ..',
    '/srv/data\\..\\etc',
    'C:\\data',
    '/srv/data\0',
    '/srv/data/.\u200b.',
    '/srv/data/\n..',
    ' /srv/data',
    'file:///srv/data',
  ])('%j is for the server to interpret, so it is refused', (path) => {
    expect(comparable('path', path)).toBeNull();
  });

  it('hold what is below them, and nothing beside them', () => {
    const set = new TupleSet<string>([{ name: 'path', comparison: 'path' }]);
    set.add(['/srv/data'], 'data');
    expect(set.find(['/srv/data'])).toBe('data');
    expect(set.find(['/srv/data/'])).toBe('data');
    expect(set.find(['/srv/data/a/b'])).toBe('data');
    expect(set.find(['/srv/database'])).toBeUndefined();
    expect(set.find(['/srv'])).toBeUndefined();
    expect(set.find(['/'])).toBeUndefined();
    set.add(['/'], 'root');
    expect(set.find(['/etc'])).toBe('root');
  });
});

describe('tuples', () => {
  it('are compared as one: their parts do not mix', () => {
    const set = new TupleSet<number>([
      { name: 'owner', comparison: 'case_insensitive' },
      { name: 'repo', comparison: 'exact' },
    ]);
    set.add(['acme', 'app'], 1);
    set.add(['other', 'lib'], 2);
    expect(set.find(['ACME', 'app'])).toBe(1);
    expect(set.find(['acme', 'lib'])).toBeUndefined();
    expect(set.find(['other', 'app'])).toBeUndefined();
    expect(set.find(['acme', 'App'])).toBeUndefined();
  });

  it('are kept apart whatever characters they have', () => {
    const set = new TupleSet<number>([
      { name: 'a', comparison: 'exact' },
      { name: 'b', comparison: 'exact' },
    ]);
    set.add(['1:x', 'y'], 1);
    expect(set.find(['1', 'x1:y'])).toBeUndefined();
    expect(set.find(['1:x1:', 'y'])).toBeUndefined();
  });
});

describe('hostile texts', () => {
  it.each([
    ['a segment of white space', `/srv/${' '.repeat(200_000)}x`],
    ['very many segments', '/a'.repeat(200_000)],
    ['very many encodings', '/%25'.repeat(100_000)],
    ['quotes', `/srv/${'"'.repeat(200_000)}.x`],
  ])('take no long time: %s', (_what, text) => {
    const set = new TupleSet<string>([{ name: 'path', comparison: 'path' }]);
    for (const path of ['/srv', '/srv/data', '/b']) set.add([path], path);
    const started = performance.now();
    set.find([text]);
    hasDotSegment(text);
    spelling(text);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('segments of dots', () => {
  it.each([
    '..',
    '.',
    'a/..',
    '../a',
    'a/./b',
    'a%2f%2e%2e',
    '%252e%252e/a',
    '..\\a',
    'a/.\t./b',
    'a/..;x',
    '\u200b../a',
  ])('are found in %j', (text) => expect(hasDotSegment(text)).toBe(true));

  it.each(['', '...', 'a..b', '..a', '1.2', 'a/b', '%2e%2e%2e', '100%', '%zz'])('are not found in %j', (text) =>
    expect(hasDotSegment(text)).toBe(false),
  );
});
