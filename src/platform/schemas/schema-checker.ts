import { createHash } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import { LRUCache } from 'lru-cache';
import {
  type CheckOptions,
  type CheckResult,
  CompiledSchema,
  SchemaCompileError,
  undecided,
} from './compiled-schema.js';
import { PatternJudge } from './pattern-judge.js';
import { inspectSchema, type SchemaProblem } from './schema-bounds.js';
import type { SchemaCost } from './schema-cost.js';
import type { JsonObject } from './schema-keywords.js';
import { startSchemaWorker } from './start-worker.js';
import { measureValue } from './value-size.js';
import { WorkerPool } from './worker-pool.js';

/** A schema as it was first seen, with all that is known about checking with it. */
interface Entry {
  schema: JsonObject | boolean;
  key: string;
  /** The schema as JSON, once a worker needed it. */
  text: string | undefined;
  cost: SchemaCost;
  /** May run on this thread; for schemas with patterns only once these are proven linear. */
  inProcess: boolean;
  compiled: CompiledSchema | undefined;
  /** Why nothing can be checked with it. */
  refusal: CheckResult | undefined;
  /** Time (Date.now()) until which it counts as one that runs into the time limit. */
  suspectUntil: number;
  /** Time (Date.now()) until which it counts as one that takes too long to compile. */
  tooSlowUntil: number;
}

// On this thread: compiling takes up to about 5 ms, a check up to about 2 ms; whatever may cost more runs on a worker.
const MAX_COMPILED_HERE = { subschemas: 40, applications: 400 };
const MAX_WORK = 100_000;
const MAX_SCANNED = 2_000_000;
const MAX_DETAILED_WORK = 20_000;
const MAX_PATTERNS = 50;
// The largest flat schema takes about 0.4 s to compile, 0.6 s when all errors are wanted; the rest is for a busy machine.
const CHECK_LIMITS = { runMs: 100, prepareMs: 5000, waitMs: 10_000 };
const SUSPECT_LIMITS = { ...CHECK_LIMITS, waitMs: 500, suspect: true };
const SUSPICION_MS = 60_000;
// The machine may have been busy, so not for ever; each try costs a worker.
const TOO_SLOW_MS = 3_600_000;
// Patterns of formats are not proven, and none of their values is long.
const MAX_FORMATTED_CHARACTERS = 4000;
const NOT_CHECKED = undecided('could not be checked against the schema');
const TOO_SLOW = unusable('it takes too long to compile');
const OVER_LIMIT = undecided('could not be checked against the schema within the time limit');

/**
 * Checks values against JSON Schemas of users and upstreams (security.md, Schemas). What provably costs little is
 * checked here and now; everything else on worker threads with 100 ms each, so that no schema delays anybody else.
 */
export class SchemaChecker {
  private readonly entries = new LRUCache<string, Entry>({ max: 2000 });
  private readonly byIdentity = new WeakMap<object, Entry>();
  private readonly judge: PatternJudge;
  private readonly workers: WorkerPool;

  constructor(private readonly options: { warn?: (message: string) => void; prepareMs?: number } = {}) {
    this.judge = new PatternJudge(options.warn);
    const { warn } = options;
    const start = (): Worker => startSchemaWorker(128);
    this.workers = new WorkerPool({ size: 2, start, maxQueue: 1000, ...(warn ? { warn } : {}) });
  }

  /**
   * Checks a JSON value; answers at once where it can, else a promise. A schema object must not change after its first
   * use: it is known by identity. `undecided` results are refusals: the schema is out of bounds or took too long.
   */
  check(schema: unknown, value: unknown, options?: CheckOptions): CheckResult | Promise<CheckResult> {
    const entry = this.entryOf(schema);
    if (entry.refusal) return entry.refusal;
    if (entry.tooSlowUntil > Date.now()) return TOO_SLOW;
    const parts = partsWithin(entry.cost, value, options);
    const detailed = parts !== null && parts * entry.cost.applications <= MAX_DETAILED_WORK;
    if (!entry.inProcess || parts === null) return this.checkOnWorker(entry, value, options, detailed);
    try {
      entry.compiled ??= new CompiledSchema(entry.schema);
      return entry.compiled.check(value, options, detailed);
    } catch (error) {
      return error instanceof SchemaCompileError ? (entry.refusal = unusable(error.message)) : NOT_CHECKED;
    }
  }

  /**
   * Everything that speaks against accepting a schema from a user: bounds, patterns whose time can explode, and what
   * the compiler says. Empty when it can be saved.
   */
  async inspect(schema: unknown): Promise<SchemaProblem[]> {
    const { problems, patterns, cost } = inspectSchema(schema);
    if (problems.length > 0) return problems;
    if (patterns.size > MAX_PATTERNS)
      return [{ path: '', message: `must not have more than ${MAX_PATTERNS} patterns` }];
    for (const [source, path] of patterns) {
      const objection = await this.judge.objectionTo(source);
      if (objection !== null) problems.push({ path, message: objection });
    }
    const objection = await this.compilerObjection(schema as JsonObject | boolean, cost);
    if (objection !== null) problems.push({ path: '', message: objection });
    return problems;
  }

