import { ArgumentsHost, Catch, ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DomainError, ERROR_STATUS, type ErrorCode } from './domain-error.js';
import { isDatabaseUnavailable, isUnstorableText } from '../database/database-errors.js';

/** Seconds until a client should try again when PostgreSQL is away. */
const DATABASE_RETRY_SECONDS = 2;

/** Codes for failures of the HTTP layer itself (Fastify and Nest), by status. */
const CODE_OF_STATUS: Record<number, ErrorCode> = {
  400: 'validation_failed',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'route_not_found',
  413: 'payload_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  429: 'rate_limit_exceeded',
  503: 'unavailable',
};

const MESSAGE_OF_CODE: Partial<Record<ErrorCode, string>> = {
  route_not_found: 'No such path: see /docs for what there is',
  payload_too_large: 'The body is larger than 1 MiB',
  unsupported_media_type: 'Send the body as application/json without content encoding',
  internal_error: 'Something went wrong on our side. Quote the request id when you report it',
};

/** Any thrown value as the domain error a client may see. Unknown ones become a 500 that says nothing. */
export function toDomainError(error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  if (isDatabaseUnavailable(error)) {
    return new DomainError(
      'unavailable',
      'The database is not reachable, try again shortly',
      {},
      DATABASE_RETRY_SECONDS,
    );
  }
  if (isUnstorableText(error)) return new DomainError('validation_failed', 'Text must not contain NUL characters');
  const status = statusOf(error);
  const code = status === undefined ? undefined : CODE_OF_STATUS[status];
  if (code === undefined) return new DomainError('internal_error', MESSAGE_OF_CODE.internal_error ?? '');
  return new DomainError(code, MESSAGE_OF_CODE[code] ?? (error as Error).message);
}

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' && status < 500 ? status : undefined;
}

/** The one error body of the API. */
export function errorBody({ code, message, details }: DomainError, requestId: string): Record<string, unknown> {
  return { error: code, message, details, request_id: requestId };
}

/**
 * Answers with {@link errorBody} and the headers that go with it.
 * @param challenge of a 401 (RFC 6750, section 3)
 */
export function sendError(
  reply: FastifyReply,
  request: FastifyRequest,
  error: DomainError,
  challenge = 'Bearer realm="mcp-control-plane"',
): void {
  const status = ERROR_STATUS[error.code];
  if (status === 401) void reply.header('www-authenticate', challenge);
  if (error.retryAfterSeconds !== undefined)
    void reply.header('retry-after', String(Math.ceil(error.retryAfterSeconds)));
  void reply
    .status(status)
    .header('content-type', 'application/json; charset=utf-8')
    .send(errorBody(error, request.id));
}

/** The one place where errors become HTTP answers. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger('http');

  catch(thrown: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const error = toDomainError(thrown);
    if (error.code === 'internal_error') this.logger.error({ request_id: request.id, err: thrown }, 'unexpected error');
    if (reply.sent) return;
    sendError(reply, request, error);
  }
}
