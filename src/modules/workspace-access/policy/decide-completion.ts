import { expanded, variablesOf } from '../../../mcp/uri-template.js';
import { readParts } from '../../../platform/json/value-template.js';
import type { CompiledPlace, CompiledScope } from './compiled-scope.js';
import { allowedTuples, type Allowed } from './decide-call.js';
import { judgeRead, missing, tupleIn } from './decide-read.js';
import { isLimiting, judgeTuple, whyInactive, type GrantPolicy, type ScopePolicy } from './grant-policy.js';
import { denied, type Denied } from './reasons.js';
import { TupleSet, type Tuple } from './tuples.js';

/** An argument of a prompt, or a variable of a resource template, that a client wants completed. */
export interface CompletionTarget {
  resourceId: number;
  uri: string;
  kind: 'prompt' | 'template';
  argument: string;
  /** What was chosen for others. */
  context: ReadonlyMap<string, string>;
}

type Chosen = ReadonlyMap<string, string>;

/** Stands for what is not chosen yet (a private use character). */
const OPEN = '\u{E000}';

/**
 * Whether one grant alone allows a completion, and which values. A value is offered where what it makes of the expansion, or of the
 * arguments that are named like those of the tools, is granted, or can still become something granted.
 */
export function decideCompletion(policy: GrantPolicy, target: CompletionTarget): Allowed | Denied {
  const denial = judgeCompletion(policy, target).denial ?? judgeContext(policy, target);
  if (denial) return denial;
  const isLimited = isRestricted(policy, target);
  return {
    allowed: true,
    reason: isLimited ? 'granted_results_filtered' : 'granted',
    arguments: {},
    results: [],
    decidedBefore: !isLimited,
    resourceId: target.resourceId,
    offers: isLimited ? offersOf(policy, target) : () => true,
  };
}

/** Whether the prompt or template may be used at all. `isGranted`: it is marked, whatever else denies. */
export function judgeCompletion(
  policy: GrantPolicy,
  { kind, uri, resourceId }: CompletionTarget,
): { isGranted: boolean; denial: Denied | null } {
  // A template is no address: what the scopes say of it they say of its expansions.
  if (kind === 'prompt') return judgeRead(policy, { uri, resourceId });
  if (!policy.marked.has(resourceId)) return { isGranted: false, denial: missing(policy, { uri, resourceId }) };
  if (policy.granted.has(resourceId)) return { isGranted: true, denial: whyInactive(policy) };
  const change = 'Widen resource_filters of the grant so that they take it in';
  return { isGranted: true, denial: denied('filtered_out', { type: 'resource', id: resourceId }, change) };
}

/** Completed within something that is not granted, a value would speak of it. */
function judgeContext(policy: GrantPolicy, target: CompletionTarget): Denied | null {
  const others = new Map([...target.context].filter(([name]) => name !== target.argument));
  const admits = admission(policy, target, true);
  if (others.size === 0 || admits(others)) return null;
  const object = { type: 'argument' as const, id: 'context', value: [...others.values()].join('/') };
  return denied('scope_not_granted', object, 'Choose other arguments, or add what they name to the grant');
}

function offersOf(policy: GrantPolicy, target: CompletionTarget): (value: string) => boolean {
  const admits = admission(policy, target, false);
  return (value) => admits(new Map([...target.context, [target.argument, value]]));
}

/** @param isLenient what could only be told of the whole is left to be told then */
function admission(policy: GrantPolicy, target: CompletionTarget, isLenient: boolean): (chosen: Chosen) => boolean {
  const allowed = new AllowedParts(isLenient);
  const admits = target.kind === 'template' ? admitsExpansion : admitsArguments;
  return (chosen) =>
    [...chosen.values()].every((value) => !value.includes(OPEN)) && admits(policy, target, chosen, allowed);
}

function admitsExpansion(
  policy: GrantPolicy,
  { uri }: CompletionTarget,
  chosen: Chosen,
  allowed: AllowedParts,
): boolean {
  const expansion = expanded(uri, (name) => chosen.get(name) ?? OPEN);
  if (expansion === null) return false;
  if (variablesOf(uri).every((name) => chosen.has(name)))
    return judgeRead(policy, { uri: expansion, resourceId: null }).denial === null;
  if (hasUriPatterns(policy) && !allowed.isLenient) return false;
  const read = limiting(policy).flatMap((scope) => {
    const tuple = tupleIn(scope, expansion);
    return tuple ? [{ scope, tuple }] : [];
  });
  const isBound = limiting(policy).some(({ tuples }) => tuples !== null);
  const isRead = read.some(({ scope }) => scope.tuples !== null);
  return (isRead || !isBound || allowed.isLenient) && read.every(({ scope, tuple }) => allowed.has(scope, tuple));
}

