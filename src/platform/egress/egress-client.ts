import type { CancelSignal } from '../cancellation.js';
import { LRUCache } from 'lru-cache';
import { Agent } from 'undici';
import { abortedBy, EgressError } from './egress-error.js';
import { EgressPolicy, hostOf } from './egress-policy.js';
import { EgressResponse } from './egress-response.js';
import { Exchange, type ExchangeLimits } from './exchange.js';
import { GuardedConnector, type ResolveHost, resolveWithSystem } from './guarded-connector.js';
import { partsOf, type RequestParts, withoutBody } from './request-parts.js';
import { parsedUrl } from './parse-url.js';

export interface EgressOptions {
  /** Hosts, addresses and CIDR ranges beyond public addresses (`EGRESS_ALLOW`). */
  allow: readonly string[];
  /** Milliseconds for name resolution, TCP and TLS; default 5,000. */
  connectTimeoutMs?: number;
  userAgent?: string;
  /** Further trusted certificate authorities, PEM. */
  ca?: string;
  /** How names become addresses; the system's resolver unless a test says otherwise. */
  resolve?: ResolveHost;
}

/** A fetch init with the limits of this exchange; what fetch knows beyond method, headers, body, signal and redirect is ignored. */
export interface EgressRequestInit extends Omit<RequestInit, 'signal'>, Partial<ExchangeLimits> {
  signal?: CancelSignal | null;
}

interface Target {
  url: URL;
  origin: string;
  path: string;
}

const MAX_REDIRECTS = 3;
const DEFAULT_LIMITS: ExchangeLimits = { maxBytes: 10 * 1024 * 1024, headersTimeoutMs: 30_000, bodyTimeoutMs: 30_000 };

/**
 * The one way out of this process over HTTP (security.md, Outbound): literal addresses checked before, resolved ones
 * at each new connection, no redirect to another origin, nothing sent that the caller did not pass, everything capped.
 * All failures are EgressErrors.
 */
export class EgressClient {
  private readonly policy: EgressPolicy;
  private readonly connector: GuardedConnector;
  private readonly agent: Agent;
  private readonly userAgent: string;
  private readonly targets = new LRUCache<string, Target>({ max: 1000 });

  constructor(options: EgressOptions) {
    this.policy = new EgressPolicy(options.allow);
    this.userAgent = options.userAgent ?? 'mcp-control-plane';
    this.connector = new GuardedConnector({
      policy: this.policy,
      resolve: options.resolve ?? resolveWithSystem,
      connectTimeoutMs: options.connectTimeoutMs ?? 5000,
      ca: options.ca,
    });
    // Timeouts are the exchange's own: undici's have a resolution of a second and would end quiet event streams.
    this.agent = new Agent({ connect: this.connector.connect, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  }

  /**
   * A WHATWG-shaped fetch. Event streams (2xx, `text/event-stream`) are answered when their headers are there and may
   * run for ever, each event limited to `maxBytes` (10 MiB); any other body is complete and within `maxBytes` when the
   * promise resolves. `redirect: 'manual'` answers redirects as they are, `'error'` refuses all.
   */
  readonly fetch = async (input: string | URL, init?: EgressRequestInit): Promise<EgressResponse> => {
    const limits = limitsOf(init);
    let parts = partsOf(init, this.userAgent);
    let target = this.targetOf(input);
    for (let redirects = 0; ; redirects++) {
      const response = await this.exchange(target, parts, limits, init?.signal ?? undefined, redirects > 0);
      const location = redirectOf(response);
      if (location === null || init?.redirect === 'manual') return response;
      if (init?.redirect === 'error' || redirects === MAX_REDIRECTS) throw redirectRefused(target.origin, redirects);
      target = this.redirectTarget(target, location);
      if (becomesGet(response.status, parts.method)) parts = withoutBody(parts);
    }
  };

  /** See EgressPolicy.checkUrl: everything that can be said about a URL without DNS. */
  checkUrl(url: string | URL): URL {
    return this.policy.checkUrl(url);
  }

  /** checkUrl, and the name resolved and checked as a connection would; throws `address_refused`. For saving addresses. */
  async checkResolved(url: string | URL): Promise<URL> {
    const checked = this.policy.checkUrl(url);
    await this.connector.addressesOf(hostOf(checked));
    return checked;
  }

  /** Ends everything under way with `aborted` and closes all connections. */
  async close(): Promise<void> {
    this.connector.close();
    await this.agent.destroy(new EgressError('aborted', 'The egress client is closed.'));
  }

  private async exchange(
    target: Target,
    parts: RequestParts,
    limits: ExchangeLimits,
    signal: CancelSignal | undefined,
    redirected: boolean,
  ): Promise<EgressResponse> {
    if (signal?.aborted) throw abortedBy(signal.reason);
    const abort = (): void => exchange.cancel(abortedBy(signal?.reason));
    const exchange = new Exchange(target.origin, limits, () => signal?.removeEventListener('abort', abort));
    signal?.addEventListener('abort', abort, { once: true });
    this.agent.dispatch({ origin: target.origin, path: target.path, ...parts }, exchange);
    return new EgressResponse(await exchange.answer, target.url.href, redirected, limits.maxBytes);
  }

  private targetOf(input: string | URL): Target {
    const key = typeof input === 'string' ? input : input.href;
    const known = this.targets.get(key);
    if (known) return known;
    const url = this.policy.checkUrl(key);
    url.hash = '';
    const target = { url, origin: url.origin, path: url.pathname + url.search };
    this.targets.set(key, target);
    return target;
  }

  private redirectTarget(from: Target, location: string): Target {
    const url = parsedUrl(location, from.url);
    if (url === null)
      throw new EgressError('redirect_refused', `${from.origin} redirects to something that is no URL.`);
    if (url.origin !== from.origin || url.username !== '' || url.password !== '')
      throw new EgressError(
        'redirect_refused',
        `${from.origin} redirects to another origin, which is not followed. Use the final address of the server.`,
      );
    return this.targetOf(url);
  }
}

function limitsOf(init: EgressRequestInit | undefined): ExchangeLimits {
  if (!init) return DEFAULT_LIMITS;
  const headersTimeoutMs = init.headersTimeoutMs ?? DEFAULT_LIMITS.headersTimeoutMs;
  return {
    // The length a HEAD answer declares is that of a body which does not come.
    maxBytes: init.method === 'HEAD' ? Infinity : (init.maxBytes ?? DEFAULT_LIMITS.maxBytes),
    headersTimeoutMs,
    bodyTimeoutMs: init.bodyTimeoutMs ?? Math.max(headersTimeoutMs, DEFAULT_LIMITS.bodyTimeoutMs),
  };
}

function redirectOf(response: EgressResponse): string | null {
  const { status, rawHeaders } = response;
  const isRedirect = status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
  return isRedirect ? (rawHeaders.location ?? null) : null;
}

/** RFC 9110, 15.4: 303 asks for a GET; 301 and 302 turn a POST into one in practice; 307 and 308 keep the method. */
function becomesGet(status: number, method: string): boolean {
  if (status === 303) return method !== 'GET' && method !== 'HEAD';
  return (status === 301 || status === 302) && method === 'POST';
}

function redirectRefused(origin: string, followed: number): EgressError {
  const text =
    followed === 0 ? 'redirects, which this request does not allow.' : `redirects more than ${followed} times.`;
  return new EgressError('redirect_refused', `${origin} ${text}`);
}
