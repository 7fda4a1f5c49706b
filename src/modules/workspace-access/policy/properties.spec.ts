import fc from 'fast-check';
import {
  EFFECTS,
  grantFacts,
  PROJECT_SCOPE,
  REPOSITORY_SCOPE,
  resource,
  toolNamed,
  trackerConnection,
  TYPE_SCOPE,
} from '../../../../test/support/policies.js';
import { compileScope } from './compiled-scope.js';
import { decideCall, type Allowed, type CallDecision, type Lookups } from './decide-call.js';
import { decideRead } from './decide-read.js';
import type { ConnectionFacts, Mark, PermissionLevel, PolicyResource } from './facts.js';
import { matchesGlob } from './filters.js';
import { automaticResources, compileGrant, judgeTool, type GrantPolicy } from './grant-policy.js';
import { filterToolResult } from './result-filter.js';

/** Everything that a decision is made from, as a test writes it down. */
interface World {
  /** Ids are places in the list, from 1; the first four are the projects. */
  nodes: readonly { kind: 'list' | 'note'; parent: number; isAvailable: boolean }[];
  marks: readonly (readonly [id: number, mark: Mark])[];
  filters: Readonly<Record<string, string[]>>;
  level: PermissionLevel;
  isActive: boolean;
  isConnectionActive: boolean;
}

interface Call {
  tool: string;
  args: Readonly<Record<string, unknown>>;
  /** Projects that the arguments name. */
  named: readonly string[];
}

const KEYS = ['DEV', 'QA', 'OPS', 'SEC'];
const TOOLS = Object.keys(EFFECTS).filter((name) => !['get_file', 'compare'].includes(name));
const FIRST_TOOL = 201;
const BASE = trackerConnection();
const toolIds = Object.keys(EFFECTS).map((_, index) => FIRST_TOOL + index);

const values = (...all: string[]): fc.Arbitrary<string[]> => fc.subarray(all);
const filters: fc.Arbitrary<Record<string, string[]>> = fc.record(
  {
    project_keys: values('DEV', 'qa', 'Ops', 'SEC', 'NONE'),
    issue_types: values('bug', 'Task'),
    resource_types: values('project', 'issue', 'no*', 'tool', '*'),
    resource_names: values('DEV', 'Q?', '*S*', 'l?', '*'),
    uri_patterns: values('jira://*', '*DEV*', 'note:*', 'tool://*', '*'),
    tools: values('*', 'get_*', 'tracker_se*', 'move', 'list_?ecent', 'ping'),
    teams: values('a'),
  },
  { requiredKeys: [] },
);
const fewFilters = fc
  .tuple(filters, fc.nat(6))
  .map(([all, at]) => Object.fromEntries(Object.entries(all).slice(at, at + 2)));
const mark: fc.Arbitrary<Mark> = fc.constantFrom('explicit', 'automatic', 'explicit', 'excluded');
const mostly = fc.nat(19).map((chance) => chance !== 7);

const anyWorlds: fc.Arbitrary<World> = fc.record({
  nodes: fc.array(
    fc.record({
      kind: fc.constantFrom('list', 'note'),
      parent: fc.integer({ min: 0, max: 11 }),
      isAvailable: mostly,
    }),
    { minLength: 4, maxLength: 10 },
  ),
  marks: fc.uniqueArray(
    fc.tuple(
      fc.oneof(
        { weight: 3, arbitrary: fc.integer({ min: 1, max: 7 }) },
        { weight: 1, arbitrary: fc.constantFrom(...toolIds) },
      ),
      mark,
    ),
    { maxLength: 7, selector: ([id]) => id },
  ),
  filters: fc.oneof(fc.constant({}), fewFilters, fewFilters),
  level: fc.constantFrom('read', 'write', 'admin', 'admin'),
  isActive: mostly,
  isConnectionActive: mostly,
});

/** Half of them as they are, half of them such that much is granted: else nearly everything would be denied. */
const worlds: fc.Arbitrary<World> = fc.oneof(
  anyWorlds,
  anyWorlds.map((world) => ({
    ...world,
    marks: [...new Map([...[1, 2, 3].map((id) => [id, 'explicit'] as const), ...world.marks.slice(0, 2)])],
    filters: Object.fromEntries(Object.entries(world.filters).filter(([name]) => name !== 'teams')),
    level: 'admin' as const,
  })),
);

