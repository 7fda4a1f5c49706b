import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { parsedUrl } from '../../platform/egress/parse-url.js';
import { ERROR_STATUS, type DomainError } from '../../platform/http/domain-error.js';
import { errorBody } from '../../platform/http/error.filter.js';

/** The subprotocol of the socket, and how a token is written beside it. */
export const PROTOCOL = 'mcp.v1';
const BEARER_PROTOCOL = /^bearer\.([A-Za-z0-9._~+/=-]+)$/;
const BEARER_HEADER = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i;
const PATH = /^\/ws\/mcp\/resources\/([^/]{1,200})\/?$/;

/** What a client asks for. */
export interface Handshake {
  /** Null: not a path of ours. */
  connectionId: string | null;
  /** By whichever way it came; a ticket has to be redeemed. */
  token: string | null;
  ticket: string | null;
}

export function readHandshake(request: IncomingMessage): Handshake {
  const url = parsedUrl(request.url ?? '/', 'http://localhost');
  const [, encoded] = PATH.exec(url?.pathname ?? '') ?? [];
  return {
    connectionId: encoded === undefined ? null : decoded(encoded),
    token: headerToken(request) ?? protocolToken(request),
    ticket: url?.searchParams.get('ticket') ?? null,
  };
}

/** A refusal before the upgrade, with the body of every error. */
export function refuse(socket: Duplex, error: DomainError, requestId: string): void {
  const status = ERROR_STATUS[error.code];
  const body = JSON.stringify(errorBody(error, requestId));
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
    'cache-control': 'no-store',
    connection: 'close',
    ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    ...(error.retryAfterSeconds === undefined ? {} : { 'retry-after': String(Math.ceil(error.retryAfterSeconds)) }),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  // A reason phrase may be left out (RFC 9112, section 4).
  socket.end(`HTTP/1.1 ${status} \r\n${lines.join('')}\r\n${body}`);
}

function headerToken({ headers }: IncomingMessage): string | null {
  return BEARER_HEADER.exec(headers.authorization ?? '')?.[1] ?? null;
}

function protocolToken({ headers }: IncomingMessage): string | null {
  for (const offered of (headers['sec-websocket-protocol'] ?? '').split(',')) {
    const token = BEARER_PROTOCOL.exec(offered.trim())?.[1];
    if (token !== undefined) return token;
  }
  return null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
