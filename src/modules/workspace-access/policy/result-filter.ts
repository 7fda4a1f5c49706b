import { itemsPageIn, metaOfItemsPage } from '../../../mcp/provider-meta.js';
import { childOf, EACH, valueAt, withValueAt, type PointerPath } from '../../../platform/json/json-pointer.js';
import { readTuple, type CompiledResultFilter } from './compiled-scope.js';
import type { Allowed, ResultRule } from './decide-call.js';
import { judgeTuple, type ScopePolicy } from './grant-policy.js';
import { readPlace } from './places.js';

type Json = Record<string, unknown>;
type ItemsFilter = Extract<CompiledResultFilter, { kind: 'items' }>;
type LinesFilter = Extract<CompiledResultFilter, { kind: 'lines' }>;

/** An answer with everything taken out that the grant does not allow, or null: nothing of it may be seen. */
export type Filtered = Json | null;

/** Not covered by the declaration. */
const UNCOVERED = Symbol('uncovered');

const ERROR_WITHHELD =
  'The tool reported an error. Its text is withheld, because it could not be checked against the grant.';

/**
 * A tool's result (MCP 2025-11-25, CallToolResult). The same data may stand in it several times, as text and as structured
 * content: each is filtered by itself, and what is not of the declared form is taken out, so that no twin gets through.
 */
export function filterToolResult(result: unknown, { results: rules, decidedBefore }: Allowed): Filtered {
  if (rules.length === 0) return isObject(result) ? result : null;
  if (!isObject(result)) return null;
  const parts = Array.isArray(result.content) ? result.content.filter(isObject) : [];
  if (result.isError === true) return errorResult(parts, decidedBefore);
  const structured =
    result.structuredContent === undefined ? UNCOVERED : filterStructured(result.structuredContent, rules);
  const content = parts.flatMap((part) => {
    const text = textOf(part);
    const filtered = text === null ? UNCOVERED : filterText(text, rules);
    return filtered === UNCOVERED ? [] : [withText(part, filtered)];
  });
  const isEmpty = parts.length === 0 && result.structuredContent === undefined;
  if (content.length === 0 && structured === UNCOVERED) return isEmpty ? { content: [] } : null;
  if (structured === UNCOVERED) return { content };
  return {
    content: content.length > 0 ? content : [{ type: 'text', text: JSON.stringify(structured) }],
    structuredContent: structured,
  };
}

/** Contents of a resource (MCP 2025-11-25, ReadResourceResult). */
export function filterResourceResult(result: unknown, { results: rules }: Allowed): Filtered {
  if (!isObject(result)) return null;
  if (rules.length === 0) return result;
  const parts = Array.isArray(result.contents) ? result.contents.filter(isObject) : [];
  const contents = parts.flatMap((part) => {
    const filtered = typeof part.text === 'string' ? filterText(part.text, rules) : UNCOVERED;
    if (filtered === UNCOVERED) return [];
    return [{ ...namesOf(part), text: filtered }];
  });
  if (contents.length === 0 && parts.length > 0) return null;
  const page = itemsPageIn(result);
  return page ? { contents, _meta: metaOfItemsPage(page) } : { contents };
}

/** Where the arguments decided, an error speaks of what is granted; elsewhere it could speak of anything. */
function errorResult(parts: Json[], decidedBefore: boolean): Json {
  const texts = parts.filter((part) => part.type === 'text' && typeof part.text === 'string');
  const content = decidedBefore
    ? texts.map((part) => ({ type: 'text', text: part.text }))
    : [{ type: 'text', text: ERROR_WITHHELD }];
  return { content, isError: true };
}

function textOf(part: Json): string | null {
  if (part.type === 'text' && typeof part.text === 'string') return part.text;
  if (part.type === 'resource' && isObject(part.resource) && typeof part.resource.text === 'string')
    return part.resource.text;
  return null;
}

/** Nothing but the text: other members could say what was taken out of it. */
function withText(part: Json, text: string): Json {
  if (part.type === 'text') return { type: 'text', text };
  return { type: 'resource', resource: { ...namesOf(part.resource as Json), text } };
}

/** Texts alone: anything else in their place would be content. */
function namesOf({ uri, mimeType }: Json): Json {
  return { ...(typeof uri === 'string' ? { uri } : {}), ...(typeof mimeType === 'string' ? { mimeType } : {}) };
}

