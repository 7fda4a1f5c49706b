import type { Logger } from 'pino';

/** Longest time from the signal to the exit; a request still under way then is cut off. */
const DRAIN_MS = 25_000;

/** From the first signal to the exit: closes in reverse order what was opened, once, however often it is asked. */
export class Lifecycle {
  private readonly closers: (() => Promise<void>)[] = [];
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
  async closeAtEnd(close: () => Promise<void>): Promise<void> {
    if (this.stopping) await close();
    else this.closers.push(close);
  }

  stop(reason: string, exitCode = 0): Promise<void> {
    this.stopping ??= this.closeAll(reason, exitCode);
    return this.stopping;
  }

  private async closeAll(reason: string, exitCode: number): Promise<void> {
    this.logger.info({ reason }, 'stopping');
    const deadline = setTimeout(() => {
      this.logger.warn('not everything ended in time');
      process.exit(exitCode);
    }, DRAIN_MS);
    deadline.unref();
    for (const close of this.closers.reverse()) {
      await close().catch((error: unknown) => this.logger.error({ err: error }, 'closing failed'));
    }
    this.logger.info('stopped');
    this.logger.flush();
    process.exit(exitCode);
  }
}
