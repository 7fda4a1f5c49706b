import { Logger } from '@nestjs/common';

export type Settlement = () => Promise<void>;

const AGAIN_MS = 1_000;
/** What is beyond it stays in use until its process ends: better than memory without an end while the database is away. */
const MOST = 1_000;

/**
 * What could not be written at the end of a request because the database was away, tried until it is: to the other replicas its
 * key would be in use for as long as this process lives.
 */
export class UnsettledKeys {
  private readonly logger = new Logger('idempotency');
  private readonly waiting = new Map<string, Settlement>();
  private readonly underWay = new Map<string, Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  has(name: string): boolean {
    return this.waiting.has(name);
  }

  /** Never throws: whoever asked has its answer, whatever becomes of the key. */
  async write(name: string, settlement: Settlement): Promise<void> {
    this.waiting.set(name, settlement);
    try {
      await this.settle(name);
    } catch (error) {
      const isLost = this.closed || this.waiting.size > MOST;
      this.logger.warn(
        { reason: (error as Error).message },
        isLost ? 'an idempotency key was not settled' : 'an idempotency key could not be settled, trying again',
      );
      if (isLost) this.waiting.delete(name);
      else this.later();
    }
  }

  /** Tries once more, now. @throws why it failed again */
  settle(name: string): Promise<void> {
    const known = this.underWay.get(name);
    if (known) return known;
    const settlement = this.waiting.get(name);
    if (!settlement) return Promise.resolve();
    const attempt = settlement()
      .then(() => void this.waiting.delete(name))
      .finally(() => this.underWay.delete(name));
    this.underWay.set(name, attempt);
    return attempt;
  }

  /** Whatever waits is given up: the process is about to be known as dead, which frees its keys. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.waiting.clear();
  }

  private later(): void {
    if (this.closed || this.timer !== undefined) return;
    this.timer = setTimeout(() => void this.settleAll(), AGAIN_MS).unref();
  }

  /** Up to the first that fails; the next time the others come first. */
  private async settleAll(): Promise<void> {
    for (const [name, settlement] of [...this.waiting]) {
      try {
        await this.settle(name);
      } catch {
        if (this.waiting.delete(name) && !this.closed) this.waiting.set(name, settlement);
        break;
      }
    }
    this.timer = undefined;
    if (this.waiting.size > 0) this.later();
  }
}
