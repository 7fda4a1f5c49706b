import { spawn, type ChildProcess } from 'node:child_process';
import { open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityOf, plainEnvironment, run } from './embedded-account.js';
import type { Binaries } from './embedded-binaries.js';
import { readPort, writeConfiguration, writePort, type Cluster } from './embedded-cluster.js';
import { findServer, READY_TIMEOUT, type Server } from './embedded-server.js';

/** Bytes of the log that stay in one file. */
const LOG_LIMIT = 10_000_000;

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
    const over = new AbortController();
    const ready = await Promise.race([ended, untilReady(cluster, over.signal)]).finally(() => over.abort());
    if (typeof ready !== 'string') return ready;
    return `${ready}\n${await logTail(cluster, size)}`;
  } finally {
    await log.close();
  }
}

async function untilReady(cluster: Cluster, over: AbortSignal): Promise<Server | string> {
  const deadline = Date.now() + READY_TIMEOUT;
  while (Date.now() < deadline && !over.aborted) {
    const found = await findServer(cluster);
    if (found?.status === 'ready') return found;
    await sleep(25);
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
  if (immediate.code === 0) return;
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
