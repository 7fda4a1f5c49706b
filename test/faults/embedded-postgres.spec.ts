import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Pool } from 'pg';
import { processIdentity } from '../../src/platform/database/process-identity.js';
import { createLauncherApp, type LauncherApp, type Launched } from '../support/postgres-launcher.js';

const asRoot = process.getuid?.() === 0;
const onlyAsRoot = (...test: Parameters<typeof it>): void => {
  if (asRoot) it(...test);
};
const NOBODY = 65_534;

let app: LauncherApp;
const foreign: ChildProcess[] = [];

beforeEach(async () => {
  app = await createLauncherApp();
});

afterEach(async () => {
  for (const child of foreign.splice(0)) child.kill('SIGKILL');
  await app.remove();
});

async function query<T extends object>({ adminUrl }: Launched, text: string): Promise<T[]> {
  const client = new Client(adminUrl);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

async function eventually<T>(work: () => Promise<T>, accept: (result: T) => boolean = () => true): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      const result = await work();
      if (accept(result)) return result;
      if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(result)}`);
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await sleep(50);
  }
}

/** Inserts 1, 2, 3 ... one by one until the connection is lost, and says which were acknowledged. */
async function insertUntilLost(server: Launched): Promise<{ acknowledged: () => number; lost: Promise<void> }> {
  await query(server, 'CREATE TABLE written (number int PRIMARY KEY)');
  const client = new Client(server.adminUrl);
  client.on('error', () => undefined);
  await client.connect();
  let acknowledged = 0;
  const loop = async (): Promise<void> => {
    for (;;) {
      await client.query('INSERT INTO written VALUES ($1)', [acknowledged + 1]);
      acknowledged += 1;
    }
  };
  return { acknowledged: () => acknowledged, lost: loop().catch(() => undefined) };
}

async function expectWritten(server: Launched, acknowledged: number): Promise<void> {
  const [found] = await query<{ rows: number; last: number }>(
    server,
    'SELECT count(*)::int AS rows, max(number) AS last FROM written',
  );
  // One more may have been committed whose acknowledgement was lost.
  expect([acknowledged, acknowledged + 1]).toContain(found?.rows);
  expect(found?.last).toBe(found?.rows);
}

async function isRunning(pid: number): Promise<boolean> {
  return (await processIdentity(pid)) !== null;
}

describe('when a process is killed', () => {
  it('starts the server again on the same port, and a pool recovers by itself', async () => {
    const product = app.launch(await app.folder());
    const before = await product.ready();
    const pool = new Pool({ connectionString: before.url });
    pool.on('error', () => undefined);
    await pool.query('SELECT 1');
    const writing = await insertUntilLost(before);
    await eventually(
      async () => writing.acknowledged(),
      (count) => count > 50,
    );

    process.kill(before.pid, 'SIGKILL');
    await writing.lost;
    await eventually(() => pool.query('SELECT 1'));
    await pool.end();

    const after = await eventually(
      () => product.tell(),
      ({ pid }) => pid !== before.pid,
    );
    expect(after.url).toBe(before.url);
    expect(after.lines).toEqual(expect.arrayContaining(['embedded PostgreSQL restarted']));
    await expectWritten(after, writing.acknowledged());
    await product.stop();
    expect(await isRunning(after.pid)).toBe(false);
  });

  it('restarts the server as often as it is killed', async () => {
    const product = app.launch(await app.folder());
    let server = await product.ready();

    for (let round = 0; round < 4; round += 1) {
      const { pid } = server;
      process.kill(pid, 'SIGKILL');
      server = await eventually(
        () => product.tell(),
        (told) => told.pid !== pid,
      );
    }

    await expect(query(server, 'SELECT 1')).resolves.toHaveLength(1);
  });

  it('keeps its word to the others when a backend is killed and the server restarts its backends', async () => {
    const folder = await app.folder();
    const [first, second] = [app.launch(folder), app.launch(folder)];
    const server = await first.ready();
    await second.ready();
    const [backend] = await query<{ pid: number }>(server, 'SELECT pg_backend_pid() AS pid');
    const client = new Client(server.url);
    client.on('error', () => undefined);
    await client.connect();
    const [victim] = (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows;
    expect(victim?.pid).not.toBe(backend?.pid);

    process.kill(victim?.pid ?? 0, 'SIGKILL');
    await sleep(3_000);
    await second.stop();

    expect(await isRunning(server.pid)).toBe(true);
    await expect(query(server, 'SELECT 1')).resolves.toHaveLength(1);
  });

  it('joins the server that a killed process left behind', async () => {
    const folder = await app.folder();
    const killed = app.launch(folder);
    const before = await killed.ready();
    const writing = await insertUntilLost(before);
    await eventually(
      async () => writing.acknowledged(),
      (count) => count > 50,
    );

    await killed.kill();
    const next = app.launch(folder);
    const after = await next.ready();

    expect(after).toMatchObject({ pid: before.pid, url: before.url, lines: ['embedded PostgreSQL joined'] });
    await next.stop();
    await writing.lost;
    expect(await isRunning(before.pid)).toBe(false);
    await expectWritten(await app.launch(folder).ready(), writing.acknowledged());
  });

  it('has every committed row after both were killed', async () => {
    const folder = await app.folder();
    const product = app.launch(folder);
    const before = await product.ready();
    const writing = await insertUntilLost(before);
    await eventually(
      async () => writing.acknowledged(),
      (count) => count > 200,
    );

    await product.kill();
    process.kill(before.pid, 'SIGKILL');
    await writing.lost;
    const after = await app.launch(folder).ready();

    expect(after.pid).not.toBe(before.pid);
    expect(after.url).toBe(before.url);
    await expectWritten(after, writing.acknowledged());
  });

  it.each([0, 30, 100, 200, 300, 400])(
    'starts on a folder whose first start was killed after %i ms of initdb',
    async (delay) => {
      const folder = await app.folder();
      const killed = app.launch(folder);
      await eventually(
        () => readdir(folder),
        (names) => names.some((name) => name.startsWith('data')),
      );
      await sleep(delay);
      await killed.kill();

      const next = app.launch(folder);
      const server = await next.ready();
      await expect(query(server, 'SELECT 1')).resolves.toHaveLength(1);
      await next.stop();

      const again = app.launch(folder);
      await again.ready();
      await again.stop();
      expect((await readdir(folder)).sort()).toEqual(['data', 'password', 'port', 'postgres.log']);
    },
  );

  it('waits for the backends of a killed server rather than start a second one beside them', async () => {
    const folder = await app.folder();
    const product = app.launch(folder);
    const before = await product.ready();
    const client = new Client(before.url);
    client.on('error', () => undefined);
    await client.connect();
    const pid = (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0;

    process.kill(pid, 'SIGSTOP');
    await product.kill();
    process.kill(before.pid, 'SIGKILL');
    const next = app.launch(folder);
    const first = await Promise.race([next.ready().then(() => 'started'), sleep(3_000, 'waits')]);
    process.kill(pid, 'SIGKILL');
    process.kill(pid, 'SIGCONT');

    expect(first).toBe('waits');
    expect(await readFile(path.join(folder, 'postgres.log'), 'utf8')).toMatch(/shared memory block .* is still in use/);
    await expect(query(await next.ready(), 'SELECT 1')).resolves.toHaveLength(1);
  });
});

describe('when several processes use one folder', () => {
  it('gives all that start at once on an empty folder the same server, which the last to leave stops', async () => {
    const folder = await app.folder();
    const processes = [app.launch(folder), app.launch(folder), app.launch(folder)];
    const servers = await Promise.all(processes.map((launched) => launched.ready()));

    expect(new Set(servers.map(({ url, pid }) => `${pid} ${url}`)).size).toBe(1);
    const [{ pid }] = servers as [Launched];
    await Promise.all(processes.slice(0, 2).map((launched) => launched.stop()));
    expect(await isRunning(pid)).toBe(true);
    await processes[2]?.stop();
    expect(await isRunning(pid)).toBe(false);
  });

  it('restarts a killed server once, for all of them', async () => {
    const folder = await app.folder();
    const processes = [app.launch(folder), app.launch(folder)];
    const [before] = (await Promise.all(processes.map((launched) => launched.ready()))) as [Launched];

    process.kill(before.pid, 'SIGKILL');
    const after = await Promise.all(
      processes.map((launched) =>
        eventually(
          () => launched.tell(),
          ({ pid }) => pid !== before.pid,
        ),
      ),
    );

    expect(after[0]?.pid).toBe(after[1]?.pid);
    expect(after.map(({ url }) => url)).toEqual([before.url, before.url]);
  });

  it('leaves the server to the product when a short command that joined it, or started it, ends', async () => {
    const folder = await app.folder();
    const command = app.launch(folder);
    const { pid } = await command.ready();
    const product = app.launch(folder);
    await product.ready();

    await command.stop();
    expect(await isRunning(pid)).toBe(true);
    const later = app.launch(folder);
    await later.ready();
    const { lines } = await later.stop();

    expect(lines).toContain('embedded PostgreSQL left running for other processes');
    expect((await product.tell()).pid).toBe(pid);
    await product.stop();
    expect(await isRunning(pid)).toBe(false);
  });
});

describe('a postmaster.pid that names no server of ours', () => {
  async function stoppedFolder(): Promise<string> {
    const folder = await app.folder();
    const first = app.launch(folder);
    await first.ready();
    await first.stop();
    return folder;
  }

  async function namePid(folder: string, pid: number): Promise<void> {
    const data = path.join(folder, 'data');
    const { uid, gid } = await stat(data);
    const file = path.join(data, 'postmaster.pid');
    await writeFile(file, `${pid}\n${data}\n1700000000\n5432\n\n127.0.0.1\n 1 1\nready   \n`);
    if (asRoot) await chown(file, uid, gid);
  }

  it('does not stop a start when the pid is now of a foreign program with the rights of the server', async () => {
    const folder = await stoppedFolder();
    const { uid, gid } = await stat(path.join(folder, 'data'));
    const sleeper = spawn('sleep', ['600'], { cwd: '/', ...(asRoot ? { uid, gid } : {}) });
    foreign.push(sleeper);
    await once(sleeper, 'spawn');
    await namePid(folder, sleeper.pid ?? 0);

    const server = await app.launch(folder).ready();

    expect(server.pid).not.toBe(sleeper.pid);
    expect(await isRunning(sleeper.pid ?? 0)).toBe(true);
  });

  it('does not stop a start when the pid is of a zombie', async () => {
    const folder = await stoppedFolder();
    const { uid, gid } = await stat(path.join(folder, 'data'));
    // The shell replaces itself by sleep, which never collects the child that ended; it must be gone before that child ends.
    const parent = spawn('sh', ['-c', 'sleep 1 & echo $!; exec sleep 600'], {
      cwd: '/',
      ...(asRoot ? { uid, gid } : {}),
    });
    foreign.push(parent);
    const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
    const zombie = Number(printed.toString());
    await eventually(
      () => readFile(`/proc/${zombie}/stat`, 'utf8'),
      (text) => text.includes(') Z '),
    );
    await namePid(folder, zombie);

    const server = await app.launch(folder).ready();

    await expect(query(server, 'SELECT 1')).resolves.toHaveLength(1);
  });

  it('does not stop a start when the pid is of nobody', async () => {
    const folder = await stoppedFolder();
    await namePid(folder, 4_194_000);

    await expect(query(await app.launch(folder).ready(), 'SELECT 1')).resolves.toHaveLength(1);
  });
});

describe('a folder on a volume that another container uses', () => {
  it('is refused while the other one gives signs of life', async () => {
    const folder = await app.folder();
    const sign = path.join(folder, 'used-by-0123456789abcdef');
    await writeFile(sign, 'other-host');
    const heart = setInterval(() => void utimes(sign, new Date(), new Date()), 1_000);

    await expect(app.launch(folder).ready()).rejects.toThrow(/another machine or container \(other-host\).*DATA_DIR/);
    clearInterval(heart);
  });

  it('is taken over when the other one was killed', async () => {
    const folder = await app.folder();
    await writeFile(path.join(folder, 'used-by-0123456789abcdef'), 'other-host');

    await expect(query(await app.launch(folder).ready(), 'SELECT 1')).resolves.toHaveLength(1);
  });
});

describe('accounts and rights', () => {
  onlyAsRoot('runs the server of root under another account', async () => {
    const folder = await app.folder();
    const server = await app.launch(folder).ready();

    expect((await stat(`/proc/${server.pid}`)).uid).not.toBe(0);
    expect((await stat(path.join(folder, 'password'))).mode & 0o777).toBe(0o600);
  });

  onlyAsRoot(
    'works in a folder of root that the other account cannot walk to, and joins and stops there too',
    async () => {
      const outer = await app.folder();
      await chmod(outer, 0o700);
      const folder = path.join(outer, 'inner');
      await mkdir(folder, { mode: 0o700 });
      const first = app.launch(folder);
      const before = await first.ready();
      await query(before, 'CREATE TABLE kept AS SELECT 1 AS one');
      process.kill(before.pid, 'SIGKILL');
      const restarted = await eventually(
        () => first.tell(),
        ({ pid }) => pid !== before.pid,
      );
      await first.kill();

      const second = app.launch(folder);
      const after = await second.ready();

      expect(after.pid).toBe(restarted.pid);
      await expect(query(after, 'SELECT one FROM kept')).resolves.toEqual([{ one: 1 }]);
      await second.stop();
      expect(await isRunning(after.pid)).toBe(false);
    },
  );

  onlyAsRoot('runs for an ordinary user, from binaries that lack their symlinks and cannot get them', async () => {
    await app.remove();
    app = await createLauncherApp({ ownBinaries: true });
    const folder = await app.folder(NOBODY);
    const first = app.launch(folder, { uid: NOBODY });
    const server = await first.ready();

    expect((await stat(`/proc/${server.pid}`)).uid).toBe(NOBODY);
    expect(await readdir(folder)).toEqual(expect.arrayContaining([expect.stringMatching(/^bin-\d/)]));
    await first.stop();
    await expect(query(await app.launch(folder, { uid: NOBODY }).ready(), 'SELECT 1')).resolves.toHaveLength(1);
  });

  onlyAsRoot('copies the binaries where the account cannot walk to those in node_modules', async () => {
    await app.remove();
    app = await createLauncherApp({ ownBinaries: true });
    await chmod(app.root, 0o700);
    const folder = await app.folder();
    const first = app.launch(folder);
    const server = await first.ready();

    expect((await stat(`/proc/${server.pid}`)).uid).not.toBe(0);
    expect(await readdir(folder)).toEqual(expect.arrayContaining([expect.stringMatching(/^bin-\d/)]));
    await expect(query(server, 'SELECT 1')).resolves.toHaveLength(1);
  });

  onlyAsRoot('says whose the data are when an ordinary user finds those of another one', async () => {
    const folder = await app.folder(NOBODY);
    const first = app.launch(folder, { uid: NOBODY });
    await first.ready();
    await first.stop();
    await chmod(folder, 0o777);

    await expect(app.launch(folder, { uid: 65_533 }).ready()).rejects.toThrow(/belongs to user id 65534.*DATA_DIR/);
    // Root, in contrast, goes on with the account that owns them.
    const server = await app.launch(folder).ready();
    expect((await stat(`/proc/${server.pid}`)).uid).toBe(NOBODY);
  });
});

describe('a server that cannot start', () => {
  it('is explained by the end of its log', async () => {
    const launched = app.launch(await app.folder(), { settings: { shared_buffers: '900TB' } });

    await expect(launched.ready()).rejects.toThrow(/did not start[^]*shared_buffers/);
  });
});
