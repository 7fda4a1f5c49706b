import { invalid } from '../../platform/http/domain-error.js';
import { NOT_STORABLE } from '../../platform/http/body-rules.js';
import { EACH, parsePointer } from '../../platform/json/json-pointer.js';
import { parseTemplate } from '../../platform/json/value-template.js';
import { FORBIDDEN_KEYS } from '../../platform/schemas/schema-keywords.js';
import type { Comparison, DeclaredResource, Scope, VerifiedEffect } from './scopes.js';
import type { JsonSchema } from './transport.js';

const MOST = { scopes: 16, parts: 8, tools: 500, places: 16, resources: 500, effects: 2_000 };
const NAME = /^[a-z][a-z0-9_]{0,63}$/;
const WORD = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const COMPARISONS: readonly unknown[] = ['exact', 'case_insensitive', 'path'] satisfies Comparison[];
const EFFECTS: readonly unknown[] = ['read', 'write', 'destructive'] satisfies VerifiedEffect[];
/** Filter keys that every type has; a scope can't take them over. */
export const GENERIC_FILTERS = ['resource_types', 'resource_names', 'uri_patterns', 'tools'];

type Json = Record<string, unknown>;

/** What a type declares for policy, from a request body. */
export interface PolicyDeclarations {
  scopes: Scope[];
  toolEffects: Record<string, VerifiedEffect>;
  declaredResources: DeclaredResource[];
}

/**
 * Refuses what can't work, with the reason: a declaration that never decides would deny everything without a word.
 * @throws DomainError 400 naming each place
 */
export function checkDeclarations(
  input: { scopes?: unknown; tool_effects?: unknown; declared_resources?: unknown },
  scopingConfigSchema: JsonSchema,
): PolicyDeclarations {
  const check = new DeclarationCheck(scopingConfigSchema, (input.tool_effects ?? {}) as Json);
  check.effects(input.tool_effects ?? {});
  check.scopes(input.scopes ?? []);
  check.resources(input.declared_resources ?? []);
  if (check.problems.size > 0) throw invalid(Object.fromEntries(check.problems));
  return {
    scopes: (input.scopes ?? []) as Scope[],
    toolEffects: (input.tool_effects ?? {}) as Record<string, VerifiedEffect>,
    declaredResources: (input.declared_resources ?? []) as DeclaredResource[],
  };
}

/** One pass over everything, so that every mistake is named at once. */
class DeclarationCheck {
  readonly problems = new Map<string, string[]>();

  constructor(
    private readonly scopingConfigSchema: JsonSchema,
    private readonly toolEffects: Json,
  ) {}

  effects(input: unknown): void {
    const effects = this.object(input, 'tool_effects', MOST.effects);
    for (const [tool, effect] of Object.entries(effects)) {
      const field = `tool_effects.${tool}`;
      this.key(tool, field);
      if (!EFFECTS.includes(effect)) this.report(field, 'must be read, write or destructive');
    }
  }

  resources(input: unknown): void {
    const uris = new Set<unknown>();
    for (const [field, entry] of this.list(input, 'declared_resources', MOST.resources)) {
      const resource = this.object(entry, field);
      this.refuseUnknown(resource, ['uri', 'name', 'type', 'description', 'parent'], field);
      this.text(resource.uri, `${field}.uri`, 2_048);
      this.text(resource.name, `${field}.name`, 500);
      if (typeof resource.type !== 'string' || !WORD.test(resource.type) || ['tool', 'prompt'].includes(resource.type))
        this.report(`${field}.type`, 'must be 1 to 64 lower case letters, digits, _ or -, and neither tool nor prompt');
      if (resource.description !== undefined) this.text(resource.description, `${field}.description`, 2_000);
      if (resource.parent !== undefined && !uris.has(resource.parent))
        this.report(`${field}.parent`, 'must be the uri of a resource before it');
      if (uris.has(resource.uri)) this.report(`${field}.uri`, 'is there twice');
      uris.add(resource.uri);
    }
  }

