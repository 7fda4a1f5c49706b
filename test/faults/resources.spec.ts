import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expectConsistent, Load } from '../support/ledger-faults.js';
import { eventually, LedgerWorld } from '../support/ledger-world.js';

const CLIENTS = 8;
/** Fewer are not enough to load it; many systems give no more. */
const FILES = 1_024;
const HOUR_MS = 3_600_000;
const SHIM = join(process.cwd(), 'test/support/trouble.mjs');

/** What may be said while something is missing that passes. */
const PASSING = new Set([200, 503]);

describe('a product that', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-control-plane-orders-'));
  const orders = join(folder, 'orders.json');
  let world: LedgerWorld;
  const sockets: Socket[] = [];
  let running: Load | null = null;

  beforeAll(async () => {
    world = await LedgerWorld.create({
      FILE_LIMIT: String(FILES),
      NODE_OPTIONS: `--import ${SHIM}`,
      FAULT_ORDERS: orders,
    });
  });
  afterEach(async () => {
    await running?.stop();
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  afterAll(async () => {
    await (world as LedgerWorld | undefined)?.end();
    rmSync(folder, { recursive: true, force: true });
  });

  const call = async (name: string): Promise<number> => (await world.execute(world.agent(), name)).status;

  /** Load before, during and after; the process stays the same one, and everything that was acknowledged is there once. */
  async function survives(
    name: string,
    fault: () => Promise<void>,
    allowed: (status: number | null) => boolean = (status) => status === null || PASSING.has(status),
  ): Promise<void> {
    const { pid } = world.product;
    const load = (running = new Load(world, CLIENTS, name));
    await sleep(500);
    await fault();
    await eventually(
      () => call(`${name} works again ${Date.now()}`).catch(() => null),
      (status) => status === 200,
    );
    await load.stop();
    expect(world.product.pid).toBe(pid);
    expect((await fetch(`${world.product.url}/health/ready`)).status).toBe(200);
    expect(load.answered.length).toBeGreaterThan(20);
    expect(load.notes.filter(({ status }) => !allowed(status))).toEqual([]);
    await expectConsistent(world, load.notes);
  }
  function order(what: object): void {
    writeFileSync(orders, JSON.stringify(what));
    process.kill(world.product.pid, 'SIGUSR2');
  }

  it('has no file descriptors left turns away what is new, and serves again', async () => {
    const open = (): void => {
      const socket = connect(world.product.port, '127.0.0.1');
      sockets.push(socket.on('error', () => undefined));
    };
    const anyStatus = (status: number | null): boolean => status === null || [200, 502, 503].includes(status);
    await survives(
      'files',
      async () => {
        for (let count = 0; count < FILES * 2; count++) open();
        await sleep(2_000);
        expect(world.product.openFiles).toBeLessThanOrEqual(FILES);
        for (const socket of sockets.splice(0)) socket.destroy();
      },
      anyStatus,
    );
  });

  it('loses its connections to PostgreSQL again and again makes new ones', async () => {
    await survives('terminated', async () => {
      for (let times = 0; times < 10; times++) {
        await world.terminateAll();
        await sleep(200);
      }
    });
  });

  it('gets no more connections from PostgreSQL says 503, and has them back', async () => {
    const [{ name = '' } = {}] = await world.query<{ name: string }>('SELECT quote_ident(current_database()) AS name');
    await survives('connections', async () => {
      // Those of this test are among them.
      await world.query(`ALTER DATABASE ${name} CONNECTION LIMIT 3`);
      await world.terminateAll();
      await sleep(3_000);
      await world.query(`ALTER DATABASE ${name} CONNECTION LIMIT -1`);
    });
  });

  it.each([
    ['forward', 2 * HOUR_MS],
    ['back', -2 * HOUR_MS],
  ])('has a clock that jumps %s by hours loses no call and charges none twice', async (name, clockOffsetMs) => {
    // Its tokens may have ended meanwhile, or not have begun.
    const signedOut = (status: number | null): boolean => status === null || status === 401 || PASSING.has(status);
    await survives(
      `clock ${name}`,
      async () => {
        order({ clockOffsetMs });
        await sleep(2_000);
        order({ clockOffsetMs: 0 });
      },
      signedOut,
    );
  });

  it('has promises that nobody waits for says so in its log, and goes on', async () => {
    await survives('rejections', async () => {
      for (let times = 0; times < 5; times++) {
        order({ rejections: 20 });
        await sleep(100);
      }
    });
    expect(world.product.output).toContain('unhandled rejection');
  });
});

/** A small file system of its own takes a mount, which only root may make, and not everywhere. */
function mountSmall(folder: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=400m,mode=0777', 'none', folder]).status === 0;
}

describe('a disk that is full', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-control-plane-disk-'));
  const isSmall = mountSmall(folder);
  afterAll(() => {
    if (isSmall) spawnSync('umount', ['--lazy', folder]);
    rmSync(folder, { recursive: true, force: true });
  });

  if (!isSmall) {
    it('can not be had here: only root mounts one', () => expect(process.getuid?.() === 0 && isSmall).toBe(false));
    return;
  }

  it('has the product answer 503, and take up its work when there is room', async () => {
    const world = await LedgerWorld.createEmbedded(join(folder, 'data'));
    const filler = join(folder, 'filler');
    try {
      const { pid } = world.product;
      const load = new Load(world, CLIENTS, 'disk');
      await sleep(1_000);
      const before = load.answered.length;
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M'], { stdio: 'ignore' });
      await eventually(
        async () => (await fetch(`${world.product.url}/api/v1/auth/me`)).status,
        (status) => status === 401 || status === 503,
      );
      await sleep(6_000);
      rmSync(filler);
      await eventually(
        () =>
          world.execute(world.agent(), `disk again ${Date.now()}`).then(
            ({ status }) => status,
            () => null,
          ),
        (status) => status === 200,
        60_000,
      );
      await load.stop();
      expect(world.product.pid).toBe(pid);
      expect(load.answered.length).toBeGreaterThan(before);
      const odd = load.notes.filter(({ status }) => status !== null && !PASSING.has(status));
      expect(odd).toEqual([]);
      await expectConsistent(world, load.notes);
    } finally {
      rmSync(filler, { force: true });
      await world.end();
    }
  });
});
