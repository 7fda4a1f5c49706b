// What Compose does with variables (https://docs.docker.com/reference/compose-file/interpolation/), as far as deploy/ needs it.
const VARIABLE = /\$\{(\w+)(?::([?+-])([^}]*))?\}/g;

/** All texts of a parsed Compose file with their variables replaced. @throws for one that is required and missing or empty */
export function interpolate(value, variables) {
  if (typeof value === 'string') {
    return value.replace(VARIABLE, (whole, name, kind, text) => {
      const found = variables[name] ?? '';
      if (kind === '+') return found === '' ? '' : text;
      if (found !== '') return found;
      if (kind === '-') return text;
      throw new Error(`${whole} needs a value`);
    });
  }
  if (Array.isArray(value)) return value.map((entry) => interpolate(entry, variables));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, interpolate(entry, variables)]));
}

/** Of a file as `--env-file` takes it, without quotes. */
export function readVariables(text) {
  const lines = text.split('\n').filter((line) => line !== '');
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}