  scopes(input: unknown): void {
    const names = new Set<unknown>();
    for (const [field, entry] of this.list(input, 'scopes', MOST.scopes)) {
      const scope = this.object(entry, field);
      this.refuseUnknown(scope, ['name', 'parts', 'resources', 'filters', 'tools', 'reads'], field);
      if (typeof scope.name !== 'string' || !NAME.test(scope.name))
        this.report(`${field}.name`, 'must be a word of lower case letters, digits and _');
      if (names.has(scope.name)) this.report(`${field}.name`, 'is there twice');
      names.add(scope.name);
      this.scope(scope, field);
    }
  }

  private scope(scope: Json, field: string): void {
    const parts = this.parts(scope.parts, `${field}.parts`);
    const resources = [...this.list(scope.resources ?? [], `${field}.resources`, MOST.places)];
    for (const [place, template] of resources) this.wholeTuple([this.template(template, place)], parts, place);
    const filters = this.object(scope.filters ?? {}, `${field}.filters`, MOST.parts);
    for (const [key, template] of Object.entries(filters)) this.filter(key, template, parts, `${field}.filters.${key}`);
    if (resources.length === 0 && Object.keys(filters).length === 0)
      this.report(field, 'decides nothing: it has neither resources nor filters');
    const tools = this.object(scope.tools ?? {}, `${field}.tools`, MOST.tools);
    for (const [tool, binding] of Object.entries(tools)) {
      this.key(tool, `${field}.tools.${tool}`);
      this.tool(tool, this.object(binding, `${field}.tools.${tool}`), parts, `${field}.tools.${tool}`);
    }
    for (const [place, entry] of this.list(scope.reads ?? [], `${field}.reads`, MOST.places)) {
      const read = this.object(entry, place);
      this.refuseUnknown(read, ['uri', 'results'], place);
      const named = this.template(read.uri, `${place}.uri`);
      // A scope of filters alone may read a list whose URI says nothing of what its items are.
      if (resources.length > 0 || named.some((name) => parts.has(name)))
        this.wholeTuple([named], parts, `${place}.uri`);
      this.results(read.results, parts, `${place}.results`);
    }
  }

  private parts(input: unknown, field: string): Set<string> {
    const parts = this.object(input, field, MOST.parts);
    const entries = Object.entries(parts);
    if (entries.length === 0) this.report(field, 'must name at least one part, such as {"project_key": "exact"}');
    for (const [name, comparison] of entries) {
      if (!NAME.test(name)) this.report(`${field}.${name}`, 'must be a word of lower case letters, digits and _');
      if (!COMPARISONS.includes(comparison)) this.report(`${field}.${name}`, 'must be exact, case_insensitive or path');
    }
    if (entries.filter(([, comparison]) => comparison === 'path').length > 1)
      this.report(field, 'may have one part that is compared as a path');
    return new Set(Object.keys(parts));
  }

  private filter(key: string, input: unknown, parts: ReadonlySet<string>, field: string): void {
    const names = this.template(input, field);
    for (const name of names) if (!parts.has(name)) this.report(field, `{${name}} is no part of the scope`);
    if (GENERIC_FILTERS.includes(key)) return this.report(field, 'is a filter that every type has: choose another key');
    const properties = (this.scopingConfigSchema.properties ?? {}) as Json;
    const schema = Object.hasOwn(properties, key) ? (properties[key] as Json | null) : undefined;
    if (schema === undefined || schema === null)
      return this.report(field, `${key} is not a property of scoping_config_schema`);
    const items = schema.items as Json | undefined;
    if (schema.type !== 'array' || items?.type !== 'string')
      this.report(field, `scoping_config_schema must say that ${key} is an array of strings`);
  }

