import type { CancelSignal } from '../platform/cancellation.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { StreamableHttpWire } from './http-wire.js';
import type { ConnectionContext, Knowledge } from './connection-context.js';
import { CredentialMask } from './credential-mask.js';
import { InProcessWire } from './in-process-wire.js';
import { negotiate, type Negotiated } from './negotiation.js';
import { Session } from './session.js';
import { SseWire } from './sse-wire.js';
import { StdioWire } from './stdio-wire.js';
import { UpstreamError, type UpstreamReason, type UpstreamTarget } from './upstream.js';
import type { Wire } from './wire.js';

const RESTART_PAUSE_MS = 20;

type Mode = 'auto' | 'legacy';

// Answers that a server of the other era could give; a connection that fails is not asked twice.
const OTHER_ERA: ReadonlySet<UpstreamReason> = new Set(['rpc_error', 'rejected', 'not_mcp', 'protocol_error']);

/**
 * One attempt to open a session. Calls that need it wait together; when the last of them has given up, so does the
 * attempt. It has a time limit of its own, so that a patient caller does not hold up those who come later.
 */
export class Opening {
  session: Session | undefined;
  failed = false;
  readonly settled: Promise<Session>;
  private waiting = 0;
  private readonly controller = new AbortController();

  constructor(
    private readonly target: UpstreamTarget,
    private readonly knowledge: Knowledge,
    private readonly context: ConnectionContext,
  ) {
    this.settled = this.run();
    this.settled.catch(() => undefined);
  }

  /** Rejects with what the attempt failed with, or with the reason of the signal. */
  async wait(signal: CancelSignal): Promise<Session> {
    this.waiting++;
    try {
      return await untilAborted(this.settled, signal);
    } finally {
      if (--this.waiting === 0 && !this.session) this.giveUp(new UpstreamError('cancelled', 'Nobody waits any more.'));
    }
  }

  /** Ends the attempt, or the session that came of it; its calls under way end with it. */
  async close(reason: UpstreamError): Promise<void> {
    if (this.session) return this.session.close(reason);
    this.giveUp(reason);
    await this.settled.catch(() => undefined);
  }

  /** Nobody new will use it; whoever does already, or waits for it, may finish. */
  retire(reason: UpstreamError): void {
    const retire = (session: Session): void => session.retire(reason);
    if (this.session) retire(this.session);
    // Those who wait for it come first.
    else this.settled.then((session) => setImmediate(retire, session)).catch(() => undefined);
  }

  private giveUp(reason: UpstreamError): void {
    this.failed = true;
    this.controller.abort(reason);
  }

  private async run(): Promise<Session> {
    const late = (): void => this.controller.abort(tooSlow());
    const timer = setTimeout(late, this.context.limits.connectMs);
    try {
      const session = await this.connect(this.modes());
      this.session = session;
      return session;
    } catch (error) {
      this.failed = true;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * What was learned before is relied on, and asked anew only when it fails. Processes are first taken for old ones: a
   * server that ends on the unknown `server/discover` would have to be started twice. SSE is of the old era by itself, and servers of
   * our own speak it too: it is the one that both know.
   */
  private modes(): Mode[] {
    const { type } = this.target.transport;
    if (type === 'sse' || type === 'builtin') return ['legacy'];
    return type === 'stdio' || this.knowledge.negotiated ? ['legacy', 'auto'] : ['auto'];
  }

  private async connect([mode = 'auto', ...others]: Mode[], isRepeated = false): Promise<Session> {
    const wire = this.wire();
    try {
      await wire.start(this.controller.signal);
      const negotiated = await this.negotiate(wire, mode);
      this.knowledge.negotiated = negotiated;
      return new Session(wire, negotiated, this.context.clientInfo, this.target.client?.capabilities);
    } catch (error) {
      const reason = error instanceof UpstreamError ? error : new UpstreamError('protocol_error', 'Connecting failed.');
      await wire.close(reason);
      if (this.controller.signal.aborted) throw reason;
      if (others.length > 0 && OTHER_ERA.has(reason.reason)) return this.connect(others);
      if (reason.reason !== 'connection_lost' || isRepeated) throw reason;
      // Connections kept open for the next request may have been closed meanwhile, as when a server restarts. A handshake
      // does no harm twice; the pause is for us to notice that they are gone.
      await sleep(RESTART_PAUSE_MS);
      return this.connect([mode, ...others], true);
    }
  }

  private async negotiate(wire: Wire, mode: Mode): Promise<Negotiated> {
    const { negotiated } = this.knowledge;
    if (negotiated?.era === 'modern') {
      wire.setProtocolVersion(negotiated.protocolVersion);
      return negotiated;
    }
    const { client } = this.target;
    return negotiate(wire, {
      clientInfo: this.context.clientInfo,
      // In the old era they are declared once and for all; what is not answered must not be declared.
      capabilities: client?.takesRequests ? client.capabilities : {},
      mode,
      signal: this.controller.signal,
    });
  }

  private wire(): Wire {
    const { transport } = this.target;
    const { egress, limits, builtins } = this.context;
    const { read } = new CredentialMask(transport);
    if (transport.type === 'builtin') {
      const { provider, settings } = transport;
      return new InProcessWire({ start: builtins.get(provider), settings, egress, limits, read });
    }
    if (transport.type === 'stdio') return new StdioWire({ ...transport, limits, read });
    if (transport.type === 'sse') return new SseWire({ ...transport, egress, limits, read });
    const { parameters } = this.knowledge;
    return new StreamableHttpWire({ ...transport, egress, limits, read, parametersOf: (tool) => parameters.get(tool) });
  }
}

function tooSlow(): UpstreamError {
  return new UpstreamError('timeout', 'The server did not complete the handshake in time.', { mayHaveArrived: false });
}

function untilAborted<T>(promise: Promise<T>, signal: CancelSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as UpstreamError);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
