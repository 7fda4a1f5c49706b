import type { CancelSignal } from '../platform/cancellation.js';
import type { EgressClient } from '../platform/egress/egress-client.js';
import type { EgressResponse } from '../platform/egress/egress-response.js';
import { AnswerStream } from './answer-stream.js';
import type { ReadMessage } from './credential-mask.js';
import { wireFailure } from './wire-failure.js';
import { jsonAnswer, mediaType, statusError } from './http-answer.js';
import { isObject, type JsonObject, type RpcAnswer, type RpcOneWay, type RpcRequest } from './json-rpc.js';
import { MODERN_VERSION, modernHeaders, PROTOCOL_VERSION_KEY, type HeaderParameter } from './modern-headers.js';
import { StandingStream, type StandingStreamOptions } from './standing-stream.js';
import { UpstreamError, type UpstreamLimits } from './upstream.js';
import type { Listening, ListenRequest, Wire } from './wire.js';

export interface HttpWireOptions {
  egress: Pick<EgressClient, 'fetch'>;
  url: string;
  headers: Record<string, string>;
  limits: UpstreamLimits;
  read: ReadMessage;
  /** The header parameters of a tool (2026-07-28), as far as its definition was seen. */
  parametersOf: (tool: string) => readonly HeaderParameter[] | undefined;
}

// They are the protocol's own; a configured header of that name would break the exchange or lie about its body.
const OWN_HEADERS = new Set(['accept', 'accept-encoding', 'content-type', 'content-length', 'content-encoding']);
const NOTIFY_MS = 5_000;
const GOODBYE_MS = 2_000;

/**
 * Streamable HTTP (MCP 2025-03-26 to 2026-07-28, Transports): each request is a POST of its own and its answer comes on
 * that POST, as JSON or as the one answer of an event stream; so answers cannot be mixed up whatever ids they carry.
 */
export class StreamableHttpWire implements Wire {
  ended: UpstreamError | null = null;
  onInbound: Wire['onInbound'] = () => undefined;
  private sessionId: string | undefined;
  private version: string | undefined;
  private isModern = false;
  private date: string | undefined;
  private standing: StandingStream | undefined;
  private readonly listening = new Set<StandingStream>();
  private readonly configured: Record<string, string>;
  private posting: Record<string, string>;

  constructor(private readonly options: HttpWireOptions) {
    this.configured = withoutProtocolHeaders(options.headers);
    this.posting = this.headersFor('application/json, text/event-stream');
  }

  get cancelsByClosing(): boolean {
    return this.isModern;
  }

  get serverTime(): string | undefined {
    const time = this.date === undefined ? NaN : Date.parse(this.date);
    return Number.isNaN(time) ? undefined : new Date(time).toISOString();
  }

  /** There is nothing to be made ready: each message is a request of its own. */
  async start(): Promise<void> {}

  async exchange(request: RpcRequest, signal: CancelSignal): Promise<RpcAnswer> {
    const response = await this.post(request, signal);
    const { status, rawHeaders } = response;
    if (status < 200 || status > 299) throw await this.refused(response, request.id);
    if (request.method === 'initialize') this.beginSession(rawHeaders['mcp-session-id']);
    const stream = response.takeStream();
    if (stream) {
      const resume = this.isModern ? null : this.resume;
      const { limits, read } = this.options;
      const answer = new AnswerStream(request, limits, read, (message) => this.onInbound(message, request.id), resume);
      return answer.answer(stream, signal);
    }
    const type = mediaType(rawHeaders);
    if (type === 'application/json' || type.endsWith('+json'))
      return jsonAnswer(await response.bytes(), request, this.options.read);
    if (status === 202 || status === 204)
      throw new UpstreamError('protocol_error', 'The server accepted the request without answering it.');
    throw new UpstreamError('not_mcp', 'The server answered with something other than MCP.');
  }

  async notify(message: RpcOneWay, signal?: CancelSignal): Promise<void> {
    const response = await this.post(message, signal ?? AbortSignal.timeout(NOTIFY_MS));
    if (response.status < 200 || response.status > 299) throw await this.refused(response);
    response.takeStream()?.destroy();
  }

  setProtocolVersion(version: string): void {
    // From 2026-07-28 on each request names its version itself. Versions are dates, so their order is that of text.
    this.isModern = version >= MODERN_VERSION;
    if (this.isModern) return;
    this.version = version;
    this.posting = this.headersFor('application/json, text/event-stream');
  }

