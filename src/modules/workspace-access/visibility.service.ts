import { Injectable } from '@nestjs/common';
import { administeredOrganizationIds, hasRole, organizationIds, type Actor } from '../../platform/auth/actor.js';
import type { RowScope } from '../discovery/resources.service.js';
import { WorkspacesService } from '../identity/workspaces.service.js';
import { PoliciesService, type Grant } from './policies.service.js';

/** What of the discovered things an actor may see. */
export interface Visibility {
  tools: RowScope;
  /** Tools among them. */
  resources: RowScope;
  /** Of connections: every member of an organization knows what it is connected to, an agent what it was granted. */
  servers: { organizations: readonly string[]; connectionIds: readonly string[] };
}

/** Lists show what could be used: everything to admins, to everybody else what their workspaces were granted. */
@Injectable()
export class VisibilityService {
  constructor(
    private readonly policies: PoliciesService,
    private readonly workspaces: WorkspacesService,
  ) {}

  /**
   * @param workspace only what this one was granted, for an admin too
   * @param organization only what is in this one
   * @throws DomainError 404 for a workspace that the actor does not see
   */
  async of(actor: Actor, workspace?: string, organization?: string): Promise<Visibility> {
    if (workspace !== undefined) {
      const place = await this.workspaces.organizationOf(actor, workspace);
      const isMeant = organization === undefined || organization === place;
      return visible([], [], isMeant ? await this.policies.ofWorkspaces([workspace]) : []);
    }
    const isMeant = (id: string): boolean => organization === undefined || organization === id;
    const joined = [...actor.workspaces]
      .filter(([, { organizationId: id }]) => isMeant(id) && !hasRole(actor, id, 'admin'))
      .map(([id]) => id);
    return visible(
      administeredOrganizationIds(actor).filter(isMeant),
      organizationIds(actor).filter(isMeant),
      await this.policies.ofWorkspaces(joined),
    );
  }
}

function visible(administered: string[], memberOf: string[], grants: readonly Grant[]): Visibility {
  const toolIds = [...new Set(grants.flatMap((grant) => grant.toolIds))];
  const others = new Set(grants.flatMap((grant) => grant.resourceIds));
  return {
    tools: { organizations: administered, resourceIds: toolIds },
    resources: { organizations: administered, resourceIds: [...others, ...toolIds] },
    servers: { organizations: memberOf, connectionIds: [...new Set(grants.map((grant) => grant.connectionId))] },
  };
}
