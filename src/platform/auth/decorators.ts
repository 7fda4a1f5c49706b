import { applyDecorators, createParamDecorator, ExecutionContext, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiResponse, ApiSecurity } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { validate as isUuid } from 'uuid';
import { ApiErrors } from '../http/openapi.js';
import { DomainError, invalid } from '../http/domain-error.js';
import type { Actor, Origin } from './actor.js';
import type { TraceContext } from '../telemetry/trace-context.js';

/** `signed-in`: a valid token. `operator`: the people who run the installation. Roles inside an organization are checked by the services, which know the row. */
export type Right = 'signed-in' | 'operator';

export const RIGHT = Symbol('right');
export const PUBLIC = Symbol('public');

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until a valid token was seen. */
    actor: Actor | null;
    trace: TraceContext;
  }
}

/** Opens an operation to everybody. Whatever has neither this nor `@Requires` needs a valid token. */
export function Public(): MethodDecorator & ClassDecorator {
  return applyDecorators(SetMetadata(PUBLIC, true), ApiSecurity({}));
}

/** Names the right that an operation needs, for the guard and for the documentation at once. */
export function Requires(right: Right): MethodDecorator & ClassDecorator {
  return applyDecorators(
    SetMetadata(RIGHT, right),
    ApiBearerAuth(),
    ApiErrors(401, 429),
    ...(right === 'operator' ? [ApiResponse({ status: 403, description: 'Operators only' })] : []),
  );
}

const WORKSPACE_HEADER = 'x-workspace-id';

/**
 * The workspace that a caller acts for, in the header `X-Workspace-Id`; undefined where it names none.
 * @throws DomainError 400 naming the header
 */
export function namedWorkspaceOf(context: ExecutionContext): string | undefined {
  const named = context.switchToHttp().getRequest<FastifyRequest>().headers[WORKSPACE_HEADER];
  if (named === undefined) return undefined;
  if (typeof named !== 'string' || !isUuid(named))
    throw invalid({ 'X-Workspace-Id': ['must be the UUID of a workspace'] });
  return named.toLowerCase();
}

/** Documents that an operation takes `X-Workspace-Id`. */
export function TakesWorkspace(): MethodDecorator & ClassDecorator {
  return ApiHeader({
    name: 'X-Workspace-Id',
    required: false,
    description: 'Workspace to act for; left out by admins who act directly, and where only one workspace allows it',
    schema: { type: 'string', format: 'uuid' },
  });
}

export function actorOf(context: ExecutionContext): Actor {
  const { actor } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!actor) throw new DomainError('unauthorized', 'A valid bearer token is required');
  return actor;
}

/** Who acts, first argument of every service method. */
export const CurrentActor = createParamDecorator((_data: unknown, context: ExecutionContext): Actor =>
  actorOf(context),
);

/** Where an operation comes from that nobody is signed in for: a login. */
export const RequestOrigin = createParamDecorator((_data: unknown, context: ExecutionContext): Origin => {
  const { id, ip, trace } = context.switchToHttp().getRequest<FastifyRequest>();
  return { requestId: id, address: ip, idempotencyKey: null, trace };
});
