import type { CancelSignal } from '../platform/cancellation.js';
import type { Readable } from 'node:stream';
import type { EgressResponse } from '../platform/egress/egress-response.js';
import { wireFailure } from './wire-failure.js';
import type { ReadMessage } from './credential-mask.js';
import { EventStreamParser } from './event-stream.js';
import { FloodGuard } from './flood-guard.js';
import { isAnswer, type JsonObject } from './json-rpc.js';
import type { UpstreamLimits } from './upstream.js';
import type { Listening } from './wire.js';

export interface StandingStreamOptions {
  limits: UpstreamLimits;
  read: ReadMessage;
  open: (lastEventId: string | undefined, signal: CancelSignal) => Promise<EgressResponse>;
  onMessage: (message: JsonObject) => void;
  /** Open again after it broke. */
  onAgain: () => void;
}

const MAX_RETRY_MS = 30_000;
// A stream that lasted so long was a good one: the next break starts again with the shortest wait.
const SETTLED_MS = 60_000;

/**
 * Keeps one event stream open on which a server may speak unasked (GET in 2025-11-25 and older, `subscriptions/listen` in
 * 2026-07-28), for as long as its session lives. Nothing depends on it, so it never fails anything: a server that
 * refuses it (4xx, as 405 where there is none) is left alone, other breaks are tried again with growing waits.
 */
export class StandingStream implements Listening {
  isOver = false;
  readonly opened: Promise<boolean>;
  private settle: (isOpen: boolean) => void = () => undefined;
  private readonly abort = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private stream: Readable | undefined;
  private lastEventId: string | undefined;
  private retryMs: number;
  private failures = 0;
  private isOpened = false;

  constructor(private readonly options: StandingStreamOptions) {
    this.retryMs = options.limits.standingRetryMs;
    this.opened = new Promise((resolve) => (this.settle = resolve));
    void this.run();
  }

  close(): void {
    this.isOver = true;
    this.settle(false);
    this.abort.abort();
    clearTimeout(this.timer);
    this.stream?.destroy();
  }

  private async run(): Promise<void> {
    const started = Date.now();
    let wanted = true;
    try {
      wanted = await this.follow();
    } catch {
      // Whatever it was, the remedy is the same: try again later.
    }
    if (!wanted) this.isOver = true;
    if (!wanted || this.abort.signal.aborted) return this.settle(false);
    this.failures = Date.now() - started > SETTLED_MS ? 0 : this.failures + 1;
    const wait = Math.min(this.retryMs * 2 ** Math.min(this.failures, 10), MAX_RETRY_MS);
    this.timer = setTimeout(() => void this.run(), wait);
    this.timer.unref();
  }

  /** Resolves when the stream has ended; false when the server does not offer one. */
  private async follow(): Promise<boolean> {
    const response = await this.options.open(this.lastEventId, this.abort.signal);
    if (response.status >= 500) return true;
    const stream = response.takeStream();
    if (!stream) return false;
    this.stream = stream;
    this.settle(true);
    if (this.isOpened) this.options.onAgain();
    this.isOpened = true;
    await this.read(stream);
    return true;
  }

  private read(stream: Readable): Promise<void> {
    return new Promise((resolve, reject) => {
      const guard = new FloodGuard(this.options.limits);
      const parser = new EventStreamParser(this.options.limits.maxMessageBytes, ({ type, data }) => {
        if (type !== 'message' || data === '') return;
        guard.countMessage();
        const message = this.options.read(data);
        if (!isAnswer(message)) this.options.onMessage(message);
      });
      stream.on('data', (chunk: Buffer) => {
        try {
          guard.countBytes(chunk.length);
          parser.push(chunk);
        } catch (error) {
          reject(wireFailure(error));
          stream.destroy();
        }
        this.lastEventId = parser.lastEventId ?? this.lastEventId;
        this.retryMs = Math.max(parser.retryMs ?? 0, this.options.limits.standingRetryMs);
      });
      stream.once('error', reject);
      stream.once('close', resolve);
      stream.once('end', resolve);
    });
  }
}
