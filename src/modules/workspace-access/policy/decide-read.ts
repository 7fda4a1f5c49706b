import { isExpansionOf } from '../../../mcp/uri-template.js';
import { readUriTuple, type CompiledResultFilter } from './compiled-scope.js';
import type { Allowed } from './decide-call.js';
import type { ConnectionFacts, PolicyResource } from './facts.js';
import { passesGeneric } from './filters.js';
import { isLimiting, judgeTuple, whyInactive, type GrantPolicy, type ScopePolicy } from './grant-policy.js';
import { denied, type Denied } from './reasons.js';
import { hasDotSegment, spelling, type Tuple } from './tuples.js';

/** What is read: a discovered resource, or an expansion of a discovered template. */
export interface ReadTarget {
  uri: string;
  /** Null for an expansion. */
  resourceId: number | null;
}

/** Whether one grant alone allows reading. Listed resources by mark and filters; expansions also within every scope. */
export function decideRead(policy: GrantPolicy, target: ReadTarget): Allowed | Denied {
  const { isGranted, denial } = judgeRead(policy, target);
  if (denial) return denial;
  if (!isGranted) return notGranted(target);
  const results: Allowed['results'][number][] = [];
  for (const scope of policy.scopes.values()) {
    const filters = readFilters(scope, target.uri);
    if (filters.length > 0 && isLimiting(scope)) results.push({ scope, filters });
  }
  return {
    allowed: true,
    reason: 'granted',
    arguments: {},
    results,
    decidedBefore: true,
    resourceId: target.resourceId,
  };
}

/** `isGranted`: the resource, or a template of which it is an expansion, is granted, whatever else denies. */
export function judgeRead(policy: GrantPolicy, target: ReadTarget): { isGranted: boolean; denial: Denied | null } {
  // What holds for a listed resource holds however its URI is written.
  for (const resourceId of listedAs(policy, target)) {
    const { isGranted, denial } = judgeRead(policy, { uri: target.uri, resourceId });
    if (denial) return { isGranted, denial: { ...denial, object: { type: 'resource', id: target.uri } } };
  }
  const object = { type: 'resource' as const, id: target.resourceId ?? target.uri };
  const templates = isOwn(policy, target) ? [] : templatesFor(policy, target);
  if (!isOwn(policy, target) && templates.length === 0) return { isGranted: false, denial: missing(policy, target) };
  const inactive = whyInactive(policy);
  if (inactive) return { isGranted: true, denial: inactive };
  if (!passesFilters(policy, target, templates))
    return {
      isGranted: true,
      denial: denied('filtered_out', object, 'Widen resource_filters of the grant so that they take it in'),
    };
  const isMisleading = target.resourceId === null && hasDotSegment(target.uri);
  return { isGranted: true, denial: isMisleading ? misleading(target) : withinScopes(policy, target) };
}

function misleading(target: ReadTarget): Denied {
  const change = 'Write the URI in its plain form, without . and .. between slashes';
  return denied('scope_value_unreadable', { type: 'resource', id: target.uri }, change);
}

