export type Json = Record<string, unknown>;

/** What GitHub answers is read by these: whatever is not of the expected form reads as nothing. */
export function objectIn(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

export function objectsIn(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(objectIn) : [];
}

export function textIn(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function numberIn(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null;
}

/** Ids as text, as items have them everywhere. */
export function idIn(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** The named members as far as they are texts, numbers, truth values or null. */
export function scalarsOf(object: Json, names: readonly string[]): Json {
  const picked: Json = {};
  for (const name of names) {
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) picked[name] = value;
  }
  return picked;
}

/** RFC 3339, or a day. */
const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d))?$/;

/** In UTC and whole seconds, as GitHub writes times and takes them; null for what is none. */
export function timeIn(value: unknown): string | null {
  const ms = typeof value === 'string' && TIME.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? null : `${new Date(ms).toISOString().slice(0, -5)}Z`;
}
