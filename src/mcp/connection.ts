import type { CancelSignal } from '../platform/cancellation.js';
import { Circuit } from './circuit.js';
import type { ConnectionContext, Knowledge } from './connection-context.js';
import { isObject } from './json-rpc.js';
import type { Listing } from './listing.js';
import { headerParameters } from './modern-headers.js';
import { Opening } from './opening.js';
import type { Session } from './session.js';
import { type ListChange, UpstreamError, type UpstreamTarget } from './upstream.js';

interface Entry {
  revision: string;
  principal: string;
  opening: Opening;
}

// Negotiating again because a server refuses what it understood before is done at most this often.
const RENEGOTIATION_MS = 30_000;

/** The sessions of one connection, their limits, and what is known about the server. */
export class Connection {
  readonly circuit: Circuit;
  lastUsed: number;
  private knowledge: Knowledge;
  private readonly entries = new Map<string, Entry>();
  private readonly changeTimers = new Map<ListChange, NodeJS.Timeout>();
  private listener: Session | undefined;
  private renegotiatedAt = -Infinity;

  constructor(
    readonly id: string,
    revision: string,
    private readonly context: ConnectionContext,
  ) {
    this.circuit = new Circuit(context.limits, context.now);
    this.knowledge = { revision, negotiated: undefined, parameters: new Map() };
    this.lastUsed = context.now();
  }

  /** Live sessions, those being opened included. */
  get sessions(): number {
    return [...this.entries.values()].filter(({ opening }) => !opening.session?.ended).length;
  }

  /** True when nothing would be lost with this object. */
  get isIdle(): boolean {
    return this.entries.size === 0 && this.circuit.state !== 'half_open';
  }

  /** The live session of this target's revision and principal, or a new one. Rejects with UpstreamError. */
  session(target: UpstreamTarget, signal: CancelSignal): Session | Promise<Session> {
    const key = `${target.revision}\n${target.principal}\n${target.client ? JSON.stringify(target.client) : ''}`;
    const known = this.entries.get(key);
    if (known?.opening.session && !known.opening.session.ended) return known.opening.session;
    if (known && known.opening.session === undefined && !known.opening.failed) return known.opening.wait(signal);
    this.retireOthers(target.revision);
    this.makeRoom();
    const opening = this.open(target, this.knowledgeOf(target.revision));
    this.entries.set(key, { revision: target.revision, principal: target.principal, opening });
    opening.settled.then(
      (session) => this.adopt(session),
      () => this.remove(opening),
    );
    return opening.wait(signal);
  }

  /** A session beside the others, for a connection test: negotiated afresh, and the caller's to close. */
  async freshSession(target: UpstreamTarget, signal: CancelSignal): Promise<Session> {
    const opening = this.open(target, { revision: target.revision, negotiated: undefined, parameters: new Map() });
    return opening.wait(signal);
  }

  /** Takes a session out of use that the server no longer accepts. */
  discard(session: Session): void {
    for (const entry of this.entries.values()) {
      if (entry.opening.session === session) this.remove(entry.opening);
    }
  }

  /**
   * For a session whose requests the server refuses as those of another era: false when it was negotiated again only
   * lately, and found the same. Else the session is out of use, and the next is negotiated anew.
   */
  renegotiate(session: Session): boolean {
    const { negotiated } = this.knowledge;
    // Another call, or the session of another principal, has found out already, or is about to.
    const isOutdated = !this.isCurrent(session) || negotiated?.era !== session.negotiated.era;
    if (!isOutdated && !this.forgetEra()) return false;
    this.discard(session);
    return true;
  }

  /** 2026-07-28: calls repeat some arguments in headers, and tools that declare such headers wrongly must not be offered. */
  learnHeaders(target: UpstreamTarget, listing: Listing): Listing {
    const { negotiated, parameters: known } = this.knowledgeOf(target.revision);
    if (negotiated?.era !== 'modern' || target.transport.type !== 'streamable_http') return listing;
    known.clear();
    const items = listing.items.filter((tool) => {
      if (!isObject(tool) || typeof tool.name !== 'string') return true;
      const parameters = headerParameters(tool.inputSchema);
      if (parameters && parameters.length > 0) known.set(tool.name, parameters);
      return parameters !== null;
    });
    const excluded = listing.items.length - items.length;
    if (excluded > 0) this.context.log('tools with invalid x-mcp-header left out', { connection: this.id, excluded });
    return { items, truncated: listing.truncated };
  }

