import { spawn, type ChildProcess } from 'node:child_process';
import { open, readFile, readlink, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { identityOf, plainEnvironment, run } from './embedded-account.js';
import type { Binaries } from './embedded-binaries.js';
import { readPort, writeConfiguration, writePort, type Cluster } from './embedded-cluster.js';
import { processIdentity } from './process-identity.js';

/** A postmaster on our data folder; `identity` tells it from a later program with the same pid. */
export interface Server {
  pid: number;
  identity: string;
  port: number;
}

/** What `postmaster.pid` says of a living postmaster of ours, see pidfile.h of PostgreSQL. */
interface Found extends Server {
  status: string;
  /** false where only the name of the program could be compared */
  certain: boolean;
}

/** Marks the one connection by which each process that uses the server says so. */
export const KEEPER_NAME = 'mcp-control-plane keeper';

/** Milliseconds until a server that accepts no connections counts as failed: recovery after a kill replays up to 1 GB. */
const READY_TIMEOUT = 180_000;
/** Milliseconds between looks at a starting server. */
const POLL = 25;
/** Bytes of the log that stay in one file. */
const LOG_LIMIT = 10_000_000;

export function serverUrl(port: number, password: string): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
}

/** A connection of the launcher itself, which never keeps the process alive and whose loss is no uncaught error. */
export async function connect(port: number, password: string): Promise<Client> {
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password,
    database: 'postgres',
    // Else PGSSLMODE of the environment, meant for another server, would decide.
    ssl: false,
    application_name: KEEPER_NAME,
    connectionTimeoutMillis: 5_000,
    query_timeout: 10_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
  keepAlive(client, false);
  return client;
}

/** Whether waiting for this connection keeps the process from ending. The types of pg leave ref and unref out. */
export function keepAlive(client: Client, yes: boolean): void {
  (client as Client & Record<'ref' | 'unref', () => void>)[yes ? 'ref' : 'unref']();
}

