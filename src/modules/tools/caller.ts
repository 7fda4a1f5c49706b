import { createParamDecorator, ExecutionContext } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import { actorOf, namedWorkspaceOf } from '../../platform/auth/decorators.js';
import type { Door } from '../usage/ledger.service.js';

/** Who uses something, by which door, and the workspace that the request names in `X-Workspace-Id`, if any. */
export interface Caller {
  actor: Actor;
  workspace: string | undefined;
  door: Door;
}

export const CurrentCaller = createParamDecorator((_data: unknown, context: ExecutionContext): Caller => ({
  actor: actorOf(context),
  workspace: namedWorkspaceOf(context),
  door: 'rest',
}));
