import { valueAt, withValueAt } from '../../../platform/json/json-pointer.js';
import { renderParts } from '../../../platform/json/value-template.js';
import type { CompiledBinding, CompiledPlace, CompiledResultFilter } from './compiled-scope.js';
import type { PolicyTool } from './facts.js';
import {
  coversExcluded,
  isLimiting,
  judgeTool,
  judgeTuple,
  scopesOfTool,
  type GrantPolicy,
  type ScopePolicy,
} from './grant-policy.js';
import { readPlace } from './places.js';
import { denied, type Denied } from './reasons.js';
import type { Tuple } from './tuples.js';

type Arguments = Readonly<Record<string, unknown>>;

/** Result filters of one scope, with the policy that decides about what they find. */
export interface ResultRule {
  scope: ScopePolicy;
  filters: readonly CompiledResultFilter[];
}

export interface Allowed {
  allowed: true;
  reason: 'granted' | 'granted_results_filtered';
  /** As they leave: with what was injected. */
  arguments: Arguments;
  results: readonly ResultRule[];
  /** Whether the arguments alone decided, so that the answer speaks of nothing else. */
  decidedBefore: boolean;
  /** The resource that the call is about, where its scopes resolved to exactly one. */
  resourceId: number | null;
  /** Of a completion: whether a value is granted. */
  offers?: (value: string) => boolean;
}

/** A read tool has to be asked first; then decide again with what it said. */
export interface LookupNeeded {
  allowed: 'lookup';
  scope: string;
  tool: string;
  arguments: Record<string, unknown>;
  result: CompiledPlace;
  /** The arguments of the call itself, as far as they are decided. */
  call: Arguments;
}

export type CallDecision = Allowed | Denied | LookupNeeded;

/** Tuples that were looked up, by scope. */
export type Lookups = ReadonlyMap<string, readonly Tuple[]>;

const NO_LOOKUPS: Lookups = new Map();
/** More allowed values than this are not injected into arguments. */
const MOST_INJECTED = 1_000;

/** What one scope says of a call. */
type ScopeDecision =
  | { kind: 'decided'; resourceIds: readonly number[]; arguments: Arguments }
  | { kind: 'by_results' }
  | Denied
  | LookupNeeded;

/** Whether one grant alone allows a call. What can't be decided is denied; a write is decided before it leaves. */
export function decideCall(
  policy: GrantPolicy,
  tool: PolicyTool,
  args: Arguments,
  lookups: Lookups = NO_LOOKUPS,
): CallDecision {
  const { denial } = judgeTool(policy, tool);
  if (denial) return denial;
  const decided = decideScopes(policy, tool, args, lookups);
  if ('allowed' in decided) return decided;
  const { decidedBefore, resources } = decided;
  const [only, ...others] = resources;
  return {
    allowed: true,
    reason: decidedBefore ? 'granted' : 'granted_results_filtered',
    arguments: decided.arguments,
    results: decided.results,
    decidedBefore,
    resourceId: only !== undefined && others.length === 0 && decidedBefore ? only : null,
  };
}

/** What all scopes together say. Nothing is asked for a call that another scope denies. */
function decideScopes(
  policy: GrantPolicy,
  tool: PolicyTool,
  args: Arguments,
  lookups: Lookups,
): Denied | LookupNeeded | (Pick<Allowed, 'arguments' | 'results' | 'decidedBefore'> & { resources: Set<number> }) {
  const resources = new Set<number>();
  const results: ResultRule[] = [];
  let current = args;
  let decidedBefore = true;
  let lookup: LookupNeeded | null = null;
  for (const scope of identifyingFirst(scopesOfTool(policy, tool))) {
    const binding = scope.scope.tools.get(tool.name);
    if (!binding || !isLimiting(scope)) continue;
    const decision = decideScope(scope, binding, tool, current, lookups);
    if ('allowed' in decision) {
      if (!decision.allowed) return decision;
      lookup ??= decision;
      continue;
    }
    if (decision.kind === 'decided') {
      current = decision.arguments;
      for (const id of decision.resourceIds) resources.add(id);
    } else decidedBefore = false;
    if (binding.results.length > 0) results.push({ scope, filters: binding.results });
  }
  return lookup ? { ...lookup, call: current } : { resources, results, arguments: current, decidedBefore };
}

