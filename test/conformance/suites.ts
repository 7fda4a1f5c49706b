import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

/** One requirement that a suite looked at. */
export interface Check {
  scenario: string;
  id: string;
  status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';
  errorMessage?: string;
}

export interface Run {
  checks: Check[];
  /** How many scenarios it said that it would look at. */
  announced: number;
  /** What it ended with: 0 where all passed that is required; null where it was killed. */
  code: number | null;
}

export interface Suite {
  /** Of this folder's package.json. */
  package: 'conformance' | 'conformance-next';
  arguments: string[];
}

const FOLDER = __dirname;
const LIMIT_MS = 240_000;
const LEAST_NODE = 22;
const BASE64 = { maxBuffer: 64 * 1024 * 1024 };

/** Runs a suite against the server at this address, in a process of its own. Checks are in its files, not in what it prints. */
export async function run(suite: Suite, url: string): Promise<Run> {
  const output = await mkdtemp(path.join(os.tmpdir(), 'mcp-control-plane-conformance-'));
  const program = path.join(FOLDER, 'node_modules', suite.package, 'dist', 'index.js');
  const parameters = [program, 'server', '--url', url, ...suite.arguments, '--output-dir', output];
  try {
    const { code, stdout } = await ended(parameters);
    const announced = Number(/^Running .* \((\d+) scenarios\)/m.exec(stdout)?.[1]);
    return { checks: await read(output), announced, code };
  } finally {
    await rm(output, { recursive: true, force: true });
  }
}

/** It ends with 1 where something failed, which is for others to judge. */
function ended(parameters: string[]): Promise<{ code: number | null; stdout: string }> {
  return new Promise((resolve) => {
    const child = execFile(node(), parameters, { timeout: LIMIT_MS, ...BASE64 }, (_error, stdout) =>
      resolve({ code: child.exitCode, stdout }),
    );
  });
}

/** A Node.js that the suites can run on: this one, where it is new enough. */
export function node(): string {
  if (Number(process.versions.node.split('.')[0]) >= LEAST_NODE) return process.execPath;
  const require = createRequire(path.join(FOLDER, 'package.json'));
  return require.resolve(`node-${process.platform}-${process.arch}/bin/node`);
}

/** A folder for each scenario: `server-<scenario>-<time>/checks.json`. */
async function read(output: string): Promise<Check[]> {
  const checks: Check[] = [];
  for (const name of await readdir(output, { recursive: true })) {
    if (path.basename(name) !== 'checks.json') continue;
    const scenario = path
      .dirname(name)
      .replace(/^server-/, '')
      .replace(/-\d{4}-\d\d-\d\dT.*$/, '');
    const found = JSON.parse(await readFile(path.join(output, name), 'utf8')) as Omit<Check, 'scenario'>[];
    checks.push(...found.map((check) => ({ ...check, scenario })));
  }
  return checks;
}
