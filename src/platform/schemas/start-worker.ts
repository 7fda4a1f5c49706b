import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

const COMPILED = fileURLToPath(new URL('./schema-worker.js', import.meta.url));
const SOURCE = fileURLToPath(new URL('./schema-worker.ts', import.meta.url));

// Under Jest only the TypeScript source exists, and a worker has no Jest: this makes require() understand TypeScript
// by the compiler that Jest uses, a development dependency.
const FROM_SOURCE = `
const { workerData } = require('node:worker_threads');
const { createRequire, Module } = require('node:module');
const required = createRequire(workerData);
const { transformFileSync } = required('@swc/core');
const options = { swcrc: false, module: { type: 'commonjs' }, jsc: { parser: { syntax: 'typescript' }, target: 'es2023' } };
Module._extensions['.ts'] = (module, file) => module._compile(transformFileSync(file, options).code, file);
const resolve = Module._resolveFilename;
Module._resolveFilename = (name, parent, ...rest) =>
  resolve(/^[.].*[.]js$/.test(name) && parent?.filename?.endsWith('.ts') ? name.replace(/js$/, 'ts') : name, parent, ...rest);
required(workerData);
`;

/** Starts a worker that runs schema-worker; it keeps no process alive. `memoryMb` is the limit of its heap. */
export function startSchemaWorker(memoryMb: number): Worker {
  const options: WorkerOptions = {
    // recheck must not look for Java or a native binary, nor start a worker of its own; nothing else needs our environment.
    env: { RECHECK_SYNC_BACKEND: 'pure' },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: memoryMb },
  };
  const worker = existsSync(COMPILED)
    ? new Worker(COMPILED, options)
    : new Worker(FROM_SOURCE, { ...options, eval: true, workerData: SOURCE });
  worker.unref();
  return worker;
}
