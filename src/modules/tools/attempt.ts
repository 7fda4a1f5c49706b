import { Cancellation, type CancelSignal } from '../../platform/cancellation.js';
import { principalOf } from '../../platform/auth/actor.js';
import { DomainError } from '../../platform/http/domain-error.js';
import type { ToolFacts } from '../discovery/tool-catalog.service.js';
import { REASONS, type Access } from '../workspace-access/access-decisions.service.js';
import type { Attempt } from '../usage/ledger.service.js';
import { timesFromNow } from './call-times.js';
import type { Caller } from './caller.js';
import type { Carrying, Use } from './upstream-use.service.js';

/** What goes out, without on whose behalf. */
export type Outgoing = Omit<Use, 'principal' | 'trace'>;

/** MCP 2025-11-25, Resources, Error Handling; 2026-07-28 uses Invalid params for the same. */
const UPSTREAM_NOT_FOUND: ReadonlySet<unknown> = new Set([-32_002, -32_602]);

export function attemptOf(
  { actor, door }: Caller,
  { connectionId, organizationId }: { connectionId: string; organizationId: string },
  toolId: number | null,
  args: unknown,
): Attempt {
  return {
    actor,
    door,
    organizationId,
    connectionId,
    workspaceId: null,
    workspaceAccessId: null,
    resourceId: toolId,
    toolId,
    operation: 'tools/call',
    arguments: args,
    isHidden: false,
    times: timesFromNow(),
  };
}

/** A client with a key comes back for its answer: what it began is brought to an end, also when it hangs up meanwhile. */
export function signalOf({ actor }: Attempt, { signal }: { signal: CancelSignal }): CancelSignal {
  return actor.origin.idempotencyKey === null ? signal : new Cancellation();
}

/** What is only asked may be asked again: the key of the request is for the call itself. */
export function withoutKey(caller: Caller): Caller {
  const { actor } = caller;
  return { ...caller, actor: { ...actor, origin: { ...actor.origin, idempotencyKey: null } } };
}

/** A call counts on the one resource that its scopes resolved to, else on the tool or resource itself. */
export function chargedTo(attempt: Attempt, access: Access): Attempt {
  if (access.kind === 'direct') return attempt;
  const { workspaceId, grantId, decision } = access;
  return {
    ...attempt,
    workspaceId,
    workspaceAccessId: grantId,
    resourceId: decision.resourceId ?? attempt.resourceId,
  };
}

export function toolCall({ connectionId }: ToolFacts, name: string, args: object, carrying: Carrying): Outgoing {
  return { connectionId, operation: 'tools/call', params: { name, arguments: args }, ...carrying };
}

export function bytesOf(value: unknown): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
}

/** @throws DomainError 403 while the definition waits for a review, or was rejected */
export function requireReviewed({ blocked }: Pick<ToolFacts, 'blocked'>): void {
  if (blocked === null) return;
  throw new DomainError('access_denied', `${REASONS[blocked]}: an admin has to review it`, { reason: blocked });
}

/** Whether an error carries text of the server, and not only ours about it. */
export function isServersOwn(error: unknown): boolean {
  if (!(error instanceof DomainError)) return false;
  return error.details.upstream !== undefined || error.details.reason === 'refused_by_server';
}

export function isNotThere(error: unknown): boolean {
  const upstream =
    error instanceof DomainError ? (error.details.upstream as { code?: unknown } | undefined) : undefined;
  return upstream !== undefined && UPSTREAM_NOT_FOUND.has(upstream.code);
}

export function uncheckedError(): DomainError {
  return new DomainError(
    'upstream_error',
    'The server reported an error; its text could not be checked and is withheld',
    {
      reason: 'result_withheld',
    },
  );
}

/** One person in two workspaces is two principals: what a server remembers of one does not reach the other. */
export function principalIn({ actor, workspaceId }: Attempt): string {
  return workspaceId === null ? principalOf(actor) : `${principalOf(actor)} workspace:${workspaceId}`;
}
