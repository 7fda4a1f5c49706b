/**
 * Every error code a client can meet, with its HTTP status (RFC 9110). Codes are part of the API: they are listed in the
 * README and never change their meaning.
 */
export const ERROR_STATUS = {
  validation_failed: 400,
  malformed_json: 400,
  malformed_request: 400,
  arguments_invalid: 400,
  arguments_undecided: 400,
  address_refused: 400,
  connection_failed: 400,
  credentials_required: 409,
  schema_refused: 400,
  unauthorized: 401,
  invalid_credentials: 401,
  forbidden: 403,
  access_denied: 403,
  resource_not_found: 404,
  route_not_found: 404,
  conflict: 409,
  name_taken: 409,
  in_use: 409,
  last_owner: 409,
  organization_ambiguous: 409,
  workspace_ambiguous: 409,
  sync_running: 409,
  upstream_changed: 409,
  idempotency_key_in_use: 409,
  outcome_unknown: 409,
  payload_too_large: 413,
  uri_too_long: 414,
  unsupported_media_type: 415,
  idempotency_key_reused: 422,
  rate_limit_exceeded: 429,
  budget_exhausted: 429,
  headers_too_large: 431,
  internal_error: 500,
  upstream_error: 502,
  unavailable: 503,
  upstream_busy: 503,
  circuit_open: 503,
  upstream_timeout: 504,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** An expected failure with a stable code. `message` and `details` reach the client: no secrets, no values of secret fields. */
export class DomainError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: Record<string, unknown> = {},
    /** Seconds after which trying again makes sense; becomes `Retry-After`. */
    readonly retryAfterSeconds?: number,
  ) {
    super(message);
  }
}

/** One text for unknown, foreign and malformed ids, so that nobody learns which it was. */
export function notFound(kind: string, id: string | number): DomainError {
  return new DomainError('resource_not_found', 'The requested resource was not found', { [`${kind}_id`]: id });
}

export function forbidden(message: string): DomainError {
  return new DomainError('forbidden', message);
}

/** A 400 that names the fields. `fields`: property path to what is wrong with it. */
export function invalid(fields: Record<string, string[]>): DomainError {
  return new DomainError('validation_failed', 'The request has invalid fields', { fields });
}
