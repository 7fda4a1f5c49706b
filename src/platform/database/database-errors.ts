import { isExhaustion } from '../process-limits.js';
import { DomainError } from '../http/domain-error.js';

/**
 * SQLSTATE class 08 and 57P: the connection is gone, the server is starting, stopping or out of connections. 57014: the
 * operator has set a statement_timeout, or ended the statement.
 */
const UNAVAILABLE_STATES = /^(08...|57014|57P0[1-5]|53300|53200|53100)$/;
const UNAVAILABLE_SYSTEM = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);
/** The last one: a transaction whose connection was lost between two of its statements. */
const UNAVAILABLE_TEXT =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|not queryable|Driver not Connected|Query runner (was )?already released/i;

interface PostgresError {
  code?: string;
  constraint?: string;
  message?: string;
  driverError?: PostgresError;
}

function driverError(error: unknown): PostgresError {
  const outer = (error ?? {}) as PostgresError;
  return outer.driverError ?? outer;
}

/**
 * True when PostgreSQL can't be reached or can't serve now, so that the same request may succeed later.
 * System errors count as its own: those of upstream servers never get this far, `mcp/` turns them into upstream errors.
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, message } = driverError(error);
  return (
    UNAVAILABLE_STATES.test(code ?? '') ||
    UNAVAILABLE_SYSTEM.has(code ?? '') ||
    UNAVAILABLE_TEXT.test(message ?? '') ||
    isExhaustion({ code })
  );
}

/** Text that PostgreSQL can't store, NUL above all. SQLSTATE 22021 and 22P05. */
export function isUnstorableText(error: unknown): boolean {
  return /^(22021|22P05)$/.test(driverError(error).code ?? '');
}

/** The name of the violated unique index, or null for any other error. SQLSTATE 23505. */
export function violatedUniqueIndex(error: unknown): string | null {
  const { code, constraint } = driverError(error);
  return code === '23505' ? (constraint ?? '') : null;
}

/** True when a row that is pointed at was deleted or is still in use. SQLSTATE 23503, and 23001 since PostgreSQL 18 for ON DELETE RESTRICT. */
export function isForeignKeyViolation(error: unknown): boolean {
  const { code } = driverError(error);
  return code === '23503' || code === '23001';
}

/** A name that somebody else has: 409, naming the field. */
export function taken(field: string): DomainError {
  return new DomainError('name_taken', `This ${field} is already in use`, {
    fields: { [field]: ['is already in use'] },
  });
}

/** For `.catch()`: the violated unique index as {@link taken}, any other error unchanged. */
export function nameTaken(index: string, field: string): (error: unknown) => never {
  return (error) => {
    throw violatedUniqueIndex(error) === index ? taken(field) : error;
  };
}