const key = fc.constantFrom('DEV', ...KEYS, 'dev', 'qA', 'NONE');
const calls: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(fc.constantFrom('get_issue', 'comment', 'comment'), fc.option(key, { freq: 2 })).map(([tool, named]) => ({
    tool,
    args: named === null ? {} : { issue_key: `${named}-7` },
    named: named === null ? [] : [named],
  })),
  fc.option(fc.array(key, { maxLength: 4 })).map((named) => ({
    tool: 'search',
    args: named === null ? { text: 'x' } : { projects: named },
    named: named ?? [],
  })),
  fc.record({ from: key, to: key }, { requiredKeys: [] }).map((args) => ({
    tool: 'move',
    args,
    named: Object.values(args),
  })),
  fc
    .option(key)
    .map((named) => ({ tool: 'delete_project', args: { project: named }, named: named === null ? [] : [named] })),
  fc.constantFrom('ping', 'list_recent').map((tool) => ({ tool, args: {}, named: [] })),
);
const lookups: fc.Arbitrary<Lookups> = fc
  .tuple(fc.option(fc.array(key, { maxLength: 2 }), { freq: 2 }), fc.option(fc.constantFrom('BUG', 'task', 'epic')))
  .map(([projects, type]) => {
    const found = new Map<string, string[][]>();
    if (projects)
      found.set(
        'project',
        projects.map((each) => [each]),
      );
    if (type) found.set('issue_type', [[type]]);
    return found;
  });

function connectionOf(world: World): ConnectionFacts {
  const resources = world.nodes.flatMap((node, index): PolicyResource[] => {
    const id = index + 1;
    const own = KEYS[index];
    const [uri, type] =
      own === undefined
        ? node.kind === 'list'
          ? [`jira://${KEYS[id % 4]}/l${id}`, 'issue']
          : [`note:${id}`, 'note']
        : [`jira://${own}`, 'project'];
    const parentId = node.parent === 0 ? null : node.parent;
    return node.isAvailable ? [{ ...resource(id, uri, type), parentId }] : [];
  });
  const tools = [...BASE.resources.values()].filter(({ kind }) => kind === 'tool');
  return {
    ...BASE,
    isActive: world.isConnectionActive,
    resources: new Map([...resources, ...tools].map((each) => [each.id, each])),
  };
}

function compiled(world: World, connection = connectionOf(world)): GrantPolicy {
  const { level, isActive } = world;
  return compileGrant(connection, grantFacts({ level, isActive, filters: world.filters, marks: new Map(world.marks) }));
}

function decided(policy: GrantPolicy, { tool, args }: Pick<Call, 'tool' | 'args'>, found?: Lookups): CallDecision {
  return decideCall(policy, toolNamed(policy, tool), args, found);
}

/** The rules of the product once more, as slowly and plainly as they can be written. */
class Oracle {
  private readonly marks: Partial<Record<number, Mark>>;

  constructor(
    private readonly world: World,
    private readonly resources = connectionOf(world).resources,
  ) {
    this.marks = Object.fromEntries(world.marks);
  }

  isMarked(id: number): boolean {
    const nearest = this.lineage(id).find((each) => this.marks[each.id] !== undefined);
    return nearest !== undefined && this.marks[nearest.id] !== 'excluded';
  }

  isGranted(id: number): boolean {
    const row = this.resources.get(id);
    return row !== undefined && this.isMarked(id) && this.generic(row).every(Boolean) && this.fitsProjects(id);
  }

  /** What each generic key that the grant sets says of a row. */
  generic(row: PolicyResource): boolean[] {
    const { resource_types: types, resource_names: names, uri_patterns: uris, tools } = this.world.filters;
    const isTool = row.kind === 'tool';
    return [
      ...(types ? [some(types, row.type)] : []),
      ...(names ? [some(names, row.name)] : []),
      ...(uris ? [some(uris, row.uri)] : []),
      ...(tools && isTool ? [some(tools, row.name, `tracker_${row.name}`)] : []),
    ];
  }

  projects(): string[] {
    return KEYS.filter((_, index) => this.isGranted(index + 1)).map((each) => each.toLowerCase());
  }

