import { UpstreamError, type UpstreamReason } from './upstream.js';

export type CircuitState = 'closed' | 'open' | 'half_open';

/**
 * What says that the server itself is in trouble. An answer of whatever kind says the opposite: JSON-RPC and tool errors,
 * 401, 403, 404, 429. Cancelled, too large, refused by our own limits: says nothing.
 */
const FAILURES: ReadonlySet<UpstreamReason> = new Set([
  'unreachable',
  'connection_refused',
  'connection_lost',
  'tls',
  'redirect_refused',
  'server_error',
  'not_mcp',
  'protocol_error',
  'session_lost',
  'timeout',
  'process_failed',
]);
const SIGNS_OF_LIFE: ReadonlySet<UpstreamReason> = new Set([
  'rpc_error',
  'unauthorized',
  'forbidden',
  'rate_limited',
  'rejected',
]);

/** Calls that follow would most likely fail as well. */
export function isServerTrouble(reason: string): boolean {
  return FAILURES.has(reason as UpstreamReason);
}

/** Milliseconds for which an answer to us counts more than that others got none. */
const TRUSTED_MS = 2_000;

/** Opens after so many failures in a row; lets one request through after the wait, whose outcome decides. */
export class Circuit {
  state: CircuitState = 'closed';
  private failures = 0;
  private openUntil = 0;
  private answeredAt = -Infinity;
  private counted: unknown;

  constructor(
    private readonly limits: { circuitFailures: number; circuitOpenMs: number },
    private readonly now: () => number,
  ) {}

  /** Throws `circuit_open` where a request would have no chance; takes no part in the trial. */
  check(): void {
    if (this.state === 'half_open') throw this.refusal(this.limits.circuitOpenMs);
    const wait = this.openUntil - this.now();
    if (this.state === 'open' && wait > 0) throw this.refusal(wait);
  }

  /** To be called right before a request leaves; true when it is the trial. Each admitted request reports its outcome. */
  admit(): boolean {
    this.check();
    if (this.state === 'closed') return false;
    this.state = 'half_open';
    return true;
  }

  succeeded(): void {
    this.state = 'closed';
    this.failures = 0;
    this.answeredAt = this.now();
  }

  /** What somebody else has found out: whether the server answers. */
  hear(answers: boolean): void {
    if (answers) {
      this.state = 'closed';
      this.failures = 0;
    } else if (this.state === 'closed' && this.now() - this.answeredAt >= TRUSTED_MS) this.open();
  }

  failed(error: unknown, wasTrial: boolean): void {
    const reason = error instanceof UpstreamError ? error.reason : undefined;
    if (reason !== undefined && FAILURES.has(reason)) {
      // Calls that waited for the same session fail with the same error, which is one failure.
      if (error === this.counted && !wasTrial) return;
      this.counted = error;
      return this.countFailure(wasTrial);
    }
    if (reason !== undefined && SIGNS_OF_LIFE.has(reason)) return this.succeeded();
    this.undecided(wasTrial);
  }

  /** Nothing was learned; when it was the trial, the next request is one again. */
  undecided(wasTrial: boolean): void {
    if (wasTrial) this.state = 'open';
  }

  private countFailure(wasTrial: boolean): void {
    // Stragglers from before the opening say nothing new.
    if (this.state !== 'closed' && !wasTrial) return;
    this.failures++;
    if (wasTrial || this.failures >= this.limits.circuitFailures) this.open();
  }

  private open(): void {
    this.state = 'open';
    this.openUntil = this.now() + this.limits.circuitOpenMs;
  }

  private refusal(waitMs: number): UpstreamError {
    const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
    const text = 'The server failed several times in a row and is not asked again for a while.';
    return new UpstreamError('circuit_open', text, { retryAfterSeconds, mayHaveArrived: false });
  }
}
