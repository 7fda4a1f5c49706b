import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isIPv6 } from 'node:net';
import type { Logger } from 'pino';
import { principalOf, type Principal } from '../auth/actor.js';
import type { MetricsService } from '../telemetry/metrics.service.js';
import type { RequestLimits } from '../throttling/request-limits.js';
import { DomainError } from './domain-error.js';

/** Neither counted nor answered with limits: probes, metrics, documentation, discovery of authorization servers. */
const UNLIMITED = /^\/(health|metrics|docs|docs-json|docs-yaml|\.well-known)(\/|\?|$)/;

export interface RequestHooks {
  authenticate(authorization: string | undefined): Promise<Principal | null>;
  isDraining(): boolean;
  limits: RequestLimits;
  logger: Logger;
  metrics: MetricsService;
}

/**
 * What happens to every request before routing, so that unknown paths and malformed bodies are counted, answered and
 * logged like all others. Nothing is decided here about rights: an unlocked operation needs `@Public()`, see AuthorizationGuard.
 */
export function useRequestHooks(fastify: FastifyInstance, hooks: RequestHooks): void {
  fastify.decorateRequest('actor', null);
  fastify.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    if (UNLIMITED.test(request.url)) return;
    void reply.header('cache-control', 'no-store');
    const principal = await hooks.authenticate(request.headers.authorization);
    const origin = { requestId: request.id, address: request.ip, idempotencyKey: null };
    request.actor = principal && { ...principal, origin };
    await limit(hooks.limits, request, reply);
  });
  // A connection that is kept alive would keep the server from closing.
  fastify.addHook('onSend', async (_request, reply) => {
    if (hooks.isDraining()) void reply.header('connection', 'close');
  });
  fastify.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'unknown';
    const seconds = reply.elapsedTime / 1_000;
    hooks.metrics.requestAnswered(request.method, route, reply.statusCode, seconds);
    hooks.logger.info(
      {
        request_id: request.id,
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        actor: request.actor ? principalOf(request.actor) : undefined,
      },
      'request',
    );
  });
}

async function limit(limits: RequestLimits, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const state = await limits.consume(request.actor ? principalOf(request.actor) : null, addressKey(request.ip));
  void reply
    .header('x-ratelimit-limit', String(state.limit))
    .header('x-ratelimit-remaining', String(state.remaining))
    .header('x-ratelimit-reset', String(state.resetSeconds));
  if (state.allowed) return;
  throw new DomainError(
    'rate_limit_exceeded',
    `More than ${state.limit} requests a minute: wait ${state.resetSeconds} s`,
    { limit: state.limit },
    state.resetSeconds,
  );
}

/** An IPv6 client owns at least a /64: its addresses count as one. */
export function addressKey(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const left = head.split(':').filter(Boolean);
  const right = (tail ?? '').split(':').filter(Boolean);
  const groups =
    tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return groups.slice(0, 4).join(':');
}
