import { EventsService, RESYNC, type DomainEvent } from './events.service.js';
import { MetricsService } from '../telemetry/metrics.service.js';
import { FreshCache, type FreshCacheOptions } from './fresh-cache.js';
import { PostgresChannel } from './postgres-channel.js';

/** Never connected: events are handed over by `dispatch`. */
const events = new EventsService(new PostgresChannel('postgres://nowhere'), new MetricsService());
const CHANGED: DomainEvent = { type: 'changed', id: 'a' };

function cacheOf(options: Partial<FreshCacheOptions> = {}): FreshCache<{ value: number }> {
  return new FreshCache(events, ['changed'], { max: 10, ttlMs: 60_000, ...options });
}

/** A load that ends when it is told to. */
function slowLoad(): { load: () => Promise<{ value: number }>; loads: () => number; end: (value: number) => void } {
  let loads = 0;
  let end: (value: number) => void = () => undefined;
  return {
    load: () => {
      loads++;
      return new Promise((resolve) => (end = (value) => resolve({ value })));
    },
    loads: () => loads,
    end: (value) => end(value),
  };
}

describe('a cache that events keep fresh', () => {
  it('reads once, also for several at a time', async () => {
    const [cache, slow] = [cacheOf(), slowLoad()];
    const both = Promise.all([cache.get('a', slow.load), cache.get('a', slow.load)]);
    slow.end(1);
    expect(await both).toEqual([{ value: 1 }, { value: 1 }]);
    expect(await cache.get('a', slow.load)).toEqual({ value: 1 });
    expect(slow.loads()).toBe(1);
  });

  it('neither keeps nor shares what was being read while it changed', async () => {
    const [cache, before, after] = [cacheOf(), slowLoad(), slowLoad()];
    const early = cache.get('a', before.load);
    events.dispatch(CHANGED);
    const late = cache.get('a', after.load);
    before.end(1);
    after.end(2);
    expect([await early, await late]).toEqual([{ value: 1 }, { value: 2 }]);
    expect(await cache.get('a', slowLoad().load)).toEqual({ value: 2 });
  });

  it('forgets what an event concerns, and everything after a gap', async () => {
    const cache = cacheOf({ affects: (event, key) => event.id === key });
    const reads: string[] = [];
    const read = (key: string) => cache.get(key, async () => ({ value: reads.push(key) }));
    for (const event of [null, CHANGED, RESYNC]) {
      if (event) events.dispatch(event);
      await read('a');
      await read('b');
    }
    expect(reads).toEqual(['a', 'b', 'a', 'a', 'b']);
  });

  it('does not keep that there is nothing, nor a failure', async () => {
    const cache = cacheOf();
    expect(await cache.find('a', async () => null)).toBeNull();
    await expect(cache.get('a', async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await cache.get('a', async () => ({ value: 3 }))).toEqual({ value: 3 });
  });
});
