import { Cancellation, type CancelSignal } from '../platform/cancellation.js';
import { UpstreamError } from './upstream.js';

const WORTHWHILE_MS = 10;

/**
 * The time one call has, and the one signal that ends it: the caller's cancellation, its timeout, or our closing.
 * Progress starts the timeout anew, up to `maxMs` after the start. One timer a call; progress only moves the deadline.
 */
export class CallClock {
  /** From `sent` on the request may have reached the server. */
  stage: 'queued' | 'connecting' | 'sent' = 'queued';
  private readonly cancellation = new Cancellation();
  private readonly end: number;
  private deadline: number;
  private timer: NodeJS.Timeout;

  constructor(
    private readonly timeoutMs: number,
    maxMs: number,
    private readonly outer?: CancelSignal,
  ) {
    const now = performance.now();
    this.end = now + maxMs;
    this.deadline = Math.min(now + timeoutMs, this.end);
    this.timer = setTimeout(this.expire, this.deadline - now);
    if (outer?.aborted) this.cancel();
    else outer?.addEventListener('abort', this.cancel, { once: true });
  }

  get signal(): CancelSignal {
    return this.cancellation;
  }

  extend(): void {
    this.deadline = Math.min(performance.now() + this.timeoutMs, this.end);
  }

  /** Ends the wait in the queue. Throws `busy` when there is no time left to speak of: the server had no part in that. */
  leaveQueue(): void {
    if (this.deadline - performance.now() < WORTHWHILE_MS) throw noTurn();
    this.stage = 'connecting';
  }

  abort(error: UpstreamError): void {
    this.cancellation.abort(error);
  }

  /** To be called when the call is over, whatever its outcome. */
  stop(): void {
    clearTimeout(this.timer);
    this.outer?.removeEventListener('abort', this.cancel);
  }

  private readonly cancel = (): void => {
    this.abort(new UpstreamError('cancelled', 'The call was cancelled.', { mayHaveArrived: this.stage === 'sent' }));
  };

  private readonly expire = (): void => {
    const left = this.deadline - performance.now();
    if (left > 1) {
      this.timer = setTimeout(this.expire, left);
      return;
    }
    this.abort(this.stage === 'queued' ? noTurn() : tooSlow(this.stage === 'sent'));
  };
}

function tooSlow(mayHaveArrived: boolean): UpstreamError {
  return new UpstreamError('timeout', 'The server did not answer in time.', { mayHaveArrived });
}

/** Our limits were the cause, not the server. */
function noTurn(): UpstreamError {
  const text = 'The call had no turn in time because other calls to this server are under way.';
  return new UpstreamError('busy', text, { retryAfterSeconds: 1, mayHaveArrived: false });
}
