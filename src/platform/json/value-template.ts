/**
 * A text with named parts, read in both directions: `{project_key}-{number}` renders parts into a text, and takes a text
 * apart again. A placeholder stands for one or more characters, none of which is a neighbour of it in the template, so
 * that there is only one way to read a text: `A-B-1` does not fit, rather than being read as one thing here and as
 * another at the server. `{+name}` takes slashes too (RFC 6570, reserved expansion).
 */
export interface ValueTemplate {
  readonly text: string;
  /** In order of appearance. */
  readonly names: readonly string[];
  readonly pattern: RegExp;
  /** Literals before, between and after the placeholders. */
  readonly literals: readonly string[];
}

const PLACEHOLDER = /\{(\+?)([a-z][a-z0-9_]{0,63})\}/g;
const LONGEST = 512;

/** @returns the template, or what is wrong with the text */
export function parseTemplate(text: string): ValueTemplate | string {
  if (text.length > LONGEST) return `is longer than ${LONGEST} characters`;
  const matches = [...text.matchAll(PLACEHOLDER)];
  if (matches.length === 0) return 'has no placeholder such as {project_key}';
  const names = matches.map((match) => match[2] ?? '');
  if (matches.filter((match) => match[1] === '+').length > 1) return 'has more than one {+name}';
  if (new Set(names).size < names.length) return 'has the same placeholder twice';
  const literals: string[] = [];
  let end = 0;
  for (const match of matches) {
    literals.push(text.slice(end, match.index));
    end = match.index + match[0].length;
  }
  literals.push(text.slice(end));
  if (literals.some((literal) => /[{}]/.test(literal)))
    return 'has a brace that is no placeholder: write {name} in lower case letters, digits and _';
  if (literals.slice(1, -1).includes('')) return 'has two placeholders without anything between them';
  const pattern = matches.map((match, index) => {
    const before = literals[index] ?? '';
    const after = literals[index + 1] ?? '';
    return `${escaped(before)}(${groupBetween(before, after, match[1] === '+')})`;
  });
  return { text, names, literals, pattern: new RegExp(`^${pattern.join('')}${escaped(literals.at(-1) ?? '')}$`, 'su') };
}

/** The parts of a text that fits, else null. */
export function readParts(template: ValueTemplate, text: string): Map<string, string> | null {
  const match = template.pattern.exec(text);
  return match && new Map(template.names.map((name, index) => [name, match[index + 1] ?? '']));
}

/** @param parts must have every name of the template */
export function renderParts(template: ValueTemplate, parts: ReadonlyMap<string, string>): string {
  return template.names.reduce(
    (text, name, index) => text + (parts.get(name) ?? '') + (template.literals[index + 1] ?? ''),
    template.literals[0] ?? '',
  );
}

/** Which characters a placeholder takes: not those at which it ends or begins, and no slash where slashes divide. */
function groupBetween(before: string, after: string, takesSlashes: boolean): string {
  // Whole characters: half of a surrogate pair would exclude nothing.
  const excluded = new Set([[...before].at(-1), [...after].at(0)].filter((character) => character !== undefined));
  if (takesSlashes) excluded.delete('/');
  return excluded.size === 0
    ? '.+'
    : `[^${[...excluded].map((character) => `\\u{${character.codePointAt(0)?.toString(16)}}`).join('')}]+`;
}

function escaped(text: string): string {
  return [...text].map((character) => `\\u{${character.codePointAt(0)?.toString(16)}}`).join('');
}
