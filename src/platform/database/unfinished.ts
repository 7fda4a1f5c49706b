import { randomBytes } from 'node:crypto';
import { lstat, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';

const UNFINISHED = /\.new-[0-9a-f]{12}$/;

/** A name beside `destination` for something that is renamed to it when complete, so that a kill leaves no half of it. */
export function unfinishedName(destination: string): string {
  return `${destination}.new-${randomBytes(6).toString('hex')}`;
}

/**
 * Removes what kills left in the folder. Call it under the folder's lock. Programs of a killed process may still be
 * writing there; what they keep alive now goes at the next start.
 */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (UNFINISHED.test(name))
      await rm(path.join(folder, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Replaces a small file, readable by its owner only, so that even a power failure leaves the old or the new one. */
export async function writeDurably(file: string, text: string): Promise<void> {
  const unfinished = unfinishedName(file);
  const handle = await open(unfinished, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinished, file);
}

/** Makes renames in the folder survive a power failure. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows can't open a folder, and journals renames by itself.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

/** Whether there is something under that name, be it a symlink to nowhere. */
export async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}
