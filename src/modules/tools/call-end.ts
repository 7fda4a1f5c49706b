import type { Actor } from '../../platform/auth/actor.js';
import { DomainError, ERROR_STATUS } from '../../platform/http/domain-error.js';
import { errorBody, toDomainError } from '../../platform/http/error.filter.js';
import type { CallEnd, CallOutcome } from '../usage/ledger.service.js';

/** Codes of a call that was refused after its row was opened, and before anything left. */
const REFUSED: ReadonlySet<string> = new Set(['access_denied', 'credentials_required', 'resource_not_found']);
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
    answer: { status: ERROR_STATUS[shown.code], body: errorBody(shown, actor.origin.requestId) },
  };
}

/** Of an answer that came and is not given. */
export function withheld(actor: Actor, told: DomainError): End {
  return { ...failed(told, actor), outcome: 'upstream_error' };
}

/** The most precise code there is. */
export function reasonOf({ code, details: { reason } }: DomainError): string {
  return typeof reason === 'string' ? reason : code;
}

function outcomeOf({ code, details: { reason } }: DomainError): CallOutcome {
  if (code === 'upstream_timeout') return 'timeout';
  if (reason === 'cancelled') return 'cancelled';
  return REFUSED.has(code) ? 'denied' : 'upstream_error';
}
