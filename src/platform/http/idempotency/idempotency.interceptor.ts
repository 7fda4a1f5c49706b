import { CallHandler, ExecutionContext, Injectable, NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { lastValueFrom, of, type Observable } from 'rxjs';
import type { Actor } from '../../auth/actor.js';
import { MetricsService, type EventCounter } from '../../telemetry/metrics.service.js';
import { IdempotencyService, type KeptAnswer } from './idempotency.service.js';
import { takesIdempotencyKey } from './idempotent-operations.js';
import { contentOf, namedKeyOf } from './request-content.js';

/** Headers that belong to an answer as its body does. */
const KEPT_HEADERS = ['location', 'preference-applied'];

/** Claims the `Idempotency-Key` of a POST before the handler and its parameters, or answers again what it answered before. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  private readonly replays: EventCounter;

  constructor(
    private readonly reflector: Reflector,
    private readonly idempotency: IdempotencyService,
    metrics: MetricsService,
  ) {
    this.replays = metrics.counter('idempotent_replays_total', 'Answers that were given again for an Idempotency-Key');
  }

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    if (!request.actor || !takesIdempotencyKey(this.reflector, context.getHandler(), context.getClass()))
      return next.handle();
    const idempotencyKey = namedKeyOf(request);
    if (idempotencyKey === null) return next.handle();
    const actor: Actor = { ...request.actor, origin: { ...request.actor.origin, idempotencyKey } };
    // Nest has set the status of a success already.
    const kept = await this.idempotency.claim(actor, contentOf(request), reply.statusCode);
    if (kept) {
      this.replays.inc();
      return of(replayed(reply, kept));
    }
    request.actor = actor;
    return of(await this.run(actor, reply, next));
  }

  private async run(actor: Actor, reply: FastifyReply, next: CallHandler): Promise<unknown> {
    let body: unknown;
    try {
      body = await lastValueFrom(next.handle(), { defaultValue: undefined });
    } catch (error) {
      await this.idempotency.release(actor);
      throw error;
    }
    const headers = KEPT_HEADERS.flatMap((name) => {
      const value = reply.getHeader(name);
      return value === undefined ? [] : [[name, String(value)] as const];
    });
    await this.idempotency.finish(actor, { status: reply.statusCode, body, headers: Object.fromEntries(headers) });
    return body;
  }
}

function replayed(reply: FastifyReply, { status, body, headers }: KeptAnswer): unknown {
  void reply.status(status).headers(headers).header('idempotent-replayed', 'true');
  return body;
}
