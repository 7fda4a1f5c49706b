import { createParamDecorator, ExecutionContext } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Cancellation, type CancelSignal } from '../cancellation.js';

/** A signal that is aborted when the client hangs up before it got its answer: nobody waits for the work any more. */
export const ClientGone = createParamDecorator((_data: unknown, context: ExecutionContext): CancelSignal => {
  const { raw } = context.switchToHttp().getResponse<FastifyReply>();
  const cancellation = new Cancellation();
  raw.once('close', () => {
    if (!raw.writableFinished) cancellation.abort();
  });
  return cancellation;
});
