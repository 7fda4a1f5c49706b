import type { Implementation } from '@modelcontextprotocol/client';
import type { EgressClient } from '../platform/egress/egress-client.js';
import { CallClock } from './call-clock.js';
import type { CircuitState } from './circuit.js';
import { Connection } from './connection.js';
import { Gate } from './gate.js';
import { HttpRefusal } from './http-answer.js';
import { isObject, type JsonObject } from './json-rpc.js';
import { LISTS, readAllPages, type Listing, type ListMethod } from './listing.js';
import { headerParameters } from './modern-headers.js';
import type { Session, SessionResult } from './session.js';
import {
  DEFAULT_LIMITS,
  type ListChange,
  type Progress,
  type ServerDescription,
  UpstreamError,
  type UpstreamLimits,
  type UpstreamTarget,
} from './upstream.js';

export interface UpstreamPoolOptions {
  egress: Pick<EgressClient, 'fetch'>;
  /** How we introduce ourselves to servers. */
  clientInfo: Implementation;
  limits?: Partial<UpstreamLimits>;
  /** Milliseconds since whenever; for tests of the circuit. */
  now?: () => number;
  /** A live session heard that a list of its server changed; repeated at most every `listChangedMs`. */
  onListChanged?: (connectionId: string, what: ListChange) => void;
  log?: (message: string, fields: Record<string, unknown>) => void;
}

export interface RequestOptions {
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** Goes into `params._meta`, over what is there. */
  meta?: Record<string, unknown>;
}

export interface PoolStatistics {
  connections: number;
  sessions: number;
  inFlight: number;
  queued: number;
  circuits: Record<CircuitState, number>;
}

const METHOD_NOT_FOUND = -32601;
const FORGET_MS = 3_600_000;

/**
 * The one way to any upstream MCP server. A call passes the circuit of its connection, waits its turn, takes the session
 * of its principal, and is one exchange on that session's wire; results are what the server sent, not looked into.
 *
 * The SDK negotiates (negotiation.ts), the rest is ours: its client rejects or strips whatever its schemas do not know,
 * shares one abort signal between requests and leaves the upstream's request open when one is cancelled.
 *
 * Nothing is repeated that may have reached the server. Only a request that was refused because of its session, era
 * or headers, or whose session was found dead before anything was sent, is sent once more on a new session.
 */
export class UpstreamPool {
  private readonly limits: UpstreamLimits;
  private readonly now: () => number;
  private readonly gate: Gate;
  private readonly connections = new Map<string, Connection>();
  private readonly calls = new Map<string, Set<CallClock>>();
  private readonly sweeper: NodeJS.Timeout;
  private closing = false;

