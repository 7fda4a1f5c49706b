import { ToolFailure } from '../../kit/tool.js';

/**
 * One piece of JQL. A `word` is bare text: a field, a value, a keyword or the name of a function; `text` stood in quotes
 * and means its value, whatever it looks like.
 */
export interface JqlToken {
  kind: 'word' | 'text' | 'custom_field' | 'symbol' | 'end';
  value: string;
  /** Where it begins, counted from 1, for the messages. */
  at: number;
}

const LONGEST_JQL = 10_000;
const MOST_TOKENS = 2_000;

const SPACE = /[ \t\r\n]+/y;
/** Jira keeps other characters for later and wants them in quotes; a backslash outside of quotes is one of them here. */
const WORD = /[\p{L}\p{N}_.:-]+/uy;
const CUSTOM_FIELD = /cf\s*\[\s*(\d{1,18})\s*\]/iy;
const SYMBOL = /!=|!~|<=|>=|&&|\|\||[=~<>!&|(),]/y;
/** What is never part of a query, in quotes or out of them: they make two readers read two queries. */
const UNREADABLE = /[^\P{Cc}\t\r\n]|\p{Cf}|\p{Cs}|\p{Zl}|\p{Zp}|[\ufdd0-\ufdef\ufffe\uffff]/u;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ["'", "'"],
  ['\\', '\\'],
  [' ', ' '],
  ['t', '\t'],
  ['n', '\n'],
  ['r', '\r'],
]);

/** @throws ToolFailure naming the place of what can't be read */
export function jqlTokens(jql: string): JqlToken[] {
  if (jql.length > LONGEST_JQL) throw new ToolFailure(`The JQL is longer than ${LONGEST_JQL} characters`);
  const unreadable = UNREADABLE.exec(jql);
  if (unreadable) throw jqlFailure('a control character or an invisible one', unreadable.index + 1);
  const tokens: JqlToken[] = [];
  for (let at = afterSpace(jql, 0); at < jql.length; at = afterSpace(jql, at)) {
    if (tokens.length === MOST_TOKENS) throw new ToolFailure(`The JQL has more than ${MOST_TOKENS} parts`);
    const [token, end] = tokenAt(jql, at);
    tokens.push(token);
    at = end;
  }
  return [...tokens, { kind: 'end', value: '', at: jql.length + 1 }];
}

export function jqlFailure(what: string, at: number): ToolFailure {
  return new ToolFailure(`The JQL can't be read: ${what} at character ${at}`);
}

function tokenAt(jql: string, at: number): [JqlToken, end: number] {
  const quote = jql[at];
  if (quote === '"' || quote === "'") return quoted(jql, at, quote);
  const field = matchAt(CUSTOM_FIELD, jql, at);
  if (field) return [{ kind: 'custom_field', value: field[1] ?? '', at: at + 1 }, at + field[0].length];
  const word = matchAt(WORD, jql, at);
  if (word) return [{ kind: 'word', value: word[0], at: at + 1 }, at + word[0].length];
  const symbol = matchAt(SYMBOL, jql, at);
  if (symbol) return [{ kind: 'symbol', value: symbol[0], at: at + 1 }, at + symbol[0].length];
  throw jqlFailure(`${String.fromCodePoint(jql.codePointAt(at) ?? 0)} outside of quotes`, at + 1);
}

function quoted(jql: string, start: number, quote: string): [JqlToken, end: number] {
  let value = '';
  for (let at = start + 1; at < jql.length; at++) {
    const character = jql[at] ?? '';
    if (character === quote) return [{ kind: 'text', value, at: start + 1 }, at + 1];
    if (character !== '\\') {
      value += character;
      continue;
    }
    const escaped = jql[++at] ?? '';
    const code = escaped === 'u' ? /^[0-9a-f]{4}/i.exec(jql.slice(at + 1, at + 5))?.[0] : undefined;
    const plain = code === undefined ? ESCAPES.get(escaped) : String.fromCharCode(Number.parseInt(code, 16));
    if (plain === undefined || UNREADABLE.test(plain)) throw jqlFailure('an escape that means nothing', at);
    value += plain;
    if (code !== undefined) at += code.length;
  }
  throw jqlFailure('a text that does not end', start + 1);
}

function afterSpace(jql: string, at: number): number {
  return at + (matchAt(SPACE, jql, at)?.[0].length ?? 0);
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
