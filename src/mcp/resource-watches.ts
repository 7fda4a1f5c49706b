import type { CallRunner } from './call-runner.js';
import type { Session } from './session.js';
import type { UpstreamLimits, UpstreamTarget } from './upstream.js';

/** What is watched, and whom it concerns. */
export interface WatchRequest {
  target: UpstreamTarget;
  /** The same as it is by then, for when the session was lost. */
  retarget: () => Promise<UpstreamTarget>;
  uri: string;
  /** It changed, or may have while nobody could hear. */
  onUpdated: () => void;
}

interface Watch {
  request: WatchRequest;
  listeners: Set<WatchRequest>;
  /** On which the server was asked to watch it. */
  session: Session | undefined;
  /** Whether the server does it. */
  accepted: Promise<boolean>;
  failures: number;
  retryAt: number;
}

const MAX_RETRY_MS = 30_000;
/** Asked for again at once, after a session was lost. */
const RENEWED_AT_ONCE = 10;

/**
 * Resources that servers are asked to watch: each once for all listeners of one principal, given up with the last of them, and asked for
 * again on another session when one was lost.
 */
export class ResourceWatches {
  private readonly watches = new Map<string, Watch>();
  private timer: NodeJS.Timeout | undefined;
  private isRenewing = false;

  constructor(
    private readonly limits: UpstreamLimits,
    private readonly runner: CallRunner,
    /** Takes a session out of use. */
    private readonly discard: (target: UpstreamTarget, session: Session) => void,
    private readonly log: (message: string, fields: Record<string, unknown>) => void,
  ) {}

  get size(): number {
    return this.watches.size;
  }

  /** Resolves with what ends it; null where the server does not offer that. Rejects with UpstreamError only. */
  async watch(request: WatchRequest): Promise<(() => void) | null> {
    const key = keyOf(request);
    const watch = this.watches.get(key) ?? this.start(key, request);
    watch.listeners.add(request);
    try {
      if (await watch.accepted) return () => this.end(key, watch, request);
    } catch (error) {
      this.forget(key, watch);
      throw error;
    }
    this.forget(key, watch);
    return null;
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.watches.clear();
  }

  private start(key: string, request: WatchRequest): Watch {
    const watch: Watch = {
      request,
      listeners: new Set(),
      session: undefined,
      accepted: Promise.resolve(false),
      failures: 0,
      retryAt: 0,
    };
    watch.accepted = this.ask(watch, request.target);
    this.watches.set(key, watch);
    this.timer ??= setInterval(() => void this.renew(), this.limits.standingRetryMs).unref();
    return watch;
  }

  /** Not the listener's own call: others wait for it too. */
  private ask(watch: Watch, target: UpstreamTarget): Promise<boolean> {
    const { uri } = watch.request;
    return this.runner.run(target, undefined, async (session, clock) => {
      session.watches.onUpdated = (updated) => told(this.watches.get(keyOf({ target, uri: updated })));
      const call = { signal: clock.signal, onSend: () => (clock.stage = 'sent') };
      const isAccepted = await session.watch(uri, call);
      watch.session = isAccepted ? session : undefined;
      return isAccepted;
    });
  }

  private end(key: string, watch: Watch, request: WatchRequest): void {
    watch.listeners.delete(request);
    if (watch.listeners.size > 0) return;
    this.forget(key, watch);
    watch.session?.watches.remove(watch.request.uri);
  }

  private forget(key: string, watch: Watch): void {
    if (this.watches.get(key) === watch) this.watches.delete(key);
    if (this.watches.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** What was lost with its session, be it that the server forgot it, that its process ended, or that its credentials changed. */
  private async renew(): Promise<void> {
    if (this.isRenewing) return;
    this.isRenewing = true;
    try {
      const now = Date.now();
      const lost = [...this.watches].filter(
        ([, { session, retryAt }]) => session?.isWatching === false && retryAt <= now,
      );
      for (let start = 0; start < lost.length; start += RENEWED_AT_ONCE)
        await Promise.all(lost.slice(start, start + RENEWED_AT_ONCE).map(([key, watch]) => this.askAgain(key, watch)));
    } finally {
      this.isRenewing = false;
    }
  }

  private async askAgain(key: string, watch: Watch): Promise<void> {
    const { session } = watch;
    try {
      const target = await watch.request.retarget();
      // A session that hears nothing may be good for nothing: the server forgot it.
      if (session) this.discard(target, session);
      const isAccepted = await this.ask(watch, target);
      if (!isAccepted) throw new Error('the server does not do it any more');
      watch.failures = 0;
      // Nobody may be left to hear of it.
      if (this.watches.get(key) !== watch) watch.session?.watches.remove(watch.request.uri);
      else told(watch);
    } catch (error) {
      watch.session = session;
      watch.retryAt = Date.now() + Math.min(this.limits.standingRetryMs * 2 ** watch.failures++, MAX_RETRY_MS);
      this.log('a resource is not watched any more, and will be asked for again', { error });
    }
  }
}

function told(watch: Watch | undefined): void {
  for (const { onUpdated } of [...(watch?.listeners ?? [])]) onUpdated();
}

function keyOf({ target: { connectionId, principal }, uri }: Pick<WatchRequest, 'target' | 'uri'>): string {
  return `${connectionId}\n${principal}\n${uri}`;
}
