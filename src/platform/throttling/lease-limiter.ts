import { createHash } from 'node:crypto';
import type { RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible';

export interface LeaseLimiterOptions {
  /** Requests per window, at most a billion: the store's counter is a 32-bit integer. */
  limit: number;
  windowSeconds: number;
  /**
   * What replicas share: a limiter of rate-limiter-flexible with the same `points` and `duration` and a key prefix of
   * its own. Null counts on this replica only.
   */
  store: RateLimiterAbstract | null;
  /** Requests taken from the store at once; default a twentieth of the limit. */
  chunk?: number;
  /** Windows kept in memory; beyond it the oldest go. Default 100,000. */
  maxKeys?: number;
  /** Told when the store fails, at most once per `STORE_PAUSE_MS`. */
  warn?: (message: string) => void;
  /** Milliseconds of a clock that never jumps. */
  now?: () => number;
}

export interface LimitState {
  allowed: boolean;
  limit: number;
  /** Requests left in the window, as far as this replica knows. */
  remaining: number;
  /** Seconds until the window ends, rounded up. */
  resetSeconds: number;
}

/** The window of one key as this replica sees it. */
interface Window {
  endsAt: number;
  /** Leased and not yet spent. */
  left: number;
  /** Leased by this replica in this window. */
  taken: number;
  /** Leased by all replicas, as of the last answer of the store. */
  used: number;
  waiting: number;
  lease: Promise<void> | null;
}

type StoreAnswer = Pick<RateLimiterRes, 'consumedPoints' | 'msBeforeNext'>;

const STORE_TIMEOUT_MS = 250;
const STORE_PAUSE_MS = 5000;
const MAX_LIMIT = 1_000_000_000;
const MAX_KEY_LENGTH = 150;

/**
 * Counts requests per key in fixed windows that begin with the key's first request. Replicas share a window by leases:
 * each takes a chunk of requests from the store and spends it without asking again, so the store is written once per
 * chunk and not at all for a key that is exhausted. One replica is exact; several together never allow more than the
 * limit, and less by what the others have leased and not spent: 5 % each. While the store fails each replica limits alone.
 */
export class LeaseLimiter {
  private readonly limit: number;
  private readonly windowMs: number;
  private readonly store: RateLimiterAbstract | null;
  private readonly chunk: number;
  private readonly maxKeys: number;
  private readonly now: () => number;
  private readonly windows = new Map<string, Window>();
  private hand = this.windows.entries();
  private storePausedUntil = -Infinity;

  constructor(private readonly options: LeaseLimiterOptions) {
    this.limit = Math.min(options.limit, MAX_LIMIT);
    this.windowMs = options.windowSeconds * 1000;
    this.store = options.store;
    this.chunk = Math.min(this.limit, options.chunk ?? Math.max(1, Math.floor(this.limit / 20)));
    this.maxKeys = options.maxKeys ?? 100_000;
    this.now = options.now ?? (() => performance.now());
  }

  /** Counts one request; answers at once unless a lease has to be taken first. Never rejects. */
  consume(key: string): LimitState | Promise<LimitState> {
    const window = this.windowOf(key);
    const state = this.spend(window);
    if (state) return state;
    if (this.isShared() || window.lease) return this.leaseAndSpend(key, window);
    this.addLease(window, this.chunk, null);
    return this.spend(window) ?? this.state(window, false);
  }

  private windowOf(key: string): Window {
    const now = this.now();
    const known = this.windows.get(key);
    if (known && (now < known.endsAt || known.lease)) return known;
    this.windows.delete(key);
    this.sweep(now);
    const window: Window = { endsAt: now + this.windowMs, left: 0, taken: 0, used: 0, waiting: 0, lease: null };
    this.windows.set(key, window);
    return window;
  }

  /**
   * Looks at two windows for each new one, which removes expired ones faster than others come, going round and round:
   * starting at the front each time would step over everything deleted there before.
   */
  private sweep(now: number): void {
    for (let looked = 0; looked < 2; looked++) {
      let next = this.hand.next();
      if (next.done) next = (this.hand = this.windows.entries()).next();
      if (next.done) return;
      const [key, window] = next.value;
      if (now >= window.endsAt || this.windows.size >= this.maxKeys) this.windows.delete(key);
    }
  }

  /** Null when it takes a lease to know. */
  private spend(window: Window): LimitState | null {
    if (window.left > 0) {
      window.left--;
      return this.state(window, true);
    }
    return window.used >= this.limit ? this.state(window, false) : null;
  }

  private async leaseAndSpend(key: string, window: Window): Promise<LimitState> {
    window.waiting++;
    try {
      for (;;) {
        await (window.lease ??= this.takeLease(key, window).finally(() => (window.lease = null)));
        const state = this.spend(window);
        if (state) return state;
      }
    } finally {
      window.waiting--;
    }
  }

  private state(window: Window, allowed: boolean): LimitState {
    return {
      allowed,
      limit: this.limit,
      remaining: allowed ? Math.max(0, this.limit - window.used) + window.left : 0,
      resetSeconds: Math.max(1, Math.ceil((window.endsAt - this.now()) / 1000)),
    };
  }

  /** Takes a chunk, or as much as is being waited for, from the store; from this replica's own limit if that fails. */
  private async takeLease(key: string, window: Window): Promise<void> {
    const size = Math.min(this.limit, Math.max(this.chunk, window.waiting));
    this.addLease(window, size, this.isShared() ? await this.askStore(key, size) : null);
  }

  private addLease(window: Window, size: number, answer: StoreAnswer | null): void {
    if (answer) {
      const endsAt = this.now() + answer.msBeforeNext;
      if (endsAt > window.endsAt + this.windowMs / 2) this.restart(window);
      window.endsAt = endsAt;
    }
    // What was leased without the store counts too, once the store is back and has never heard of it.
    const before = Math.max(answer ? answer.consumedPoints - size : 0, window.taken);
    const granted = Math.max(0, Math.min(size, this.limit - before));
    window.left += granted;
    window.taken += granted;
    window.used = before + size;
  }

  /** The store began the key's next window while this replica still saw the last one. */
  private restart(window: Window): void {
    window.left = 0;
    window.taken = 0;
  }

  private isShared(): boolean {
    return this.store !== null && this.now() >= this.storePausedUntil;
  }

  private async askStore(key: string, size: number): Promise<StoreAnswer | null> {
    if (!this.store) return null;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('it took too long')), STORE_TIMEOUT_MS);
    });
    try {
      // A penalty counts like a consume but does not reject over the limit. Late answers are nobody's error.
      return await Promise.race([this.store.penalty(storeKey(key), size), late]);
    } catch (error) {
      this.storePausedUntil = this.now() + STORE_PAUSE_MS;
      this.options.warn?.(
        `Rate limits are not shared for a moment: ${error instanceof Error ? error.message : 'unknown'}`,
      );
      return null;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The store's key column takes 255 characters, its prefix included. */
function storeKey(key: string): string {
  return key.length <= MAX_KEY_LENGTH ? key : createHash('sha256').update(key).digest('base64url');
}
