import { createParamDecorator, ExecutionContext } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import { actorOf, namedWorkspaceOf } from '../../platform/auth/decorators.js';

/** Who uses something, and the workspace that the request names in `X-Workspace-Id`, if any. */
export interface Caller {
  actor: Actor;
  workspace: string | undefined;
}

export const CurrentCaller = createParamDecorator((_data: unknown, context: ExecutionContext): Caller => ({
  actor: actorOf(context),
  workspace: namedWorkspaceOf(context),
}));
