import { Pool } from 'pg';
import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterPostgres } from 'rate-limiter-flexible';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { LeaseLimiter, type LeaseLimiterOptions } from './lease-limiter.js';

function limiterOf(options: Partial<LeaseLimiterOptions> = {}): LeaseLimiter {
  return new LeaseLimiter({ limit: 100, windowSeconds: 60, store: null, ...options });
}

async function countAllowed(limiter: LeaseLimiter, key: string, requests: number): Promise<number> {
  const states = await Promise.all(Array.from({ length: requests }, async () => limiter.consume(key)));
  return states.filter((state) => state.allowed).length;
}

describe('on one replica without a store', () => {
  it('allows exactly the limit, counting down by one, and answers without a promise', () => {
    const limiter = limiterOf();
    for (let at = 99; at >= 0; at--)
      expect(limiter.consume('a')).toEqual({ allowed: true, limit: 100, remaining: at, resetSeconds: 60 });
    for (let at = 0; at < 3; at++)
      expect(limiter.consume('a')).toEqual({ allowed: false, limit: 100, remaining: 0, resetSeconds: 60 });
    expect(limiter.consume('b')).toMatchObject({ allowed: true, remaining: 99 });
  });

  it('has fixed windows from the first request on', () => {
    let now = 1000;
    const limiter = limiterOf({ limit: 2, now: () => now });
    expect(limiter.consume('a')).toMatchObject({ remaining: 1, resetSeconds: 60 });
    now += 59_999;
    expect(limiter.consume('a')).toMatchObject({ allowed: true, remaining: 0, resetSeconds: 1 });
    expect(limiter.consume('a')).toMatchObject({ allowed: false, resetSeconds: 1 });
    now += 1;
    expect(limiter.consume('a')).toMatchObject({ allowed: true, remaining: 1, resetSeconds: 60 });
  });

  it('allows nothing with a limit of 0', () => {
    expect(limiterOf({ limit: 0 }).consume('a')).toMatchObject({ allowed: false, remaining: 0 });
  });

  it('keeps at most so many windows, and expired ones only until others come', () => {
    let now = 0;
    const limiter = limiterOf({ maxKeys: 100, now: () => now });
    const size = (): number => (limiter as unknown as { windows: Map<string, unknown> }).windows.size;
    for (let at = 0; at < 1000; at++) void limiter.consume(`key-${at}`);
    expect(size()).toBe(100);
    now += 60_000;
    for (let at = 0; at < 100; at++) void limiter.consume(`other-${at}`);
    expect(size()).toBeLessThanOrEqual(100);
    now += 60_000;
    for (let at = 0; at < 60; at++) void limiter.consume(`third-${at}`);
    expect(size()).toBeLessThanOrEqual(61);
  });
});

/** A store that counts what it is asked, and fails or hangs when told to. */
class WatchedStore {
  calls = 0;
  behaviour: 'answer' | 'fail' | 'hang' = 'answer';
  readonly limiter: RateLimiterAbstract;

  constructor(readonly inner: RateLimiterAbstract) {
    this.limiter = Object.create(inner, {
      penalty: {
        value: (key: string, points: number) => {
          this.calls++;
          if (this.behaviour === 'fail') return Promise.reject(new Error('connection refused'));
          if (this.behaviour === 'hang') return new Promise(() => undefined);
          return inner.penalty(key, points);
        },
      },
    }) as RateLimiterAbstract;
  }
}

