import { Rejected, RPC } from '../../mcp/client-message.js';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { ERROR_STATUS } from '../../platform/http/domain-error.js';
import { toDomainError } from '../../platform/http/error.filter.js';
import type { RpcFailure } from './exchange.js';

/** Member of `_meta` in which we say what happened in words that programs know: those of the REST API. */
const ERROR_META = 'mcp-control-plane/error';
/** What is no matter of the tool: the whole endpoint is concerned, and the status says so. */
const OF_THE_DOOR: ReadonlySet<string> = new Set([
  'unavailable',
  'internal_error',
  'rate_limit_exceeded',
  'unauthorized',
]);

/** How a request failed: with which status of HTTP where that can still be said, and which error of JSON-RPC. */
export interface Failure {
  status: number;
  error: RpcFailure;
  retryAfterSeconds?: number | undefined;
}

/** A failure of the endpoint, of the protocol, or of the upstream in its own words. */
export function toFailure(thrown: unknown): Failure {
  if (thrown instanceof Rejected) {
    const { status, code, message, data } = thrown;
    return { status, error: data === undefined ? { code, message } : { code, message, data } };
  }
  const error = toDomainError(thrown);
  const upstream = isObject(error.details.upstream) ? error.details.upstream : null;
  if (upstream && typeof upstream.code === 'number') {
    const { code, message, data } = upstream;
    return { status: 200, error: { code, message: String(message), ...(data === undefined ? {} : { data }) } };
  }
  const data = { code: error.code, ...error.details };
  const code =
    error.code === 'resource_not_found' || error.code === 'validation_failed' ? RPC.invalidParams : RPC.internalError;
  const status = OF_THE_DOOR.has(error.code) ? ERROR_STATUS[error.code] : 200;
  return { status, error: { code, message: error.message, data }, retryAfterSeconds: error.retryAfterSeconds };
}

/**
 * A call that was not made, or got no answer, as the result of a tool that failed: the model reads why, and what to do. Null for
 * what is no matter of the tool.
 */
export function toToolError(thrown: unknown): JsonObject | null {
  if (thrown instanceof Rejected) return null;
  const error = toDomainError(thrown);
  if (OF_THE_DOOR.has(error.code) || error.details.upstream !== undefined) return null;
  const { code, message, details, retryAfterSeconds } = error;
  const again = retryAfterSeconds === undefined ? '' : ` Try again in ${Math.ceil(retryAfterSeconds)} s.`;
  const fields = isObject(details.fields)
    ? Object.entries(details.fields).map(([field, problems]) => `\n${field}: ${String(problems)}`)
    : [];
  const reason = typeof details.reason === 'string' ? details.reason : code;
  return {
    content: [{ type: 'text', text: `${reason}: ${message.replace(/\.$/, '')}.${again}${fields.join('')}` }],
    isError: true,
    _meta: { [ERROR_META]: { code, message, details } },
  };
}