  /** Closes sessions that were idle for too long, and those of other revisions as soon as they are idle. */
  sweep(): void {
    const limit = Date.now() - this.context.limits.sessionIdleMs;
    for (const { opening, revision } of [...this.entries.values()]) {
      const { session } = opening;
      if (!session || session.inFlight > 0) continue;
      const isIdle = session.lastUsed < limit && !session.isAwaited;
      if (session.ended || isIdle || revision !== this.knowledge.revision) this.remove(opening);
    }
  }

  async close(reason: UpstreamError): Promise<void> {
    for (const timer of this.changeTimers.values()) clearTimeout(timer);
    this.changeTimers.clear();
    const entries = [...this.entries.values()];
    this.entries.clear();
    await Promise.all(entries.map(({ opening }) => opening.close(reason)));
  }

  private isCurrent(session: Session): boolean {
    return [...this.entries.values()].some(({ opening }) => opening.session === session);
  }

  private forgetEra(): boolean {
    const now = this.context.now();
    if (now - this.renegotiatedAt < RENEGOTIATION_MS) return false;
    this.renegotiatedAt = now;
    this.knowledge.negotiated = undefined;
    return true;
  }

  private knowledgeOf(revision: string): Knowledge {
    if (this.knowledge.revision !== revision) {
      this.knowledge = { revision, negotiated: undefined, parameters: new Map() };
    }
    return this.knowledge;
  }

  private open(target: UpstreamTarget, knowledge: Knowledge): Opening {
    return new Opening(target, knowledge, this.context);
  }

  private adopt(session: Session): void {
    session.onListChanged = (what) => this.noteChange(what);
    this.chooseListener();
  }

  /** One listener hears what all sessions would: lists belong to the server, not to the session. */
  private chooseListener(): void {
    if (this.listener && !this.listener.ended) return;
    const live = [...this.entries.values()].find(({ opening }) => opening.session && !opening.session.ended);
    this.listener = live?.opening.session;
    this.listener?.listen();
  }

  private noteChange(what: ListChange): void {
    if (this.changeTimers.has(what)) return;
    const report = (): void => {
      this.changeTimers.delete(what);
      this.context.onListChanged(this.id, what);
    };
    this.changeTimers.set(what, setTimeout(report, this.context.limits.listChangedMs).unref());
  }

  private retireOthers(revision: string): void {
    for (const { opening, revision: other } of [...this.entries.values()]) {
      if (other !== revision) this.remove(opening);
    }
  }

  private makeRoom(): void {
    if (this.entries.size < this.context.limits.sessionsPerConnection) return;
    let oldest: Opening | undefined;
    for (const { opening } of this.entries.values()) {
      const { session } = opening;
      if (!session || session.inFlight > 0) continue;
      if (!oldest?.session || isBetterLost(session, oldest.session)) oldest = opening;
    }
    if (oldest) return this.remove(oldest);
    const text = 'All sessions that this server may have are in use.';
    throw new UpstreamError('busy', text, { retryAfterSeconds: 1, mayHaveArrived: false });
  }

  /** Out of use at once; closed when the calls under way on it are over. */
  private remove(opening: Opening): void {
    for (const [key, entry] of this.entries) if (entry.opening === opening) this.entries.delete(key);
    if (this.listener && this.listener === opening.session) {
      this.listener = undefined;
      // Not before all that is to be closed now is.
      queueMicrotask(() => this.chooseListener());
    }
    opening.retire(new UpstreamError('closed', 'The session was closed.'));
  }
}

/** Calls come first, but a session that somebody waits for is not the first to go. */
function isBetterLost(one: Session, other: Session): boolean {
  return one.isAwaited === other.isAwaited ? one.lastUsed < other.lastUsed : other.isAwaited;
}
