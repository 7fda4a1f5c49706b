import type { CancelSignal } from '../platform/cancellation.js';
import type { Implementation } from '@modelcontextprotocol/client';
import type { EgressClient } from '../platform/egress/egress-client.js';
import type { BuiltinServers } from './builtin-server.js';
import { CallRunner, type RequestOptions } from './call-runner.js';
import type { CircuitState } from './circuit.js';
import type { Log } from './connection-context.js';
import { Connection } from './connection.js';
import { Gate } from './gate.js';
import type { JsonObject } from './json-rpc.js';
import { LISTS, readAllPages, type Listing, type ListMethod } from './listing.js';
import { ResourceWatches, type WatchRequest } from './resource-watches.js';
import type { SessionResult } from './session.js';
import {
  DEFAULT_LIMITS,
  type ListChange,
  type ServerDescription,
  UpstreamError,
  type UpstreamLimits,
  type UpstreamTarget,
} from './upstream.js';

export interface UpstreamPoolOptions {
  egress: Pick<EgressClient, 'fetch'>;
  /** Servers in this process; none unless given. */
  builtins?: BuiltinServers;
  /** How we introduce ourselves to servers. */
  clientInfo: Implementation;
  limits?: Partial<UpstreamLimits>;
  /** Milliseconds since whenever; for tests of the circuit. */
  now?: () => number;
  /** Told of each request that had to wait for its turn, in seconds, when its wait is over, whatever its end. */
  queued?: { observe(seconds: number): void };
  /** A live session heard that a list of its server changed; repeated at most every `listChangedMs`. */
  onListChanged?: (connectionId: string, what: ListChange) => void;
  log?: Log;
}

export interface PoolStatistics {
  connections: number;
  sessions: number;
  inFlight: number;
  queued: number;
  circuits: Record<CircuitState, number>;
}

export type { RequestOptions };

const METHOD_NOT_FOUND = -32601;
const FORGET_MS = 3_600_000;

/**
 * The one way to any upstream MCP server. A call passes the circuit of its connection, waits its turn, takes the session
 * of its principal, and is one exchange on that session's wire; results are what the server sent, but for
 * credentials that it repeats (CredentialMask).
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
  private readonly runner: CallRunner;
  private readonly watches: ResourceWatches;
  private readonly connections = new Map<string, Connection>();
  private readonly sweeper: NodeJS.Timeout;

  constructor(private readonly options: UpstreamPoolOptions) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.now = options.now ?? Date.now;
    this.gate = new Gate(this.limits);
    this.runner = new CallRunner(this.limits, this.gate, (target) => this.connectionOf(target), options);
    this.watches = new ResourceWatches(
      this.limits,
      this.runner,
      (target, session) => this.connectionOf(target).discard(session),
      (message, fields) => this.options.log?.(message, fields),
    );
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
    const { ifOffered } = options;
    const { result } = await this.runner.run(target, options.signal, (session, clock) =>
      ifOffered && session.negotiated.capabilities[ifOffered.capability] === undefined
        ? Promise.resolve({ result: ifOffered.otherwise, bytes: 0 })
        : this.runner.send(session, clock, method, params, options),
    );
    return result;
  }

  /** All pages of a list; empty when the server does not declare or know it. Each page is a request with its own timeout. */
  async list(
    target: UpstreamTarget,
    method: ListMethod,
    options: { signal?: CancelSignal; onPage?: (itemsSoFar: number) => void } = {},
  ): Promise<Listing> {
    const { capability, items } = LISTS[method];
    const fetchPage = (params: JsonObject): Promise<SessionResult> =>
      this.runner.run(target, options.signal, async (session, clock) => {
        const isOffered = session.negotiated.capabilities[capability] !== undefined;
        return isOffered ? this.runner.send(session, clock, method, params, {}) : { result: { [items]: [] }, bytes: 0 };
      });
    try {
      const listing = await readAllPages(method, this.limits, fetchPage, options.onPage);
      return method === 'tools/list' ? this.connectionOf(target).learnHeaders(target, listing) : listing;
    } catch (error) {
      if (error instanceof UpstreamError && error.rpc?.code === METHOD_NOT_FOUND) return { items: [], truncated: null };
      throw error;
    }
  }

  /**
   * Has a resource watched until the function that it resolves with is called. Null where the server does not offer that. Rejects with
   * UpstreamError only.
   */
  watch(request: WatchRequest): Promise<(() => void) | null> {
    return this.watches.watch(request);
  }

  /** What the server said of itself when the session was opened, which happens now if there is none. */
  describe(target: UpstreamTarget, options: { signal?: CancelSignal } = {}): Promise<ServerDescription> {
    return this.runner.run(target, options.signal, async (session) => session.describe());
  }

  /**
   * The same through a new session that is closed again: whether it works now. Passes by queue and open circuit;
   * success closes the circuit.
   */
  probe(target: UpstreamTarget, options: { signal?: CancelSignal } = {}): Promise<ServerDescription> {
    return this.runner.timed(target, options.signal, async (clock) => {
      clock.stage = 'connecting';
      const connection = this.connectionOf(target);
      const session = await connection.freshSession(target, clock.signal);
      connection.circuit.succeeded();
      void session.close(new UpstreamError('closed', 'The connection test is over.'));
      return session.describe();
    });
  }

  /** What was found out elsewhere: a server answers again, or does not, which opens its circuit. */
  hear(connectionId: string, answers: boolean): void {
    this.connections.get(connectionId)?.circuit.hear(answers);
  }

  /** Ends all calls and sessions of a connection (`closed`) and forgets what was learned about it. */
  async closeConnection(connectionId: string): Promise<void> {
    const reason = new UpstreamError('closed', 'The connection was closed.');
    this.runner.abort(connectionId, reason);
    const connection = this.connections.get(connectionId);
    this.connections.delete(connectionId);
    await connection?.close(reason);
  }

  /** Ends everything; later requests are refused with `closed`. Resolves when the sessions and their processes have ended. */
  async close(): Promise<void> {
    this.runner.refuse();
    this.watches.close();
    clearInterval(this.sweeper);
    const ids = new Set([...this.connections.keys(), ...this.runner.connectionsInUse()]);
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

  private connectionOf(target: UpstreamTarget): Connection {
    const known = this.connections.get(target.connectionId);
    if (known) {
      known.lastUsed = this.now();
      return known;
    }
    const connection = new Connection(target.connectionId, target.revision, {
      egress: this.options.egress,
      builtins: this.options.builtins ?? new Map(),
      limits: this.limits,
      clientInfo: this.options.clientInfo,
      now: this.now,
      onListChanged: (changed, what) => this.options.onListChanged?.(changed, what),
      log: (message, fields) => this.options.log?.(message, fields),
    });
    this.connections.set(target.connectionId, connection);
    return connection;
  }

  private sweep(): void {
    for (const [id, connection] of this.connections) {
      connection.sweep();
      const isForgotten = connection.isIdle && !this.runner.isInUse(id) && this.now() - connection.lastUsed > FORGET_MS;
      if (isForgotten) this.connections.delete(id);
    }
  }
}