  constructor(private readonly options: UpstreamPoolOptions) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.now = options.now ?? Date.now;
    this.gate = new Gate(this.limits);
    const interval = Math.min(30_000, Math.max(20, this.limits.sessionIdleMs / 4));
    this.sweeper = setInterval(() => this.sweep(), interval).unref();
  }

  /** One request; resolves with `result` as the server sent it. Rejects with UpstreamError only. */
  async request(
    target: UpstreamTarget,
    method: string,
    params: object,
    options: RequestOptions = {},
  ): Promise<unknown> {
    const { result } = await this.call(target, options.signal, (session, clock) =>
      this.send(session, clock, method, params, options),
    );
    return result;
  }

  /** All pages of a list; empty when the server does not declare or know it. Each page is a request with its own timeout. */
  async list(
    target: UpstreamTarget,
    method: ListMethod,
    options: { signal?: AbortSignal; onPage?: (itemsSoFar: number) => void } = {},
  ): Promise<Listing> {
    const { capability, items } = LISTS[method];
    const fetchPage = (params: JsonObject): Promise<SessionResult> =>
      this.call(target, options.signal, async (session, clock) => {
        const isOffered = session.negotiated.capabilities[capability] !== undefined;
        return isOffered ? this.send(session, clock, method, params, {}) : { result: { [items]: [] }, bytes: 0 };
      });
    try {
      const listing = await readAllPages(method, this.limits, fetchPage, options.onPage);
      return method === 'tools/list' ? this.learnHeaders(target, listing) : listing;
    } catch (error) {
      if (error instanceof UpstreamError && error.rpc?.code === METHOD_NOT_FOUND) return { items: [], truncated: null };
      throw error;
    }
  }

  /** What the server said of itself when the session was opened, which happens now if there is none. */
  describe(target: UpstreamTarget, options: { signal?: AbortSignal } = {}): Promise<ServerDescription> {
    return this.call(target, options.signal, async (session) => session.describe());
  }

  /**
   * The same through a new session that is closed again: whether it works now. Passes by queue and open circuit;
   * success closes the circuit.
   */
  async probe(target: UpstreamTarget, options: { signal?: AbortSignal } = {}): Promise<ServerDescription> {
    const clock = this.startClock(target, options.signal);
    clock.stage = 'connecting';
    try {
      const connection = this.connectionOf(target);
      const session = await connection.freshSession(target, clock.signal);
      connection.circuit.succeeded();
      void session.close(new UpstreamError('closed', 'The connection test is over.'));
      return session.describe();
    } finally {
      this.stopClock(target, clock);
    }
  }

  /** Ends all calls and sessions of a connection (`closed`) and forgets what was learned about it. */
  async closeConnection(connectionId: string): Promise<void> {
    const reason = new UpstreamError('closed', 'The connection was closed.');
    for (const clock of this.calls.get(connectionId) ?? []) clock.abort(reason);
    const connection = this.connections.get(connectionId);
    this.connections.delete(connectionId);
    await connection?.close(reason);
  }

  /** Ends everything; later requests are refused with `closed`. Resolves when no process of ours is left. */
  async close(): Promise<void> {
    this.closing = true;
    clearInterval(this.sweeper);
    const ids = new Set([...this.connections.keys(), ...this.calls.keys()]);
    await Promise.all([...ids].map((id) => this.closeConnection(id)));
  }

  statistics(): PoolStatistics {
    const circuits: Record<CircuitState, number> = { closed: 0, open: 0, half_open: 0 };
    let sessions = 0;
    for (const connection of this.connections.values()) {
      circuits[connection.circuit.state]++;
      sessions += connection.sessions;
    }
    const { inFlight, queued } = this.gate;
    return { connections: this.connections.size, sessions, inFlight, queued, circuits };
  }

  private async call<T>(
    target: UpstreamTarget,
    signal: AbortSignal | undefined,
    use: (session: Session, clock: CallClock) => Promise<T>,
  ): Promise<T> {
    const clock = this.startClock(target, signal);
    try {
      const connection = this.connectionOf(target);
      connection.circuit.check();
      if (clock.signal.aborted) throw clock.signal.reason;
      const turn = this.gate.enter(target.connectionId, target.organizationId, clock.signal);
      if (turn) await turn;
      try {
        if (turn) clock.leaveQueue();
        return await this.admitted(connection, target, clock, use);
      } finally {
        this.gate.leave(target.connectionId);
      }
    } finally {
      this.stopClock(target, clock);
    }
  }

  private async admitted<T>(
    connection: Connection,
    target: UpstreamTarget,
    clock: CallClock,
    use: (session: Session, clock: CallClock) => Promise<T>,
  ): Promise<T> {
    const isTrial = connection.circuit.admit();
    try {
      const result = await this.onSession(connection, target, clock, use);
      connection.circuit.succeeded();
      return result;
    } catch (error) {
      connection.circuit.failed(error, isTrial);
      throw error;
    }
  }

  private async onSession<T>(
    connection: Connection,
    target: UpstreamTarget,
    clock: CallClock,
    use: (session: Session, clock: CallClock) => Promise<T>,
  ): Promise<T> {
    for (let isRepeated = false; ; isRepeated = true) {
      clock.stage = 'connecting';
      const found = connection.session(target, clock.signal);
      const session = found instanceof Promise ? await found : found;
      try {
        return await use(session, clock);
      } catch (error) {
        if (isRepeated || clock.signal.aborted) throw error;
        if (!(await this.remedied(error, connection, session, target, clock))) throw error;
      }
    }
  }

  /** True when the request was not processed and now has a chance. */
  private async remedied(
    error: unknown,
    connection: Connection,
    session: Session,
    target: UpstreamTarget,
    clock: CallClock,
  ): Promise<boolean> {
    if (session.ended && clock.stage === 'connecting') {
      connection.discard(session);
      return true;
    }
    if (!(error instanceof HttpRefusal) || error.remedy === 'none') return false;
    if (error.remedy === 'headers' && session.negotiated.era === 'modern') {
      const page = (params: JsonObject): Promise<SessionResult> => this.send(session, clock, 'tools/list', params, {});
      this.learnHeaders(target, await readAllPages('tools/list', this.limits, page));
      return true;
    }
    if (error.remedy !== 'session' && !connection.forgetEra()) return false;
    connection.discard(session);
    return true;
  }

  private send(
    session: Session,
    clock: CallClock,
    method: string,
    params: object,
    options: RequestOptions,
  ): Promise<SessionResult> {
    const isFollowed = options.onProgress !== undefined || method === 'tools/call';
    const onProgress = (progress: Progress): void => {
      clock.extend();
      options.onProgress?.(progress);
    };
    return session.request(method, params, {
      signal: clock.signal,
      meta: options.meta,
      onProgress: isFollowed ? onProgress : undefined,
      onSend: () => (clock.stage = 'sent'),
    });
  }

  /** 2026-07-28: calls repeat some arguments in headers, and tools that declare such headers wrongly must not be offered. */
  private learnHeaders(target: UpstreamTarget, listing: Listing): Listing {
    const knowledge = this.connections.get(target.connectionId)?.knowledgeOf(target.revision);
    if (knowledge?.negotiated?.era !== 'modern' || target.transport.type !== 'streamable_http') return listing;
    knowledge.parameters.clear();
    const items = listing.items.filter((tool) => {
      if (!isObject(tool) || typeof tool.name !== 'string') return true;
      const parameters = headerParameters(tool.inputSchema);
      if (parameters && parameters.length > 0) knowledge.parameters.set(tool.name, parameters);
      return parameters !== null;
    });
    const excluded = listing.items.length - items.length;
    if (excluded > 0)
      this.options.log?.('tools with invalid x-mcp-header left out', { connection: target.connectionId, excluded });
    return { items, truncated: listing.truncated };
  }

  private connectionOf(target: UpstreamTarget): Connection {
    const known = this.connections.get(target.connectionId);
    if (known) {
      known.lastUsed = this.now();
      return known;
    }
    const connection = new Connection(target.connectionId, target.revision, {
      egress: this.options.egress,
      limits: this.limits,
      clientInfo: this.options.clientInfo,
      now: this.now,
      onListChanged: (id, what) => this.options.onListChanged?.(id, what),
    });
    this.connections.set(target.connectionId, connection);
    return connection;
  }

  private startClock(target: UpstreamTarget, signal: AbortSignal | undefined): CallClock {
    if (this.closing) throw new UpstreamError('closed', 'The product is shutting down.', { mayHaveArrived: false });
    const clock = new CallClock(target.timeoutMs, this.limits.maxCallMs, signal);
    const calls = this.calls.get(target.connectionId);
    if (calls) calls.add(clock);
    else this.calls.set(target.connectionId, new Set([clock]));
    return clock;
  }

  private stopClock(target: UpstreamTarget, clock: CallClock): void {
    clock.stop();
    const calls = this.calls.get(target.connectionId);
    calls?.delete(clock);
    if (calls?.size === 0) this.calls.delete(target.connectionId);
  }

  private sweep(): void {
    for (const [id, connection] of this.connections) {
      connection.sweep();
      const isForgotten = connection.isIdle && !this.calls.has(id) && this.now() - connection.lastUsed > FORGET_MS;
      if (isForgotten) this.connections.delete(id);
    }
  }
}