  private tool(tool: string, binding: Json, parts: ReadonlySet<string>, field: string): void {
    this.refuseUnknown(binding, ['arguments', 'inject', 'resolve', 'results'], field);
    const places = [...this.list(binding.arguments ?? [], `${field}.arguments`, MOST.places)];
    for (const [place, entry] of places) this.place(entry, parts, place);
    if (binding.inject !== undefined) this.injection(this.object(binding.inject, `${field}.inject`), parts, field);
    if (binding.resolve !== undefined) this.resolution(this.object(binding.resolve, `${field}.resolve`), parts, field);
    const results = this.results(binding.results, parts, `${field}.results`);
    const isDecidedBefore = places.length > 0 || binding.inject !== undefined || binding.resolve !== undefined;
    if (!isDecidedBefore && results === 0) this.report(field, 'says nowhere where the parts stand');
    const effect = this.effectOf(tool);
    if (!isDecidedBefore && (effect === 'write' || effect === 'destructive'))
      this.report(field, `the effect of this tool is ${effect}: it must be decided before the call leaves`);
  }

  private injection(inject: Json, parts: ReadonlySet<string>, tool: string): void {
    const field = `${tool}.inject`;
    this.refuseUnknown(inject, ['at', 'value', 'as'], field);
    const path = this.pointer(inject.at, `${field}.at`);
    if (path?.length === 0 || path?.includes(EACH)) this.report(`${field}.at`, 'must name one argument');
    if (inject.as !== 'single' && inject.as !== 'list') this.report(`${field}.as`, 'must be single or list');
    const names = this.template(inject.value, `${field}.value`);
    for (const name of names) if (!parts.has(name)) this.report(`${field}.value`, `{${name}} is no part of the scope`);
    // Of a part of the tuple alone the call would touch everything that has it.
    if (names.length > 0) this.wholeTuple([names], parts, `${field}.value`);
  }

  private resolution(resolve: Json, parts: ReadonlySet<string>, tool: string): void {
    const field = `${tool}.resolve`;
    this.refuseUnknown(resolve, ['tool', 'arguments', 'result'], field);
    if (typeof resolve.tool !== 'string' || this.effectOf(resolve.tool) !== 'read')
      this.report(`${field}.tool`, 'must be a tool that tool_effects says is read');
    const args = this.object(resolve.arguments, `${field}.arguments`, MOST.places);
    if (Object.keys(args).length === 0) this.report(`${field}.arguments`, 'must pass on what the call is about');
    for (const [name, pointer] of Object.entries(args)) {
      this.key(name, `${field}.arguments.${name}`);
      if (this.pointer(pointer, `${field}.arguments.${name}`)?.includes(EACH))
        this.report(`${field}.arguments.${name}`, 'must name one value');
    }
    this.place(resolve.result, parts, `${field}.result`);
  }

  private results(input: unknown, parts: ReadonlySet<string>, field: string): number {
    const filters = [...this.list(input ?? [], field, MOST.places)];
    for (const [place, entry] of filters) {
      const filter = this.object(entry, place);
      if (filter.kind === 'items') this.items(filter, parts, place);
      else if (filter.kind === 'lines') this.lines(filter, parts, place);
      else this.report(`${place}.kind`, 'must be items or lines');
    }
    const kinds = new Set(filters.map(([, entry]) => (entry as Json | null)?.kind));
    if (kinds.size > 1) this.report(field, 'an answer is either items or lines');
    if (kinds.has('lines') && filters.length > 1) this.report(field, 'lines are filtered once');
    const isTopMissing = filters.every(([, entry]) => (entry as Json | null)?.optional === true);
    if (kinds.has('items') && isTopMissing)
      this.report(field, 'one of them must always be there: not all are optional');
    return filters.length;
  }

  private items(filter: Json, parts: ReadonlySet<string>, field: string): void {
    this.refuseUnknown(filter, ['kind', 'items', 'parts', 'optional'], field);
    const path = this.pointer(filter.items, `${field}.items`);
    if (path?.at(-1) === EACH) this.report(`${field}.items`, 'must point at the array, not at its elements');
    if (filter.optional !== undefined && typeof filter.optional !== 'boolean')
      this.report(`${field}.optional`, 'must be true or false');
    this.place(filter.parts, parts, `${field}.parts`, false);
  }