  async close(): Promise<void> {
    await Promise.all([this.workers.close(), this.judge.close()]);
  }

  private async compilerObjection(schema: JsonObject | boolean, cost: SchemaCost): Promise<string | null> {
    if (isSmall(cost)) {
      try {
        new CompiledSchema(schema).prepare(undefined, false);
        return null;
      } catch (error) {
        return `cannot be used: ${error instanceof Error ? error.message : 'it does not compile'}`;
      }
    }
    const text = JSON.stringify(schema);
    const reply = await this.workers.run({ kind: 'compile', key: keyOf(text), schema: text }, CHECK_LIMITS);
    if (typeof reply === 'string') return reply !== 'not done' ? 'takes too long to compile' : 'could not be checked';
    return 'failed' in reply ? `cannot be used: ${reply.failed}` : null;
  }

  private entryOf(schema: unknown): Entry {
    const isObject = typeof schema === 'object' && schema !== null;
    const known = isObject ? this.byIdentity.get(schema) : undefined;
    if (known) return known;
    const { problems, cost, patterns } = inspectSchema(schema);
    const [problem] = problems;
    const key = problem ? '' : keyOf(JSON.stringify(schema));
    const entry = this.entries.get(key) ?? newEntry(schema as JsonObject | boolean, key, cost);
    if (problem) entry.refusal = unusable(`${problem.path} ${problem.message}`.trim());
    else if (!this.entries.has(key)) this.admit(entry, [...patterns.keys()]);
    if (isObject) this.byIdentity.set(schema, entry);
    return entry;
  }

  /** Decides where checks with a new schema run. */
  private admit(entry: Entry, patterns: string[]): void {
    this.entries.set(entry.key, entry);
    if (!isSmall(entry.cost)) return;
    if (patterns.length === 0) entry.inProcess = true;
    else void this.judge.areLinear(patterns).then((areLinear) => (entry.inProcess = areLinear));
  }

  private async checkOnWorker(
    entry: Entry,
    value: unknown,
    options: CheckOptions | undefined,
    detailed: boolean,
  ): Promise<CheckResult> {
    const limits = entry.suspectUntil > Date.now() ? SUSPECT_LIMITS : CHECK_LIMITS;
    const prepared = `${entry.key}${options?.formats === true}${options?.applyDefaults === true}${detailed}`;
    const schema = (entry.text ??= JSON.stringify(entry.schema));
    const reply = await this.workers.run(
      { kind: 'check', key: entry.key, schema, value, options, detailed },
      { ...limits, prepareMs: this.options.prepareMs ?? limits.prepareMs, key: prepared },
    );
    if (reply === 'not prepared') {
      entry.tooSlowUntil = Date.now() + TOO_SLOW_MS;
      return TOO_SLOW;
    }
    if (reply === 'over limit') entry.suspectUntil = Date.now() + SUSPICION_MS;
    if (typeof reply === 'string') return reply === 'over limit' ? OVER_LIMIT : NOT_CHECKED;
    if ('result' in reply) return reply.result;
    return 'failed' in reply ? (entry.refusal = unusable(reply.failed)) : NOT_CHECKED;
  }
}

function newEntry(schema: JsonObject | boolean, key: string, cost: SchemaCost): Entry {
  return {
    schema,
    key,
    text: undefined,
    cost,
    inProcess: false,
    compiled: undefined,
    refusal: undefined,
    suspectUntil: 0,
    tooSlowUntil: 0,
  };
}

/** Whether compiling and, for small values, checking may run on this thread. */
function isSmall(cost: SchemaCost): boolean {
  const { subschemas, applications } = MAX_COMPILED_HERE;
  return cost.bounded && cost.subschemas <= subschemas && cost.applications <= applications;
}

function keyOf(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

function unusable(why: string): CheckResult {
  return undecided(`cannot be checked, the schema is not usable: ${why}`);
}

/** Number of parts of the value when schema and value together cost little enough for this thread, else null. */
function partsWithin(cost: SchemaCost, value: unknown, options: CheckOptions | undefined): number | null {
  const most = MAX_WORK / Math.max(1, cost.applications);
  const size = measureValue(value, cost.comparesPairs ? Math.min(most, Math.sqrt(MAX_WORK)) : most);
  if (size === null || size.characters * cost.scans > MAX_SCANNED) return null;
  return options?.formats === true && size.characters > MAX_FORMATTED_CHARACTERS ? null : size.parts;
}