/** Each argument by itself, so that none hides behind another, and all together. */
function admitsArguments(policy: GrantPolicy, _: CompletionTarget, chosen: Chosen, allowed: AllowedParts): boolean {
  return limiting(policy).every((scope) => {
    const together = new Map<string, string>();
    for (const [name, text] of chosen) {
      const parts = partsNamed(scope.scope, name, text);
      if (parts === 'unfit' || (parts && !allowed.has(scope, tupleOf(scope, parts)))) return false;
      for (const [part, value] of parts ?? []) together.set(part, value);
    }
    return allowed.has(scope, tupleOf(scope, together));
  });
}

function tupleOf({ scope }: ScopePolicy, parts: ReadonlyMap<string, string>): Tuple {
  return scope.parts.map(({ name }) => parts.get(name) ?? OPEN);
}

/**
 * What an argument of a prompt says of a scope, by its name: that of a part, or of an argument of a tool in which the scope is
 * read. Null where it says nothing.
 */
function partsNamed(scope: CompiledScope, name: string, text: string): ReadonlyMap<string, string> | 'unfit' | null {
  if (scope.parts.some((part) => part.name === name)) return new Map([[name, text]]);
  let isRead = false;
  for (const { arguments: places } of scope.tools.values()) {
    for (const { template } of places.flatMap((place) => entriesNamed(place, name))) {
      isRead = true;
      const parts = readParts(template, text);
      if (parts) return parts;
    }
  }
  return isRead ? 'unfit' : null;
}

function entriesNamed({ each, entries }: CompiledPlace, name: string): CompiledPlace['entries'] {
  return entries.filter(({ path }) => {
    const full = [...each.flat(), ...path];
    return full.length === 1 && full[0] === name;
  });
}

function isRestricted(policy: GrantPolicy, { kind, argument }: CompletionTarget): boolean {
  // What an expansion is listed as may be taken out, or filtered.
  if (kind === 'template')
    return limiting(policy).length > 0 || policy.excluded.size > 0 || Object.keys(policy.grant.filters).length > 0;
  return limiting(policy).some(({ scope }) => partsNamed(scope, argument, '') !== null);
}

function hasUriPatterns({ grant }: GrantPolicy): boolean {
  return Object.hasOwn(grant.filters, 'uri_patterns');
}

function limiting(policy: GrantPolicy): ScopePolicy[] {
  return [...policy.scopes.values()].filter(isLimiting);
}

/** What is allowed, as far as parts are known; each combination of them is gathered once. */
class AllowedParts {
  private readonly gathered = new Map<string, TupleSet<true> | null>();

  constructor(readonly isLenient: boolean) {}

  has(scope: ScopePolicy, tuple: Tuple): boolean {
    const isMixed = tuple.some((part) => part !== OPEN && part.includes(OPEN));
    if (isMixed) return this.isLenient;
    const known = [...tuple.keys()].filter((index) => tuple[index] !== OPEN);
    if (known.length === tuple.length) return judgeTuple(scope, tuple).allowed;
    if (known.length === 0) return true;
    const set = this.of(scope, known);
    return set?.find(known.map((index) => tuple[index] ?? '')) === true;
  }

  private of(scope: ScopePolicy, known: readonly number[]): TupleSet<true> | null {
    const key = `${scope.scope.name} ${known.join()}`;
    const before = this.gathered.get(key);
    if (before !== undefined) return before;
    const tuples = allowedTuples(scope);
    const parts = known.flatMap((index) => scope.scope.parts[index] ?? []);
    const set = tuples && new TupleSet<true>(parts);
    for (const tuple of tuples ?? [])
      set?.add(
        known.map((index) => tuple[index] ?? ''),
        true,
      );
    this.gathered.set(key, set);
    return set;
  }
}

/** The most that an answer may have (MCP, Completion, Implementation Considerations). */
const MOST_VALUES = 100;

/** An answer (MCP, CompleteResult) with the values that are granted; null for what is none. */
export function filterCompletion(result: unknown, { decidedBefore, offers }: Allowed): Record<string, unknown> | null {
  const completion = membersOf(membersOf(result)?.completion);
  if (!completion || !Array.isArray(completion.values)) return null;
  const given = completion.values.filter((value): value is string => typeof value === 'string');
  const values = given.slice(0, MOST_VALUES).filter((value) => offers?.(value) ?? true);
  const { total, hasMore } = completion;
  const isMore = hasMore === true || given.length > MOST_VALUES || (typeof total === 'number' && total > given.length);
  // How many there are besides is for nobody to know to whom they are not granted.
  if (!decidedBefore) return { completion: { values, ...(isMore ? {} : { total: values.length }), hasMore: isMore } };
  return { completion: { values, ...(typeof total === 'number' ? { total } : {}), hasMore: isMore } };
}

function membersOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}
