import { readFile, readlink, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
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
  /** false where only the name of the program could be compared */
  certain: boolean;
}

/** SQLSTATE invalid_password: waiting would not change it. */
const WRONG_PASSWORD = '28P01';

/** Milliseconds until a server that accepts no connections counts as failed: recovery after a kill replays up to 1 GB. */
export const READY_TIMEOUT = 180_000;

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
        const client = await connectAsSuperuser(found.port, password);
        const ours = found.certain || (await servesFolder(client, cluster));
        await client.end();
        if (ours) return found;
      } catch (error) {
        if (found.certain && (error as { code?: string }).code === WRONG_PASSWORD) throw error;
        failure = error;
      }
      if (!found.certain) return null;
    }
    await sleep(100);
  }
  throw new Error(`The PostgreSQL that runs in ${cluster.data} does not answer`, { cause: failure });
}

async function servesFolder(client: Client, { data }: Cluster): Promise<boolean> {
  const { rows } = await client.query<{ folder: string }>("SELECT current_setting('data_directory') AS folder");
  const [theirs, ours] = await Promise.all([stat(rows[0]?.folder ?? '').catch(() => undefined), stat(data)]);
  return theirs !== undefined && theirs.ino === ours.ino && theirs.dev === ours.dev;
}