/** So that nobody learns from a filter's denial what something is that is not granted. */
function identifyingFirst(scopes: readonly ScopePolicy[]): ScopePolicy[] {
  const [identifying, others] = [true, false].map((is) => scopes.filter(({ tuples }) => (tuples !== null) === is));
  return [...(identifying ?? []), ...(others ?? [])];
}

/** Taken from the arguments, else injected, else looked up, else for a read left to the result filter, else denied. */
function decideScope(
  scope: ScopePolicy,
  binding: CompiledBinding,
  tool: PolicyTool,
  args: Arguments,
  lookups: Lookups,
): ScopeDecision {
  const found = readArguments(scope, binding, args);
  if ('allowed' in found) return found;
  if (found.tuples.length > 0 && !found.isOpen)
    return { kind: 'decided', resourceIds: resourcesOf(scope, found.tuples), arguments: args };
  const injected = found.isOpen || !binding.inject ? null : inject(scope, binding.inject, args);
  if (injected) return injected;
  if (binding.resolve && found.isAnswerable) return lookUp(scope, binding.resolve, args, lookups, found.tuples);
  if (tool.effect === 'read' && binding.results.length > 0) return { kind: 'by_results' };
  return found.unfitAt === null ? undecided(scope, binding) : unreadable(found.unfitAt, args);
}

/** What the arguments say. `isOpen`: they name something, and do not say all of what it is. */
interface Found {
  tuples: readonly Tuple[];
  isOpen: boolean;
  unfitAt: string | null;
  /** Whether a read tool can say what is open. */
  isAnswerable: boolean;
}

/** An argument that names something, and does not say all of what it is. */
interface OpenPlace {
  place: CompiledPlace;
  unfitAt: string | null;
}

/** Everything that is there must fit; one value that can't be read, or is not allowed, decides for all. */
function readArguments(scope: ScopePolicy, binding: CompiledBinding, args: Arguments): Found | Denied {
  const tuples: Tuple[] = [];
  const open: OpenPlace[] = [];
  for (const place of binding.arguments) {
    const { state, where, tuples: read } = readPlace(place, args);
    if (state === 'unreadable') return unreadable(where, args);
    if (state === 'partial' || state === 'unfit') open.push({ place, unfitAt: state === 'unfit' ? where : null });
    for (const tuple of read) {
      const verdict = judge(scope, tuple, place.entries[0]?.text ?? '');
      if (verdict) return verdict;
      if (binding.results.length === 0 && coversExcluded(scope, tuple)) return partlyExcluded(scope, place, tuple);
      tuples.push(tuple);
    }
  }
  return {
    tuples,
    isOpen: open.length > 0,
    unfitAt: open.find(({ unfitAt }) => unfitAt !== null)?.unfitAt ?? null,
    isAnswerable: isAnswerable(binding, open),
  };
}

/**
 * One question has one answer: it says nothing of a second open place, nor of the other elements of an array, nor of a value
 * that the read tool is not told.
 */
function isAnswerable({ resolve }: CompiledBinding, [open, ...others]: readonly OpenPlace[]): boolean {
  if (!open) return true;
  if (others.length > 0 || open.place.each.length > 0) return false;
  if (open.unfitAt === null) return true;
  const unfit = open.place.entries.find(({ text }) => text === open.unfitAt);
  const pointer = JSON.stringify(unfit?.path);
  return resolve?.arguments.some(([, path]) => JSON.stringify(path) === pointer) ?? false;
}

/** Nobody knows how deep the tool goes, and no filter would take out of its answer what was taken out of the grant. */
function partlyExcluded(scope: ScopePolicy, place: CompiledPlace, tuple: Tuple): Denied {
  const object = { type: 'argument' as const, id: place.entries[0]?.text ?? '', value: tuple.join('/') };
  const rule = `Something in this ${scope.scope.name} was taken out of the grant`;
  return denied(
    'excluded',
    object,
    'Name something that nothing was taken out of, or add it again: add-resource',
    rule,
  );
}

function undecided(scope: ScopePolicy, binding: CompiledBinding): Denied {
  const where = binding.arguments[0]?.entries[0]?.text ?? '';
  return denied(
    'scope_undecided',
    { type: 'argument', id: where },
    `Name a granted value in ${where || 'the arguments'}`,
    `The scope ${scope.scope.name} must be decided before the call, and nothing in the arguments says what it touches`,
  );
}

