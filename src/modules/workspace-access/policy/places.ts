import { valueAt } from '../../../platform/json/json-pointer.js';
import { readParts } from '../../../platform/json/value-template.js';
import type { CompiledPlace } from './compiled-scope.js';
import { comparable, type Tuple } from './tuples.js';

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

/** Reads every tuple at a place of a document. One that can't be read decides for all: they must all fit. */
export function readPlace(place: CompiledPlace, document: unknown): Reading {
  const elements = elementsOf(document, place.each);
  if (elements === null) return { state: 'unreadable', tuples: [], where: place.entries[0]?.text ?? '' };
  const tuples: Tuple[] = [];
  for (const element of elements) {
    const reading = readElement(place, element);
    if (reading.state === 'absent' && place.each.length > 0) return { ...reading, state: 'partial' };
    if (reading.state === 'absent') continue;
    if (reading.state !== 'complete') return reading;
    tuples.push(...reading.tuples);
  }
  return tuples.length === 0
    ? { ...NONE, where: place.entries[0]?.text ?? '' }
    : { state: 'complete', tuples, where: '' };
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
    if (typeof value !== 'string' && !Number.isInteger(value)) return { state: 'unreadable', tuples: [], where: text };
    const parts = readParts(template, String(value));
    if (!parts) return { state: 'unfit', tuples: [], where: text };
    for (const [name, part] of parts) values.set(name, part);
  }
  if (missing > 0) return { state: missing === place.entries.length ? 'absent' : 'partial', tuples: [], where };
  const tuple = place.parts.map(({ name }) => values.get(name) ?? '');
  const isComparable = place.parts.every(
    ({ comparison }, index) => comparable(comparison, tuple[index] ?? '') !== null,
  );
  return isComparable ? { state: 'complete', tuples: [tuple], where: '' } : { state: 'unreadable', tuples: [], where };
}

/** The elements of nested arrays; null where something else stands in the place of an array. */
function elementsOf(document: unknown, arrays: CompiledPlace['each']): unknown[] | null {
  let level = [document];
  for (const path of arrays) {
    const next: unknown[] = [];
    for (const element of level) {
      const array = valueAt(element, path);
      if (array === undefined || array === null) continue;
      if (!Array.isArray(array)) return null;
      for (const inner of array as unknown[]) next.push(inner);
    }
    level = next;
  }
  return level;
}
