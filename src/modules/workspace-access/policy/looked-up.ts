import type { CompiledPlace } from './compiled-scope.js';
import { readPlace } from './places.js';
import type { Tuple } from './tuples.js';

/** What the answer of a read tool says about the place that was asked for; nothing unless it says it completely. */
export function lookedUpTuples(place: CompiledPlace, result: unknown): readonly Tuple[] {
  if (typeof result !== 'object' || result === null) return [];
  const { isError, structuredContent, content } = result as Record<string, unknown>;
  if (isError === true) return [];
  const reading = readPlace(place, structuredContent ?? documentIn(content));
  return reading.state === 'complete' ? reading.tuples : [];
}

function documentIn(content: unknown): unknown {
  if (!Array.isArray(content) || content.length !== 1) return undefined;
  const { type, text } = (content[0] ?? {}) as Record<string, unknown>;
  if (type !== 'text' || typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
