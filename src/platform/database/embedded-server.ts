import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from './embedded-account.js';
import type { Cluster } from './embedded-cluster.js';
import { connectAsSuperuser } from './embedded-connection.js';
import { processIdentity } from './process-identity.js';

/** A postmaster on our data folder; `identity` tells it from a later program with the same pid. */
export interface Server {
  pid: number;
  identity: string;
  port: number;
}

/** What `postmaster.pid` says of a living postmaster of ours, see pidfile.h of PostgreSQL. */
interface Found extends Server {
  /** `ready` once it accepts connections */
  status: string;
  /** false where only name and account of the program could be compared */
  certain: boolean;
}

/** SQLSTATE invalid_password: waiting would not change it. */
const WRONG_PASSWORD = '28P01';

/** Milliseconds until a server that accepts no connections counts as failed: recovery after a kill replays up to 1 GB. */
export const READY_TIMEOUT = 180_000;
/** Milliseconds for one of which it is not certain that it is ours. */
const DOUBT_TIMEOUT = 10_000;

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

/** A postmaster works in its data folder, and Linux shows where; else account and name of the program have to do. */
async function isPostmasterOf(pid: number, data: string): Promise<'yes' | 'no' | 'perhaps'> {
  if (process.platform === 'win32') return 'perhaps';
  if (process.platform !== 'linux') {
    const { output } = await run('ps', ['-o', 'comm=', '-p', String(pid)], { cwd: '/', account: undefined });
    return output.includes('postgres') ? 'perhaps' : 'no';
  }
  const [program, ours, theirs] = await Promise.all([
    readFile(`/proc/${pid}/comm`, 'utf8').catch(() => ''),
    stat(data).catch(() => undefined),
    stat(`/proc/${pid}`).catch(() => undefined),
  ]);
  if (program.trim() !== 'postgres' || !ours || ours.uid !== theirs?.uid) return 'no';
  try {
    return isSame(await stat(`/proc/${pid}/cwd`), ours) ? 'yes' : 'no';
  } catch {
    // Root in a container may lack CAP_SYS_PTRACE, which looking into processes of other accounts takes.
    return 'perhaps';
  }
}

function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

/**
 * Waits until a found server answers SELECT 1 with our password.
 *
 * @returns null when it ended meanwhile, or turned out to be another server
 * @throws when it lives and does not answer in time
 */
export async function adoptServer(cluster: Cluster, password: string): Promise<Server | null> {
  const start = Date.now();
  let failure: unknown;
  while (Date.now() - start < READY_TIMEOUT) {
    const found = await findServer(cluster);
    if (!found) return null;
    try {
      if (found.status === 'ready') return (await answers(found, password, cluster)) ? found : null;
    } catch (error) {
      if ((error as { code?: string }).code === WRONG_PASSWORD) {
        if (found.certain) throw error;
        return null;
      }
      failure = error;
    }
    if (!found.certain && Date.now() - start > DOUBT_TIMEOUT) return null;
    await sleep(100);
  }
  throw new Error(`The PostgreSQL that runs in ${cluster.data} does not answer`, { cause: failure });
}

/** @returns whether the server is ours: where that is in doubt, whether it sees a file that appears in our data */
async function answers({ port, certain }: Found, password: string, { data }: Cluster): Promise<boolean> {
  const client = await connectAsSuperuser(port, password);
  const name = `seen-${randomBytes(8).toString('hex')}`;
  try {
    if (certain) return true;
    await writeFile(path.join(data, name), '');
    const { rows } = await client.query<{ seen: boolean }>('SELECT (pg_stat_file($1, true)).size = 0 AS seen', [name]);
    return rows[0]?.seen === true;
  } finally {
    await rm(path.join(data, name), { force: true });
    await client.end();
  }
}
