import type { IncomingHttpHeaders } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { badEncoding, decoderFor, decompress, type Encoding, encodingOf, tooLarge } from './content-encoding.js';
import { describeFailure, EgressError } from './egress-error.js';
import { EventSizeGuard, EventSizeTransform } from './event-size-guard.js';

export interface ExchangeLimits {
  /** Bytes of a whole decompressed body, or of one event of an event stream. */
  maxBytes: number;
  /** Milliseconds until the final response headers, connecting included. */
  headersTimeoutMs: number;
  /** Milliseconds from the headers to the end of a body that is not an event stream. */
  bodyTimeoutMs: number;
}

/** `body` is complete unless the answer is a successful event stream, which is then to be read or destroyed. */
export interface Answer {
  status: number;
  statusText: string;
  headers: IncomingHttpHeaders;
  body: Buffer | Readable;
}

/**
 * One request on one connection, as a handler of undici's dispatcher: below undici.request there is no stream object to
 * pay for where the body is buffered anyway, and every chunk is counted before anything keeps it.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<Answer>;
  private settle: { resolve: (answer: Answer) => void; reject: (error: EgressError) => void };
  private controller: Dispatcher.DispatchController | undefined;
  private timer: NodeJS.Timeout | undefined;
  private failure: EgressError | undefined;
  private done = false;
  private head: Omit<Answer, 'body'> | undefined;
  private encoding: Encoding = 'identity';
  private readonly chunks: Buffer[] = [];
  private size = 0;
  private stream: EventSource | undefined;

  /** `onDone` is called once, when nothing more will come: body complete, stream ended or anything failed. */
  constructor(
    private readonly origin: string,
    private readonly limits: ExchangeLimits,
    private readonly onDone: () => void,
  ) {
    this.settle = { resolve: () => undefined, reject: () => undefined };
    this.answer = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
    this.startTimer(limits.headersTimeoutMs, 'did not answer');
  }

  /** Ends the exchange at once, wherever it is; the connection is closed if the request is already on it. */
  cancel(error: EgressError): void {
    if (this.done) return;
    this.failure = error;
    this.finish();
    this.stream?.destroy(error);
    this.settle.reject(error);
    this.controller?.abort(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // Cancelled while it waited for its connection: it must not be sent any more.
    if (this.failure) controller.abort(this.failure);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusText = '',
  ): void {
    if (status < 200) return;
    this.head = { status, statusText, headers };
    this.encoding = encodingOf(headers['content-encoding']);
    if (Number(headers['content-length']) > this.limits.maxBytes && !isEventStream(status, headers)) {
      return this.cancel(tooLarge(this.limits.maxBytes));
    }
    if (!isEventStream(status, headers)) return this.startTimer(this.limits.bodyTimeoutMs, 'did not finish its answer');
    clearTimeout(this.timer);
    this.stream = new EventSource(controller, this.encoding === 'identity' ? this.limits.maxBytes : null);
    this.settle.resolve({ ...this.head, body: this.readable(this.stream) });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.failure) return;
    if (this.stream) return this.stream.add(chunk);
    this.size += chunk.length;
    if (this.size > this.limits.maxBytes) return this.cancel(tooLarge(this.limits.maxBytes));
    this.chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.failure || !this.head) return;
    if (this.stream) {
      this.stream.push(null);
      return this.finish();
    }
    const [only, ...others] = this.chunks;
    const body = only && others.length === 0 ? only : Buffer.concat(this.chunks, this.size);
    const { head } = this;
    if (this.encoding === 'identity') {
      this.finish();
      return this.settle.resolve({ body, ...head });
    }
    void decompress(body, this.encoding, this.limits.maxBytes).then(
      (unpacked) => {
        this.finish();
        this.settle.resolve({ ...head, body: unpacked });
      },
      (error: unknown) => this.cancel(describeFailure(error, this.origin)),
    );
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.cancel(describeFailure(error, this.origin));
  }

  private readable(source: EventSource): Readable {
    const close = (): void => this.cancel(new EgressError('aborted', 'The stream was closed by its reader.'));
    if (this.encoding === 'identity') return source.once('close', close);
    const { encoding } = this;
    const decoder = decoderFor(encoding);
    const events = new EventSizeTransform(this.limits.maxBytes);
    decoder.once('error', () => events.destroy(this.failure ?? badEncoding(encoding)));
    return pipeline(source, decoder, events, () => close());
  }

  private startTimer(milliseconds: number, what: string): void {
    clearTimeout(this.timer);
    const expire = (): void =>
      this.cancel(new EgressError('timeout', `${this.origin} ${what} within ${milliseconds / 1000} s.`));
    this.timer = setTimeout(expire, milliseconds);
  }

  private finish(): void {
    if (this.done) return;
    this.done = true;
    clearTimeout(this.timer);
    this.onDone();
  }
}

/** The raw bytes of an event stream, with back-pressure down to the socket. */
class EventSource extends Readable {
  private readonly guard: EventSizeGuard | null;

  constructor(
    private readonly controller: Dispatcher.DispatchController,
    maxEventBytes: number | null,
  ) {
    super();
    this.guard = maxEventBytes === null ? null : new EventSizeGuard(maxEventBytes);
    // The reader may be gone when the stream fails; without a listener that would end the process.
    this.on('error', () => undefined);
  }

  add(chunk: Buffer): void {
    try {
      this.guard?.check(chunk);
    } catch (error) {
      this.destroy(error as Error);
      return;
    }
    if (!this.push(chunk)) this.controller.pause();
  }

  override _read(): void {
    this.controller.resume();
  }
}

function isEventStream(status: number, headers: IncomingHttpHeaders): boolean {
  return status >= 200 && status < 300 && /^text\/event-stream\s*(;|$)/i.test(headers['content-type'] ?? '');
}