describe.each(['memory', 'PostgreSQL'])('with a store in %s', (kind) => {
  let database: TestDatabase;
  let pool: Pool;
  let prefix = 0;

  beforeAll(async () => {
    if (kind === 'memory') return;
    database = await createTestDatabase();
    pool = new Pool({ connectionString: database.url, max: 4 });
    pool.on('error', () => undefined);
  });
  afterAll(async () => {
    if (kind === 'memory') return;
    await pool.end();
    await database.drop();
  });

  function storeOf(points = 100, duration = 60): WatchedStore {
    const common = { points, duration, keyPrefix: `test-${++prefix}` };
    if (kind === 'memory') return new WatchedStore(new RateLimiterMemory(common));
    const table = { storeClient: pool, storeType: 'pool', tableName: 'rate_limits', tableCreated: true };
    return new WatchedStore(new RateLimiterPostgres({ ...common, ...table, clearExpiredByTimeout: false }));
  }

  it('is exact on one replica, counts down by one, and writes once per chunk', async () => {
    const store = storeOf();
    const limiter = limiterOf({ store: store.limiter });
    for (let at = 99; at >= 0; at--)
      expect(await limiter.consume('a')).toEqual({ allowed: true, limit: 100, remaining: at, resetSeconds: 60 });
    expect(store.calls).toBe(20);
    expect(await limiter.consume('a')).toEqual({ allowed: false, limit: 100, remaining: 0, resetSeconds: 60 });

    for (let at = 0; at < 50; at++) expect(limiter.consume('a')).toMatchObject({ allowed: false });
    expect(store.calls).toBe(20);
  });

  it('is exact when all requests come at once, with few writes', async () => {
    const store = storeOf();
    expect(await countAllowed(limiterOf({ store: store.limiter }), 'a', 300)).toBe(100);
    expect(store.calls).toBeLessThanOrEqual(3);
  });

  it('lets two replicas together have at most the limit and at least 90 % of it', async () => {
    const store = storeOf();
    const replicas = [limiterOf({ store: store.limiter }), limiterOf({ store: store.limiter })];
    let allowed = 0;
    for (let at = 0; at < 300; at++) {
      const replica = replicas[at % 3 === 0 ? 0 : 1];
      if ((await replica?.consume('a'))?.allowed) allowed++;
    }
    expect(allowed).toBeLessThanOrEqual(100);
    expect(allowed).toBeGreaterThanOrEqual(90);
    const both = await Promise.all(replicas.map((replica) => countAllowed(replica, 'b', 200)));
    expect((both[0] ?? 0) + (both[1] ?? 0)).toBe(100);
  });

  it('gives replicas that join late the rest of the same window', async () => {
    const store = storeOf(100, 2);
    const options = { windowSeconds: 2, store: store.limiter };
    const first = limiterOf(options);
    await first.consume('a');
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(await limiterOf(options).consume('a')).toMatchObject({ allowed: true, remaining: 94, resetSeconds: 1 });
  });

  it('begins a new window when the old one is over', async () => {
    const store = storeOf(3, 1);
    const limiter = limiterOf({ limit: 3, windowSeconds: 1, store: store.limiter });
    expect(await countAllowed(limiter, 'a', 10)).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await countAllowed(limiter, 'a', 10)).toBe(3);
  });

  it('takes keys of any length', async () => {
    const warnings: string[] = [];
    const limiter = limiterOf({ store: storeOf().limiter, warn: (message) => warnings.push(message) });
    expect(await limiter.consume('k'.repeat(5000))).toMatchObject({ allowed: true, remaining: 99 });
    expect(warnings).toEqual([]);
  });

  it.each(['fail', 'hang'] as const)(
    'limits alone while the store does %s, and soon stops asking',
    async (behaviour) => {
      const store = storeOf();
      const warnings: string[] = [];
      const limiter = limiterOf({ store: store.limiter, warn: (message) => warnings.push(message) });
      store.behaviour = behaviour;
      const start = performance.now();
      expect(await countAllowed(limiter, 'a', 300)).toBe(100);
      expect(await countAllowed(limiter, 'b', 300)).toBe(100);
      expect(performance.now() - start).toBeLessThan(1000);
      expect([store.calls, warnings.length]).toEqual([1, 1]);
    },
  );

  it('counts what it allowed alone when the store is back', async () => {
    let now = 0;
    const store = storeOf();
    const limiter = limiterOf({ store: store.limiter, now: () => now });
    store.behaviour = 'fail';
    expect(await countAllowed(limiter, 'a', 50)).toBe(50);
    store.behaviour = 'answer';
    now += 6000;
    expect(await countAllowed(limiter, 'a', 100)).toBe(50);
    expect(store.calls).toBeGreaterThan(1);
  });
});

describe('a store that is gone', () => {
  it('is a warning and no unhandled rejection', async () => {
    const pool = new Pool({ connectionString: 'postgres://nobody@127.0.0.1:9/none' });
    const table = { storeClient: pool, storeType: 'pool', tableName: 'rate_limits', tableCreated: true };
    const store = new RateLimiterPostgres({
      points: 5,
      duration: 60,
      keyPrefix: 'gone',
      clearExpiredByTimeout: false,
      ...table,
    });
    const warnings: string[] = [];
    const limiter = limiterOf({ limit: 5, store, warn: (message) => warnings.push(message) });
    expect(await countAllowed(limiter, 'a', 20)).toBe(5);
    expect(warnings).toEqual([expect.stringContaining('Rate limits are not shared for a moment')]);
    await pool.end();
  });
});
