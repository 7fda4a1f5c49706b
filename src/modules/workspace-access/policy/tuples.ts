import type { Comparison } from '../../registry/registry.service.js';

/** Values of the parts of a scope, in its order, as they were written. */
export type Tuple = readonly string[];

export interface Part {
  name: string;
  comparison: Comparison;
}

/**
 * A value in the form in which it is compared; null where it can't be compared.
 *
 * Paths must be absolute and normalized already: what `..`, a doubled slash or a backslash comes to is for the server to
 * say. Servers trim white space and quotes, so a segment that becomes a dot segment without them counts as one.
 */
export function comparable(comparison: Comparison, value: string): string | null {
  if (value === '') return null;
  if (comparison === 'exact') return value;
  if (comparison === 'case_insensitive') return value.toLowerCase();
  if (!value.startsWith('/') || /[\\\p{Cc}\p{Cf}]/u.test(value)) return null;
  const path = value.length > 1 && value.endsWith('/') ? value.slice(0, -1) : value;
  const segments = path.slice(1).split('/');
  return path === '/' || !segments.some((segment) => ['', '.', '..'].includes(bare(segment))) ? path : null;
}

/**
 * Whether a server that resolves a text or URI may end up beside what it names: `.` and `..` between slashes, encoded
 * however often. URL parsers drop control characters, and take `%2e` for a dot (WHATWG URL, 4.4).
 */
export function hasDotSegment(text: string): boolean {
  const decoded = fullyDecoded(text);
  if (decoded === null) return true;
  return decoded.split(/[\\/?#&=;]/).some((segment) => ['.', '..'].includes(bare(segment)));
}

/** A URI in a form that other spellings of it share as well: encoded otherwise, in another case, with a slash at its end. */
export function spelling(uri: string): string {
  const decoded = fullyDecoded(uri) ?? uri;
  let end = decoded.length;
  while (decoded[end - 1] === '/') end--;
  return decoded.slice(0, end).normalize('NFKC').toLowerCase();
}

const MOST_LAYERS = 8;

/** Without percent-encoding, be it encoded several times; null where there is no end to it. */
function fullyDecoded(text: string): string | null {
  let current = text;
  for (let layer = 0; layer < MOST_LAYERS; layer++) {
    const next = current.includes('%') ? current.replaceAll(/(?:%[0-9a-f]{2})+/gi, decodedRun) : current;
    if (next === current) return current;
    current = next;
  }
  return null;
}

/** Where bytes are no UTF-8, those that are ASCII still are. */
function decodedRun(run: string): string {
  try {
    return decodeURIComponent(run);
  } catch {
    return run.replaceAll(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
}

/** Without what servers trim or drop. */
function bare(segment: string): string {
  return segment.replaceAll(/["'\s\p{Cc}\p{Cf}]/gu, '');
}

/** Tuples with what they belong to; a path holds everything below it. */
export class TupleSet<T> {
  private readonly entries = new Map<string, { tuple: Tuple; value: T }>();
  private readonly pathIndex: number;
  /** So that a path of very many segments is not looked up once for each. */
  private readonly pathLengths = new Set<number>();

  constructor(private readonly parts: readonly Part[]) {
    this.pathIndex = parts.findIndex((part) => part.comparison === 'path');
  }

  get size(): number {
    return this.entries.size;
  }

  /** A tuple that can't be compared is left out: it would hold nothing. */
  add(tuple: Tuple, value: T): void {
    const form = this.form(tuple);
    if (!form || this.entries.has(key(form))) return;
    this.entries.set(key(form), { tuple, value });
    const path = form[this.pathIndex];
    if (path !== undefined) this.pathLengths.add(path.length);
  }

  /** What the tuple belongs to: for a path, the nearest one at or above it. */
  find(tuple: Tuple): T | undefined {
    const form = this.form(tuple);
    if (!form) return undefined;
    for (const candidate of this.atOrAbove(form)) {
      const entry = this.entries.get(key(candidate));
      if (entry) return entry.value;
    }
    return undefined;
  }

  *tuples(): Generator<Tuple> {
    for (const { tuple } of this.entries.values()) yield tuple;
  }

  private form(tuple: Tuple): string[] | null {
    const form: string[] = [];
    for (const [index, { comparison }] of this.parts.entries()) {
      const value = comparable(comparison, tuple[index] ?? '');
      if (value === null) return null;
      form.push(value);
    }
    return form;
  }

  private *atOrAbove(form: string[]): Generator<string[]> {
    yield form;
    let path = form[this.pathIndex];
    while (path !== undefined && path !== '/') {
      path = path.slice(0, path.lastIndexOf('/')) || '/';
      if (this.pathLengths.has(path.length)) yield form.with(this.pathIndex, path);
    }
  }
}

/** Lengths keep the parts apart, whatever characters they have. */
function key(form: readonly string[]): string {
  return form.map((value) => `${value.length}:${value}`).join('');
}