  private lines(filter: Json, parts: ReadonlySet<string>, field: string): void {
    this.refuseUnknown(filter, ['kind', 'value', 'structured', 'keep'], field);
    this.wholeTuple([this.template(filter.value, `${field}.value`)], parts, `${field}.value`);
    if (filter.structured !== undefined && this.pointer(filter.structured, `${field}.structured`)?.includes(EACH))
      this.report(`${field}.structured`, 'must name one text');
    for (const [place, line] of this.list(filter.keep ?? [], `${field}.keep`, MOST.places)) this.text(line, place, 500);
  }

  /** Its templates must give all parts; its arrays must be the same one. */
  private place(input: unknown, parts: ReadonlySet<string>, field: string, mayHaveEach = true): void {
    const entries = Object.entries(this.object(input, field, MOST.parts));
    const arrays = new Set<string>();
    for (const [pointer] of entries) {
      const path = this.pointer(pointer, `${field}.${pointer}`);
      const last = path?.lastIndexOf(EACH) ?? -1;
      if (last >= 0 && !mayHaveEach) this.report(`${field}.${pointer}`, 'must name one value of the item');
      arrays.add(JSON.stringify(path?.slice(0, last + 1)));
    }
    if (arrays.size > 1) this.report(field, 'the parts of a tuple must stand in the same elements');
    this.wholeTuple(
      entries.map(([pointer, template]) => this.template(template, `${field}.${pointer}`)),
      parts,
      field,
    );
  }

  private wholeTuple(names: readonly (readonly string[])[], parts: ReadonlySet<string>, field: string): void {
    const given = names.flat();
    for (const part of parts) if (!given.includes(part)) this.report(field, `does not give the part ${part}`);
    const twice = given.filter((name, index) => parts.has(name) && given.indexOf(name) !== index);
    for (const name of new Set(twice)) this.report(field, `gives the part ${name} twice`);
  }

  private template(input: unknown, field: string): readonly string[] {
    if (typeof input !== 'string' || NOT_STORABLE.test(input)) {
      this.report(field, 'must be a text with placeholders such as {project_key}');
      return [];
    }
    const template = parseTemplate(input);
    if (typeof template !== 'string') return template.names;
    this.report(field, template);
    return [];
  }

  private pointer(input: unknown, field: string): readonly string[] | null {
    const isText = typeof input === 'string' && input.length <= 512 && !NOT_STORABLE.test(input);
    const path = isText ? parsePointer(input) : null;
    if (path === null) this.report(field, 'must be a JSON pointer such as /project_key (RFC 6901)');
    if (path?.some((key) => FORBIDDEN_KEYS.has(key))) this.report(field, 'this name is not allowed');
    return path;
  }

  private effectOf(tool: string): unknown {
    return Object.hasOwn(this.toolEffects, tool) ? this.toolEffects[tool] : undefined;
  }

  private text(input: unknown, field: string, longest: number): void {
    if (typeof input !== 'string' || input === '' || input.length > longest || NOT_STORABLE.test(input))
      this.report(field, `must be a text of at most ${longest} characters`);
  }

  private key(name: string, field: string): void {
    if (name === '' || name.length > 500 || FORBIDDEN_KEYS.has(name) || NOT_STORABLE.test(name))
      this.report(field, 'this name is not allowed');
  }

  private object(input: unknown, field: string, most = 64): Json {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) {
      this.report(field, 'must be an object');
      return {};
    }
    const entries = Object.entries(input);
    if (entries.length <= most) return input as Json;
    this.report(field, `may have at most ${most} entries`);
    // No further: thousands of parts, missing in thousands of places, would be millions of reports.
    return Object.fromEntries(entries.slice(0, most));
  }

  private *list(input: unknown, field: string, most: number): Generator<[field: string, entry: unknown]> {
    if (!Array.isArray(input) || input.length > most) return this.report(field, `must be an array of at most ${most}`);
    for (const [index, entry] of (input as unknown[]).entries()) yield [`${field}[${index}]`, entry];
  }

  private refuseUnknown(input: Json, known: readonly string[], field: string): void {
    for (const name of Object.keys(input))
      if (!known.includes(name)) this.report(`${field}.${name}`, 'is not a known field');
  }

  private report(field: string, text: string): void {
    this.problems.set(field, [...(this.problems.get(field) ?? []), text]);
  }
}