function judge(scope: ScopePolicy, tuple: Tuple, where: string): Denied | null {
  const verdict = judgeTuple(scope, tuple);
  if (verdict.allowed) return null;
  const object = { type: 'argument' as const, id: where, value: tuple.join('/') };
  if (verdict.reason === 'filtered_out')
    return denied(
      'filtered_out',
      object,
      `Let resource_filters.${verdict.key} of the grant take it in`,
      `The filter ${verdict.key} of the grant rejects this value`,
    );
  return denied(
    'scope_not_granted',
    object,
    `Add the resource of this ${scope.scope.name} to the grant`,
    `This ${scope.scope.name} is not granted`,
  );
}

function unreadable(where: string, args: Arguments): Denied {
  const value = valueAt(args, where.slice(1).split('/'));
  const shown = typeof value === 'string' ? { value } : {};
  return denied(
    'scope_value_unreadable',
    { type: 'argument', id: where, ...shown },
    'Write the value in the plain form that the server type declares; a path absolute and without . and ..',
  );
}

function inject(
  scope: ScopePolicy,
  injection: NonNullable<CompiledBinding['inject']>,
  args: Arguments,
): ScopeDecision | null {
  const allowed = allowedTuples(scope);
  if (allowed?.length === 0) return nothingAllowed(scope, injection);
  if (!allowed || allowed.length > (injection.as === 'single' ? 1 : MOST_INJECTED)) return null;
  const texts = allowed.map((tuple) =>
    renderParts(injection.template, new Map(scope.scope.parts.map(({ name }, index) => [name, tuple[index] ?? '']))),
  );
  const value = injection.as === 'single' ? texts[0] : texts;
  return {
    kind: 'decided',
    resourceIds: resourcesOf(scope, allowed),
    arguments: withValueAt(args, injection.at, value) as Arguments,
  };
}

/** Asked without a limit, the upstream would tell by how it answers what there is besides. */
function nothingAllowed(scope: ScopePolicy, { at }: NonNullable<CompiledBinding['inject']>): Denied {
  const key = scope.filters[0]?.key;
  return denied(
    key ? 'filtered_out' : 'scope_not_granted',
    { type: 'argument', id: `/${at.join('/')}` },
    key ? `Let resource_filters.${key} of the grant take something in` : `Add a ${scope.scope.name} to the grant`,
    `The grant lets no ${scope.scope.name} through`,
  );
}

/**
 * Of a scope without resources: the values of its first filter that all its other filters let pass. Null where they
 * can't be listed.
 */
export function allowedTuples(scope: ScopePolicy): Tuple[] | null {
  const { tuples, filters } = scope;
  const [first] = filters;
  if (tuples === null && first?.indexes.length !== scope.scope.parts.length) return null;
  const candidates = tuples ?? first?.values;
  return candidates ? [...candidates.tuples()].filter((tuple) => judgeTuple(scope, tuple).allowed) : null;
}

function lookUp(
  scope: ScopePolicy,
  resolve: NonNullable<CompiledBinding['resolve']>,
  args: Arguments,
  lookups: Lookups,
  given: readonly Tuple[],
): ScopeDecision {
  const found = lookups.get(scope.scope.name);
  if (!found) {
    const asked = resolve.arguments.map(([name, path]) => [name, valueAt(args, path)] as const);
    const known = Object.fromEntries(asked.filter(([, value]) => value !== undefined));
    return {
      allowed: 'lookup',
      scope: scope.scope.name,
      tool: resolve.tool,
      arguments: known,
      result: resolve.result,
      call: args,
    };
  }
  // The same for what is not there and for what is not granted: nobody learns which.
  const unknown = denied(
    'lookup_failed',
    { type: 'tool', id: resolve.tool },
    'Name something that exists and is granted',
  );
  if (found.length === 0) return unknown;
  for (const tuple of found) {
    const verdict = judge(scope, tuple, '');
    if (verdict) return scope.tuples === null ? { ...verdict, object: { type: 'tool', id: resolve.tool } } : unknown;
  }
  return { kind: 'decided', resourceIds: resourcesOf(scope, [...given, ...found]), arguments: args };
}

function resourcesOf(scope: ScopePolicy, tuples: readonly Tuple[]): number[] {
  return tuples.map((tuple) => scope.tuples?.find(tuple)).filter((found) => typeof found === 'number');
}
