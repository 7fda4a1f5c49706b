import type { CancelSignal } from '../platform/cancellation.js';
import { EgressError, type EgressFailure } from '../platform/egress/egress-error.js';
import { isExhaustion } from '../platform/process-limits.js';
import { exhausted, UpstreamError, type UpstreamReason } from './upstream.js';

const REASONS: Record<EgressFailure, UpstreamReason> = {
  invalid_url: 'misconfigured',
  invalid_header: 'misconfigured',
  address_refused: 'address_refused',
  connection_refused: 'connection_refused',
  connection_reset: 'connection_lost',
  tls: 'tls',
  timeout: 'timeout',
  redirect_refused: 'redirect_refused',
  too_large: 'too_large',
  bad_encoding: 'protocol_error',
  aborted: 'closed',
  network: 'unreachable',
};

// In these cases there was no connection that could have carried the request.
const NEVER_LEFT: ReadonlySet<EgressFailure> = new Set([
  'invalid_url',
  'invalid_header',
  'address_refused',
  'connection_refused',
  'tls',
]);
const NEVER_LEFT_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/**
 * What a failed exchange means to the caller. A signal that was aborted wins: its reason says who ended the call.
 * The messages of EgressErrors name at most the origin, so they may be passed on.
 */
export function wireFailure(error: unknown, signal?: CancelSignal): UpstreamError {
  if (signal?.aborted && signal.reason instanceof UpstreamError) return signal.reason;
  if (error instanceof UpstreamError) return error;
  if (error instanceof EgressError && isExhaustion(error)) return exhausted();
  if (!(error instanceof EgressError)) return new UpstreamError('unreachable', 'The exchange with the server failed.');
  const neverLeft = NEVER_LEFT.has(error.reason) || NEVER_LEFT_CODES.has(error.code ?? '');
  const reason = error.code === 'UND_ERR_CONNECT_TIMEOUT' ? 'unreachable' : REASONS[error.reason];
  return new UpstreamError(reason, error.message, { mayHaveArrived: !neverLeft });
}
