import type { LeaseLimiter, LimitState } from './lease-limiter.js';

/** The two limits of the REST API: per signed-in user or workspace token, and per client address without a valid token. */
export class RequestLimits {
  constructor(
    private readonly signedIn: LeaseLimiter,
    private readonly anonymous: LeaseLimiter,
  ) {}

  /** Counts one request. `principal`: see principalOf. `address`: the client's, an IPv6 one cut to its /64. */
  consume(principal: string | null, address: string): LimitState | Promise<LimitState> {
    return principal === null ? this.anonymous.consume(`address:${address}`) : this.signedIn.consume(principal);
  }
}
