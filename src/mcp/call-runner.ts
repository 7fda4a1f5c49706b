import type { CancelSignal } from '../platform/cancellation.js';
import { CallClock } from './call-clock.js';
import type { Log } from './connection-context.js';
import type { Connection } from './connection.js';
import { CredentialMask } from './credential-mask.js';
import type { Gate } from './gate.js';
import { HttpRefusal } from './http-answer.js';
import type { JsonObject } from './json-rpc.js';
import { readAllPages } from './listing.js';
import type { Peer } from './peer.js';
import type { Session, SessionResult } from './session.js';
import { type Progress, UpstreamError, type UpstreamLimits, type UpstreamTarget } from './upstream.js';

export interface RequestOptions {
  signal?: CancelSignal;
  onProgress?: (progress: Progress) => void;
  /** Goes into `params._meta`, over what is there. */
  meta?: Record<string, unknown>;
  /** Whom the server may ask and tell things meanwhile. */
  peer?: Peer;
  /** What a server must have declared to be asked, and what counts as its answer where it has not. */
  ifOffered?: { capability: string; otherwise: unknown };
}

/** A server waits for the client, who may be a person: that is no time of the server. */
const PATIENCE_MS = 5_000;

type Use<T> = (session: Session, clock: CallClock) => Promise<T>;

/** The way of one call: its clock, the circuit, its turn, a session, and what may be done when the server refuses it. */
export class CallRunner {
  private readonly clocks = new Map<string, Set<CallClock>>();
  private isRefusing = false;

  constructor(
    private readonly limits: UpstreamLimits,
    private readonly gate: Gate,
    private readonly connectionOf: (target: UpstreamTarget) => Connection,
    private readonly told: { log?: Log; queued?: { observe(seconds: number): void } },
  ) {}

  /** Lets `use` have the session of the target when its turn has come. Rejects with UpstreamError only. */
  run<T>(target: UpstreamTarget, signal: CancelSignal | undefined, use: Use<T>): Promise<T> {
    return this.timed(target, signal, async (clock) => {
      const connection = this.connectionOf(target);
      connection.circuit.check();
      clock.signal.throwIfAborted();
      const turn = this.gate.enter(target.connectionId, target.organizationId, clock.signal);
      if (turn) await this.waited(turn);
      try {
        if (turn) clock.leaveQueue();
        return await this.admitted(connection, target, clock, use);
      } finally {
        this.gate.leave(target.connectionId);
      }
    });
  }

  /** Runs `work` with a clock, without circuit and queue. */
  async timed<T>(
    target: UpstreamTarget,
    signal: CancelSignal | undefined,
    work: (clock: CallClock) => Promise<T>,
  ): Promise<T> {
    const clock = this.startClock(target, signal);
    try {
      return await work(clock);
    } catch (error) {
      throw new CredentialMask(target.transport).error(error);
    } finally {
      this.stopClock(target, clock);
    }
  }

  /** One request on a session. Of tools progress is asked for in any case, as it extends the time of the call. */
  send(
    session: Session,
    clock: CallClock,
    method: string,
    params: object,
    options: RequestOptions,
  ): Promise<SessionResult> {
    const isFollowed = options.onProgress !== undefined || method === 'tools/call';
    const onProgress = (progress: Progress): void => {
      clock.extend();
      this.reportProgress(options, progress);
    };
    return session.request(method, params, {
      signal: clock.signal,
      meta: options.meta,
      peer: options.peer && patient(options.peer, clock),
      onProgress: isFollowed ? onProgress : undefined,
      onSend: () => (clock.stage = 'sent'),
    });
  }

  /** Ends all calls of a connection, waiting ones included. */
  abort(connectionId: string, reason: UpstreamError): void {
    for (const clock of this.clocks.get(connectionId) ?? []) clock.abort(reason);
  }

  /** Refuses all calls from now on. */
  refuse(): void {
    this.isRefusing = true;
  }

  connectionsInUse(): Iterable<string> {
    return this.clocks.keys();
  }

  isInUse(connectionId: string): boolean {
    return this.clocks.has(connectionId);
  }

  private async waited(turn: Promise<void>): Promise<void> {
    const began = performance.now();
    try {
      await turn;
    } finally {
      this.told.queued?.observe((performance.now() - began) / 1_000);
    }
  }

  private async admitted<T>(connection: Connection, target: UpstreamTarget, clock: CallClock, use: Use<T>): Promise<T> {
    const isTrial = connection.circuit.admit();
    try {
      const result = await this.onSession(connection, target, clock, use);
      // Without a request, as for a description, there is no news of the server.
      if (clock.stage === 'sent') connection.circuit.succeeded();
      else connection.circuit.undecided(isTrial);
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
    use: Use<T>,
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
      connection.learnHeaders(target, await readAllPages('tools/list', this.limits, page));
      return true;
    }
    if (error.remedy !== 'session') return connection.renegotiate(session);
    connection.discard(session);
    return true;
  }

  /** What goes wrong in the caller's callback is not the server's failure. */
  private reportProgress(options: RequestOptions, progress: Progress): void {
    try {
      options.onProgress?.(progress);
    } catch (error) {
      this.told.log?.('a progress callback failed', { error });
    }
  }

  private startClock(target: UpstreamTarget, signal: CancelSignal | undefined): CallClock {
    if (this.isRefusing) throw new UpstreamError('closed', 'The product is shutting down.', { mayHaveArrived: false });
    const clock = new CallClock(target.timeoutMs, this.limits.maxCallMs, signal);
    const clocks = this.clocks.get(target.connectionId);
    if (clocks) clocks.add(clock);
    else this.clocks.set(target.connectionId, new Set([clock]));
    return clock;
  }

  private stopClock(target: UpstreamTarget, clock: CallClock): void {
    clock.stop();
    const clocks = this.clocks.get(target.connectionId);
    clocks?.delete(clock);
    if (clocks?.size === 0) this.clocks.delete(target.connectionId);
  }
}

/** While the client is asked, the time of the call does not run out, up to the longest that a call may take. */
function patient(peer: Peer, clock: CallClock): Peer {
  const { request } = peer;
  if (!request) return peer;
  return {
    capabilities: peer.capabilities,
    notify: (method, params) => peer.notify(method, params),
    request: async (method, params, signal) => {
      const timer = setInterval(() => clock.extend(), PATIENCE_MS);
      try {
        return await request(method, params, signal);
      } finally {
        clearInterval(timer);
        clock.extend();
      }
    },
  };
}
