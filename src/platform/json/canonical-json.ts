/** One text for values that are the same: properties in the order of their names. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
  return `{${members.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`;
}

/**
 * JSON text that PostgreSQL takes: it stores neither NUL nor half a surrogate pair, which JSON can spell. They become
 * U+FFFD. An escaped backslash is skipped, so that a text about `\u0000` stays as it is.
 */
export function storableJson(value: unknown): string {
  return JSON.stringify(value).replace(/\\\\|\\u0000|\\ud[89a-f][0-9a-f]{2}/gi, (match) =>
    match === '\\\\' ? match : '\\ufffd',
  );
}
