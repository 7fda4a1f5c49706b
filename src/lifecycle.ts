import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';

/** Longest time from the signal to the end of the drain; a request still under way then is cut off. */
const DRAIN_MS = 25_000;
/** What is still to be closed after that gets this long each. */
const HURRY_MS = 3_000;

/** Closes one thing; `reason` is the signal, or what failed. */
export type Closer = (reason: string) => Promise<void>;

/** From the first signal to the exit: closes in reverse order what was opened, once, however often it is asked. */
export class Lifecycle {
  private readonly closers: Closer[] = [];
  private stopping: Promise<void> | null = null;

  constructor(private readonly logger: Logger) {
    process.on('SIGTERM', () => void this.stop('SIGTERM'));
    process.on('SIGINT', () => void this.stop('SIGINT'));
    // One forgotten promise must not take everybody's calls down; it is a bug all the same, so it is logged as one.
    process.on('unhandledRejection', (reason) => logger.error({ err: reason }, 'unhandled rejection'));
  }

  get isStopping(): boolean {
    return this.stopping !== null;
  }

  /** Closed at the end, before whatever was opened earlier. While stopping already: closed at once. */
  async closeAtEnd(close: Closer): Promise<void> {
    if (this.stopping) await close('stopping');
    else this.closers.push(close);
  }

  stop(reason: string, exitCode = 0): Promise<void> {
    this.stopping ??= this.closeAll(reason, exitCode);
    return this.stopping;
  }

  private async closeAll(reason: string, exitCode: number): Promise<void> {
    this.logger.info({ reason }, 'stopping');
    const deadline = Date.now() + DRAIN_MS;
    for (const close of this.closers.reverse()) {
      const left = Math.max(deadline - Date.now(), HURRY_MS);
      const ended = await Promise.race([
        close(reason).then(
          () => true,
          (error: unknown) => this.logger.error({ err: error }, 'closing failed'),
        ),
        delay(left, false, { ref: false }),
      ]);
      // What was opened earlier, the database above all, is closed all the same.
      if (ended === false) this.logger.warn('not everything ended in time');
    }
    this.logger.info('stopped');
    this.logger.flush();
    process.exit(exitCode);
  }
}