  listen({ subscribe, onAgain }: ListenRequest): Listening {
    if (subscribe) return this.follow((_, signal) => this.post(subscribe, signal), onAgain);
    return (this.standing ??= this.follow((lastEventId, signal) => this.get(lastEventId, signal), onAgain));
  }

  private follow(open: StandingStreamOptions['open'], onAgain: () => void): StandingStream {
    const { limits, read } = this.options;
    for (const stream of this.listening) if (stream.isOver) this.listening.delete(stream);
    const stream = new StandingStream({ limits, read, open, onAgain, onMessage: (message) => this.onInbound(message) });
    this.listening.add(stream);
    return stream;
  }

  async close(reason: UpstreamError): Promise<void> {
    if (this.ended) return;
    this.ended = reason;
    for (const stream of this.listening) stream.close();
    if (this.sessionId === undefined) return;
    // Only a courtesy (2025-11-25, Session Management, 5): servers may refuse it, and nothing depends on it.
    const { egress, url } = this.options;
    const signal = AbortSignal.timeout(GOODBYE_MS);
    await egress.fetch(url, { method: 'DELETE', headers: this.headersFor('*/*'), signal }).then(
      (response) => response.takeStream()?.destroy(),
      () => undefined,
    );
  }

  private async post(message: JsonObject, signal: CancelSignal): Promise<EgressResponse> {
    const { egress, url, limits } = this.options;
    try {
      const response = await egress.fetch(url, {
        method: 'POST',
        headers: this.headersOf(message),
        body: JSON.stringify(message),
        signal,
        maxBytes: limits.maxMessageBytes,
        headersTimeoutMs: limits.maxCallMs,
        bodyTimeoutMs: limits.maxCallMs,
      });
      this.noteTime(response);
      return response;
    } catch (error) {
      throw wireFailure(error, signal);
    }
  }

  private async get(lastEventId: string | undefined, signal: CancelSignal): Promise<EgressResponse> {
    const { egress, url, limits } = this.options;
    const headers = this.headersFor('text/event-stream');
    if (lastEventId !== undefined) headers['last-event-id'] = lastEventId;
    try {
      return await egress.fetch(url, { headers, signal, maxBytes: limits.maxMessageBytes });
    } catch (error) {
      throw wireFailure(error, signal);
    }
  }

  /** MCP 2025-11-25, Resumability: a server may end the stream early and go on with the answer on a GET. */
  private readonly resume = (lastEventId: string, signal: CancelSignal): Promise<EgressResponse> =>
    this.get(lastEventId, signal);

  private async refused(response: EgressResponse, id?: number | string): Promise<UpstreamError> {
    const body = (await response.bytes()).toString('utf8');
    const { status, rawHeaders: headers } = response;
    const refused = { status, headers, body, session: this.sessionId !== undefined };
    return statusError(id === undefined ? refused : { ...refused, id });
  }

  private headersOf(message: JsonObject): Record<string, string> {
    const { params } = message;
    const meta = isObject(params) ? params._meta : undefined;
    const version = isObject(meta) ? meta[PROTOCOL_VERSION_KEY] : undefined;
    if (typeof version !== 'string' || !isObject(params)) return this.posting;
    const tool = message.method === 'tools/call' && typeof params.name === 'string' ? params.name : undefined;
    const parameters = tool === undefined ? undefined : this.options.parametersOf(tool);
    return Object.assign(modernHeaders(version, String(message.method), params, parameters), this.posting);
  }

  private headersFor(accept: string): Record<string, string> {
    const headers: Record<string, string> = { ...this.configured, accept };
    if (accept.startsWith('application/json')) headers['content-type'] = 'application/json';
    if (this.version !== undefined) headers['mcp-protocol-version'] = this.version;
    if (this.sessionId !== undefined) headers['mcp-session-id'] = this.sessionId;
    return headers;
  }

  private beginSession(id: string | string[] | undefined): void {
    if (typeof id !== 'string') return;
    // 2025-11-25, Session Management: visible ASCII only. Anything else could not be sent back.
    if (!/^[\x21-\x7e]{1,4096}$/.test(id))
      throw new UpstreamError('protocol_error', 'The server gave an unusable session id.');
    this.sessionId = id;
    this.posting = this.headersFor('application/json, text/event-stream');
  }

  private noteTime(response: EgressResponse): void {
    const { date } = response.rawHeaders;
    if (date !== undefined) this.date = date;
  }
}

function withoutProtocolHeaders(headers: Record<string, string>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (!OWN_HEADERS.has(lower) && !lower.startsWith('mcp-') && lower !== 'last-event-id') kept[lower] = value;
  }
  return kept;
}
