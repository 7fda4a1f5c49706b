import { GENERIC_FILTERS } from '../../registry/registry.service.js';
import { readTuple, readUriTuple, type CompiledFilterKey, type CompiledScope } from './compiled-scope.js';
import type { PolicyResource, PolicyTool, ResourceFilters } from './facts.js';
import { TupleSet, type Tuple } from './tuples.js';

/** `*` stands for any characters, `?` for one. No backtracking beyond the last star, so the time is bounded. */
export function matchesGlob(glob: string, text: string): boolean {
  let [at, from, star, resume] = [0, 0, -1, 0];
  while (from < text.length) {
    if (at < glob.length && glob[at] === '*') {
      star = at++;
      resume = from;
    } else if (at < glob.length && (glob[at] === '?' || glob[at] === text[from])) {
      at++;
      from++;
    } else if (star >= 0) {
      at = star + 1;
      from = ++resume;
    } else return false;
  }
  while (glob[at] === '*') at++;
  return at === glob.length;
}

/** Values of a filter key that a scope can look tuples up in; null where the grant does not set the key. */
export interface ActiveFilter {
  key: string;
  /** Which parts of the scope's tuple it speaks of. */
  indexes: readonly number[];
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
      return { key, template, values, indexes: parts.map((part) => scope.parts.indexOf(part)) };
    });
}

export function passes(filter: ActiveFilter, tuple: Tuple): boolean {
  return filter.values.find(filter.indexes.map((index) => tuple[index] ?? '')) !== undefined;
}

/** Declared keys that no scope reads: what they should limit can't be decided. */
export function undecidableKeys(scopes: readonly CompiledScope[], filters: ResourceFilters): string[] {
  const known = new Set([...GENERIC_FILTERS, ...scopes.flatMap((scope) => scope.filters.map(({ key }) => key))]);
  return Object.keys(filters).filter((key) => !known.has(key));
}

/** A filter key, and whether what was asked about holds; keys that do not apply are left out. */
export type Verdicts = { key: string; holds: boolean }[];

/** What the keys that every type has say about a resource or tool. */
export function genericVerdicts(filters: ResourceFilters, resource: PolicyResource, tool: PolicyTool | null): Verdicts {
  const verdicts: Verdicts = [];
  const judge = (key: string, ...texts: string[]): void => {
    if (!Object.hasOwn(filters, key)) return;
    const globs = textsOf(filters[key]);
    verdicts.push({ key, holds: texts.some((text) => globs.some((glob) => matchesGlob(glob, text))) });
  };
  judge('resource_types', resource.type);
  judge('resource_names', resource.name);
  judge('uri_patterns', resource.uri);
  if (tool) judge('tools', tool.name, tool.publicId);
  return verdicts;
}

/** A scope with the filters that a grant sets on it. */
export interface FilteredScope {
  scope: CompiledScope;
  filters: readonly ActiveFilter[];
}

/** What declared keys say about a resource that the scope identifies by its own URI. */
export function declaredVerdicts(scopes: readonly FilteredScope[], resource: PolicyResource): Verdicts {
  return scopes.flatMap(({ scope, filters }) => {
    const tuple = filters.length === 0 ? null : identifiedBy(scope, resource);
    return tuple ? filters.map((filter) => ({ key: filter.key, holds: passes(filter, tuple) })) : [];
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
): boolean {
  const verdicts = [...genericVerdicts(filters, resource, tool), ...declaredVerdicts(scopes, resource)];
  return verdicts.length > 0 && verdicts.every(({ holds }) => holds);
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((text): text is string => typeof text === 'string') : [];
}
