import fc from 'fast-check';
import { parseTemplate, readParts, renderParts, type ValueTemplate } from './value-template.js';

function template(text: string): ValueTemplate {
  const parsed = parseTemplate(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

describe('value templates', () => {
  it.each([
    ['{project_key}-{number}', 'DEV-12', { project_key: 'DEV', number: '12' }],
    ['jira://{project_key}', 'jira://DEV', { project_key: 'DEV' }],
    ['file://{+path}', 'file:///srv/data', { path: '/srv/data' }],
    ['{owner}/{repo}', 'acme/app', { owner: 'acme', repo: 'app' }],
    ['{path}', '/any/thing at all', { path: '/any/thing at all' }],
  ])('%s reads %s', (text, value, parts) => {
    expect(Object.fromEntries(readParts(template(text), value) ?? [])).toEqual(parts);
  });

  it.each([
    ['{project_key}-{number}', 'A-B-1'],
    ['{project_key}-{number}', 'DEV'],
    ['{project_key}-{number}', '-1'],
    ['jira://{project_key}', 'jira://DEV/issues'],
    ['jira://{project_key}', 'JIRA://DEV'],
    ['{owner}/{repo}', 'acme/app/x'],
  ])('%s does not read %s: there would be two ways, or none', (text, value) => {
    expect(readParts(template(text), value)).toBeNull();
  });

  it.each([
    ['plain', 'no placeholder'],
    ['{a}{b}', 'without anything between'],
    ['{a}-{a}', 'twice'],
    ['{Upper}', 'no placeholder'],
    ['{a}-{', 'brace'],
    ['{+a}/{+b}', 'more than one'],
    [`{a}${'x'.repeat(600)}`, 'longer'],
  ])('%s is refused: %s', (text, why) => {
    expect(parseTemplate(text)).toEqual(expect.stringContaining(why));
  });

  it('reads back what it renders, or nothing', () => {
    const parsed = template('{owner}/{repo}#{number}');
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.string({ minLength: 1 }),
        fc.string({ minLength: 1 }),
        (...values) => {
          const parts = new Map(['owner', 'repo', 'number'].map((name, index) => [name, values[index] ?? '']));
          const read = readParts(parsed, renderParts(parsed, parts));
          expect(read === null || [...read].every(([name, value]) => parts.get(name) === value)).toBe(true);
        },
      ),
    );
  });

  it('reads a text in one way only, also where characters of two units divide it', () => {
    expect(readParts(template('{a}\u{1f600}{b}'), '1\u{1f600}2\u{1f600}3')).toBeNull();
    expect(Object.fromEntries(readParts(template('{a}\u{1f600}{b}'), '1\u{1f600}2') ?? [])).toEqual({ a: '1', b: '2' });
  });

  it('takes no long time, whatever the text', () => {
    const started = performance.now();
    readParts(template('{a}-{b}-{c}-{+d}'), '-'.repeat(100_000));
    expect(performance.now() - started).toBeLessThan(200);
  });
});