  allows({ tool, named }: Call, found: Lookups): CallDecision['allowed'] {
    const { filters: set, level } = this.world;
    const id = FIRST_TOOL + Object.keys(EFFECTS).indexOf(tool);
    if (!this.world.isActive || !this.world.isConnectionActive || set.teams) return false;
    if (this.marks[id] === 'excluded') return false;
    const most = { read: ['read'], write: ['read', 'write'], admin: ['read', 'write', 'destructive'] }[level];
    if (!most.includes(EFFECTS[tool] ?? '')) return false;
    if (tool === 'ping') return this.isGranted(id);
    if (set.tools && !some(set.tools, tool, `tracker_${tool}`)) return false;
    const projects = this.projects();
    const isWithin = (name: string | undefined): boolean => projects.includes(name?.toLowerCase() ?? '');
    if (projects.length === 0 || !named.every(isWithin)) return false;
    if (named.length === 0 && ['move', 'delete_project'].includes(tool)) return false;
    if (tool !== 'comment') return true;
    const verdicts: CallDecision['allowed'][] = [];
    const project = named.length > 0 ? [[named[0]]] : found.get('project');
    verdicts.push(project ? project.length > 0 && project.every(([name]) => isWithin(name)) : 'lookup');
    const types = lower(set.issue_types);
    const type = found.get('issue_type');
    if (set.issue_types) verdicts.push(type?.every(([name]) => types.includes(name?.toLowerCase() ?? '')) ?? 'lookup');
    return verdicts.includes(false) ? false : verdicts.includes('lookup') ? 'lookup' : true;
  }

  private fitsProjects(id: number): boolean {
    const { project_keys: keys } = this.world.filters;
    const project = keys && this.lineage(id).find((each) => each.type === 'project');
    return !project || lower(keys).includes(project.name.toLowerCase());
  }

  /** A resource and everything above it, nearest first, as far as it is available. */
  private lineage(id: number, below: readonly number[] = []): PolicyResource[] {
    const row = this.resources.get(id);
    if (!row || below.includes(id)) return [];
    return [row, ...(row.parentId === null ? [] : this.lineage(row.parentId, [...below, id]))];
  }
}

function lower(texts: readonly string[] = []): string[] {
  return texts.map((text) => text.toLowerCase());
}

function some(globs: readonly string[], ...texts: string[]): boolean {
  return globs.some((glob) => texts.some((text) => globPattern(glob).test(text)));
}

function globPattern(glob: string): RegExp {
  const escaped = glob.replace(/[\\^$.+()[\]{}|/-]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
}

/** Another order, always the same one for a seed. */
function shuffled<T>(list: Iterable<T>, seed: number): T[] {
  let state = seed;
  return [...list]
    .map((each) => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return { each, at: state };
    })
    .sort((left, right) => left.at - right.at)
    .map(({ each }) => each);
}

function check<T extends [unknown, ...unknown[]]>(property: fc.IProperty<T>, numRuns = 400): void {
  fc.assert(property, { numRuns });
}

