import { EACH, parsePointer, type PointerPath } from '../../../platform/json/json-pointer.js';
import { parseTemplate, readParts, type ValueTemplate } from '../../../platform/json/value-template.js';
import type { Place, ResultFilter, Scope, ToolBinding } from '../../registry/registry.service.js';
import type { Part, Tuple } from './tuples.js';

/** A declared scope with its templates and pointers parsed; declarations were checked when the type was saved. */
export interface CompiledScope {
  name: string;
  parts: readonly Part[];
  resources: readonly ValueTemplate[];
  filters: readonly CompiledFilterKey[];
  tools: ReadonlyMap<string, CompiledBinding>;
  reads: readonly { uri: ValueTemplate; results: readonly CompiledResultFilter[] }[];
}

/** A filter key may speak of some of the parts: organizations, where the tuple is owner and repository. */
export interface CompiledFilterKey {
  key: string;
  template: ValueTemplate;
  parts: readonly Part[];
}

export interface CompiledPlace {
  /** Arrays to go through, up to the last `*`; empty where there is none. */
  each: readonly PointerPath[];
  entries: readonly { path: PointerPath; text: string; template: ValueTemplate }[];
  parts: readonly Part[];
}

export interface CompiledBinding {
  arguments: readonly CompiledPlace[];
  inject: { at: PointerPath; template: ValueTemplate; as: 'single' | 'list' } | null;
  resolve: { tool: string; arguments: readonly [name: string, path: PointerPath][]; result: CompiledPlace } | null;
  results: readonly CompiledResultFilter[];
}

export type CompiledResultFilter =
  | { kind: 'items'; items: PointerPath; place: CompiledPlace; optional: boolean }
  | {
      kind: 'lines';
      template: ValueTemplate;
      parts: readonly Part[];
      structured: PointerPath | null;
      keep: ReadonlySet<string>;
    };

export function compileScope(scope: Scope): CompiledScope {
  const parts = Object.entries(scope.parts).map(([name, comparison]) => ({ name, comparison }));
  return {
    name: scope.name,
    parts,
    resources: (scope.resources ?? []).map(template),
    filters: Object.entries(scope.filters ?? {}).map(([key, text]) => filterKey(key, template(text), parts)),
    tools: new Map(Object.entries(scope.tools ?? {}).map(([tool, declared]) => [tool, binding(declared, parts)])),
    reads: (scope.reads ?? []).map(({ uri, results = [] }) => ({
      uri: template(uri),
      results: results.map((filter) => resultFilter(filter, parts)),
    })),
  };
}

/** The tuple in a text, or null. Names that are no parts stand for anything. */
export function readTuple(from: ValueTemplate, parts: readonly Part[], text: string): Tuple | null {
  const values = readParts(from, text);
  return values && parts.map(({ name }) => values.get(name) ?? '');
}

/** The same in a URI, whose parts are percent-encoded. */
export function readUriTuple(from: ValueTemplate, parts: readonly Part[], uri: string): Tuple | null {
  const tuple = readTuple(from, parts, uri);
  if (!tuple) return null;
  try {
    return tuple.map((value) => decodeURIComponent(value));
  } catch {
    return null;
  }
}

function filterKey(key: string, parsed: ValueTemplate, parts: readonly Part[]): CompiledFilterKey {
  return { key, template: parsed, parts: parts.filter(({ name }) => parsed.names.includes(name)) };
}

function binding(declared: ToolBinding, parts: readonly Part[]): CompiledBinding {
  const { inject, resolve } = declared;
  return {
    arguments: (declared.arguments ?? []).map((entry) => place(entry, parts)),
    inject: inject ? { at: pointer(inject.at), template: template(inject.value), as: inject.as } : null,
    resolve: resolve
      ? {
          tool: resolve.tool,
          arguments: Object.entries(resolve.arguments).map(([name, at]) => [name, pointer(at)]),
          result: place(resolve.result, parts),
        }
      : null,
    results: (declared.results ?? []).map((filter) => resultFilter(filter, parts)),
  };
}

function place(declared: Place, parts: readonly Part[]): CompiledPlace {
  const entries = Object.entries(declared).map(([text, value]) => ({
    text,
    full: pointer(text),
    template: template(value),
  }));
  const prefixLength = (entries[0]?.full.lastIndexOf(EACH) ?? -1) + 1;
  return {
    each: arraysOf(entries[0]?.full.slice(0, prefixLength) ?? []),
    entries: entries.map(({ text, full, template: parsed }) => ({
      text,
      path: full.slice(prefixLength),
      template: parsed,
    })),
    parts,
  };
}

/** A pointer with several `*` leads through one array in each element of another. */
function arraysOf(prefix: PointerPath): PointerPath[] {
  const arrays: string[][] = [];
  let path: string[] = [];
  for (const key of prefix) {
    if (key !== EACH) path.push(key);
    else {
      arrays.push(path);
      path = [];
    }
  }
  return arrays;
}

function resultFilter(declared: ResultFilter, parts: readonly Part[]): CompiledResultFilter {
  return declared.kind === 'items'
    ? {
        kind: 'items',
        items: pointer(declared.items),
        place: place(declared.parts, parts),
        optional: declared.optional ?? false,
      }
    : {
        kind: 'lines',
        template: template(declared.value),
        parts,
        structured: declared.structured === undefined ? null : pointer(declared.structured),
        keep: new Set(declared.keep ?? []),
      };
}

function template(text: string): ValueTemplate {
  const parsed = parseTemplate(text);
  if (typeof parsed === 'string') throw new Error(`a stored template ${parsed}`);
  return parsed;
}

function pointer(text: string): PointerPath {
  const path = parsePointer(text);
  if (!path) throw new Error('a stored pointer is none');
  return path;
}