/** Finds the living postmaster of the data folder. A pid that a zombie or a foreign program has is not one. */
export async function findServer({ data }: Cluster): Promise<Found | undefined> {
  const text = await readFile(path.join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n').map((line) => line.trim());
  const pid = Number(lines[0]);
  const identity = await processIdentity(pid);
  if (identity === null) return undefined;
  const kinship = await isPostmasterOf(pid, data);
  if (kinship === 'no') return undefined;
  return { pid, identity, port: Number(lines[3] ?? 0), status: lines[7] ?? '', certain: kinship === 'yes' };
}

/** A postmaster works in its data folder, which Linux shows; elsewhere the name of the program has to do. */
async function isPostmasterOf(pid: number, data: string): Promise<'yes' | 'no' | 'perhaps'> {
  if (process.platform === 'linux') {
    try {
      const [theirs, ours] = await Promise.all([stat(`/proc/${pid}/cwd`), stat(data)]);
      return theirs.ino === ours.ino && theirs.dev === ours.dev ? 'yes' : 'no';
    } catch (error) {
      // Processes of others don't show theirs, and ours runs under our account.
      if (['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return 'no';
    }
    const program = await readlink(`/proc/${pid}/exe`).catch(() => 'postgres');
    return path.basename(program).startsWith('postgres') ? 'perhaps' : 'no';
  }
  if (process.platform === 'win32') return 'perhaps';
  const { output } = await run('ps', ['-o', 'comm=', '-p', String(pid)], { cwd: '/', account: undefined });
  return output.includes('postgres') ? 'perhaps' : 'no';
}

/**
 * Waits until a found server answers SELECT 1 with our password.
 *
 * @returns null when it ended meanwhile, or turned out to be another server
 * @throws when it lives and does not answer in time
 */
export async function adoptServer(cluster: Cluster, password: string): Promise<Server | null> {
  const deadline = Date.now() + READY_TIMEOUT;
  let failure: unknown;
  while (Date.now() < deadline) {
    const found = await findServer(cluster);
    if (!found) return null;
    if (found.status === 'ready') {
      try {
        const client = await connect(found.port, password);
        const ours = found.certain || (await servesFolder(client, cluster));
        await client.end();
        if (ours) return found;
      } catch (error) {
        failure = error;
      }
      if (!found.certain) return null;
    }
    await sleep(POLL * 4);
  }
  throw new Error(`The PostgreSQL that runs in ${cluster.data} does not answer`, { cause: failure });
}

async function servesFolder(client: Client, { data }: Cluster): Promise<boolean> {
  const { rows } = await client.query<{ folder: string }>("SELECT current_setting('data_directory') AS folder");
  const [theirs, ours] = await Promise.all([stat(rows[0]?.folder ?? '').catch(() => undefined), stat(data)]);
  return theirs !== undefined && theirs.ino === ours.ino && theirs.dev === ours.dev;
}

/**
 * Starts a server on the data folder, which must have none. Call it under the folder's lock.
 *
 * @param fixedPort the port it has to use; else it prefers the last one
 * @throws with the end of the server's log
 */
export async function launchServer(
  cluster: Cluster,
  binaries: Binaries,
  settings: Record<string, string>,
  fixedPort?: number,
): Promise<Server> {
  await removeForeignPid(cluster);
  let port = fixedPort ?? (await freePort(await readPort(cluster)));
  const deadline = Date.now() + 20_000;
  for (;;) {
    await writeConfiguration(cluster, port, settings);
    const failure = await launchOnce(cluster, binaries);
    if (typeof failure !== 'string') {
      await writePort(cluster, port);
      return failure;
    }
    const portTaken = /could not bind|could not create any TCP/.test(failure);
    // Backends of a killed postmaster take a moment to notice; until then PostgreSQL refuses to start, rightly.
    const stillDying = /shared memory block .*still in use/.test(failure);
    if (Date.now() > deadline || !(stillDying || (portTaken && fixedPort === undefined))) {
      throw new Error(`The embedded PostgreSQL did not start: ${failure}`);
    }
    if (portTaken) port = await freePort(undefined);
    else await sleep(200);
  }
}

/** PostgreSQL takes any living process that the file names for a server and refuses to start. */
async function removeForeignPid(cluster: Cluster): Promise<void> {
  const found = await findServer(cluster);
  if (found?.certain) throw new Error(`PostgreSQL ${found.pid} already runs in ${cluster.data}`);
  if (!found) await rm(path.join(cluster.data, 'postmaster.pid'), { force: true });
}

/** @returns the server once it is ready, or the end of its log when it ended instead */
async function launchOnce(cluster: Cluster, binaries: Binaries): Promise<Server | string> {
  const log = await openLog(cluster);
  try {
    const { size } = await log.stat();
    const child = spawnServer(cluster, binaries, log.fd);
    const ended = new Promise<string>((resolve) => {
      child.on('error', (error) => resolve(error.message));
      // pg_ctl, on Windows, ends at once and leaves the server running.
      child.on('exit', (code, signal) => process.platform !== 'win32' && resolve(`ended with ${code ?? signal}`));
    });
    const ready = await Promise.race([ended, untilReady(cluster)]);
    if (typeof ready !== 'string') return ready;
    return `${ready}\n${await logTail(cluster, size)}`;
  } finally {
    await log.close();
  }
}

async function untilReady(cluster: Cluster): Promise<Server | string> {
  const deadline = Date.now() + READY_TIMEOUT;
  while (Date.now() < deadline) {
    const found = await findServer(cluster);
    if (found?.status === 'ready') return found;
    await sleep(POLL);
  }
  return `not ready after ${READY_TIMEOUT / 1_000} s`;
}

/**
 * The server gets a session of its own, so that Ctrl+C in the terminal reaches us alone and we stop it in order. As
 * our child it leaves no zombie when it dies. Only pg_ctl can start it for an administrator on Windows.
 */
function spawnServer({ data, account, here }: Cluster, binaries: Binaries, log: number): ChildProcess {
  const windows = process.platform === 'win32';
  const child = spawn(
    windows ? binaries.pgCtl : binaries.postgres,
    windows ? ['start', '--no-wait', '-D', here] : ['-D', here],
    {
      cwd: data,
      env: plainEnvironment(),
      detached: true,
      windowsHide: true,
      stdio: ['ignore', log, log],
      ...identityOf(account),
    },
  );
  child.unref();
  return child;
}

/**
 * Stops the server, rolling back what is under way, and waits for its end; if it takes longer than a minute, without
 * a checkpoint, which costs a recovery at the next start but no committed row.
 */
export async function stopServer({ data, account, here }: Cluster, binaries: Binaries): Promise<void> {
  const stop = (mode: string): ReturnType<typeof run> =>
    run(binaries.pgCtl, ['stop', '-D', here, '--mode', mode, '--wait', '--timeout', '60'], { cwd: data, account });
  const fast = await stop('fast');
  if (fast.code === 0) return;
  const immediate = await stop('immediate');
  if (immediate.code !== 0)
    throw new Error(`PostgreSQL did not stop: ${fast.output.trim()}; ${immediate.output.trim()}`);
}

async function openLog({ folder }: Cluster): Promise<FileHandle> {
  const file = path.join(folder, 'postgres.log');
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_LIMIT) await rename(file, `${file}.old`);
  return open(file, 'a', 0o600);
}

async function logTail({ folder }: Cluster, from: number): Promise<string> {
  const text = await readFile(path.join(folder, 'postgres.log'));
  return text
    .subarray(Math.max(from, text.length - 4_000))
    .toString()
    .trim();
}

/**
 * Ports below the range from which systems pick ports of outgoing connections: one of those could sit on the port in
 * the moment between a crash of the server and its restart.
 */
async function freePort(preferred: number | undefined): Promise<number> {
  if (preferred !== undefined && (await bind(preferred)) !== undefined) return preferred;
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const port = await bind(20_000 + Math.floor(Math.random() * 12_000));
    if (port !== undefined) return port;
  }
  const port = await bind(0);
  if (port === undefined) throw new Error('There is no free port on 127.0.0.1');
  return port;
}

function bind(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.on('error', () => resolve(undefined));
    probe.listen(port, '127.0.0.1', () => {
      const { port: bound } = probe.address() as AddressInfo;
      probe.close(() => resolve(bound));
    });
  });
}