describe('a grant, compared with its rules written down naively', () => {
  it('grants exactly what is marked or below something marked, and what all filters leave', () => {
    check(
      fc.property(worlds, (world) => {
        const { granted, marked } = compiled(world);
        const oracle = new Oracle(world);
        const ids = [...Array(12).keys(), ...toolIds];
        expect(ids.filter((id) => marked.has(id))).toEqual(ids.filter((id) => oracle.isMarked(id)));
        expect(ids.filter((id) => granted.has(id))).toEqual(ids.filter((id) => oracle.isGranted(id)));
      }),
    );
  });

  it('allows exactly the calls whose every value is granted, within level and filters', () => {
    const outcomes = new Map<unknown, number>();
    check(
      fc.property(worlds, calls, lookups, (world, call, found) => {
        const decision = decided(compiled(world), call, found);
        outcomes.set(decision.allowed, (outcomes.get(decision.allowed) ?? 0) + 1);
        expect(decision.allowed).toBe(new Oracle(world).allows(call, found));
      }),
      1_500,
    );
    // Else it would prove little.
    for (const outcome of [true, false, 'lookup']) expect(outcomes.get(outcome)).toBeGreaterThan(10);
  });

  it('lets calls leave with arguments that name nothing but granted projects', () => {
    check(
      fc.property(worlds, calls, lookups, (world, call, found) => {
        const decision = decided(compiled(world), call, found);
        if (decision.allowed !== true) return;
        const { projects = [], from, to, project, issue_key: issue } = decision.arguments as Record<string, unknown>;
        const named = [...(projects as unknown[]), from, to, project, issue]
          .filter((name) => typeof name === 'string')
          .map((name) => name.replace(/-7$/, '').toLowerCase());
        expect(new Oracle(world).projects()).toEqual(expect.arrayContaining(named));
        if (EFFECTS[call.tool] !== 'read') expect(decision.decidedBefore).toBe(true);
      }),
      1_000,
    );
  });

  it('never allows what is excluded or not available any more, and never reads it', () => {
    check(
      fc.property(worlds, (world) => {
        const policy = compiled(world);
        for (const [id, each] of world.marks) {
          if (each !== 'excluded') continue;
          expect(policy.granted.has(id)).toBe(false);
          const uri = policy.connection.resources.get(id)?.uri ?? 'jira://GONE/x';
          expect(decideRead(policy, { uri, resourceId: id }).allowed).toBe(false);
        }
        for (const [index, node] of world.nodes.entries())
          if (!node.isAvailable) {
            expect(policy.granted.has(index + 1)).toBe(false);
            expect(decideRead(policy, { uri: `jira://${KEYS[index]}`, resourceId: index + 1 }).allowed).toBe(false);
          }
        for (const tool of policy.connection.tools.values())
          if (policy.grant.marks.get(tool.id) === 'excluded') expect(judgeTool(policy, tool).denial).not.toBeNull();
      }),
    );
  });

  it('never uses a tool that the server does not offer any more', () => {
    check(
      fc.property(worlds, calls, lookups, (world, call, found) => {
        const connection = connectionOf(world);
        const resources = new Map([...connection.resources].filter(([, { kind }]) => kind !== 'tool'));
        expect(decided(compiled(world, { ...connection, resources }), call, found)).toMatchObject({
          allowed: false,
          reason: 'unavailable',
        });
      }),
      100,
    );
  });
});

describe('a filter that is added, or loses values,', () => {
  /** The same world with more filters, each with fewer values. */
  const narrowings = fc
    .tuple(worlds, filters, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), fc.boolean())
    .map(([world, more, keeps, isAdding]) => {
      const fewer = Object.entries(world.filters).map(([name, all], at) => [
        name,
        all.filter((_, index) => keeps[(at * 5 + index) % keeps.length]),
      ]);
      const narrow: World = { ...world, filters: { ...(isAdding ? more : {}), ...Object.fromEntries(fewer) } };
      return { wide: compiled(world), narrow: compiled(narrow) };
    });

  it('grants no more and makes no tool available', () => {
    check(
      fc.property(narrowings, ({ wide, narrow }) => {
        expect([...wide.granted]).toEqual(expect.arrayContaining([...narrow.granted]));
        for (const tool of narrow.connection.tools.values())
          if (judgeTool(narrow, tool).denial === null) expect(judgeTool(wide, tool).denial).toBeNull();
      }),
    );
  });

  it('lets no call leave that would not have left before, and no read', () => {
    check(
      fc.property(narrowings, calls, lookups, ({ wide, narrow }, call, found) => {
        const decision = decided(narrow, call, found);
        // As it leaves: what is injected may be less than before, so that a call is decided that was not.
        if (decision.allowed === true)
          expect(decided(wide, { tool: call.tool, args: decision.arguments }, found).allowed).toBe(true);
        for (const { id, uri, kind } of narrow.connection.resources.values())
          if (kind === 'resource' && decideRead(narrow, { uri, resourceId: id }).allowed)
            expect(decideRead(wide, { uri, resourceId: id }).allowed).toBe(true);
      }),
      1_000,
    );
  });

  it('lets no item of an answer through that was taken out before', () => {
    const issues = fc.array(fc.record({ project: key, type: fc.constantFrom('Bug', 'task', 'epic') }), {
      maxLength: 6,
    });
    check(
      fc.property(narrowings, issues, ({ wide, narrow }, items) => {
        const structuredContent = { issues: items.map((item, index) => ({ ...item, id: `item-${index}` })) };
        const shown = (policy: GrantPolicy): string[] => {
          const decision = decided(policy, { tool: 'list_recent', args: {} });
          if (decision.allowed !== true) return [];
          return JSON.stringify(filterToolResult({ structuredContent }, decision)).match(/item-\d/g) ?? [];
        };
        expect(shown(wide)).toEqual(expect.arrayContaining(shown(narrow)));
      }),
    );
  });
});

