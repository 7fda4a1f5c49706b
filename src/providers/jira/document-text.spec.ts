import fc from 'fast-check';
import { documentText, isDocument, textDocument } from './document-text.js';
import { issueBudget } from './node-budget.js';

const textOf = (document: unknown): string => documentText(document, issueBudget());
const text = (value: string): object => ({ type: 'text', text: value });
const block = (type: string, ...content: object[]): object => ({ type, content });

describe('texts of Cloud', () => {
  it('reads a document as plain text', () => {
    const document = block(
      'doc',
      block('heading', text('Title')),
      block(
        'paragraph',
        text('One '),
        { type: 'mention', attrs: { text: '@mia' } },
        { type: 'hardBreak' },
        text('two'),
      ),
      block(
        'bulletList',
        block('listItem', block('paragraph', text('a'))),
        block('listItem', block('paragraph', text('b'))),
      ),
      block('table', block('tableRow', block('tableCell', text('x')), block('tableCell', text('y')))),
      { type: 'rule' },
      block('codeBlock', text('code()')),
      { type: 'blockCard', attrs: { url: 'https://example.com' } },
    );
    expect(textOf(document)).toBe('Title\n\nOne @mia\ntwo\n\n- a\n- b\n\nx | y |\n\ncode()\n\nhttps://example.com');
  });

  it('gives back every text that it made a document of', () => {
    const line = fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll(/\s/g, '_'));
    const lines = fc.array(line, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(lines, (given) => {
        const plain = given
          .join('\n')
          .replaceAll(/\n{3,}/g, '\n\n')
          .trim();
        expect(textOf(textDocument(plain))).toBe(plain);
      }),
    );
  });

  it('survives what is no document, and one that is too deep', () => {
    for (const odd of [null, 7, [], { type: 'doc' }, { type: 'doc', content: [null, 1, { type: 'x', content: 'y' }] }])
      expect(textOf(odd)).toBe('');
    expect(isDocument({ type: 'doc', content: [] })).toBe(true);
    expect(isDocument({ type: 'doc' })).toBe(false);
    let deep: object = text('bottom');
    for (let level = 0; level < 5_000; level++) deep = block('blockquote', deep);
    expect(textOf(block('doc', deep))).toBe('');
  });

  it('reads no more of a document than there is room for', () => {
    const budget = { left: 1_000 };
    const lines = Array.from({ length: 2_000_000 }, () => ({ type: 'hardBreak' }));
    const started = performance.now();
    expect(documentText(block('doc', block('paragraph', text('First'), ...lines.slice(0, 100_000))), budget)).toBe(
      'First',
    );
    expect(documentText({ type: 'doc', content: lines }, { left: 1_000 })).toBe('');
    expect(budget.left).toBeLessThanOrEqual(0);
    expect(textOf(block('doc', text('x'.repeat(150_000)), text('y'.repeat(150_000)), text('z')))).toHaveLength(200_000);
    expect(performance.now() - started).toBeLessThan(100);
  });
});
