import type { CancelSignal } from '../platform/cancellation.js';
import type { Implementation } from '@modelcontextprotocol/client';
import { Elicitations } from './elicitations.js';
import { isObject, rpcError, type JsonObject, type RpcRequest } from './json-rpc.js';
import { CLIENT_CAPABILITIES_KEY, CLIENT_INFO_KEY, PROTOCOL_VERSION_KEY } from './modern-headers.js';
import type { Negotiated } from './negotiation.js';
import {
  asksForInput,
  ELICITATION_COMPLETE,
  offers,
  offersMode,
  RpcRefusal,
  TOLD,
  type ClientCapabilities,
  type Peer,
} from './peer.js';
import { SessionWatches } from './session-watches.js';
import { type ListChange, type Progress, type ServerDescription, UpstreamError } from './upstream.js';
import type { Wire } from './wire.js';

export interface SessionCall {
  signal: CancelSignal;
  /** Called for each sign of progress. Without it no progress is asked for. */
  onProgress?: ((progress: Progress) => void) | undefined;
  meta?: JsonObject | undefined;
  /** Whom the server may ask and tell things meanwhile; nobody where left out. */
  peer?: Peer | undefined;
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
const INVALID_PARAMS = -32602;
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
  readonly watches: SessionWatches;
  private nextId = 1;
  private answering = 0;
  private retirement: UpstreamError | undefined;
  private readonly progress = new Map<number, (progress: Progress) => void>();
  private readonly peers = new Map<number | string, { peer: Peer; signal: CancelSignal }>();
  private readonly elicitations = new Elicitations();
  private readonly envelope: JsonObject | undefined;

  constructor(
    private readonly wire: Wire,
    readonly negotiated: Negotiated,
    clientInfo: Implementation,
    capabilities: ClientCapabilities = {},
  ) {
    if (negotiated.era === 'modern') {
      this.envelope = {
        [PROTOCOL_VERSION_KEY]: negotiated.protocolVersion,
        [CLIENT_INFO_KEY]: clientInfo,
        [CLIENT_CAPABILITIES_KEY]: capabilities,
      };
    }
    this.watches = new SessionWatches({
      wire,
      isModern: this.envelope !== undefined,
      requestOf: (method, params) => this.requestOf(method, params),
      request: (method, params, call) => this.request(method, params, call),
    });
    wire.onInbound = (message, during) => this.take(message, during);
  }

  get ended(): boolean {
    return this.wire.ended !== null;
  }

  /** Whether what it watches would still be told: it is not about to be closed either. */
  get isWatching(): boolean {
    return !this.ended && this.retirement === undefined && this.watches.isHeard;
  }

  /** The server has something to tell that somebody waits for, however long nothing is asked of it. */
  get isAwaited(): boolean {
    return this.watches.size > 0 || this.elicitations.isPending;
  }

