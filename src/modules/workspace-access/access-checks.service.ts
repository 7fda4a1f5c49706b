import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import { invalid } from '../../platform/http/domain-error.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { WorkspacesService } from '../identity/workspaces.service.js';
import { AccessResourcesService } from './access-resources.service.js';
import { ResourceFiltersService } from './resource-filters.service.js';
import type { CreateWorkspaceAccess, UpdateWorkspaceAccess } from './workspace-access.dto.js';
import { requireAdmin } from './workspace-access.service.js';

/** Where a grant is: a workspace and a connection of one organization. */
export interface GrantPlace {
  organizationId: string;
  workspaceId: string;
  connectionId: string;
}

/** What somebody asks of a grant, looked at before anything is written. */
@Injectable()
export class AccessChecksService {
  constructor(
    private readonly workspaces: WorkspacesService,
    private readonly connections: ConnectionsService,
    private readonly resources: AccessResourcesService,
    private readonly filters: ResourceFiltersService,
  ) {}

  /** Where a new grant may be. @throws DomainError 404, 403, 400 */
  async placeForNew(actor: Actor, body: CreateWorkspaceAccess): Promise<GrantPlace> {
    const organizationId = await this.workspaces.organizationOf(actor, body.workspace);
    requireAdmin(actor, organizationId);
    const connection = await this.connections.required(actor, body.connection, 'admin');
    if (connection.organizationId !== organizationId)
      throw invalid({ connection: ['belongs to another organization than the workspace'] });
    return { organizationId, workspaceId: body.workspace, connectionId: connection.id };
  }

  /** Whether filters and resources fit the connection. @throws DomainError 400, 404 */
  async check({ organizationId, connectionId }: GrantPlace, body: UpdateWorkspaceAccess): Promise<void> {
    if (body.resource_filters) await this.filters.check(connectionId, body.resource_filters);
    await this.resources.requireOf({ id: connectionId, organizationId }, body.allowed_resources ?? []);
  }
}
