import type { EgressResponse } from '../platform/egress/egress-response.js';
import type { ReadMessage } from './credential-mask.js';
import {
  answers,
  isAnswer,
  readRpcError,
  parseMessage,
  type JsonObject,
  type RpcAnswer,
  type RpcRequest,
} from './json-rpc.js';
import { type RpcError, UpstreamError, type UpstreamErrorDetails, type UpstreamReason } from './upstream.js';

export type ResponseHeaders = EgressResponse['rawHeaders'];

/** What may be done about an HTTP refusal: `session` start a new one, `era` negotiate again, `headers` learn the tools' headers. */
export type Remedy = 'session' | 'era' | 'headers' | 'none';

/** An HTTP status of 400 to 499: the request was refused before it was processed. `body` is for era negotiation only. */
export class HttpRefusal extends UpstreamError {
  constructor(
    reason: UpstreamReason,
    message: string,
    details: UpstreamErrorDetails,
    readonly status: number,
    readonly body: string,
    readonly remedy: Remedy,
  ) {
    super(reason, message, { ...details, mayHaveArrived: false });
  }
}

/** A status of 500 or more, which says nothing about whether the request was processed. */
export class HttpFailure extends UpstreamError {
  constructor(
    message: string,
    details: UpstreamErrorDetails,
    readonly status: number,
  ) {
    super('server_error', message, details);
  }
}

/** MCP 2026-07-28, Streamable HTTP: HeaderMismatch and UnsupportedProtocolVersion. */
const HEADER_MISMATCH = -32020;
const UNSUPPORTED_VERSION = -32022;
// What servers of either era say of a request that belongs to the other one, or to a session they do not know.
const TRANSPORT_CODES = new Set([-32000, -32001, -32600, UNSUPPORTED_VERSION]);
// More than that is no JSON-RPC error.
const MAX_BODY = 65_536;
const WRONG_PLACE = new Set([400, 404, 405, 406]);

export function mediaType(headers: ResponseHeaders): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** The body of a 2xx answer of type application/json as the answer to `request`; else UpstreamError `protocol_error`. */
export function jsonAnswer(body: Buffer, request: RpcRequest, read: ReadMessage): RpcAnswer {
  const message = read(body.toString('utf8'));
  checkAnswer(message, request);
  return { message, bytes: body.length };
}

export function checkAnswer(message: JsonObject, request: RpcRequest): void {
  if (!isAnswer(message))
    throw new UpstreamError('protocol_error', 'The server answered with something that is no answer.');
  if (!answers(message, request.id))
    throw new UpstreamError('protocol_error', 'The server answered with the id of another request.');
}

export interface Refused {
  status: number;
  headers: ResponseHeaders;
  body: string;
  /** The id of the request, none for notifications. */
  id?: number | string;
  /** Whether the request carried a session id. */
  session: boolean;
}

type Refuse = (reason: UpstreamReason, text: string, remedy?: Remedy, details?: UpstreamErrorDetails) => HttpRefusal;

/**
 * Turns a status other than 2xx into an error. Only `HttpRefusal` says that the request was not processed.
 * A JSON-RPC error for our own id is the server's answer (404 with -32601 in 2026-07-28) and becomes `rpc_error`.
 */
export function statusError(refused: Refused): UpstreamError {
  const { status, headers, body } = refused;
  const retryAfterSeconds = retryAfter(headers['retry-after']);
  const wait = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  if (status >= 500) return new HttpFailure(`The server failed with HTTP status ${status}.`, wait, status);
  const refuse: Refuse = (reason, text, remedy = 'none', details = {}) =>
    new HttpRefusal(reason, text, details, status, body.slice(0, MAX_BODY), remedy);
  if (status < 400) return refuse('not_mcp', `The server redirects (HTTP status ${status}) to no usable address.`);
  if (status === 401) return refuse('unauthorized', 'The server does not accept the credentials (HTTP status 401).');
  if (status === 403) return refuse('forbidden', 'The server refuses access (HTTP status 403).');
  if (status === 429)
    return refuse('rate_limited', 'The server limits the rate of requests (HTTP status 429).', 'none', wait);
  return protocolRefusal(refused, refuse);
}

function protocolRefusal({ status, body, id, session }: Refused, refuse: Refuse): HttpRefusal {
  const answer = rpcBody(body);
  const rpc = readRpcError(answer?.error);
  if (session && isLostSession(status, rpc))
    return refuse('session_lost', 'The server no longer knows the session.', 'session');
  const text = `The server rejected the request (HTTP status ${status}).`;
  if (rpc) {
    if (rpc.code === HEADER_MISMATCH) return refuse('rpc_error', rpc.message, 'headers', { rpc });
    const isOurs = id !== undefined && answer?.id === id;
    if (isOurs && !TRANSPORT_CODES.has(rpc.code)) return refuse('rpc_error', rpc.message, 'none', { rpc });
    return refuse('rejected', text, 'era', { rpc });
  }
  if (WRONG_PLACE.has(status))
    return refuse('not_mcp', `No MCP server answers at this address (HTTP status ${status}).`, 'era');
  return refuse('rejected', text);
}

/** Seconds from Retry-After (RFC 9110, 10.2.3: seconds or a date), 1 to 3,600. */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(3600, Math.max(1, Math.ceil(seconds))) : undefined;
}

/** 404 is what the specification asks for (2025-11-25, Session Management); 400 is what several servers send instead. */
function isLostSession(status: number, rpc: RpcError | undefined): boolean {
  if (status === 404) return rpc === undefined || TRANSPORT_CODES.has(rpc.code);
  return status === 400 && rpc !== undefined && TRANSPORT_CODES.has(rpc.code) && /session/i.test(rpc.message);
}

function rpcBody(body: string): JsonObject | undefined {
  if (body.length > MAX_BODY || !body.trimStart().startsWith('{')) return undefined;
  try {
    return parseMessage(body);
  } catch {
    return undefined;
  }
}
