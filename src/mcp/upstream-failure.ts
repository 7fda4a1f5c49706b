import { DomainError, type ErrorCode } from '../platform/http/domain-error.js';
import { UpstreamError, type UpstreamReason } from './upstream.js';

/** Seconds for reasons that pass by themselves and bring no time of their own. */
const RETRY_SECONDS = 5;

const CODE_OF_REASON: Partial<Record<UpstreamReason, ErrorCode>> = {
  address_refused: 'address_refused',
  timeout: 'upstream_timeout',
  busy: 'upstream_busy',
  circuit_open: 'circuit_open',
  closed: 'unavailable',
};

/** What a client of our API is told about a failed upstream; any other error unchanged. */
export function upstreamFailure(error: unknown): unknown {
  if (!(error instanceof UpstreamError)) return error;
  const code = CODE_OF_REASON[error.reason] ?? 'upstream_error';
  const passing = code === 'upstream_busy' || code === 'circuit_open' || code === 'unavailable';
  const details: Record<string, unknown> = { reason: error.reason };
  if (error.rpc) details.upstream = error.rpc;
  return new DomainError(
    code,
    error.message,
    details,
    error.retryAfterSeconds ?? (passing ? RETRY_SECONDS : undefined),
  );
}