  /** Has a resource watched from now on: false where the server does not do that. Rejects as {@link request}. */
  async watch(uri: string, call: SessionCall): Promise<boolean> {
    const { resources } = this.negotiated.capabilities;
    if (!isObject(resources) || resources.subscribe !== true) return false;
    this.inFlight++;
    try {
      return await this.watches.add(uri, call);
    } finally {
      this.inFlight--;
      if (this.retirement) this.retire(this.retirement);
    }
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
      this.watches.listen();
    } else if (changes.length > 0) {
      const notifications = Object.fromEntries(changes.map((what) => [`${what}ListChanged`, true]));
      this.wire.listen({
        subscribe: this.requestOf('subscriptions/listen', { notifications }),
        onAgain: () => undefined,
      });
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
    if (call.peer) this.peers.set(id, { peer: call.peer, signal: call.signal });
    try {
      // Nothing was sent yet, so whoever has another session may use that.
      if (this.wire.ended) throw this.wire.ended;
      call.onSend?.();
      const { message, bytes } = await this.wire.exchange(request, call.signal);
      if (message.error !== undefined) {
        // Where it would tell that somebody was there.
        if (call.peer && this.elicitations.required(message.error, call.peer)) this.listenForUnasked();
        throw rpcError(message.error);
      }
      return { result: this.checked(message.result, call.peer), bytes };
    } catch (error) {
      if (call.signal.aborted) this.tellCancelled(id);
      throw error;
    } finally {
      this.progress.delete(id);
      this.peers.delete(id);
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
    const meta = { ...own, ...call?.meta, ...token, ...this.envelope };
    return { jsonrpc: '2.0', id, method, params: own ? { ...given, _meta: meta } : { _meta: meta, ...given } };
  }

  /** 2026-07-28: a result may ask for input instead of being one, where somebody can give it. */
  private checked(result: unknown, peer: Peer | undefined): unknown {
    if (this.envelope && !peer && asksForInput(result))
      throw new UpstreamError('protocol_error', 'The server asks for input that it was not offered.');
    return result;
  }

  private tellCancelled(requestId: number): void {
    if (this.wire.ended || this.wire.cancelsByClosing) return;
    const params = { requestId, reason: 'The caller no longer waits for the answer.' };
    this.wire.notify({ jsonrpc: '2.0', method: 'notifications/cancelled', params }).catch(() => undefined);
  }

  private take(message: JsonObject, during?: number | string): void {
    const { method, id } = message;
    if (typeof method !== 'string') return;
    if (typeof id === 'string' || typeof id === 'number') return this.answer(id, method, message.params, during);
    const what = LIST_CHANGES.get(method);
    if (what) return this.onListChanged(what);
    if (isObject(message.params)) this.hear(method, message.params, during);
  }

  private hear(method: string, params: JsonObject, during: number | string | undefined): void {
    if (method === 'notifications/resources/updated') return this.watches.updated(params);
    if (method === 'notifications/subscriptions/acknowledged') return this.watches.acknowledge(params);
    if (method === 'notifications/progress') return this.takeProgress(params);
    if (!TOLD.has(method)) return;
    const asked = method === ELICITATION_COMPLETE ? this.elicitations.takeAsked(params) : undefined;
    const { peer } = asked ? { peer: asked } : (this.peerOf(during) ?? {});
    peer?.notify(method, params);
  }

  private listenForUnasked(): void {
    if (!this.envelope) this.watches.listen();
  }

  private takeProgress(params: JsonObject): void {
    const handler = this.progress.get(Number(params.progressToken));
    if (!handler || typeof params.progress !== 'number') return;
    const progress: Progress = { progress: params.progress };
    if (typeof params.total === 'number') progress.total = params.total;
    if (typeof params.message === 'string') progress.message = params.message;
    handler(progress);
  }

  private answer(id: string | number, method: string, params: unknown, during: number | string | undefined): void {
    if (this.envelope || this.answering >= MAX_ANSWERS_UNDER_WAY) return;
    this.answering++;
    this.outcomeOf(method, params, during)
      .then((outcome) => this.wire.notify({ jsonrpc: '2.0', id, ...outcome }))
      .catch(() => undefined)
      .finally(() => this.answering--);
  }

  private async outcomeOf(method: string, params: unknown, during: number | string | undefined): Promise<JsonObject> {
    if (method === 'ping') return { result: {} };
    const { peer, signal } = this.peerOf(during) ?? {};
    if (!peer?.request || !signal || !offers(peer, method))
      return { error: { code: METHOD_NOT_FOUND, message: 'This client does not offer that method.' } };
    if (!offersMode(peer, method, params))
      return { error: { code: INVALID_PARAMS, message: 'This client does not offer elicitation in that mode.' } };
    if (this.elicitations.asked(params, peer)) this.listenForUnasked();
    try {
      return { result: await peer.request(method, isObject(params) ? params : {}, signal) };
    } catch (error) {
      if (!(error instanceof RpcRefusal)) throw error;
      const { code, message, data } = error;
      return { error: data === undefined ? { code, message } : { code, message, data } };
    }
  }

  /** Who is meant. Where the channel does not tell, and several requests are under way, it is nobody: it must not be the wrong one. */
  private peerOf(during: number | string | undefined): { peer: Peer; signal: CancelSignal } | undefined {
    if (during !== undefined) return this.peers.get(during);
    return this.inFlight === 1 && this.peers.size === 1 ? [...this.peers.values()][0] : undefined;
  }
}
