import { createHash } from 'node:crypto';
import { readdir, readFile, readlink, rm, stat, utimes, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PREFIX = 'used-by-';

/** Milliseconds between signs of life, and how long one watches for those of others: three of them. */
export const PRESENCE_INTERVAL = 2_000;
const OBSERVATION = 3 * PRESENCE_INTERVAL;

/**
 * Makes sure that no other machine or container runs a server in the folder: on a shared volume neither PostgreSQL
 * nor our lock sees its processes, and two servers would destroy the data. Each says in a file of its own that it
 * is there, and touches it while its server runs; writing comes before looking, so of two at least one sees the other.
 * Takes no time unless there is such a file of another one, which a killed container leaves behind.
 *
 * @throws when another one gives signs of life; clocks are not compared
 */
export async function claimPresence(folder: string): Promise<void> {
  const own = await ownName();
  await writeFile(path.join(folder, own), os.hostname(), { mode: 0o600 });
  const others = (await readdir(folder)).filter((name) => name.startsWith(PREFIX) && name !== own);
  if (others.length === 0) return;
  const before = await Promise.all(others.map((name) => lastSign(folder, name)));
  await sleep(OBSERVATION);
  for (const [index, name] of others.entries()) {
    const sign = await lastSign(folder, name);
    if (sign !== undefined && sign !== before[index]) {
      const host = await readFile(path.join(folder, name), 'utf8').catch(() => 'unknown');
      await withdrawPresence(folder);
      throw new Error(`${folder} is in use by another machine or container (${host}): give each its own DATA_DIR`);
    }
    await rm(path.join(folder, name), { force: true });
  }
}

/** A sign of life, due every PRESENCE_INTERVAL. It fails silently: a full or lost disk shows elsewhere. */
export async function showPresence(folder: string): Promise<void> {
  const now = new Date();
  await utimes(path.join(folder, await ownName()), now, now).catch(() => undefined);
}

export async function withdrawPresence(folder: string): Promise<void> {
  await rm(path.join(folder, await ownName()), { force: true });
}

/** All that see the same processes share one name: a machine, or on Linux a PID namespace, see pid_namespaces(7). */
async function ownName(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return PREFIX + createHash('sha256').update(`${os.hostname()} ${namespace}`).digest('hex').slice(0, 16);
}

/** Milliseconds, or undefined when it withdrew. */
async function lastSign(folder: string, name: string): Promise<number | undefined> {
  return stat(path.join(folder, name)).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}
