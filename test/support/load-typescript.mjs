// Hooks of Node's module loader (https://nodejs.org/docs/latest-v20.x/api/module.html#hooks), so that the stand-ins of the tests
// run as programs (the second tour of the README).
import { transformFile } from '@swc/core';
import { existsSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

// Imported once by the program, to register itself, and once by the thread that runs hooks.
if (isMainThread) register(import.meta.url);

export async function resolve(specifier, context, next) {
  if (/^\.{1,2}\/.*\.js$/.test(specifier)) {
    const source = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL);
    if (existsSync(source)) return next(source.href, context);
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const jsc = { parser: { syntax: 'typescript', decorators: true }, target: 'es2022' };
  const { code } = await transformFile(fileURLToPath(url), { module: { type: 'es6' }, jsc, swcrc: false });
  return { format: 'module', source: code, shortCircuit: true };
}
