import type { CompiledScope } from './compiled-scope.js';
import type {
  ConnectionFacts,
  Effect,
  GrantFacts,
  Mark,
  PermissionLevel,
  PolicyResource,
  PolicyTool,
} from './facts.js';
import {
  activeFilters,
  declaredVerdicts,
  Effort,
  FiltersTooCostly,
  genericVerdicts,
  identifiedBy,
  matchesFilters,
  passes,
  reaches,
  undecidableKeys,
  type ActiveFilter,
} from './filters.js';
import { denied, type Denied } from './reasons.js';
import { TupleSet, type Tuple } from './tuples.js';

/** One grant on one connection, ready to decide. Data in, decision out: nothing here reads a database or a clock. */
export interface GrantPolicy {
  grant: GrantFacts;
  connection: ConnectionFacts;
  /** By mark or inheritance, whatever the filters say. */
  marked: ReadonlySet<number>;
  /** Taken out, by their own mark or that of something above them. */
  excluded: ReadonlySet<number>;
  /** What of it the filters leave. */
  granted: ReadonlySet<number>;
  /** Resource templates among what is marked: they grant their expansions. */
  templates: readonly PolicyResource[];
  scopes: ReadonlyMap<string, ScopePolicy>;
  /** Tools that the filters on tools let pass. */
  passingTools: ReadonlySet<number>;
  undecidableKeys: readonly string[];
}

export interface ScopePolicy {
  scope: CompiledScope;
  /** Granted tuples with the resource of each, and excluded ones: the nearest decides. Null for a scope of filters alone. */
  tuples: TupleSet<number | 'excluded'> | null;
  /** Whether anything is granted that it identifies. */
  isEmpty: boolean;
  /** Paths that were taken out: what lies above one would touch it too. */
  excludedPaths: readonly Tuple[];
  filters: readonly ActiveFilter[];
}

const RANK: Record<Effect | PermissionLevel, number> = { read: 0, write: 1, destructive: 2, admin: 2 };
const LEVEL_FOR: Record<Effect, PermissionLevel> = { read: 'read', write: 'write', destructive: 'admin' };

export function compileGrant(connection: ConnectionFacts, grant: GrantFacts): GrantPolicy {
  const filtered = connection.scopes.map((scope) => ({ scope, filters: activeFilters(scope, grant.filters) }));
  const { marked, excluded } = markedResources(connection.resources, grant.marks);
  const passing = passingResources(connection, grant, marked);
  const isRejected = inheritedRejections(connection.resources, filtered);
  const granted = new Set<number>();
  for (const id of marked) {
    const resource = connection.resources.get(id);
    if (resource && passing.resources.has(id) && !isRejected(resource)) granted.add(id);
  }
  return {
    grant,
    connection,
    marked,
    excluded,
    granted,
    templates: [...marked].flatMap((id) => {
      const resource = connection.resources.get(id);
      return resource?.kind === 'resource_template' ? [resource] : [];
    }),
    scopes: new Map(
      filtered.map(({ scope, filters }) => [scope.name, scopePolicy(scope, filters, connection, granted, excluded)]),
    ),
    passingTools: passing.tools,
    undecidableKeys: [...undecidableKeys(connection.scopes, grant.filters), ...passing.undecidedKeys],
  };
}

/** What the filters that every type has let pass. Filters that take too long decide nothing, so they let nothing pass. */
function passingResources(
  { resources, tools }: ConnectionFacts,
  { filters }: GrantFacts,
  marked: ReadonlySet<number>,
): { resources: Set<number>; tools: Set<number>; undecidedKeys: string[] } {
  const passing = { resources: new Set<number>(), tools: new Set<number>(), undecidedKeys: [] as string[] };
  const effort = new Effort();
  try {
    for (const resource of resources.values()) {
      const tool = tools.get(resource.id) ?? null;
      if (tool === null && !marked.has(resource.id)) continue;
      const verdicts = genericVerdicts(filters, resource, tool, effort);
      if (verdicts.every(({ holds }) => holds)) passing.resources.add(resource.id);
      if (tool && verdicts.every(({ key, holds }) => holds || key !== 'tools')) passing.tools.add(resource.id);
    }
    return passing;
  } catch (error) {
    if (!(error instanceof FiltersTooCostly)) throw error;
    return { resources: new Set(), tools: new Set(), undecidedKeys: Object.keys(filters) };
  }
}

/** Nearest mark upwards decides: what is below an allowed resource is granted, unless it or something between is excluded. */
function markedResources(
  resources: ReadonlyMap<number, PolicyResource>,
  marks: ReadonlyMap<number, Mark>,
): { marked: ReadonlySet<number>; excluded: ReadonlySet<number> } {
  const [marked, excluded] = [new Set<number>(), new Set<number>()];
  if (marks.size === 0) return { marked, excluded };
  const nearest = inherited(resources, (resource) => marks.get(resource.id));
  for (const resource of resources.values()) {
    const mark = nearest(resource);
    if (mark === 'explicit' || mark === 'automatic') marked.add(resource.id);
    else if (mark === 'excluded') excluded.add(resource.id);
  }
  return { marked, excluded };
}

