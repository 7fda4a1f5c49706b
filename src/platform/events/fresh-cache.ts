import { LRUCache } from 'lru-cache';
import type { Subscription } from 'rxjs';
import type { MaybePromise } from '../maybe-promise.js';
import { RESYNC, type DomainEvent, type EventsService } from './events.service.js';

/** How often the clock is looked at: lifetimes are seconds. */
const CLOCK_MS = 100;

export interface FreshCacheOptions {
  max: number;
  /** Upper bound for stale values should an event be lost. */
  ttlMs: number;
  /** Which entries an event makes stale; all of them unless told. */
  affects?: (event: DomainEvent, key: string) => boolean;
}

/**
 * What was read, until an event says that it changed. A value that was being read while such an event came is handed to
 * those who asked before it, and neither kept nor shared with anybody who asks after it.
 */
export class FreshCache<V extends object> {
  private readonly known: LRUCache<string, V>;
  private readonly loading = new Map<string, Promise<V | null>>();
  private readonly subscription: Subscription;
  private changes = 0;

  constructor(events: EventsService, types: readonly string[], options: FreshCacheOptions) {
    this.known = new LRUCache({ max: options.max, ttl: options.ttlMs, ttlResolution: CLOCK_MS });
    this.subscription = events.on(types, (event) => {
      this.changes++;
      this.loading.clear();
      if (!options.affects || event.type === RESYNC.type) return this.known.clear();
      for (const key of [...this.known.keys()]) if (options.affects(event, key)) this.known.delete(key);
    });
  }

  /** The known value at once, else what `load` reads; one load at a time for each key. */
  get(key: string, load: () => Promise<V>): MaybePromise<V> {
    return this.find(key, load) as MaybePromise<V>;
  }

  /** The same for what may not be there; that there is nothing is not kept. */
  find(key: string, load: () => Promise<V | null>): MaybePromise<V | null> {
    return this.known.get(key) ?? this.loading.get(key) ?? this.load(key, load);
  }

  private async load(key: string, load: () => Promise<V | null>): Promise<V | null> {
    const { changes } = this;
    const loading = load();
    this.loading.set(key, loading);
    try {
      const value = await loading;
      if (value && changes === this.changes) this.known.set(key, value);
      return value;
    } finally {
      if (this.loading.get(key) === loading) this.loading.delete(key);
    }
  }

  close(): void {
    this.subscription.unsubscribe();
  }
}
