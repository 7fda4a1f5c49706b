/** Milliseconds: longer than it takes until what is high is measured anew, so that one measurement is not seen twice. */
const LOOK_MS = 1_000;

/**
 * Whether something has been high for a while: twice in a row. A process that was paused, or had one long thing to do, is late
 * once, and not overloaded. It looks by itself: while the event loop hardly turns, requests come far apart.
 */
export class LastingPressure {
  private times = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly isHigh: () => boolean) {
    this.timer = setInterval(() => {
      this.times = isHigh() ? this.times + 1 : 0;
    }, LOOK_MS).unref();
  }

  lasts(): boolean {
    return this.times > 1 && this.isHigh();
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
