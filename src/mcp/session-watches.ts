import type { CancelSignal } from '../platform/cancellation.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { isObject, type JsonObject, type RpcRequest } from './json-rpc.js';
import { SUBSCRIPTION_KEY } from './modern-headers.js';
import type { Listening, Wire } from './wire.js';

/** What comes so close together is asked for at once: the new era has one request for all. */
const GATHER_MS = 20;
/** A server that has opened its stream without saying so. */
const OPENING_MS = 2_000;
const ACKNOWLEDGED_MS = 10_000;
const UNSUBSCRIBE_MS = 5_000;

/** Who waits for an answer of the server. */
interface Asking {
  signal: CancelSignal;
  /** Called when the request is about to leave. */
  onSend?: () => void;
}

/** What the watches of a session need of it. */
export interface Watching {
  readonly wire: Wire;
  readonly isModern: boolean;
  requestOf(method: string, params: object): RpcRequest;
  request(method: string, params: object, call: Asking): Promise<unknown>;
}

/** A `subscriptions/listen`: replaced when the list changes. */
interface Listen {
  id: number | string;
  stream: Listening;
}

/**
 * The resources that one session watches: each by `resources/subscribe` in the old era, all of them by one `subscriptions/listen` in the
 * new one (MCP 2025-11-25, Resources, Subscriptions; 2026-07-28, Subscriptions).
 */
export class SessionWatches {
  /** A watched resource changed, or may have. */
  onUpdated: (uri: string) => void = () => undefined;
  private readonly uris = new Set<string>();
  /** Whoever comes back waits for it: the server may take the two in any order. */
  private readonly leaving = new Map<string, Promise<unknown>>();
  private standing: Listening | undefined;
  private current: Listen | undefined;
  /** The next list, which has not left yet. */
  private gathering: Promise<ReadonlySet<string>> | undefined;
  private latest: Promise<unknown> = Promise.resolve();
  private expected: { id: number | string; acknowledge: (honoured: ReadonlySet<string>) => void } | undefined;

  constructor(private readonly session: Watching) {}

  get size(): number {
    return this.uris.size;
  }

  /** Whether the server still speaks on the stream on which it would tell. */
  get isHeard(): boolean {
    return !(this.session.isModern ? this.current?.stream.isOver : this.standing?.isOver);
  }

  /** The stream of the old era on which a server speaks first. */
  listen(): Listening {
    return (this.standing ??= this.session.wire.listen({ subscribe: null, onAgain: this.missed }));
  }

  /** False where the server does not do it. Rejects with what the server or the wire says. */
  async add(uri: string, call: Asking): Promise<boolean> {
    this.uris.add(uri);
    try {
      const isAccepted = await (this.session.isModern ? this.addModern(uri, call) : this.addLegacy(uri, call));
      if (!isAccepted) this.uris.delete(uri);
      return isAccepted;
    } catch (error) {
      this.uris.delete(uri);
      throw error;
    }
  }

  remove(uri: string): void {
    if (!this.uris.delete(uri) || this.session.wire.ended) return;
    if (this.session.isModern) void this.replace().catch(() => undefined);
    else {
      const call = { signal: AbortSignal.timeout(UNSUBSCRIBE_MS) };
      const left = this.session.request('resources/unsubscribe', { uri }, call).catch(() => undefined);
      this.leaving.set(uri, left);
      void left.then(() => this.leaving.delete(uri));
    }
  }

  /** A notification of the server: a part of a watched resource counts as that resource (MCP 2025-11-25, Resources, Subscriptions). */
  updated({ uri }: JsonObject): void {
    if (typeof uri !== 'string') return;
    if (this.uris.has(uri)) return this.onUpdated(uri);
    for (const watched of this.uris)
      if (uri.startsWith(watched) && '/?#'.includes(uri.charAt(watched.length))) this.onUpdated(watched);
  }

  /** `notifications/subscriptions/acknowledged`. */
  acknowledge(params: JsonObject): void {
    const id = isObject(params._meta) ? String(params._meta[SUBSCRIPTION_KEY]) : '';
    if (id !== String(this.expected?.id)) return;
    const uris = isObject(params.notifications) ? params.notifications.resourceSubscriptions : [];
    this.expected?.acknowledge(new Set(Array.isArray(uris) ? uris : []));
  }

  /** Nobody knows what changed while there was no stream. */
  private readonly missed = (): void => {
    for (const uri of [...this.uris]) this.onUpdated(uri);
  };

  private async addLegacy(uri: string, call: Asking): Promise<boolean> {
    await this.leaving.get(uri);
    if (!(await within(this.listen().opened, OPENING_MS, call.signal, true))) return false;
    await this.session.request('resources/subscribe', { uri }, call);
    return true;
  }

  private async addModern(uri: string, call: Asking): Promise<boolean> {
    call.onSend?.();
    const honoured = await within(this.replace(), ACKNOWLEDGED_MS, call.signal, new Set<string>());
    return honoured.has(uri);
  }

  /** Listens to what is watched by then. */
  private replace(): Promise<ReadonlySet<string>> {
    if (this.gathering) return this.gathering;
    const run = this.latest.then(async () => {
      await sleep(GATHER_MS);
      this.gathering = undefined;
      return this.listenAnew();
    });
    this.gathering = run;
    this.latest = run.catch(() => undefined);
    return run;
  }

  /** The stream before goes on until the server has acknowledged the new one, so that nothing is missed between them. */
  private async listenAnew(): Promise<ReadonlySet<string>> {
    const before = this.current;
    const uris = [...this.uris];
    if (uris.length === 0 || this.session.wire.ended) {
      this.current = undefined;
      before?.stream.close();
      return new Set();
    }
    const request = this.session.requestOf('subscriptions/listen', { notifications: { resourceSubscriptions: uris } });
    const stream = this.session.wire.listen({ subscribe: request, onAgain: this.missed });
    const honoured = await new Promise<ReadonlySet<string> | null>((resolve) => {
      this.expected = { id: request.id, acknowledge: resolve };
      setTimeout(resolve, ACKNOWLEDGED_MS, null).unref();
      void stream.opened.then((isOpen) => (isOpen ? undefined : resolve(null)));
    });
    this.expected = undefined;
    if (honoured === null) {
      stream.close();
      return new Set();
    }
    before?.stream.close();
    this.current = { id: request.id, stream };
    return honoured;
  }
}

/** What comes in that time, else what is taken for it; rejects with the reason of the signal. */
function within<T>(promise: Promise<T>, ms: number, signal: CancelSignal, otherwise: T): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    const timer = setTimeout(resolve, ms, otherwise).unref();
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    });
  });
}
