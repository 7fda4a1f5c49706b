import { DomainError } from '../http/domain-error.js';
import type { MaybePromise } from '../maybe-promise.js';
import type { EventCounter, MetricsService } from '../telemetry/metrics.service.js';
import type { LeaseLimiter, LimitState } from './lease-limiter.js';

/** Per signed-in user or workspace token, per client address without a valid token, and per grant for agents. */
export class RequestLimits {
  private readonly refused: EventCounter;

  constructor(
    private readonly signedIn: LeaseLimiter,
    private readonly anonymous: LeaseLimiter,
    private readonly agents: LeaseLimiter,
    metrics: MetricsService,
  ) {
    this.refused = metrics.counter('rate_limited_total', 'Requests over a rate limit', {
      limit: ['signed_in', 'anonymous', 'agents'],
    });
  }

  /** Counts one request. `principal`: see principalOf. `address`: the client's, an IPv6 one cut to its /64. */
  consume(principal: string | null, address: string): MaybePromise<LimitState> {
    const state = principal === null ? this.anonymous.consume(`address:${address}`) : this.signedIn.consume(principal);
    return this.counted(state, principal === null ? 'anonymous' : 'signed_in');
  }

  /**
   * Counts a call of an agent, or what it asks beside its calls.
   * @param key of the grant, or of the agent
   * @throws DomainError 429
   */
  requireAgents(key: string): MaybePromise<void> {
    const state = this.counted(this.agents.consume(key), 'agents');
    return state instanceof Promise ? state.then(requireAllowed) : requireAllowed(state);
  }

  private counted(
    state: MaybePromise<LimitState>,
    limit: 'signed_in' | 'anonymous' | 'agents',
  ): MaybePromise<LimitState> {
    if (state instanceof Promise) return state.then((late) => this.counted(late, limit));
    if (!state.allowed) this.refused.inc(limit);
    return state;
  }
}

function requireAllowed(state: LimitState): void {
  if (!state.allowed) throw tooMany(state);
}

export function tooMany({ limit, resetSeconds }: LimitState): DomainError {
  const message = `More than ${limit} requests a minute: wait ${resetSeconds} s`;
  return new DomainError('rate_limit_exceeded', message, { limit }, resetSeconds);
}
