import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withFolderLock } from './folder-lock.js';
import { processIdentity } from './process-identity.js';

describe('the lock on a folder', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'folder-lock-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('lets one at a time work, gives each its turn, and leaves nothing behind', async () => {
    let working = 0;
    const seen: number[] = [];
    const work = async (): Promise<void> => {
      working += 1;
      seen.push(working);
      await sleep(20);
      working -= 1;
    };

    await Promise.all(Array.from({ length: 6 }, () => withFolderLock(folder, 20_000, work)));

    expect(seen).toEqual([1, 1, 1, 1, 1, 1]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('is free again when the work throws', async () => {
    const failing = withFolderLock(folder, 1_000, () => Promise.reject(new Error('broken')));

    await expect(failing).rejects.toThrow('broken');
    await expect(withFolderLock(folder, 1_000, async () => 'done')).resolves.toBe('done');
  });

  it('is not held by a claim of a process that ended, or whose pid another program has now', async () => {
    await writeFile(path.join(folder, 'lock-4194000-123-0a'), '');
    await writeFile(path.join(folder, `lock-${process.pid}-123-0b`), '');

    await expect(withFolderLock(folder, 1_000, async () => readdir(folder))).resolves.toHaveLength(1);
  });

  it('gives up after the timeout while a living process holds it', async () => {
    await writeFile(path.join(folder, `lock-${process.pid}-${await processIdentity(process.pid)}-0c`), '');

    await expect(withFolderLock(folder, 200, async () => 'done')).rejects.toThrow(/still holds the lock/);
  });
});
