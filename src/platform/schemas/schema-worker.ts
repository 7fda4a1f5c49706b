import { parentPort } from 'node:worker_threads';
import { LRUCache } from 'lru-cache';
import {
  type CheckOptions,
  type CheckResult,
  CompiledSchema,
  SchemaCompileError,
  undecided,
} from './compiled-schema.js';
import type { JsonObject } from './schema-keywords.js';

export interface CheckRequest {
  kind: 'check';
  /** Identifies the schema, so that it is parsed and compiled once per worker. */
  key: string;
  /** The schema as JSON text. */
  schema: string;
  value: unknown;
  options: CheckOptions | undefined;
  detailed: boolean;
}

export interface CompileRequest {
  kind: 'compile';
  key: string;
  schema: string;
}

export interface AnalyseRequest {
  kind: 'analyse';
  source: string;
  flags: string;
  /** `proof` decides by automata only; `search` also looks for an attack and takes up to a second. */
  method: 'proof' | 'search';
}

/** `degree` of the polynomial the matching time grows with; Infinity when it grows exponentially, null when unknown. */
export interface Analysis {
  degree: number | null;
}

export type WorkerRequest = CheckRequest | CompileRequest | AnalyseRequest;
/** `failed`: the schema cannot be compiled, ever. */
export type WorkerReply = { result: CheckResult } | { analysis: Analysis } | { failed: string } | { compiled: true };
/** What the worker says: it is loaded, the preparation of a job is over, or a job is done. */
export type WorkerMessage = 'ready' | 'prepared' | WorkerReply;

const compiled = new LRUCache<string, CompiledSchema>({ max: 500 });

function handle(request: WorkerRequest): WorkerReply | Promise<WorkerReply> {
  if (request.kind === 'analyse') return analyse(request);
  const schema = schemaFor(request);
  if (request.kind === 'compile') {
    schema.prepare(undefined, false);
    return { compiled: true };
  }
  schema.prepare(request.options, request.detailed);
  // Also when it was compiled before: only from now on the short limit of the check counts.
  say('prepared');
  return { result: schema.check(request.value, request.options, request.detailed) };
}

function schemaFor({ key, schema }: CheckRequest | CompileRequest): CompiledSchema {
  const known = compiled.get(key);
  if (known) return known;
  const created = new CompiledSchema(JSON.parse(schema) as JsonObject | boolean);
  compiled.set(key, created);
  return created;
}

async function analyse({ source, flags, method }: AnalyseRequest): Promise<WorkerReply> {
  // Three megabytes of code that most workers never need.
  const { checkSync } = await import('recheck');
  say('prepared');
  const checker = method === 'proof' ? 'automaton' : 'auto';
  const found = checkSync(source, flags, { checker, timeout: 1000, attackTimeout: 300, recallTimeout: -1 });
  if (found.status === 'safe') return { analysis: { degree: 1 } };
  if (found.status === 'unknown') return { analysis: { degree: null } };
  return { analysis: { degree: found.complexity.type === 'polynomial' ? found.complexity.degree : Infinity } };
}

function say(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

parentPort?.on('message', (request: WorkerRequest) => {
  void (async () => handle(request))().then(say, (error: unknown) =>
    say(
      error instanceof SchemaCompileError
        ? { failed: error.message }
        : { result: undecided('could not be checked against the schema') },
    ),
  );
});
say('ready');
