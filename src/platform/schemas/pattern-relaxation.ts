/**
 * Rewrites a regular expression (Unicode mode) so that an analysis for infinite repetition also sees what finite
 * repetition costs. recheck calls every expression of a finite language safe, `^(a?){30}a{30}$` and `(a|a)(a|a)...`
 * too, although a backtracking matcher takes 2^30 steps for them. With `?`, `{n,m}` and `*` written as `*`, `+` and
 * `{n}` as `+`, and each group with alternatives repeated, such ambiguity becomes infinite and is found.
 * What stays is ambiguity that no repetition multiplies; each choice doubles it at most, hence the limit on choices.
 * Null when the expression has parts that cannot be judged this way (lookaround, back references) or is too long.
 */
export function relaxPattern(source: string): string | null {
  if (source.length > MAX_LENGTH) return null;
  const relaxed: string[] = [];
  const groups: Group[] = [{ alternatives: 0 }];
  let choices = 0;
  for (let at = 0; at < source.length;) {
    const token = tokenAt(source, at);
    if (token === null) return null;
    at += token.length;
    const last = groups.at(-1);
    if (token === '|' && last) last.alternatives++;
    if (token.startsWith('(')) groups.push({ alternatives: 0 });
    if (token === '|' || isVariable(token)) choices++;
    relaxed.push(relaxToken(token));
    if (token === ')' && (groups.pop()?.alternatives ?? 0) > 0 && !QUANTIFIER.test(source.slice(at))) relaxed.push('+');
  }
  return choices > MAX_CHOICES ? null : relaxed.join('');
}

interface Group {
  alternatives: number;
}

const MAX_LENGTH = 500;
const MAX_CHOICES = 16;
const QUANTIFIER = /^(?:[*+?]|\{\d+(?:,\d*)?\})\??/;
const ESCAPE = /^\\(?:u\{[0-9a-fA-F]+\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[pP]\{[^}]*\}|c[a-zA-Z]|[^0-9k]|0)/;
const CLASS = /^\[(?:[^\]\\]|\\.)*\]/su;
const GROUP = /^\((?:\?:|\?<[^=!>][^>]*>|(?!\?))/;

/** The token at a position: an escape, a class, the opening of a group, a quantifier, or one character. */
function tokenAt(source: string, at: number): string | null {
  const rest = source.slice(at);
  if (rest.startsWith('\\')) return ESCAPE.exec(rest)?.[0] ?? null;
  if (rest.startsWith('[')) return CLASS.exec(rest)?.[0] ?? null;
  if (rest.startsWith('(')) return GROUP.exec(rest)?.[0] ?? null;
  return QUANTIFIER.exec(rest)?.[0] ?? rest.charAt(0);
}

function isVariable(token: string): boolean {
  return QUANTIFIER.test(token) && !/^\{(\d+)(,\1)?\}/.test(token);
}

function relaxToken(token: string): string {
  if (!QUANTIFIER.test(token)) return token;
  const lazy = token.length > 1 && token.endsWith('?') ? '?' : '';
  const mayBeAbsent = /^(?:[*?]|\{0+[,}])/.test(token);
  return (mayBeAbsent ? '*' : '+') + lazy;
}
