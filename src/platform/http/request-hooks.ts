import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { isIPv6 } from 'node:net';
import type { Logger } from 'pino';
import { principalOf, type Principal } from '../auth/actor.js';
import type { MetricsService } from '../telemetry/metrics.service.js';
import { traceOfRequest } from '../telemetry/trace-context.js';
import type { TracingService } from '../telemetry/tracing.service.js';
import { tooMany, type RequestLimits } from '../throttling/request-limits.js';
import { DomainError } from './domain-error.js';

/** Neither counted nor answered with limits: probes, metrics, documentation, discovery of authorization servers. */
const UNLIMITED = /^\/(health|metrics|docs|docs-json|docs-yaml|\.well-known)(\/|\?|$)/;

/** Agents are counted at their door: by the grants that they use, and by themselves. */
const FOR_AGENTS = /^\/mcp\/workspaces\/[^/?]+\/?(\?|$)/;

/** Those who are sent away do not come back all at once. */
const OVERLOAD_SECONDS = 3;

export interface RequestHooks {
  authenticate(authorization: string | undefined): Promise<Principal | null>;
  isDraining(): boolean;
  /**
   * Whether this process has more to do than it can.
   * @param requests under way: signed in, and within their limits
   */
  isOverloaded(requests: number): boolean;
  limits: RequestLimits;
  logger: Logger;
  metrics: MetricsService;
  tracing: TracingService;
}

/**
 * What happens to every request before routing, so that unknown paths and malformed bodies are counted, answered and
 * logged like all others. Nothing is decided here about rights: an unlocked operation needs `@Public()`, see AuthorizationGuard.
 */
export function useRequestHooks(fastify: FastifyInstance, hooks: RequestHooks): void {
  const overloads = hooks.metrics.counter(
    'overloaded_total',
    'Requests that were turned away as there was too much to do',
  );
  let underWay = 0;
  fastify.decorateRequest('actor', null);
  fastify.decorateRequest('trace');
  fastify.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    request.trace = traceOfRequest(request.headers.traceparent, request.id);
    if (UNLIMITED.test(request.url)) return;
    void reply.header('cache-control', 'no-store');
    if (hooks.isOverloaded(underWay)) {
      overloads.inc();
      const seconds = 1 + Math.random() * OVERLOAD_SECONDS;
      throw new DomainError(
        'unavailable',
        'This process has too much to do, try again shortly',
        { status: 'overloaded' },
        seconds,
      );
    }
    const principal = await hooks.authenticate(request.headers.authorization);
    const origin = { requestId: request.id, address: request.ip, idempotencyKey: null, trace: request.trace };
    request.actor = principal && { origin, ...principal };
    await limit(hooks.limits, request, reply);
    // Not before: who is kept waiting for must not be able to keep others out, and who was turned away has nothing under way.
    if (reply.raw.closed) return;
    underWay++;
    reply.raw.once('close', () => underWay--);
  });
  // A connection that is kept alive would keep the server from closing.
  fastify.addHook('onSend', (_request, reply, payload, done) => {
    if (hooks.isDraining()) void reply.header('connection', 'close');
    done(null, payload);
  });
  // No field of these lines is a secret, and looking for some is most of what a line costs.
  const lines = hooks.logger.child({}, { redact: [] });
  fastify.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    const seconds = reply.elapsedTime / 1_000;
    hooks.metrics.requestAnswered(request.method, route, reply.statusCode, seconds);
    if (!UNLIMITED.test(request.url)) {
      const { trace, method } = request;
      const { statusCode: status } = reply;
      hooks.tracing.ended({
        name: `${method} ${route}`,
        kind: 'server',
        trace,
        startedAt: hooks.tracing.now() - reply.elapsedTime,
        attributes: { 'http.request.method': method, 'http.route': route, 'http.response.status_code': status },
        failure: status >= 500 ? String(status) : undefined,
      });
    }
    lines.info(
      {
        request_id: request.id,
        trace_id: request.trace.traceId,
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        actor: request.actor ? principalOf(request.actor) : undefined,
      },
      'request',
    );
    done();
  });
}

async function limit(limits: RequestLimits, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (request.actor && FOR_AGENTS.test(request.url)) return;
  const state = await limits.consume(request.actor ? principalOf(request.actor) : null, addressKey(request.ip));
  void reply
    .header('x-ratelimit-limit', String(state.limit))
    .header('x-ratelimit-remaining', String(state.remaining))
    .header('x-ratelimit-reset', String(state.resetSeconds));
  if (!state.allowed) throw tooMany(state);
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