/** A resource below one that a declared filter rejects is rejected too: it has no URI of its own that would say so. */
function inheritedRejections(
  resources: ReadonlyMap<number, PolicyResource>,
  scopes: readonly { scope: CompiledScope; filters: readonly ActiveFilter[] }[],
): (resource: PolicyResource) => boolean {
  const judges = scopes
    .filter(({ filters }) => filters.length > 0)
    .map((each) =>
      inherited(resources, (resource) => {
        const verdicts = declaredVerdicts([each], resource, reaches);
        return verdicts.length === 0 ? undefined : verdicts.every(({ holds }) => holds);
      }),
    );
  return (resource) => judges.some((holds) => holds(resource) === false);
}

/** What a resource says of itself, else what the nearest ancestor says. Every resource is looked at once. */
function inherited<T>(
  resources: ReadonlyMap<number, PolicyResource>,
  own: (resource: PolicyResource) => T | undefined,
): (resource: PolicyResource) => T | undefined {
  const known = new Map<number, T | undefined>();
  return (resource) => {
    const chain: number[] = [];
    let value: T | undefined;
    for (let next: PolicyResource | undefined = resource; next;) {
      if (known.has(next.id)) {
        value = known.get(next.id);
        break;
      }
      chain.push(next.id);
      // Before its parent is asked: a circle of parents ends here.
      known.set(next.id, undefined);
      value = own(next);
      if (value !== undefined) break;
      next = next.parentId === null ? undefined : resources.get(next.parentId);
    }
    for (const id of chain) known.set(id, value);
    return value;
  };
}

/** What is granted comes first: a tuple that a granted and an excluded resource share is granted. */
function scopePolicy(
  scope: CompiledScope,
  filters: readonly ActiveFilter[],
  connection: ConnectionFacts,
  granted: ReadonlySet<number>,
  excluded: ReadonlySet<number>,
): ScopePolicy {
  if (scope.resources.length === 0) return { scope, filters, tuples: null, isEmpty: false, excludedPaths: [] };
  const tuples = new TupleSet<number | 'excluded'>(scope.parts);
  const tupleOf = (id: number): Tuple | null => {
    const resource = connection.resources.get(id);
    return resource ? identifiedBy(scope, resource) : null;
  };
  for (const id of granted) {
    const tuple = tupleOf(id);
    if (tuple) tuples.add(tuple, id);
  }
  const isEmpty = tuples.size === 0;
  const takenOut = [...excluded].map(tupleOf).filter((tuple) => tuple !== null);
  for (const tuple of takenOut) tuples.add(tuple, 'excluded');
  const hasPath = scope.parts.some(({ comparison }) => comparison === 'path');
  return { scope, filters, tuples, isEmpty, excludedPaths: hasPath ? takenOut : [] };
}

/** What allows or denies a tuple. */
export type TupleVerdict =
  | { allowed: true; resourceId: number | null }
  | { allowed: false; reason: 'scope_not_granted' | 'filtered_out'; key: string | null };

export function judgeTuple({ tuples, filters }: ScopePolicy, tuple: Tuple): TupleVerdict {
  const resourceId = tuples ? tuples.find(tuple) : null;
  if (resourceId === undefined || resourceId === 'excluded')
    return { allowed: false, reason: 'scope_not_granted', key: null };
  const rejecting = filters.find((filter) => !passes(filter, tuple));
  return rejecting ? { allowed: false, reason: 'filtered_out', key: rejecting.key } : { allowed: true, resourceId };
}

/** Whether something that was taken out lies at or below a tuple: a whole folder, one folder of which is excluded. */
export function coversExcluded({ scope, excludedPaths }: ScopePolicy, tuple: Tuple): boolean {
  if (excludedPaths.length === 0) return false;
  const whole = new TupleSet<true>(scope.parts);
  whole.add(tuple, true);
  return excludedPaths.some((path) => whole.find(path) === true);
}

/** Whether the scope limits anything in this grant: by its resources, or by a filter that the grant sets. */
export function isLimiting({ tuples, filters }: ScopePolicy): boolean {
  return tuples !== null || filters.length > 0;
}

/** Scopes that have something to say about a tool. */
export function scopesOfTool(policy: GrantPolicy, tool: PolicyTool): ScopePolicy[] {
  return [...policy.scopes.values()].filter(({ scope }) => scope.tools.has(tool.name));
}

