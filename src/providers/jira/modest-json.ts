const DEEPEST = 1_000;
const [QUOTE, COMMA, BACKSLASH] = [0x22, 0x2c, 0x5c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Why JSON is not read, null where it may be: while it is parsed, everybody waits, and a dense text has a million values in a
 * few megabytes. To look through it takes a twentieth of that.
 */
export function whyNotRead(json: string, mostValues: number): string | null {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) at = endOfText(json, at);
    else if (code === COMMA) values++;
    else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth--;
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      values++;
      if (++depth > DEEPEST) return 'Jira answered something that is nested too deeply';
    }
    if (values > mostValues) return TOO_LARGE;
  }
  return null;
}

export const TOO_LARGE = 'The answer of Jira is too large: ask for fewer issues or fields';

function endOfText(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at++;
  }
  return json.length;
}
