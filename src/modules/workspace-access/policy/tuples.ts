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
  const isOdd = (segment: string): boolean => /^["'\s]*\.{0,2}["'\s]*$/.test(segment);
  return path === '/' || !segments.some(isOdd) ? path : null;
}

/** Tuples with what they belong to; a path holds everything below it. */
export class TupleSet<T> {
  private readonly entries = new Map<string, { tuple: Tuple; value: T }>();
  private readonly pathIndex: number;

  constructor(private readonly parts: readonly Part[]) {
    this.pathIndex = parts.findIndex((part) => part.comparison === 'path');
  }

  get size(): number {
    return this.entries.size;
  }

  /** A tuple that can't be compared is left out: it would hold nothing. */
  add(tuple: Tuple, value: T): void {
    const form = this.form(tuple);
    if (form && !this.entries.has(key(form))) this.entries.set(key(form), { tuple, value });
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
      yield form.with(this.pathIndex, path);
    }
  }
}

/** Lengths keep the parts apart, whatever characters they have. */
function key(form: readonly string[]): string {
  return form.map((value) => `${value.length}:${value}`).join('');
}