/** Whether and why not a tool may be used at all, whatever its arguments. `isGranted`: only its level keeps it away. */
export function judgeTool(policy: GrantPolicy, tool: PolicyTool): { isGranted: boolean; denial: Denied | null } {
  const { grant, connection } = policy;
  const object = { type: 'tool' as const, id: tool.publicId };
  const refuse = (isGranted: boolean, denial: Denied): { isGranted: boolean; denial: Denied } => ({
    isGranted,
    denial,
  });
  if (!connection.resources.has(tool.id))
    return refuse(
      false,
      denied('unavailable', object, 'Discover the connection again once the server offers the tool'),
    );
  const missing = missingGrant(policy, tool);
  if (missing) return refuse(false, missing);
  const inactive = whyInactive(policy);
  if (inactive) return refuse(true, inactive);
  const rejecting = rejectingFilter(policy, tool);
  if (rejecting !== null) {
    return refuse(
      true,
      denied(
        'filtered_out',
        object,
        `Let resource_filters.${rejecting} of the grant take it in`,
        `The filter ${rejecting} of the grant rejects the tool`,
      ),
    );
  }
  if (RANK[grant.level] >= RANK[tool.effect]) return { isGranted: true, denial: null };
  const rule = `The grant has the permission level ${grant.level}, and the effect of the tool is ${tool.effect}`;
  return refuse(
    true,
    denied('permission_level', object, `Give the grant the permission level ${LEVEL_FOR[tool.effect]}`, rule),
  );
}

/** Whatever denies everything under this grant. */
export function whyInactive({ grant, connection, undecidableKeys: keys }: GrantPolicy): Denied | null {
  const object = { type: 'grant' as const, id: grant.id };
  if (!grant.isActive) return denied('grant_inactive', object, 'Switch the grant on: is_active');
  if (!connection.isActive) return denied('connection_inactive', object, 'Switch the connection on: is_active');
  if (keys.length === 0) return null;
  const names = keys.map((key) => `resource_filters.${key}`).join(', ');
  return denied(
    'filter_undecidable',
    object,
    `Take ${names} out of the grant, or add a scope that reads it to the server type`,
  );
}

/** A tool with scopes is there as soon as something it works on is granted; any other must be granted itself. */
function missingGrant(policy: GrantPolicy, tool: PolicyTool): Denied | null {
  const object = { type: 'tool' as const, id: tool.publicId };
  if (policy.grant.marks.get(tool.id) === 'excluded')
    return denied('excluded', object, 'Add the tool to the grant again: add-resource');
  const identifying = scopesOfTool(policy, tool).filter(({ tuples }) => tuples !== null);
  const empty = identifying.find(({ isEmpty }) => isEmpty);
  if (empty && [...policy.marked].some((id) => isIdentifiedBy(empty, policy, id))) {
    const keys = empty.filters.map(({ key }) => `resource_filters.${key}`).join(', ') || 'resource_filters';
    return denied('filtered_out', object, `Let ${keys} of the grant leave something that is granted`);
  }
  if (empty) {
    const change = `Add a resource such as ${empty.scope.resources[0]?.text} to the grant`;
    return denied('scope_not_granted', object, change, `Nothing of the scope ${empty.scope.name} is granted`);
  }
  if (identifying.length > 0 || policy.marked.has(tool.id)) return null;
  return denied('not_granted', object, 'Add the tool to the grant: add-resource');
}

function isIdentifiedBy({ scope }: ScopePolicy, { connection }: GrantPolicy, id: number): boolean {
  const resource = connection.resources.get(id);
  return resource !== undefined && identifiedBy(scope, resource) !== null;
}

/** What a scope makes available is no granted resource: only the filter on tools speaks of it. */
function rejectingFilter({ grant, connection, granted, passingTools }: GrantPolicy, tool: PolicyTool): string | null {
  const isScoped = connection.scopes.some((scope) => scope.tools.has(tool.name) && scope.resources.length > 0);
  if (isScoped ? passingTools.has(tool.id) : granted.has(tool.id)) return null;
  if (!passingTools.has(tool.id)) return 'tools';
  return Object.keys(grant.filters).find((key) => key !== 'tools') ?? 'tools';
}

/** Resources that auto-sync takes in: those that match, without what is excluded and what is below it. @throws FiltersTooCostly */
export function automaticResources(connection: ConnectionFacts, grant: GrantFacts): Set<number> {
  const effort = new Effort();
  const scopes = connection.scopes.map((scope) => ({ scope, filters: activeFilters(scope, grant.filters) }));
  const { excluded } = markedResources(connection.resources, grant.marks);
  const matching = new Set<number>();
  for (const resource of connection.resources.values()) {
    if (excluded.has(resource.id)) continue;
    if (matchesFilters(grant.filters, scopes, resource, connection.tools.get(resource.id) ?? null, effort))
      matching.add(resource.id);
  }
  return matching;
}
