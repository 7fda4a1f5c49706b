import type { CancelSignal } from '../platform/cancellation.js';
import type { Readable } from 'node:stream';
import type { EgressClient } from '../platform/egress/egress-client.js';
import type { EgressResponse } from '../platform/egress/egress-response.js';
import { wireFailure } from './wire-failure.js';
import { EventStreamParser, type StreamEvent } from './event-stream.js';
import type { ReadMessage } from './credential-mask.js';
import { FloodGuard } from './flood-guard.js';
import { statusError } from './http-answer.js';
import { isAnswer, type JsonObject, type RpcAnswer, type RpcOneWay, type RpcRequest } from './json-rpc.js';
import { PendingAnswers } from './pending-answers.js';
import { UpstreamError, type UpstreamLimits } from './upstream.js';
import { LISTENING, type Listening, type Wire } from './wire.js';
import { parsedUrl } from '../platform/egress/parse-url.js';

export interface SseWireOptions {
  egress: Pick<EgressClient, 'fetch'>;
  url: string;
  headers: Record<string, string>;
  limits: UpstreamLimits;
  read: ReadMessage;
}

const NOTIFY_MS = 5_000;

/**
 * HTTP with SSE (MCP 2024-11-05, Transports; deprecated since 2025-03-26): one event stream for everything the server
 * says, whose first event names the address for what we say. The stream is the session: when it ends, so do they all.
 */
export class SseWire implements Wire {
  ended: UpstreamError | null = null;
  readonly cancelsByClosing = false;
  onInbound: Wire['onInbound'] = () => undefined;
  private readonly pending = new PendingAnswers();
  private readonly abort = new AbortController();
  private stream: Readable | undefined;
  private endpoint: string | undefined;
  private date: string | undefined;
  private readonly guard: FloodGuard;

  constructor(private readonly options: SseWireOptions) {
    this.guard = new FloodGuard(options.limits);
  }

  get serverTime(): string | undefined {
    const time = this.date === undefined ? NaN : Date.parse(this.date);
    return Number.isNaN(time) ? undefined : new Date(time).toISOString();
  }

  async start(signal: CancelSignal): Promise<void> {
    const stop = (): void => this.end(wireFailure(signal.reason));
    signal.addEventListener('abort', stop, { once: true });
    try {
      const response = await this.fetch('GET', this.options.url, undefined, this.abort.signal);
      const stream = response.takeStream();
      if (!stream) throw await notAStream(response);
      this.stream = stream;
      await this.follow(stream);
    } catch (error) {
      throw wireFailure(error, signal);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async exchange(request: RpcRequest, signal: CancelSignal): Promise<RpcAnswer> {
    const answer = this.pending.wait(request.id, signal);
    // The answer may come before the POST is answered, and a POST that fails means that none will come.
    this.post(request, signal).catch((error: unknown) => this.pending.fail(request.id, wireFailure(error, signal)));
    return answer;
  }

  async notify(message: RpcOneWay, signal?: CancelSignal): Promise<void> {
    await this.post(message, signal ?? AbortSignal.timeout(NOTIFY_MS));
  }

  /** There was no header for the version yet. */
  setProtocolVersion(): void {}

  /** Everything comes on the one stream anyway. */
  listen(): Listening {
    return LISTENING;
  }

  async close(reason: UpstreamError): Promise<void> {
    this.end(reason);
  }

  private async post(message: JsonObject, signal: CancelSignal): Promise<void> {
    if (this.ended) throw this.ended;
    if (this.endpoint === undefined)
      throw new UpstreamError('protocol_error', 'The server gave no address for messages.');
    const response = await this.fetch('POST', this.endpoint, JSON.stringify(message), signal);
    const stream = response.takeStream();
    stream?.destroy();
    if (response.ok) return;
    throw statusError({ status: response.status, headers: response.rawHeaders, body: '', session: true });
  }

  private async fetch(
    method: string,
    url: string,
    body: string | undefined,
    signal: CancelSignal,
  ): Promise<EgressResponse> {
    const { egress, headers, limits } = this.options;
    const own: Record<string, string> =
      body === undefined ? { accept: 'text/event-stream' } : { 'content-type': 'application/json' };
    try {
      const response = await egress.fetch(url, {
        method,
        headers: { ...headers, ...own },
        ...(body === undefined ? {} : { body }),
        signal,
        maxBytes: limits.maxMessageBytes,
      });
      this.date = response.rawHeaders.date ?? this.date;
      return response;
    } catch (error) {
      throw wireFailure(error, signal);
    }
  }

  /** Resolves with the first event that names the endpoint; from then on the stream is followed until it ends. */
  private follow(stream: Readable): Promise<void> {
    return new Promise((resolve, reject) => {
      const parser = new EventStreamParser(this.options.limits.maxMessageBytes, (event) => {
        if (event.type === 'endpoint' && this.endpoint === undefined) {
          this.endpoint = this.endpointOf(event.data);
          resolve();
        } else this.take(event);
      });
      const fail = (error: unknown): void => {
        const failure = this.ended ?? wireFailure(error);
        this.end(failure);
        reject(failure);
      };
      stream.on('data', (chunk: Buffer) => {
        try {
          this.guard.countBytes(chunk.length);
          parser.push(chunk);
        } catch (error) {
          fail(error);
        }
      });
      stream.once('error', fail);
      const gone = (): void => fail(new UpstreamError('connection_lost', 'The server closed the event stream.'));
      stream.once('end', gone);
      stream.once('close', gone);
    });
  }

  /** Same origin only: the credentials go there too (2024-11-05 says nothing; both SDKs insist on it). */
  private endpointOf(data: string): string {
    const { url } = this.options;
    const endpoint = parsedUrl(data, url);
    if (endpoint && endpoint.origin === new URL(url).origin) return endpoint.href;
    throw new UpstreamError(
      'protocol_error',
      'The server named an address for messages that is not on its own origin.',
    );
  }

  private take(event: StreamEvent): void {
    if (event.type !== 'message' || event.data === '') return;
    let message: JsonObject;
    try {
      message = this.options.read(event.data);
    } catch {
      return;
    }
    if (isAnswer(message)) {
      const bytes = Buffer.byteLength(event.data);
      if (this.pending.settle(message, bytes)) this.guard.discount(bytes);
    } else {
      this.guard.countMessage();
      this.onInbound(message);
    }
  }

  private end(reason: UpstreamError): void {
    if (this.ended) return;
    this.ended = reason;
    this.abort.abort(reason);
    this.stream?.destroy();
    this.pending.failAll(reason);
  }
}

async function notAStream(response: EgressResponse): Promise<UpstreamError> {
  if (response.ok)
    return new UpstreamError('not_mcp', 'The server answered with something other than an event stream.');
  const body = (await response.bytes()).toString('utf8');
  return statusError({ status: response.status, headers: response.rawHeaders, body, session: false });
}
