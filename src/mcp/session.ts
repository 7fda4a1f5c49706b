import type { Implementation } from '@modelcontextprotocol/client';
import { isObject, rpcError, type JsonObject, type RpcRequest } from './json-rpc.js';
import { CLIENT_CAPABILITIES_KEY, CLIENT_INFO_KEY, PROTOCOL_VERSION_KEY } from './modern-headers.js';
import type { Negotiated } from './negotiation.js';
import { type ListChange, type Progress, type ServerDescription, UpstreamError } from './upstream.js';
import type { Wire } from './wire.js';

export interface SessionCall {
  signal: AbortSignal;
  /** Called for each sign of progress. Without it no progress is asked for. */
  onProgress?: ((progress: Progress) => void) | undefined;
  meta?: JsonObject | undefined;
  /** Called when the request is about to leave. */
  onSend?: () => void;
}

export interface SessionResult {
  /** What the server sent, with `***` for its credentials. */
  result: unknown;
  /** Bytes of the answer. */
  bytes: number;
}

const LIST_CHANGES: ReadonlyMap<string, ListChange> = new Map([
  ['notifications/tools/list_changed', 'tools'],
  ['notifications/resources/list_changed', 'resources'],
  ['notifications/prompts/list_changed', 'prompts'],
]);
const METHOD_NOT_FOUND = -32601;
// A server that asks more than this at once gets no answers for the rest: each answer is a request of ours.
const MAX_ANSWERS_UNDER_WAY = 8;

/**
 * One conversation with one server on behalf of one principal, on a wire of its own. It numbers requests, adds what the
 * era demands to them, tells the server what was cancelled, and answers what the server asks.
 */
export class Session {
  inFlight = 0;
  lastUsed = Date.now();
  onListChanged: (what: ListChange) => void = () => undefined;
  private nextId = 1;
  private answering = 0;
  private retirement: UpstreamError | undefined;
  private readonly progress = new Map<number, (progress: Progress) => void>();
  private readonly envelope: JsonObject | undefined;

  constructor(
    private readonly wire: Wire,
    readonly negotiated: Negotiated,
    clientInfo: Implementation,
  ) {
    if (negotiated.era === 'modern') {
      this.envelope = {
        [PROTOCOL_VERSION_KEY]: negotiated.protocolVersion,
        [CLIENT_INFO_KEY]: clientInfo,
        [CLIENT_CAPABILITIES_KEY]: {},
      };
    }
    wire.onInbound = (message) => this.take(message);
  }

  get ended(): boolean {
    return this.wire.ended !== null;
  }

  describe(): ServerDescription {
    const { serverTime } = this.wire;
    return serverTime === undefined ? this.negotiated : { ...this.negotiated, serverTime };
  }

  /** Opens the stream on which the server can say that its lists changed, if it declares that it ever will. */
  listen(): void {
    const changes = (['tools', 'resources', 'prompts'] as const).filter((what) => {
      const capability = this.negotiated.capabilities[what];
      return isObject(capability) && capability.listChanged === true;
    });
    if (this.envelope === undefined) {
      this.wire.listen({ subscribe: null });
    } else if (changes.length > 0) {
      const notifications = Object.fromEntries(changes.map((what) => [`${what}ListChanged`, true]));
      this.wire.listen({ subscribe: this.requestOf('subscriptions/listen', { notifications }) });
    }
  }

  /**
   * Sends one request. Rejects with UpstreamError `rpc_error` for an error of the server, with the signal's reason when
   * that is aborted (and the server is told), else with what the wire reports.
   */
  async request(method: string, params: object, call: SessionCall): Promise<SessionResult> {
    const request = this.requestOf(method, params, call);
    const { id } = request;
    this.inFlight++;
    if (call.onProgress) this.progress.set(id, call.onProgress);
    try {
      // Nothing was sent yet, so whoever has another session may use that.
      if (this.wire.ended) throw this.wire.ended;
      call.onSend?.();
      const { message, bytes } = await this.wire.exchange(request, call.signal);
      if (message.error !== undefined) throw rpcError(message.error);
      return { result: this.checked(message.result), bytes };
    } catch (error) {
      if (call.signal.aborted) this.tellCancelled(id);
      throw error;
    } finally {
      this.progress.delete(id);
      this.inFlight--;
      this.lastUsed = Date.now();
      if (this.retirement) this.retire(this.retirement);
    }
  }

  /** Closes the session as soon as no call is under way on it. */
  retire(reason: UpstreamError): void {
    this.retirement = reason;
    if (this.inFlight === 0) void this.close(reason);
  }

  close(reason: UpstreamError): Promise<void> {
    return this.wire.close(reason);
  }

  private requestOf(method: string, params: object, call?: SessionCall): RpcRequest & { id: number } {
    const id = this.nextId++;
    const given = params as JsonObject;
    const token = call?.onProgress ? { progressToken: id } : undefined;
    if (!this.envelope && !token && !call?.meta) return { jsonrpc: '2.0', id, method, params: given };
    const own = isObject(given._meta) ? given._meta : undefined;
    return {
      jsonrpc: '2.0',
      id,
      method,
      params: { ...given, _meta: { ...own, ...call?.meta, ...token, ...this.envelope } },
    };
  }

  /** 2026-07-28: a result may ask for input instead of being one. We declared nothing that would allow a server to. */
  private checked(result: unknown): unknown {
    if (this.envelope && isObject(result) && result.resultType === 'input_required')
      throw new UpstreamError('protocol_error', 'The server asks for input that it was not offered.');
    return result;
  }

  private tellCancelled(requestId: number): void {
    if (this.wire.ended || this.wire.cancelsByClosing) return;
    const params = { requestId, reason: 'The caller no longer waits for the answer.' };
    this.wire.notify({ jsonrpc: '2.0', method: 'notifications/cancelled', params }).catch(() => undefined);
  }

  private take(message: JsonObject): void {
    const { method, id } = message;
    if (typeof method !== 'string') return;
    if (typeof id === 'string' || typeof id === 'number') return this.answer(id, method);
    const what = LIST_CHANGES.get(method);
    if (what) return this.onListChanged(what);
    if (method === 'notifications/progress') this.takeProgress(message.params);
  }

  private takeProgress(params: unknown): void {
    if (!isObject(params)) return;
    const handler = this.progress.get(Number(params.progressToken));
    if (!handler || typeof params.progress !== 'number') return;
    const progress: Progress = { progress: params.progress };
    if (typeof params.total === 'number') progress.total = params.total;
    if (typeof params.message === 'string') progress.message = params.message;
    handler(progress);
  }

  private answer(id: string | number, method: string): void {
    if (this.envelope || this.answering >= MAX_ANSWERS_UNDER_WAY) return;
    this.answering++;
    const outcome =
      method === 'ping'
        ? { result: {} }
        : { error: { code: METHOD_NOT_FOUND, message: 'This client does not offer that method.' } };
    this.wire
      .notify({ jsonrpc: '2.0', id, ...outcome })
      .catch(() => undefined)
      .finally(() => this.answering--);
  }
}
