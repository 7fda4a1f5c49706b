import fc from 'fast-check';
import { lookAlikes, skeletonOf, suspiciousText } from './suspicious-text.js';

describe('suspicious text', () => {
  it.each([
    ['control', 'a\u0007b', 'a\\u{7}b'],
    ['control', 'a\u001b[8mhidden', 'a\\u{1b}[8mhidden'],
    ['invisible', 'a\u200bb', 'a\\u{200b}b'],
    ['invisible', 'a\u200db', 'a\\u{200d}b'],
    ['invisible', '\ufeffa', '\\u{feff}a'],
    ['bidirectional', 'a\u202eb', 'a\\u{202e}b'],
    ['bidirectional', '\u2066a\u2069', '\\u{2066}a\\u{2069}'],
    ['tag', 'a\u{e0041}', 'a\\u{e0041}'],
    ['tag', 'a\u{e0101}', 'a\\u{e0101}'],
  ])('%s is found and shown escaped: %j', (kind, text, shown) => {
    expect(suspiciousText({ description: text })).toEqual([{ path: '/description', kind, text: shown }]);
  });

  it('is found at any depth, in names of properties too', () => {
    const definition = { inputSchema: { properties: { 'a\u200b/b': { enum: ['x', 'y\u202e'] } } } };
    expect(suspiciousText(definition)).toEqual([
      { path: '/inputSchema/properties/a\\u{200b}~1b', kind: 'invisible', text: 'a\\u{200b}/b' },
      { path: '/inputSchema/properties/a\\u{200b}~1b/enum/1', kind: 'bidirectional', text: 'y\\u{202e}' },
    ]);
  });

  it('is not what people write: lines, tabs, other alphabets, emoji', () => {
    const texts = ['a\nb\r\n\tc', 'Grüße 日本 עברית العربية', '👩‍💻 👍🏽 ❤️ 👨‍👩‍👧', '👩🏽‍💻', ''];
    expect(suspiciousText({ texts })).toEqual([]);
  });

  it('is shown in an excerpt that shows nothing of it raw', () => {
    const [flag] = suspiciousText(`${'x'.repeat(500)}\u202e${'\u{1f600}'.repeat(500)}`);
    expect(flag?.text.length).toBeLessThan(120);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const { path, text: shown } of suspiciousText({ [text]: text }))
          expect(suspiciousText([path, shown])).toEqual([]);
      }),
    );
  });

  it('is counted up to a limit', () => {
    expect(suspiciousText(Array.from({ length: 1_000 }, () => '\u200b'))).toHaveLength(100);
  });
});

describe('names that look alike', () => {
  it.each([
    ['create_issue', 'create-issue'],
    ['create_issue', 'createIssue'],
    ['create_issue', 'сreate_issue'],
    ['create_issue', 'create_lssue'],
    ['login', '1ogin'],
    ['google', 'g00gle'],
    ['modern', 'modem'],
    ['search', 'ｓｅａｒｃｈ'],
    ['search', 'se\u200barch'],
    ['cafe', 'café'],
    ['alpha', 'αlphа'],
  ])('%s and %s', (left, right) => {
    expect(skeletonOf(left)).toBe(skeletonOf(right));
  });

  it('are told from others', () => {
    expect(skeletonOf('create_issue')).not.toBe(skeletonOf('create_issues'));
    expect(skeletonOf('日本')).not.toBe(skeletonOf('日木'));
  });

  it('are flagged with the id of the other tool, but not the very same name', () => {
    const others = [
      { name: 'create-issue', publicId: 'jira_create-issue' },
      { name: 'create_issue', publicId: 'github_create_issue' },
      { name: 'list', publicId: 'jira_list' },
    ];
    expect(lookAlikes('create_issue', others)).toEqual([
      { path: '/name', kind: 'look_alike', text: 'jira_create-issue' },
    ]);
  });
});
