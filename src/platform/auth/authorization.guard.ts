import { CanActivate, ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { DomainError, forbidden } from '../http/domain-error.js';
import { PUBLIC, RIGHT, type Right } from './decorators.js';

/** Locked by default: without `@Public()` an operation needs a valid token. */
@Injectable()
export class AuthorizationGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(PUBLIC, targets)) return true;
    const { actor } = context.switchToHttp().getRequest<FastifyRequest>();
    // One body for every reason: no token, expired, forged, revoked.
    if (!actor) throw new DomainError('unauthorized', 'A valid bearer token is required');
    const right = this.reflector.getAllAndOverride<Right | undefined>(RIGHT, targets);
    if (right === 'operator' && !actor.isOperator) throw forbidden('This needs an operator of the installation');
    return true;
  }
}
