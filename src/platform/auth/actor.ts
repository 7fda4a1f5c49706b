import { forbidden, notFound } from '../http/domain-error.js';
import type { TraceContext } from '../telemetry/trace-context.js';

export type OrganizationRole = 'owner' | 'admin' | 'member';
export type WorkspaceRole = 'manager' | 'member';

/** Where a request comes from: what the audit trail and the ledger write down beside who acts. */
export interface Origin {
  readonly requestId: string;
  /** Of the client, as far as proxies are trusted. */
  readonly address: string;
  /** Set while the request has claimed the key, see platform/http/idempotency/idempotency.interceptor.ts. */
  readonly idempotencyKey: string | null;
  readonly trace: TraceContext;
}

/** Who acts, by which request. */
export interface Actor extends Principal {
  readonly origin: Origin;
}

/** Who acts. Built from the database for every request (cached for seconds), never from claims of a token. */
export interface Principal {
  /** Null for a workspace token, an agent that is nobody in any organization; and for what the product does by itself. */
  readonly userId: string | null;
  /** The workspace token that acts, null for people and for what the product does by itself. */
  readonly tokenId: string | null;
  /** Of the user, or of the token. */
  readonly username: string;
  readonly isOperator: boolean;
  /** Session of the access token, null for a token of an external OpenID provider. */
  readonly sessionId: string | null;
  /** Organization id to role in it. */
  readonly organizations: ReadonlyMap<string, OrganizationRole>;
  /** Workspace id to role in it and the organization it belongs to. */
  readonly workspaces: ReadonlyMap<string, { organizationId: string; role: WorkspaceRole }>;
}

/** One name for whoever acts, for limits, upstream sessions and the log. */
export function principalOf(actor: Principal): string {
  if (actor.userId !== null) return `user:${actor.userId}`;
  return actor.tokenId === null ? actor.username : `token:${actor.tokenId}`;
}

/** The id of whoever acts: of the user, or of the workspace token. */
export function principalId({ userId, tokenId }: Principal): string {
  return userId ?? tokenId ?? '';
}

/** @throws DomainError 403 for a workspace token: only people can do this */
export function requireUser(actor: Actor): string {
  if (actor.userId === null) throw forbidden('A workspace token can not do this: log in as a user');
  return actor.userId;
}

const RANK: Record<OrganizationRole, number> = { member: 0, admin: 1, owner: 2 };

export function organizationIds(actor: Actor): string[] {
  return [...actor.organizations.keys()];
}

/** Organizations that the actor belongs to, be it by a workspace. */
export function joinedOrganizationIds(actor: Actor): string[] {
  return [...new Set([...actor.organizations.keys(), ...[...actor.workspaces.values()].map((p) => p.organizationId)])];
}

export function hasRole(actor: Actor, organizationId: string, least: OrganizationRole): boolean {
  const role = actor.organizations.get(organizationId);
  return role !== undefined && RANK[role] >= RANK[least];
}

/** Organizations in which the actor sees everything, not just what workspaces were granted. */
export function administeredOrganizationIds(actor: Actor): string[] {
  return organizationIds(actor).filter((id) => hasRole(actor, id, 'admin'));
}

/**
 * @throws DomainError 404 when the actor is not in the organization (it must not learn that it exists),
 *   403 when it is, with a role too low
 */
export function requireRole(
  actor: Actor,
  organizationId: string,
  least: OrganizationRole,
  kind = 'organization',
  id = organizationId,
): void {
  if (!actor.organizations.has(organizationId)) throw notFound(kind, id);
  if (!hasRole(actor, organizationId, least)) throw forbidden(`This needs the role ${least} in the organization`);
}