describe('the order of things', () => {
  it('does not matter: resources, marks, scopes, values of filters, elements of arguments', () => {
    check(
      fc.property(worlds, calls, lookups, fc.nat(), (world, call, found, seed) => {
        const connection = connectionOf(world);
        const other: World = {
          ...world,
          marks: shuffled(world.marks, seed),
          filters: Object.fromEntries(
            shuffled(Object.entries(world.filters), seed).map(([name, all]) => [name, shuffled(all, seed)]),
          ),
        };
        const otherPolicy = compiled(other, {
          ...connection,
          resources: new Map(shuffled(connection.resources, seed)),
          scopes: shuffled([PROJECT_SCOPE, TYPE_SCOPE], seed).map(compileScope),
        });
        const args = Object.fromEntries(
          shuffled(Object.entries(call.args), seed).map(([name, value]) => [
            name,
            Array.isArray(value) ? shuffled(value as unknown[], seed) : value,
          ]),
        );
        const policy = compiled(world, connection);
        expect([...otherPolicy.granted].sort()).toEqual([...policy.granted].sort());
        const essence = (decision: CallDecision): unknown =>
          decision.allowed === true
            ? [
                decision.reason,
                decision.resourceId,
                decision.arguments.projects instanceof Array,
                decision.results.length,
              ]
            : decision.allowed;
        expect(essence(decided(otherPolicy, { tool: call.tool, args }, found))).toEqual(
          essence(decided(policy, call, found)),
        );
      }),
      1_000,
    );
  });

  it('does not matter for elements that can not be read either', () => {
    const odd = fc.array(fc.oneof(key, fc.constantFrom(null, 5.5, '', true), fc.constant({ key: 'OPS' })), {
      minLength: 1,
      maxLength: 4,
    });
    const policy = compileGrant(trackerConnection(), grantFacts({ allowed: [1, 2] }));
    check(
      fc.property(odd, fc.nat(), (projects, seed) => {
        const [one, another] = [projects, shuffled(projects, seed)].map((each) =>
          decided(policy, { tool: 'search', args: { projects: each } }),
        );
        expect(one?.allowed).toBe(another?.allowed);
      }),
    );
  });
});

describe('two grants of a workspace', () => {
  const byKey = (keys: readonly string[]): GrantPolicy =>
    compileGrant(trackerConnection(), grantFacts({ allowed: keys.map((each) => KEYS.indexOf(each) + 1) }));
  const some3 = fc.subarray(KEYS.slice(0, 3));

  it('allow nothing together that neither allows alone', () => {
    check(
      fc.property(some3, some3, fc.array(key, { minLength: 1, maxLength: 3 }), (first, second, named) => {
        const args = { projects: named };
        const isAllowed = [first, second].some(
          (keys) => decided(byKey(keys), { tool: 'search', args }).allowed === true,
        );
        const isWithin = [first, second].some((keys) => named.every((each) => keys.includes(each.toUpperCase())));
        expect(isAllowed).toBe(isWithin);
      }),
    );
  });

  it.each([
    ['search', { projects: ['DEV', 'QA'] }],
    ['move', { from: 'DEV', to: 'QA' }],
    ['move', { from: 'QA', to: 'DEV' }],
  ])('both deny %s with %j, which touches one value of each', (tool, args) => {
    expect(['DEV', 'QA'].map((each) => decided(byKey([each]), { tool, args }).allowed)).toEqual([false, false]);
  });

  it('do not mix the parts of their tuples', () => {
    const connection = trackerConnection([REPOSITORY_SCOPE]);
    const args = { owner: 'acme', repo: 'lib' };
    for (const id of [51, 52]) {
      const policy = compileGrant(connection, grantFacts({ allowed: [id] }));
      expect(decided(policy, { tool: 'get_file', args }).allowed).toBe(false);
    }
  });

  it('show of an answer what the one that allows it grants, and nothing of the other', () => {
    check(
      fc.property(some3, some3, (first, second) => {
        const items = KEYS.map((each) => ({ project: each, text: `marker-${each}` }));
        for (const keys of [first, second]) {
          const decision = decided(byKey(keys), { tool: 'list_recent', args: {} });
          if (decision.allowed !== true) continue;
          const shown = JSON.stringify(filterToolResult({ structuredContent: { issues: items } }, decision));
          for (const each of KEYS) expect(shown.includes(`marker-${each}`)).toBe(keys.includes(each));
        }
      }),
      100,
    );
  });
});

