import { randomBytes } from 'node:crypto';
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processIdentity } from './process-identity.js';

const CLAIM = /^lock-(\d+)-(\w+)-\w+$/;

/**
 * Runs `work` while no other process (and no other caller in this one) runs work under the same folder.
 *
 * Node has no lock that the kernel releases, so each contender writes a claim that names its process, looks for
 * claims of other living processes, and withdraws its own when it finds one. Writing comes before looking, so of two
 * contenders at least one sees the other. The claim of a killed process counts for nothing and blocks nobody.
 *
 * @param timeout milliseconds to wait for other holders before it throws
 */
export async function withFolderLock<T>(folder: string, timeout: number, work: () => Promise<T>): Promise<T> {
  const identity = (await processIdentity(process.pid)) ?? 'unknown';
  const own = `lock-${process.pid}-${identity}-${randomBytes(6).toString('hex')}`;
  const deadline = Date.now() + timeout;
  for (;;) {
    if (!(await heldByOthers(folder, own))) {
      await writeFile(path.join(folder, own), '', { flag: 'wx', mode: 0o600 });
      if (!(await heldByOthers(folder, own))) break;
      await rm(path.join(folder, own), { force: true });
    }
    if (Date.now() > deadline) throw new Error(`Another process still holds the lock on ${folder}`);
    // Random, so that two contenders which saw each other don't keep meeting.
    await sleep(10 + Math.random() * 90);
  }
  try {
    return await work();
  } finally {
    await rm(path.join(folder, own), { force: true });
  }
}

async function heldByOthers(folder: string, own: string): Promise<boolean> {
  for (const name of await readdir(folder)) {
    const claim = CLAIM.exec(name);
    if (!claim || name === own) continue;
    if ((await processIdentity(Number(claim[1]))) === claim[2]) return true;
    await rm(path.join(folder, name), { force: true });
  }
  return false;
}
