import fc from 'fast-check';
import { FieldMissing, parseTemplate, renderTemplate, TemplateError } from './template.js';

const ISSUE = {
  issue_id: 'DEV-1',
  title: 'Fix login',
  points: 3,
  done: false,
  parent: null,
  labels: ['a', 'b'],
  'odd name': 'yes',
  fields: { reporter: { name: 'Jane' }, 0: 'zero' },
};
const render = (text: string, context: unknown = ISSUE): unknown => renderTemplate(parseTemplate(text), context);
const problem = (text: string): [string, number] | null => {
  try {
    parseTemplate(text);
    return null;
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return [error.message, error.position];
  }
};

describe('a template', () => {
  it.each([
    ['{{context.issue_id}}', 'DEV-1'],
    ['{{ context.title }}', 'Fix login'],
    ['{{context.points}}', 3],
    ['{{context.done}}', false],
    ['{{context.parent}}', null],
    ['{{context.labels}}', ['a', 'b']],
    ['{{context.labels[1]}}', 'b'],
    ['{{context.labels.0}}', 'a'],
    ['{{context["odd name"]}}', 'yes'],
    ['{{context.fields.reporter.name}}', 'Jane'],
    ['{{context}}', ISSUE],
    ['{{context.nothing|default:"none"}}', 'none'],
    ['{{context.nothing | default: 7}}', 7],
    ['{{context.parent|default:null}}', null],
    ['{{context.parent|default:"none"}}', 'none'],
    ['{{context.done|default:true}}', false],
    ['', ''],
    ['no template', 'no template'],
    ['{ "a": 1 }', '{ "a": 1 }'],
  ])('%s keeps the type of its value', (text, value) => expect(render(text)).toEqual(value));

  it.each([
    ['{{context.issue_id}}: {{context.title}}', 'DEV-1: Fix login'],
    ['{{context.points}} points', '3 points'],
    ['[{{context.parent}}]', '[]'],
    ['labels {{context.labels}}', 'labels ["a","b"]'],
    ['{{context.nothing|default:"}}"}}!', '}}!'],
  ])('%s among other text is text', (text, value) => expect(render(text)).toBe(value));

  it.each([
    ['{{context.nothing}}', '{{context.nothing}}'],
    ['a {{ context.labels[9] }}', '{{ context.labels[9] }}'],
    ['{{context.title.length}}', '{{context.title.length}}'],
    ['{{context.labels.length}}', '{{context.labels.length}}'],
    ['{{context.constructor.name}}', '{{context.constructor.name}}'],
    ['{{context.__proto__}}', '{{context.__proto__}}'],
    ['{{context.toString}}', '{{context.toString}}'],
  ])('%s names what the item does not have', (text, placeholder) => {
    try {
      render(text);
      throw new Error('rendered');
    } catch (error) {
      expect(error).toBeInstanceOf(FieldMissing);
      expect((error as FieldMissing).placeholder).toBe(placeholder);
    }
  });

  it.each([
    ['{{', 3],
    ['{{}}', 3],
    ['{{context', 10],
    ['{{title}}', 8],
    ['{{context.}}', 11],
    ['{{context..a}}', 11],
    ['{{context.a|upper}}', 12],
    ['{{context.a|default:}}', 21],
    ['{{context.a|default:x}}', 21],
    ['{{context.a|default:"\\x"}}', 25],
    ['{{context.labels[-1]}}', 17],
    ['{{context.a + 1}}', 13],
    ['{{context.a()}}', 12],
    ['a }} b', 3],
    ['{{{context.a}}}', 3],
    ['ok {{context.a}} {{bad}}', 23],
  ])('%s is none, and its position says where', (text, position) => expect(problem(text)?.[1]).toBe(position));

  it('never hangs nor throws anything else, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'{}|.:"[]\\ \n', 'context', 'default', 'a', '0'), maxLength: 40 }),
        (text) => {
          const failed = problem(text);
          if (!failed) expect(parseTemplate(text)).toBeDefined();
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('renders a text without placeholders as it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes('{{') && !text.includes('}}'));
        expect(render(text)).toBe(text);
      }),
    );
  });
});
