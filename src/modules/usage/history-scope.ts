import {
  administeredOrganizationIds,
  hasRole,
  joinedOrganizationIds,
  principalId,
  type Actor,
} from '../../platform/auth/actor.js';
import type { Conditions } from '../../platform/database/conditions.js';

/** What somebody may see of the ledger. */
export interface HistoryScope {
  /** Everything of these. */
  organizations: readonly string[];
  /** Everything of these, which are of other organizations than the above. */
  workspaces: readonly string[];
  /** What this user or token did itself; null where nothing is anybody's own. */
  own: { id: string; organizations: readonly string[] } | null;
}

/** Admins see their organizations, people the workspaces that they work in and what they did, a workspace token its own calls. */
export function callsVisibleTo(actor: Actor): HistoryScope {
  const { organizations, workspaces } = totalsVisibleTo(actor);
  return {
    organizations,
    workspaces: actor.userId === null ? [] : workspaces,
    own: { id: principalId(actor), organizations: joinedOrganizationIds(actor) },
  };
}

/** Totals are of grants and not of people: a workspace token sees those of its workspace. */
export function totalsVisibleTo(actor: Actor): HistoryScope {
  const workspaces = [...actor.workspaces].filter(([, place]) => !hasRole(actor, place.organizationId, 'admin'));
  return { organizations: administeredOrganizationIds(actor), workspaces: workspaces.map(([id]) => id), own: null };
}

/**
 * The visible rows: one subquery for each organization and workspace, so that each reads its own index in order and stops when
 * it has enough.
 * @param select from the condition that a row is visible to a query with all other conditions, its order and its limit
 */
export function visibleRows(scope: HistoryScope, where: Conditions, select: (visible: string) => string): string {
  const organizations = where.value(scope.organizations);
  const workspaces = where.value(scope.workspaces);
  const each = (ids: string, column: string): string =>
    `SELECT v.* FROM unnest(${ids}::uuid[]) AS s(id) CROSS JOIN LATERAL (${select(`${column} = s.id`)}) v`;
  const parts = [each(organizations, 'organization_id'), each(workspaces, 'workspace_id')];
  if (scope.own !== null)
    parts.push(
      `SELECT v.* FROM (${select(`COALESCE(token_id, user_id) = ${where.value(scope.own.id)}
        AND NOT is_hidden AND organization_id = ANY(${where.value(scope.own.organizations)})
        AND NOT organization_id = ANY(${organizations}) AND (workspace_id IS NULL OR NOT workspace_id = ANY(${workspaces}))`)}) v`,
    );
  return parts.join(' UNION ALL ');
}
