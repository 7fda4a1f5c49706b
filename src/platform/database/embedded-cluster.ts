import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { chooseAccount, run, type Account } from './embedded-account.js';
import type { Binaries } from './embedded-binaries.js';
import { exists, removeUnfinished, syncFolder, unfinishedName, writeDurably } from './unfinished.js';

/** What we keep in the folder of the product, and how PostgreSQL gets at it. */
export interface Cluster {
  folder: string;
  /** PGDATA */
  data: string;
  account: Account | undefined;
  /**
   * The name under which PostgreSQL knows its working directory: `.`, or `/proc/self/cwd` where the account may be in
   * the folder but not walk to it (root's folder below a home folder of mode 0700): that name skips the parents.
   */
  here: string;
}

/** Settings of every embedded server; those of the caller come after them and win. */
const SETTINGS: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '60',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  default_text_search_config: 'pg_catalog.english',
  // Containers give /dev/shm 64 MB, which one parallel hash join can exceed.
  max_parallel_workers_per_gather: '0',
  // Statements and the DETAIL of errors hold values of rows, which have no place in a log.
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
};

/** Looks at the folder, and creates it; call it before taking the folder's lock, which lives in it. */
export async function openCluster(folder: string): Promise<Cluster> {
  const data = path.join(folder, 'data');
  const account = await chooseAccount(data);
  // The account has to pass through to its data; what root keeps beside them has modes of its own.
  await mkdir(folder, { recursive: true, mode: account ? 0o711 : 0o700 });
  return { folder, data, account, here: await nameOfHere(folder, account) };
}

async function nameOfHere(folder: string, account: Account | undefined): Promise<string> {
  if (!account) return '.';
  const { code } = await run('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], { cwd: '/', account });
  if (code === 0) return '.';
  if (process.platform === 'linux') return '/proc/self/cwd';
  throw new Error(
    `PostgreSQL does not run as root, and account ${account.name} may not enter ${folder}: ` +
      'choose another DATA_DIR, run as an ordinary user, or set DATABASE_URL',
  );
}

/**
 * Creates the database files where there are none. A kill at any moment leaves no half of them: initdb works beside
 * the final name. Call it under the folder's lock.
 *
 * @returns the password of the superuser `postgres`
 * @throws when the files are of another major version, incomplete, or initdb fails
 */
export async function ensureInitialized(cluster: Cluster, binaries: Binaries, sync: boolean): Promise<string> {
  await removeUnfinished(cluster.folder);
  if (await exists(cluster.data)) await assertVersion(cluster, binaries);
  else await initialize(cluster, binaries, sync);
  return readPassword(cluster);
}

/** @throws with advice when the password was removed while the data were kept */
export async function readPassword({ folder, data }: Cluster): Promise<string> {
  try {
    return (await readFile(path.join(folder, 'password'), 'utf8')).trim();
  } catch (error) {
    throw new Error(`${path.join(folder, 'password')} is missing: restore it, or move ${data} away to start empty`, {
      cause: error,
    });
  }
}

/** Writes the configuration of the next start. ALTER SYSTEM is the way to settings that stay. */
export async function writeConfiguration(
  cluster: Cluster,
  port: number,
  settings: Record<string, string>,
): Promise<void> {
  const file = path.join(cluster.data, 'postgresql.conf');
  const lines = Object.entries({ ...SETTINGS, ...settings, port: String(port) }).map(
    ([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`,
  );
  const unfinished = `${file}.new`;
  await writeFile(unfinished, `# Written anew at each start: use ALTER SYSTEM.\n${lines.join('\n')}\n`, {
    mode: 0o600,
  });
  await giveTo(cluster.account, unfinished);
  await rename(unfinished, file);
}

/** The port of the last start, so that running products find a restarted server where they look for it. */
export async function readPort({ folder }: Cluster): Promise<number | undefined> {
  const port = Number(await readFile(path.join(folder, 'port'), 'utf8').catch(() => ''));
  return Number.isInteger(port) && port > 0 ? port : undefined;
}

export async function writePort({ folder }: Cluster, port: number): Promise<void> {
  await writeFile(path.join(folder, 'port'), String(port), { mode: 0o600 });
}

async function initialize(cluster: Cluster, binaries: Binaries, sync: boolean): Promise<void> {
  const { folder, data, account, here } = cluster;
  const work = unfinishedName(data);
  const password = randomBytes(24).toString('base64url');
  await mkdir(path.join(work, 'data'), { recursive: true, mode: 0o700 });
  await chmod(path.join(work, 'data'), 0o700);
  await writeFile(path.join(work, 'password'), password, { mode: 0o600 });
  for (const file of [work, path.join(work, 'data'), path.join(work, 'password')]) await giveTo(account, file);
  const parameters = [
    ...['--pgdata', here, '--pwfile', '../password'],
    ...['--username', 'postgres', '--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-instructions'],
    ...['--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8'],
    ...(sync ? [] : ['--no-sync']),
  ];
  const { code, output } = await run(binaries.initdb, parameters, { cwd: path.join(work, 'data'), account });
  if (code !== 0) {
    await rm(work, { recursive: true, force: true });
    throw new Error(`initdb failed in ${folder}; repair it or set DATABASE_URL: ${output.trim().slice(-2_000)}`);
  }
  // The password first: without data it is replaced at the next start, data without it would be locked for good.
  await writeDurably(path.join(folder, 'password'), password);
  await rename(path.join(work, 'data'), data);
  await syncFolder(folder);
  await rm(work, { recursive: true, force: true });
}

async function assertVersion({ data }: Cluster, { major }: Binaries): Promise<void> {
  const found = await readFile(path.join(data, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (found === undefined)
    throw new Error(`${data} exists and holds no PostgreSQL data: move it away or choose another DATA_DIR`);
  if (Number(found.trim()) !== major) {
    throw new Error(
      `${data} was made by PostgreSQL ${found.trim()}, this version of the product brings ${major}: ` +
        'dump it with the old version and restore it with the new one, or set DATABASE_URL',
    );
  }
}

async function giveTo(account: Account | undefined, file: string): Promise<void> {
  if (account) await chown(file, account.uid, account.gid);
}
