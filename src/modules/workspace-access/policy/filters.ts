import { GENERIC_FILTERS } from '../../registry/registry.service.js';
import { readTuple, readUriTuple, type CompiledFilterKey, type CompiledScope } from './compiled-scope.js';
import type { PolicyResource, PolicyTool, ResourceFilters } from './facts.js';
import { TupleSet, type Tuple } from './tuples.js';

/**
 * Work that one compilation may do on globs, in characters looked at: some 100 ms. Whoever writes filters that need more
 * delays nobody else, and is told when saving them.
 */
export class Effort {
  private left = 20_000_000;

  /** @throws FiltersTooCostly */
  spend(characters: number): void {
    this.left -= characters;
    if (this.left < 0) throw new FiltersTooCostly();
  }
}

export class FiltersTooCostly extends Error {}

/** `*` stands for any characters, `?` for one. Every piece between stars is looked for once, from left to right. */
export function matchesGlob(glob: string, text: string, effort?: Effort): boolean {
  const [head = '', ...pieces] = glob.split('*');
  const tail = pieces.pop();
  if (tail === undefined) return text.length === glob.length && fitsAt(head, text, 0, effort);
  if (head.length + tail.length > text.length || !fitsAt(head, text, 0, effort)) return false;
  const end = text.length - tail.length;
  if (!fitsAt(tail, text, end, effort)) return false;
  let from = head.length;
  for (const piece of pieces) {
    const at = placeOf(piece, text, from, end, effort);
    if (at < 0) return false;
    from = at + piece.length;
  }
  return true;
}

/** The first place of a piece in text[from..end), or -1. */
function placeOf(piece: string, text: string, from: number, end: number, effort?: Effort): number {
  for (let at = from; at + piece.length <= end; at++) if (fitsAt(piece, text, at, effort)) return at;
  return -1;
}

function fitsAt(piece: string, text: string, at: number, effort?: Effort): boolean {
  let index = 0;
  while (index < piece.length && (piece[index] === '?' || piece[index] === text[at + index])) index++;
  effort?.spend(index + 1);
  return index === piece.length;
}

/** Values of a filter key that a scope can look tuples up in; null where the grant does not set the key. */
export interface ActiveFilter {
  key: string;
  /** Which parts of the scope's tuple it speaks of. */
  indexes: readonly number[];
  parts: CompiledFilterKey['parts'];
  values: TupleSet<true>;
  template: CompiledFilterKey['template'];
}

export function activeFilters(scope: CompiledScope, filters: ResourceFilters): ActiveFilter[] {
  return scope.filters
    .filter(({ key }) => Object.hasOwn(filters, key))
    .map(({ key, template, parts }) => {
      const values = new TupleSet<true>(parts);
      for (const text of textsOf(filters[key])) {
        const tuple = readTuple(template, parts, text);
        if (tuple) values.add(tuple, true);
      }
      return { key, template, values, parts, indexes: parts.map((part) => scope.parts.indexOf(part)) };
    });
}

export function passes(filter: ActiveFilter, tuple: Tuple): boolean {
  return filter.values.find(filter.indexes.map((index) => tuple[index] ?? '')) !== undefined;
}

/** Whether the filter leaves anything of a tuple: a folder of which it names a part is not rejected, its calls are. */
export function reaches(filter: ActiveFilter, tuple: Tuple): boolean {
  if (passes(filter, tuple)) return true;
  if (filter.parts.every(({ comparison }) => comparison !== 'path')) return false;
  const whole = new TupleSet<true>(filter.parts);
  whole.add(
    filter.indexes.map((index) => tuple[index] ?? ''),
    true,
  );
  return [...filter.values.tuples()].some((value) => whole.find(value) === true);
}

/** Declared keys that no scope reads: what they should limit can't be decided. */
export function undecidableKeys(scopes: readonly CompiledScope[], filters: ResourceFilters): string[] {
  const known = new Set([...GENERIC_FILTERS, ...scopes.flatMap((scope) => scope.filters.map(({ key }) => key))]);
  return Object.keys(filters).filter((key) => !known.has(key));
}

/** A filter key, and whether what was asked about holds; keys that do not apply are left out. */
export type Verdicts = { key: string; holds: boolean }[];

/** The globs of a key, those without a wildcard apart: there may be many of them. */
interface Globs {
  exact: ReadonlySet<string>;
  wild: readonly string[];
}

const compiledGlobs = new WeakMap<object, Globs>();

function globsOf(value: unknown): Globs {
  if (typeof value !== 'object' || value === null) return { exact: new Set(), wild: [] };
  const known = compiledGlobs.get(value);
  if (known) return known;
  const texts = textsOf(value);
  const isWild = (text: string): boolean => /[*?]/.test(text);
  const globs = { exact: new Set(texts.filter((text) => !isWild(text))), wild: texts.filter(isWild) };
  compiledGlobs.set(value, globs);
  return globs;
}

/** What the keys that every type has say about a resource or tool. @throws FiltersTooCostly where effort is counted */
export function genericVerdicts(
  filters: ResourceFilters,
  resource: PolicyResource,
  tool: PolicyTool | null,
  effort?: Effort,
): Verdicts {
  const verdicts: Verdicts = [];
  const judge = (key: string, ...texts: string[]): void => {
    if (!Object.hasOwn(filters, key)) return;
    const { exact, wild } = globsOf(filters[key]);
    const fits = (text: string): boolean => exact.has(text) || wild.some((glob) => matchesGlob(glob, text, effort));
    verdicts.push({ key, holds: texts.some(fits) });
  };
  judge('resource_types', resource.type);
  judge('resource_names', resource.name);
  judge('uri_patterns', resource.uri);
  if (tool) judge('tools', tool.name, tool.publicId);
  return verdicts;
}

/** The same for one resource; what takes too long to decide does not pass. */
export function passesGeneric(filters: ResourceFilters, resource: PolicyResource): boolean {
  try {
    return genericVerdicts(filters, resource, null, new Effort()).every(({ holds }) => holds);
  } catch (error) {
    if (error instanceof FiltersTooCostly) return false;
    throw error;
  }
}

/** A scope with the filters that a grant sets on it. */
export interface FilteredScope {
  scope: CompiledScope;
  filters: readonly ActiveFilter[];
}

/** What declared keys say about a resource that the scope identifies by its own URI. */
export function declaredVerdicts(
  scopes: readonly FilteredScope[],
  resource: PolicyResource,
  holds: typeof passes = passes,
): Verdicts {
  return scopes.flatMap(({ scope, filters }) => {
    const tuple = filters.length === 0 ? null : identifiedBy(scope, resource);
    return tuple ? filters.map((filter) => ({ key: filter.key, holds: holds(filter, tuple) })) : [];
  });
}

/** The tuple of a scope that a resource's URI gives, or null. */
export function identifiedBy(scope: CompiledScope, resource: PolicyResource): Tuple | null {
  if (resource.kind !== 'resource') return null;
  for (const template of scope.resources) {
    const tuple = readUriTuple(template, scope.parts, resource.uri);
    if (tuple) return tuple;
  }
  return null;
}

/** Whether auto-sync takes a resource in: at least one key applies to it, and every key that applies holds. */
export function matchesFilters(
  filters: ResourceFilters,
  scopes: readonly FilteredScope[],
  resource: PolicyResource,
  tool: PolicyTool | null,
  effort?: Effort,
): boolean {
  const verdicts = [...genericVerdicts(filters, resource, tool, effort), ...declaredVerdicts(scopes, resource)];
  return verdicts.length > 0 && verdicts.every(({ holds }) => holds);
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((text): text is string => typeof text === 'string') : [];
}
