/** A JSON Pointer (RFC 6901), split. `*` stands for each element of an array; it is no part of the RFC. */
export type PointerPath = readonly string[];

export const EACH = '*';

/** @returns null for a text that is no pointer; `''` points at the whole document */
export function parsePointer(text: string): PointerPath | null {
  if (text === '') return [];
  if (!text.startsWith('/')) return null;
  const parts = text.slice(1).split('/');
  if (parts.some((part) => /~(?![01])/.test(part))) return null;
  return parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** What stands at a pointer without `*`; undefined where nothing does. */
export function valueAt(document: unknown, path: PointerPath): unknown {
  let place = document;
  for (const key of path) place = childOf(place, key);
  return place;
}

/** Own members only: nothing of a prototype is data. */
export function childOf(place: unknown, key: string): unknown {
  if (Array.isArray(place)) return /^(0|[1-9]\d{0,9})$/.test(key) ? (place[Number(key)] as unknown) : undefined;
  if (typeof place !== 'object' || place === null || !Object.hasOwn(place, key)) return undefined;
  return (place as Record<string, unknown>)[key];
}

/** A copy of the document with a value at a pointer without `*`; objects on the way are made where they are missing. */
export function withValueAt(document: unknown, path: PointerPath, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const object =
    typeof document === 'object' && document !== null && !Array.isArray(document)
      ? (document as Record<string, unknown>)
      : {};
  return { ...object, [key]: withValueAt(childOf(object, key), rest, value) };
}
