import { Worker } from 'node:worker_threads';
import type { WorkerRequest } from './schema-worker.js';
import { WorkerPool, type WorkerPoolOptions } from './worker-pool.js';

// Does what the field `source` of a request says: these pools are about jobs, not about schemas.
const PROGRAM = `
const { parentPort } = require('node:worker_threads');
parentPort.on('message', ({ source }) => {
  if (source === 'spin') for (;;);
  if (source === 'crash') process.exit(1);
  if (source === 'hoard') for (const kept = [];;) kept.push(new Array(1000).fill(source + kept.length));
  if (source === 'prepare') {
    const until = Date.now() + 150;
    while (Date.now() < until);
    parentPort.postMessage('prepared');
  }
  parentPort.postMessage({ failed: source });
});
parentPort.postMessage('ready');
`;

const pools: WorkerPool[] = [];
const LIMITS = { runMs: 100, prepareMs: 100, waitMs: 5000 };
const job = (source: string): WorkerRequest => ({ kind: 'analyse', source, flags: '', method: 'proof' });

function poolOf(options: Partial<WorkerPoolOptions> = {}, program = PROGRAM): WorkerPool {
  const start = (): Worker => new Worker(program, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 16 } });
  const pool = new WorkerPool({ size: 1, maxQueue: 10, start, ...options });
  pools.push(pool);
  return pool;
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});

describe('a worker pool', () => {
  it('does jobs in order and starts no more workers than it may', async () => {
    let started = 0;
    const start = (): Worker => (started++, new Worker(PROGRAM, { eval: true }));
    const pool = poolOf({ size: 2, start });
    const replies = await Promise.all(['a', 'b', 'c', 'd'].map((source) => pool.run(job(source), LIMITS)));
    expect(replies).toEqual(['a', 'b', 'c', 'd'].map((failed) => ({ failed })));
    expect(started).toBe(2);
  });

  it('ends a job over its limit with its worker and goes on with a new one', async () => {
    const pool = poolOf();
    expect(await pool.run(job('spin'), LIMITS)).toBe('over limit');
    expect(await pool.run(job('next'), LIMITS)).toEqual({ failed: 'next' });
  });

  it('gives preparation a limit of its own', async () => {
    const pool = poolOf();
    const patient = { ...LIMITS, prepareMs: 2000, key: 'k' };
    expect(await pool.run(job('prepare'), patient)).toEqual({ failed: 'prepare' });
    // Prepared under this key already: now the same time counts as the job's own.
    expect(await pool.run(job('prepare'), patient)).toBe('over limit');
    // And a key tells in which of the two the time ran out.
    expect(await pool.run(job('prepare'), { ...LIMITS, key: 'k' })).toBe('not prepared');
  });

  it('survives a worker that exits or runs out of memory, and says so', async () => {
    const warnings: string[] = [];
    const pool = poolOf({ warn: (message) => warnings.push(message) });
    expect(await pool.run(job('crash'), LIMITS)).toBe('over limit');
    expect(await pool.run(job('hoard'), { ...LIMITS, prepareMs: 20_000 })).toBe('over limit');
    expect(await pool.run(job('next'), LIMITS)).toEqual({ failed: 'next' });
    expect(warnings).toEqual([expect.stringContaining('exited'), expect.stringContaining('memory')]);
  });

  it('lets nobody wait for workers that cannot be loaded', async () => {
    const warnings: string[] = [];
    const pool = poolOf({ warn: (message) => warnings.push(message) }, 'throw new Error("broken")');
    expect(await Promise.all([1, 2].map(() => pool.run(job('a'), LIMITS)))).toEqual(['not done', 'not done']);
    expect(warnings).toEqual(['A schema worker ended: broken']);
  });

  it('lets nobody wait for threads that cannot be had', async () => {
    const warnings: string[] = [];
    const start = (): Worker => {
      throw new Error('no threads');
    };
    const pool = poolOf({ start, warn: (message) => warnings.push(message) });
    expect(await pool.run(job('a'), LIMITS)).toBe('not done');
    expect(warnings).toEqual(['A schema worker did not start: no threads']);
  });

  it('gives up what would wait too long or behind too many', async () => {
    const pool = poolOf({ maxQueue: 2 });
    await pool.run(job('warm'), LIMITS);
    const spinning = pool.run(job('spin'), { ...LIMITS, prepareMs: 300 });
    const short = pool.run(job('short'), { ...LIMITS, waitMs: 20 });
    const long = pool.run(job('long'), LIMITS);
    expect(await pool.run(job('surplus'), LIMITS)).toBe('not done');
    expect(await short).toBe('not done');
    expect(await spinning).toBe('over limit');
    expect(await long).toEqual({ failed: 'long' });
  });

  it('keeps a worker free of suspects', async () => {
    const pool = poolOf({ size: 2 });
    await Promise.all([1, 2, 3, 4].map(() => pool.run(job('warm'), LIMITS)));
    const suspects = [1, 2].map(() => pool.run(job('spin'), { ...LIMITS, prepareMs: 500, suspect: true }));
    expect(await pool.run(job('honest'), LIMITS)).toEqual({ failed: 'honest' });
    expect(await Promise.all(suspects)).toEqual(['over limit', 'over limit']);
  });

  it('stops idle workers and starts again when needed', async () => {
    let started = 0;
    const start = (): Worker => (started++, new Worker(PROGRAM, { eval: true }));
    const pool = poolOf({ idleMs: 50, start });
    await pool.run(job('a'), LIMITS);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(await pool.run(job('b'), LIMITS)).toEqual({ failed: 'b' });
    expect(started).toBe(2);
  });

  it('does not do what cannot be sent to a worker', async () => {
    const request = { ...job('a'), extra: () => undefined };
    const pool = poolOf();
    expect(await pool.run(request, LIMITS)).toBe('not done');
    expect(await pool.run(job('b'), LIMITS)).toEqual({ failed: 'b' });
  });
});
