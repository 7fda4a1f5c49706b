import { Injectable } from '@nestjs/common';
import { hasRole, type Actor } from '../../platform/auth/actor.js';
import { DomainError, forbidden, notFound } from '../../platform/http/domain-error.js';
import type { Page, PageQuery } from '../../platform/http/paging.js';
import { ConnectedServersService, type ServerFacts } from '../connections/connected-servers.service.js';
import { ConnectionChangesService } from '../connections/connection-changes.service.js';
import { ResourcesService } from '../discovery/resources.service.js';
import { WorkspacesService } from '../identity/workspaces.service.js';
import { VisibilityService } from '../workspace-access/visibility.service.js';
import type { Caller } from './caller.js';
import { canBeAnId, candidateOrganizations, theOnly } from '../../platform/auth/organization-choice.js';
import {
  AddServer,
  ListServers,
  toServerResourceResponse,
  type ServerResourceResponse,
  type ServerResponse,
} from './servers.dto.js';

/** Connections as the `/mcp/servers` API shows them, by their slug. */
@Injectable()
export class ServersService {
  constructor(
    private readonly connected: ConnectedServersService,
    private readonly changes: ConnectionChangesService,
    private readonly resources: ResourcesService,
    private readonly visibility: VisibilityService,
    private readonly workspaces: WorkspacesService,
  ) {}

  async list(actor: Actor, query: ListServers): Promise<Page<ServerResponse>> {
    const { servers, resources } = await this.visibility.of(actor, undefined, query.organization);
    const page = await this.connected.list(servers, query);
    const counts = await this.resources.counts(
      resources,
      page.items.map((server) => server.id),
    );
    return page.map((server) => describe(server, counts.get(server.id)));
  }

  async get(actor: Actor, serverId: string, organization: string | undefined): Promise<ServerResponse> {
    const server = await this.find(actor, serverId, organization);
    const { resources } = await this.visibility.of(actor);
    return describe(server, (await this.resources.counts(resources, [server.id])).get(server.id));
  }

  async remove(actor: Actor, serverId: string, organization: string | undefined): Promise<{ message: string }> {
    const server = await this.find(actor, serverId, organization);
    if (!hasRole(actor, server.organizationId, 'admin'))
      throw forbidden('This needs the role admin in the organization');
    await this.changes.remove(actor, server.id);
    return { message: `MCP server ${serverId} removed successfully` };
  }

  async listResources(
    caller: Caller,
    serverId: string,
    organization: string | undefined,
    page: PageQuery,
  ): Promise<Page<ServerResourceResponse>> {
    const server = await this.findFor(caller, serverId, organization);
    const { resources } = await this.visibility.of(caller.actor, caller.workspace);
    return (await this.resources.listOfConnection(server.id, resources, page)).map(toServerResourceResponse);
  }

  /** @throws DomainError 404, 409 `organization_ambiguous` */
  async find(actor: Actor, serverId: string, organization: string | undefined): Promise<ServerFacts> {
    const { servers } = await this.visibility.of(actor, undefined, organization);
    const found = canBeAnId(serverId) ? await this.connected.find(servers, serverId) : [];
    return theOnly(found, 'server', serverId.slice(0, 200));
  }

  /** The same for a use: where the caller names a workspace, its organization is meant. @throws DomainError 404, 409 */
  async findFor(
    { actor, workspace }: Caller,
    serverId: string,
    organization: string | undefined,
  ): Promise<ServerFacts> {
    const meant =
      organization ?? (workspace === undefined ? undefined : await this.workspaces.organizationOf(actor, workspace));
    return this.find(actor, serverId, meant);
  }

  /**
   * The organization in which the actor adds a server: the named one, else the only one it administers.
   * @throws DomainError 404, 403, 409 `organization_ambiguous` or `name_taken`
   */
  async placeForNew(actor: Actor, wish: AddServer): Promise<string> {
    const organizationId = this.organizationForNew(actor, wish.organization);
    await this.connected.requireFree(organizationId, wish.server_id, wish.server_name);
    return organizationId;
  }

  private organizationForNew(actor: Actor, named: string | undefined): string {
    if (named !== undefined && !actor.organizations.has(named)) throw notFound('organization', named);
    const administered = candidateOrganizations(actor, named).filter((id) => hasRole(actor, id, 'admin'));
    const [only, ...others] = administered;
    if (only === undefined) throw forbidden('This needs the role admin in an organization');
    if (others.length > 0) {
      throw new DomainError(
        'organization_ambiguous',
        'You administer several organizations: name one in "organization"',
        { organizations: administered },
      );
    }
    return only;
  }
}

function describe(server: ServerFacts, counts: { tools: number; resources: number } | undefined): ServerResponse {
  return {
    server_id: server.slug,
    server_name: server.connectionName,
    server_url: server.serverUrl,
    is_connected: server.isActive && server.status === 'connected',
    tool_count: counts?.tools ?? 0,
    resource_count: counts?.resources ?? 0,
  };
}
