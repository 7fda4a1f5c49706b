import { toAbortSignal, type CancelSignal } from '../platform/cancellation.js';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EgressResponse } from '../platform/egress/egress-response.js';
import { wireFailure } from './wire-failure.js';
import type { ReadMessage } from './credential-mask.js';
import { EventStreamParser, type StreamEvent } from './event-stream.js';
import { tooMuchNoise } from './flood-guard.js';
import { checkAnswer } from './http-answer.js';
import { isAnswer, type JsonObject, type RpcAnswer, type RpcRequest } from './json-rpc.js';
import { UpstreamError, type UpstreamLimits } from './upstream.js';

/** Opens the rest of a broken stream after the event of that id. */
export type Resume = (lastEventId: string, signal: CancelSignal) => Promise<EgressResponse>;

// After the answer the rest is read so that the connection can be used again; more than this is not worth it.
const DRAIN_MS = 500;
const DRAIN_BYTES = 65_536;
const MAX_RESUMES_WITHOUT_EVENT = 3;
const DEFAULT_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

/**
 * The event stream that answers one request: messages of the server go to `onInbound` until the answer is there.
 * A stream that ends without it fails at once, unless it can be resumed (`resume` given, and an event had an id).
 */
export class AnswerStream {
  private noiseBytes = 0;
  private noiseMessages = 0;
  private lastEventId: string | undefined;
  private retryMs = DEFAULT_RETRY_MS;

  constructor(
    private readonly request: RpcRequest,
    private readonly limits: UpstreamLimits,
    private readonly read: ReadMessage,
    private readonly onInbound: (message: JsonObject) => void,
    private readonly resume: Resume | null,
  ) {}

  async answer(first: Readable, signal: CancelSignal): Promise<RpcAnswer> {
    let stream = first;
    for (let idle = 0; ; idle++) {
      const seen = this.lastEventId;
      const ending = await this.readStream(stream, signal);
      if (!(ending instanceof UpstreamError)) return ending;
      if (this.lastEventId !== seen) idle = 0;
      if (!this.resume || this.lastEventId === undefined || idle === MAX_RESUMES_WITHOUT_EVENT) throw ending;
      stream = await this.reopen(this.resume, this.lastEventId, ending, signal);
    }
  }

  private async reopen(resume: Resume, id: string, ending: UpstreamError, signal: CancelSignal): Promise<Readable> {
    await sleep(Math.min(this.retryMs, MAX_RETRY_MS), undefined, { signal: toAbortSignal(signal) }).catch(
      (error: unknown) => {
        throw wireFailure(error, signal);
      },
    );
    const response = await resume(id, signal);
    const stream = response.takeStream();
    if (!stream) throw ending;
    return stream;
  }

  /** Resolves with the answer, or with the error to report if the stream can't be resumed; rejects with all others. */
  private readStream(stream: Readable, signal: CancelSignal): Promise<RpcAnswer | UpstreamError> {
    return new Promise((resolve, reject) => {
      let isAnswered = false;
      const parser = new EventStreamParser(this.limits.maxMessageBytes, (event) => {
        const answer = isAnswered ? null : this.take(event);
        if (!answer) return;
        isAnswered = true;
        stream.off('data', onData);
        drain(stream);
        resolve(answer);
      });
      const onData = (chunk: Buffer): void => {
        try {
          this.countBytes(chunk.length);
          parser.push(chunk);
        } catch (error) {
          reject(wireFailure(error));
          stream.destroy();
        }
        this.lastEventId = parser.lastEventId ?? this.lastEventId;
        this.retryMs = parser.retryMs ?? this.retryMs;
      };
      const end = (): void => {
        if (!isAnswered) resolve(new UpstreamError('protocol_error', 'The server ended its answer without a result.'));
      };
      stream.on('data', onData);
      stream.once('end', end);
      stream.once('close', end);
      stream.once('error', (error) => {
        const failure = wireFailure(error, signal);
        if (failure.reason === 'connection_lost') resolve(failure);
        else reject(failure);
      });
    });
  }

  private take(event: StreamEvent): RpcAnswer | null {
    if (event.type !== 'message' || event.data === '') return null;
    const message = this.read(event.data);
    if (isAnswer(message)) {
      checkAnswer(message, this.request);
      return { message, bytes: Buffer.byteLength(event.data) };
    }
    if (++this.noiseMessages > this.limits.maxNoiseMessages) throw tooMuchNoise();
    this.onInbound(message);
    return null;
  }

  private countBytes(bytes: number): void {
    this.noiseBytes += bytes;
    if (this.noiseBytes > this.limits.maxNoiseBytes + this.limits.maxMessageBytes) throw tooMuchNoise();
  }
}

function drain(stream: Readable): void {
  let bytes = 0;
  const timer = setTimeout(() => stream.destroy(), DRAIN_MS);
  timer.unref();
  stream.once('close', () => clearTimeout(timer));
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > DRAIN_BYTES) stream.destroy();
  });
}