describe('globs', () => {
  it('match what the regular expression matches that they stand for', () => {
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', '.', '\n', '['), maxLength: 8 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '\n', '[', '*'), maxLength: 8 });
    check(
      fc.property(glob, text, (pattern, subject) => {
        expect(matchesGlob(pattern, subject)).toBe(globPattern(pattern).test(subject));
      }),
      5_000,
    );
  });

  it.each([
    ['*a'.repeat(256), 'a'.repeat(10_000) + 'b'],
    ['*'.repeat(512), 'a'.repeat(10_000)],
    ['*?'.repeat(256) + 'b', 'a'.repeat(10_000)],
    [`*${'a'.repeat(500)}b`, 'a'.repeat(10_000)],
  ])('take no long time, whatever the pattern', (pattern, subject) => {
    const started = performance.now();
    matchesGlob(pattern, subject);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('auto-sync', () => {
  it('takes in exactly what some key applies to and every key that applies lets pass, and nothing excluded', () => {
    check(
      fc.property(worlds, (world) => {
        const connection = connectionOf(world);
        const oracle = new Oracle(world);
        const keys = world.filters.project_keys;
        const matches = (row: PolicyResource): boolean => {
          const isProject = keys !== undefined && row.type === 'project';
          const verdicts = [
            ...oracle.generic(row),
            ...(isProject ? [lower(keys).includes(row.name.toLowerCase())] : []),
          ];
          return verdicts.length > 0 && verdicts.every(Boolean);
        };
        // By itself, or by the nearest mark above it.
        const { excluded } = compileGrant(connection, grantFacts({ marks: new Map(world.marks) }));
        const isExcluded = ({ id }: PolicyResource): boolean => excluded.has(id);
        const expected = [...connection.resources.values()].filter((row) => matches(row) && !isExcluded(row));
        const facts = grantFacts({ filters: world.filters, marks: new Map(world.marks) });
        expect([...automaticResources(connection, facts)].sort()).toEqual(expected.map(({ id }) => id).sort());
      }),
    );
  });

  it('takes in nothing without filters', () => {
    expect(automaticResources(trackerConnection(), grantFacts({})).size).toBe(0);
  });

  it('changes nothing when it runs again', () => {
    check(
      fc.property(worlds, (world) => {
        const connection = connectionOf(world);
        const marks = new Map(world.marks);
        const first = automaticResources(connection, grantFacts({ filters: world.filters, marks }));
        const kept = [...marks].filter(([id, each]) => each !== 'automatic' || first.has(id));
        const added = [...first].filter((id) => !marks.has(id)).map((id) => [id, 'automatic'] as const);
        const after = new Map<number, Mark>([...kept, ...added]);
        expect(automaticResources(connection, grantFacts({ filters: world.filters, marks: after }))).toEqual(first);
      }),
    );
  });
});

describe('a decision', () => {
  it('is made in bounded time and without a crash for whatever arguments', () => {
    const policies = [[PROJECT_SCOPE, TYPE_SCOPE], [REPOSITORY_SCOPE]].map((scopes) =>
      compileGrant(trackerConnection(scopes), grantFacts({ allowed: [1, 51], filters: {} })),
    );
    const names = fc.constantFrom(
      'issue_key',
      'projects',
      'from',
      'to',
      'project',
      'owner',
      'repo',
      'sides',
      '__proto__',
    );
    check(
      fc.property(
        fc.constantFrom(...TOOLS, 'get_file', 'compare'),
        fc.dictionary(names, fc.jsonValue()),
        (tool, args) => {
          for (const policy of policies) {
            const decision = decided(policy, { tool, args });
            if (decision.allowed === true) expect((decision satisfies Allowed).reason).toMatch(/^granted/);
          }
        },
      ),
      1_000,
    );
  });
});