/** Listed resources that an expansion may be but another spelling of. */
function listedAs({ connection }: GrantPolicy, target: ReadTarget): number[] {
  if (target.resourceId !== null) return [];
  const spellings = new Set([target.uri, target.uri.replace(/[?#].*$/s, '')].map(spelling));
  const known = bySpelling(connection);
  return [...spellings].flatMap((text) => known.get(text) ?? []);
}

/** Asked once for each value of a completion, where a server may have thousands of resources. */
const spelled = new WeakMap<ConnectionFacts, ReadonlyMap<string, readonly number[]>>();

function bySpelling(connection: ConnectionFacts): ReadonlyMap<string, readonly number[]> {
  const known = spelled.get(connection);
  if (known) return known;
  const made = new Map<string, number[]>();
  for (const { id, kind, uri } of connection.resources.values()) {
    if (kind !== 'resource') continue;
    const text = spelling(uri);
    const same = made.get(text);
    if (same) same.push(id);
    else made.set(text, [id]);
  }
  spelled.set(connection, made);
  return made;
}

export function missing(policy: GrantPolicy, target: ReadTarget): Denied {
  const isExcluded = target.resourceId !== null && policy.excluded.has(target.resourceId);
  if (!isExcluded) return notGranted(target);
  return denied(
    'excluded',
    { type: 'resource', id: target.resourceId ?? target.uri },
    'Add the resource to the grant again: add-resource',
  );
}

function notGranted(target: ReadTarget): Denied {
  return denied(
    'not_granted',
    { type: 'resource', id: target.resourceId ?? target.uri },
    'Add the resource, or one above it, to the grant: add-resource',
  );
}

/** By its own mark or that of something above it; else as the expansion of a template, unless it was taken out. */
function isOwn(policy: GrantPolicy, { resourceId }: ReadTarget): boolean {
  return resourceId !== null && policy.marked.has(resourceId);
}

function templatesFor(policy: GrantPolicy, target: ReadTarget): PolicyResource[] {
  if (target.resourceId !== null && policy.excluded.has(target.resourceId)) return [];
  return policy.templates.filter((template) => isExpansionOf(template.uri, target.uri));
}

/** An expansion is narrowed as its template is, and by its own URI, and by its own row where it has one. */
function passesFilters(policy: GrantPolicy, target: ReadTarget, templates: readonly PolicyResource[]): boolean {
  if (target.resourceId !== null && isOwn(policy, target)) return policy.granted.has(target.resourceId);
  const row = target.resourceId === null ? undefined : policy.connection.resources.get(target.resourceId);
  return templates.some((template) => {
    const expansion = { ...(row ?? template), uri: target.uri };
    return policy.granted.has(template.id) && passesGeneric(policy.grant.filters, expansion);
  });
}

/**
 * Every scope that reads something from the URI must allow it. An expansion on a server whose scopes identify resources must
 * be read by one of them: else nobody could tell what it touches.
 */
function withinScopes(policy: GrantPolicy, target: ReadTarget): Denied | null {
  let isRead = false;
  for (const scope of policy.scopes.values()) {
    if (!isLimiting(scope)) continue;
    const tuple = tupleIn(scope, target.uri);
    if (!tuple) continue;
    isRead ||= scope.tuples !== null;
    // Granted by its own row or its parent's: then the scope's resource need not be, but its filters hold all the same.
    const verdict = judgeTuple(isOwn(policy, target) ? { ...scope, tuples: null } : scope, tuple);
    if (!verdict.allowed) {
      const object = { type: 'resource' as const, id: target.uri };
      return verdict.key === null
        ? denied('scope_not_granted', object, `Add the resource of this ${scope.scope.name} to the grant`)
        : denied('filtered_out', object, `Let resource_filters.${verdict.key} of the grant take it in`);
    }
  }
  const isBound = [...policy.scopes.values()].some(({ tuples }) => tuples !== null);
  if (isOwn(policy, target) || isRead || !isBound) return null;
  return denied(
    'scope_undecided',
    { type: 'resource', id: target.uri },
    'Let a scope of the server type read this URI: resources or reads',
  );
}

export function tupleIn({ scope }: ScopePolicy, uri: string): Tuple | null {
  for (const template of [...scope.resources, ...scope.reads.map((read) => read.uri)]) {
    // What its items are, such a URI does not say: they are judged by the results.
    if (!scope.parts.every(({ name }) => template.names.includes(name))) continue;
    const tuple = readUriTuple(template, scope.parts, uri);
    if (tuple) return tuple;
  }
  return null;
}

function readFilters({ scope }: ScopePolicy, uri: string): readonly CompiledResultFilter[] {
  return scope.reads.find((read) => readUriTuple(read.uri, scope.parts, uri) !== null)?.results ?? [];
}
