import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { DomainError, ERROR_STATUS } from './domain-error.js';

/**
 * A path that can be routed. One whose percent-encoding is no UTF-8 can name nothing of ours: taken literally it is as
 * unknown as all others, behind the same sign-in, limits and error body.
 */
export function routableUrl(request: IncomingMessage): string {
  const url = request.url ?? '/';
  if (!url.includes('%')) return url;
  const [path = '', ...query] = url.split('?');
  try {
    decodeURIComponent(path);
    return url;
  } catch {
    return [path.replaceAll('%', '%25'), ...query].join('?');
  }
}

/** Answers what is not HTTP at all, with the error body that every other failure has. */
export function refuseUnparsable(error: NodeJS.ErrnoException, socket: IncomingMessage['socket']): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const { code, message } =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new DomainError('headers_too_large', 'The request line and headers are larger than 16 KiB')
      : new DomainError('malformed_request', 'The request is not valid HTTP, or did not arrive in time');
  const body = JSON.stringify({ error: code, message, details: {}, request_id: randomUUID() });
  const status = ERROR_STATUS[code];
  const head = [
    `HTTP/1.1 ${status} ${code === 'headers_too_large' ? 'Request Header Fields Too Large' : 'Bad Request'}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
