import type { Actor } from '../../platform/auth/actor.js';
import { DomainError, ERROR_STATUS } from '../../platform/http/domain-error.js';
import { errorBody, toDomainError } from '../../platform/http/error.filter.js';
import type { CallEnd, CallOutcome } from '../usage/ledger.service.js';

/** Refused after the row was opened and before anything left. */
const REFUSED: ReadonlySet<string> = new Set([
  'access_denied',
  'credentials_required',
  'resource_not_found',
  'upstream_busy',
  'circuit_open',
]);
/** Reasons for which nothing reached the server: the same request may be sent again. */
const NOT_REACHED: ReadonlySet<string> = new Set([
  'address_refused',
  'misconfigured',
  'unreachable',
  'connection_refused',
]);
const OK = 200;

type End = Pick<CallEnd, 'outcome' | 'reason' | 'answer'>;

/** Of an answer that is given: MCP 2025-11-25, Tools, Error Handling says when it is an error of the tool. */
export function answered(result: unknown, body: unknown): End {
  const isError = typeof result === 'object' && result !== null && (result as { isError?: unknown }).isError === true;
  return { outcome: isError ? 'tool_error' : 'ok', answer: { status: OK, body } };
}

/** @param told what the client is told, where that is less than what happened */
export function failed(error: unknown, actor: Actor, told: unknown = error): End {
  const happened = toDomainError(error);
  const shown = toDomainError(told);
  return {
    outcome: outcomeOf(happened),
    reason: reasonOf(happened),
    answer: hasLeft(happened)
      ? { status: ERROR_STATUS[shown.code], body: errorBody(shown, actor.origin.requestId) }
      : null,
  };
}

/** Of an answer that came and is not given. */
export function withheld(actor: Actor, told: DomainError): End {
  const answer = { status: ERROR_STATUS[told.code], body: errorBody(told, actor.origin.requestId) };
  return { outcome: 'upstream_error', reason: reasonOf(told), answer };
}

/** The most precise code there is. */
export function reasonOf({ code, details: { reason } }: DomainError): string {
  return typeof reason === 'string' ? reason : code;
}

/** `unavailable` without a reason is our own database: it was away before anything was sent. */
function hasLeft(error: DomainError): boolean {
  if (error.code === 'unavailable' && error.details.reason === undefined) return false;
  return !REFUSED.has(error.code) && !NOT_REACHED.has(reasonOf(error));
}

function outcomeOf({ code, details: { reason } }: DomainError): CallOutcome {
  if (code === 'upstream_timeout') return 'timeout';
  if (reason === 'cancelled') return 'cancelled';
  return REFUSED.has(code) ? 'denied' : 'upstream_error';
}
