/** What of an AbortSignal is enough to stop when asked to; every AbortSignal is one. */
export interface CancelSignal {
  readonly aborted: boolean;
  readonly reason: AbortSignal['reason'];
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/**
 * An AbortController with its signal for the path of a call, where real ones (events that are dispatched, registries that watch
 * for garbage) cost as much as all else that is kept of a call. Listeners hear of it once.
 */
export class Cancellation implements CancelSignal {
  aborted = false;
  reason: AbortSignal['reason'];
  private readonly listeners: (() => void)[] = [];

  abort(reason: Error = new DOMException('This operation was aborted', 'AbortError')): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    // One that is removed meanwhile is not told.
    for (let listener = this.listeners.shift(); listener; listener = this.listeners.shift()) listener();
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (!this.aborted && !this.listeners.includes(listener)) this.listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const place = this.listeners.indexOf(listener);
    if (place >= 0) this.listeners.splice(place, 1);
  }
}

/** For libraries, which want a real one. */
export function toAbortSignal(signal: CancelSignal): AbortSignal {
  if (signal instanceof AbortSignal) return signal;
  const controller = new AbortController();
  if (signal.aborted) controller.abort(signal.reason);
  else signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true });
  return controller.signal;
}
