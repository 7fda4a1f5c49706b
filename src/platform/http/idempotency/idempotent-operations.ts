import { RequestMethod, SetMetadata, type ExecutionContext, type Type } from '@nestjs/common';
import { METHOD_METADATA } from '@nestjs/common/constants.js';
import type { Reflector } from '@nestjs/core';
import { PUBLIC } from '../../auth/decorators.js';

/** A method of a controller. */
export type Handler = ReturnType<ExecutionContext['getHandler']>;

const SHOWS_SECRET = Symbol('showsSecret');

/**
 * A POST whose answer is not kept for an `Idempotency-Key`: it shows a secret, which is stored nowhere, or changes the session
 * of whoever asks, where an old answer would be a lie.
 */
export function ShowsSecret(): MethodDecorator {
  return SetMetadata(SHOWS_SECRET, true);
}

/** Whether an operation takes an `Idempotency-Key`: each POST of somebody who is signed in. */
export function takesIdempotencyKey(reflector: Reflector, handler: Handler, controller: Type<unknown>): boolean {
  const targets = [handler, controller];
  return (
    reflector.get<RequestMethod | undefined>(METHOD_METADATA, handler) === RequestMethod.POST &&
    !reflector.getAllAndOverride<boolean | undefined>(SHOWS_SECRET, targets) &&
    !reflector.getAllAndOverride<boolean | undefined>(PUBLIC, targets)
  );
}
