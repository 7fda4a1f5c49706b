import { valueAt } from '../../../platform/json/json-pointer.js';
import { readParts } from '../../../platform/json/value-template.js';
import type { CompiledPlace } from './compiled-scope.js';
import { comparable, hasDotSegment, type Tuple } from './tuples.js';

/**
 * What stands at a place. `absent`: nothing. `partial`: some parts of a tuple, not all. `unfit`: a text that its template does
 * not fit. `unreadable`: something that is no text where one belongs, or a path that has to be interpreted.
 */
export interface Reading {
  state: 'complete' | 'absent' | 'partial' | 'unfit' | 'unreadable';
  tuples: readonly Tuple[];
  /** Pointer to what could not be read. */
  where: string;
}

const NONE: Reading = { state: 'absent', tuples: [], where: '' };

/** What decides for all elements of an array, from the least to the most. */
const WEIGHT: Record<Reading['state'], number> = { absent: 0, complete: 1, partial: 2, unfit: 3, unreadable: 4 };

/**
 * Reads every tuple at a place of a document. The worst reading decides for all, wherever it stands, and all tuples that can
 * be read are told: they must all fit.
 */
export function readPlace(place: CompiledPlace, document: unknown): Reading {
  const elements = elementsOf(document, place.each);
  if (elements === null) return { state: 'unreadable', tuples: [], where: place.entries[0]?.text ?? '' };
  const tuples: Tuple[] = [];
  let worst: Reading = { ...NONE, where: place.entries[0]?.text ?? '' };
  for (const element of elements) {
    const read = readElement(place, element);
    // An element that says nothing is one that nobody can judge.
    const reading: Reading = read.state === 'absent' && place.each.length > 0 ? { ...read, state: 'partial' } : read;
    tuples.push(...reading.tuples);
    if (WEIGHT[reading.state] > WEIGHT[worst.state]) worst = reading;
  }
  return { ...worst, tuples };
}

function readElement(place: CompiledPlace, element: unknown): Reading {
  const values = new Map<string, string>();
  let missing = 0;
  let where = place.entries[0]?.text ?? '';
  for (const { path, text, template } of place.entries) {
    const value = valueAt(element, path);
    if (value === undefined || value === null) {
      missing++;
      where = text;
      continue;
    }
    const written = writtenForm(value);
    if (written === null) return { state: 'unreadable', tuples: [], where: text };
    const parts = readParts(template, written);
    if (!parts) return { state: 'unfit', tuples: [], where: text };
    if (leadsAway(place, parts)) return { state: 'unreadable', tuples: [], where: text };
    for (const [name, part] of parts) values.set(name, part);
  }
  if (missing > 0) return { state: missing === place.entries.length ? 'absent' : 'partial', tuples: [], where };
  const tuple = place.parts.map(({ name }) => values.get(name) ?? '');
  const isComparable = place.parts.every(
    ({ comparison }, index) => comparable(comparison, tuple[index] ?? '') !== null,
  );
  return isComparable ? { state: 'complete', tuples: [tuple], where: '' } : { state: 'unreadable', tuples: [], where };
}

/** Larger numbers were rounded when the JSON was parsed: one would be taken for its neighbour. */
function writtenForm(value: unknown): string | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : null;
  return typeof value === 'string' ? value : null;
}

/** What stands beside the parts of a tuple may be anything, but not lead from it to something else: `DEV-1/../OPS-1`. */
function leadsAway(place: CompiledPlace, parts: ReadonlyMap<string, string>): boolean {
  return [...parts].some(([name, part]) => !place.parts.some((known) => known.name === name) && hasDotSegment(part));
}

/**
 * The elements of nested arrays; null where something else stands in the place of an array. An element without the array
 * within it, or with an empty one, stays as one that says nothing.
 */
function elementsOf(document: unknown, arrays: CompiledPlace['each']): unknown[] | null {
  let level = [document];
  for (const [depth, path] of arrays.entries()) {
    const next: unknown[] = [];
    for (const element of level) {
      const array = valueAt(element, path) ?? [];
      if (!Array.isArray(array)) return null;
      for (const inner of array as unknown[]) next.push(inner);
      if (array.length === 0 && depth > 0) next.push(undefined);
    }
    level = next;
  }
  return level;
}