/** Every rule must cover it. */
function filterText(text: string, rules: readonly ResultRule[]): string | typeof UNCOVERED {
  let current: string = text;
  for (const { scope, filters } of rules) {
    const [first] = filters;
    if (first?.kind === 'lines') {
      current = filterLines(current, scope, first);
      continue;
    }
    const document = parsed(current);
    const filtered = document === UNCOVERED ? UNCOVERED : filterItems(document, scope, filters);
    const rendered = filtered === UNCOVERED ? UNCOVERED : serialized(filtered);
    if (rendered === UNCOVERED) return UNCOVERED;
    current = rendered;
  }
  return current;
}

function filterStructured(structured: unknown, rules: readonly ResultRule[]): unknown {
  let current = structured;
  for (const { scope, filters } of rules) {
    const [first] = filters;
    current =
      first?.kind === 'lines' ? filterStructuredLines(current, scope, first) : filterItems(current, scope, filters);
    if (current === UNCOVERED) return UNCOVERED;
  }
  return serialized(current) === UNCOVERED ? UNCOVERED : current;
}

/** Whatever some reader takes for the end of a line: else one that is allowed would carry others along. */
const LINE_END = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/;

/** Lines that are not of the declared form say something that nobody can judge: they go too. */
function filterLines(text: string, scope: ScopePolicy, filter: LinesFilter): string {
  return text
    .split(LINE_END)
    .filter((line) => {
      if (filter.keep.has(line)) return true;
      const tuple = readTuple(filter.template, filter.parts, line);
      return tuple !== null && judgeTuple(scope, tuple).allowed;
    })
    .join('\n');
}

function filterStructuredLines(structured: unknown, scope: ScopePolicy, filter: LinesFilter): unknown {
  if (filter.structured === null) return UNCOVERED;
  const text = valueAt(structured, filter.structured);
  return typeof text === 'string' ? withValueAt({}, filter.structured, filterLines(text, scope, filter)) : UNCOVERED;
}

function filterItems(document: unknown, scope: ScopePolicy, filters: readonly CompiledResultFilter[]): unknown {
  let current = document;
  for (const filter of filters) {
    if (filter.kind !== 'items') return UNCOVERED;
    current = rewrite(current, filter.items, filter, (item) => isAllowed(scope, filter, item));
    // A single item that was the whole answer.
    if (current === UNCOVERED || current === undefined) return UNCOVERED;
  }
  return current;
}

function isAllowed(scope: ScopePolicy, filter: ItemsFilter, item: unknown): boolean {
  const { state, tuples } = readPlace(filter.place, item);
  return state === 'complete' && tuples.every((tuple) => judgeTuple(scope, tuple).allowed);
}

/** The document without items that may not be seen; undefined where the item is the place itself. */
function rewrite(place: unknown, path: PointerPath, filter: ItemsFilter, keeps: (item: unknown) => boolean): unknown {
  const [key, ...rest] = path;
  if (place === undefined || place === null) return filter.optional ? place : UNCOVERED;
  if (key === undefined) {
    if (Array.isArray(place)) return place.filter(keeps);
    return keeps(place) ? place : undefined;
  }
  if (key === EACH) {
    if (!Array.isArray(place)) return UNCOVERED;
    const elements = place.map((element) => rewrite(element, rest, filter, keeps));
    return elements.includes(UNCOVERED) ? UNCOVERED : elements.filter((element) => element !== undefined);
  }
  if (!isObject(place) && !(Array.isArray(place) && /^\d+$/.test(key))) return UNCOVERED;
  const child = rewrite(childOf(place, key), rest, filter, keeps);
  if (child === UNCOVERED) return UNCOVERED;
  return replaced(place, key, child);
}

function replaced(place: Json | unknown[], key: string, child: unknown): unknown {
  if (Array.isArray(place)) {
    return child === undefined ? place.filter((_, index) => index !== Number(key)) : place.with(Number(key), child);
  }
  if (child !== undefined) return { ...place, [key]: child };
  const { [key]: _removed, ...others } = place;
  return others;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return UNCOVERED;
  }
}

/** Too deep to be written is too deep to be seen. */
function serialized(value: unknown): string | typeof UNCOVERED {
  try {
    return JSON.stringify(value);
  } catch {
    return UNCOVERED;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
