import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../free-port.js';

/** A stdio server as a connection would name it. */
export interface Program {
  command: string;
  args: string[];
}

/** The official `server-everything` on stdio. */
export function everythingProgram(): Program {
  return program('server-everything');
}

/** The official `server-filesystem` on stdio, confined to these absolute folders. */
export function filesystemProgram(...folders: string[]): Program {
  return program('server-filesystem', ...folders);
}

/** The official `server-memory` on stdio; where it keeps its graph is MEMORY_FILE_PATH in its environment. */
export function memoryProgram(): Program {
  return program('server-memory');
}

/**
 * A raw server that does what the called tool is named: crash, hang, flood, huge, chatter, grandchild and others.
 * Flags: `--modern` (2026-07-28 only), `--dies` (at start), `--deaf` (stops reading), `--stubborn` (ignores SIGTERM).
 */
export function hostileProgram(...flags: string[]): Program {
  return {
    command: process.execPath,
    args: [join(process.cwd(), 'test/support/upstreams/hostile-program.mjs'), ...flags],
  };
}

/** `server-everything` as a process of its own on Streamable HTTP (or, with `sse`, on the deprecated transport). */
export async function startEverything(
  transport: 'streamableHttp' | 'sse' = 'streamableHttp',
): Promise<{ url: string; pid: number; close: () => Promise<void> }> {
  const { command, args } = program('server-everything', transport);
  // The package takes a fixed port only; between finding a free one and its use another program may take it.
  for (let tries = 0; ; tries++) {
    const port = await freePort();
    const child = spawn(command, args, { env: { PORT: String(port) }, stdio: ['ignore', 'ignore', 'pipe'] });
    const isUp = await listening(child);
    if (isUp) {
      const path = transport === 'sse' ? '/sse' : '/mcp';
      return { url: `http://127.0.0.1:${port}${path}`, pid: child.pid ?? 0, close: () => stop(child) };
    }
    if (tries === 3) throw new Error('server-everything does not start');
  }
}

function program(name: string, ...args: string[]): Program {
  const entry = join(process.cwd(), 'node_modules/@modelcontextprotocol', name, 'dist/index.js');
  if (!existsSync(entry)) throw new Error(`${entry} is missing: run npm ci in the root of the repository`);
  return { command: process.execPath, args: [entry, ...args] };
}

/** It says so on stderr; it exits when the port is taken. */
function listening(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      if (/on port \d+/.test(chunk.toString())) resolve(true);
    });
    child.once('exit', () => resolve(false));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
  await exited;
  clearTimeout(timer);
}
