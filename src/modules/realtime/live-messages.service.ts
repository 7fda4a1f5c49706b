import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import type { DomainEvent } from '../../platform/events/events.service.js';
import { CONNECTION_CHANGED, CONNECTION_STATUS } from '../connections/connections.events.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { DISCOVERY_FINISHED, DISCOVERY_PROGRESSED, TOOL_CHANGED } from '../discovery/discovery.events.js';
import { DiscoveryRunsService } from '../discovery/discovery-runs.service.js';
import { ResourcesService } from '../discovery/resources.service.js';
import { ToolCatalogService } from '../discovery/tool-catalog.service.js';
import { MAPPING_SYNCED } from '../mappings/mappings.events.js';
import { SyncsService } from '../mappings/syncs.service.js';
import { VisibilityService } from '../workspace-access/visibility.service.js';
import { connectionStatus, resourceUpdated, type Message } from './messages.js';

/** Whom a message concerns. */
export interface About {
  organizationId: string;
  /** Only those who see this resource. */
  resourceId?: number;
  /** Only those in this workspace, and admins. */
  workspaceId?: string;
  /** Only admins of the organization. */
  isForAdmins?: boolean;
}

export interface Addressed {
  message: Message;
  about: About;
}

/** More changes at once than this are told as one: read everything anew. */
const MOST_CHANGES = 2_000;

/** From an event, which has ids only, to messages and to whom they may be shown. */
@Injectable()
export class LiveMessagesService {
  constructor(
    private readonly connections: ConnectionsService,
    private readonly resources: ResourcesService,
    private readonly tools: ToolCatalogService,
    private readonly runs: DiscoveryRunsService,
    private readonly syncs: SyncsService,
    private readonly visibility: VisibilityService,
  ) {}

  /** Whether somebody may hear of a connection: members of its organization, and those whose workspaces were granted something of it. */
  async mayHear(actor: Actor, connectionId: string): Promise<boolean> {
    const state = await this.connections.liveState(connectionId);
    if (!state) return false;
    const { servers } = await this.visibility.of(actor);
    return servers.organizations.includes(state.organizationId) || servers.connectionIds.includes(connectionId);
  }

  async connectionOf(event: DomainEvent): Promise<string | null> {
    if (typeof event.connection_id === 'string') return event.connection_id;
    if (event.type !== MAPPING_SYNCED) return null;
    return (await this.syncs.ended(String(event.sync_id)))?.connection_id ?? null;
  }

  async about(event: DomainEvent, connectionId: string): Promise<Addressed[]> {
    switch (event.type) {
      case CONNECTION_CHANGED:
      case CONNECTION_STATUS:
        return this.status(connectionId);
      case DISCOVERY_FINISHED:
        return this.changes(connectionId, String(event.run_id));
      case DISCOVERY_PROGRESSED:
        return this.progress(connectionId, String(event.run_id));
      case TOOL_CHANGED:
        return this.tool(connectionId, String(event.organization_id), Number(event.resource_id));
      case MAPPING_SYNCED:
        return this.sync(String(event.sync_id));
      default:
        return [];
    }
  }

  /** What an actor sees, asked once for all messages of an event. */
  async sightOf(actor: Actor): Promise<(about: About) => boolean> {
    const { resources } = await this.visibility.of(actor);
    const ids = new Set(resources.resourceIds);
    return ({ organizationId, resourceId, workspaceId, isForAdmins }) => {
      if (resources.organizations.includes(organizationId)) return true;
      if (isForAdmins) return false;
      if (workspaceId !== undefined) return actor.workspaces.has(workspaceId);
      return resourceId === undefined || ids.has(resourceId);
    };
  }

  async status(connectionId: string): Promise<Addressed[]> {
    const state = await this.connections.liveState(connectionId);
    if (!state) return [];
    const { organizationId, status } = state;
    return [{ message: connectionStatus(connectionId, status), about: { organizationId } }];
  }

  private async changes(connectionId: string, runId: string): Promise<Addressed[]> {
    const changed = await this.resources.changedIn(connectionId, runId, MOST_CHANGES + 1);
    const [first] = changed;
    if (!first) return [];
    if (changed.length > MOST_CHANGES)
      return [{ message: { type: 'resync' }, about: { organizationId: first.organization_id } }];
    return changed.map((resource) => ({
      message: resourceUpdated(resource),
      about: { organizationId: resource.organization_id, resourceId: resource.id },
    }));
  }

  private async progress(connectionId: string, runId: string): Promise<Addressed[]> {
    const run = await this.runs.find(connectionId, runId);
    const state = await this.connections.liveState(connectionId);
    if (!run || !state) return [];
    const { stage, resourcesFound } = run;
    const message = {
      type: 'discovery_progress' as const,
      connection_id: connectionId,
      run_id: runId,
      stage,
      resources_found: resourcesFound,
    };
    // How much there is says something of what is not granted.
    return [{ message, about: { organizationId: state.organizationId, isForAdmins: true } }];
  }

  private async tool(connectionId: string, organizationId: string, resourceId: number): Promise<Addressed[]> {
    if (resourceId === 0) {
      const message = { type: 'tool_changed' as const, connection_id: connectionId, tool: null };
      return [{ message, about: { organizationId } }];
    }
    const tool = await this.tools.byId(resourceId);
    const named = tool ? { id: tool.publicId, resource_id: resourceId } : null;
    const message = { type: 'tool_changed' as const, connection_id: connectionId, tool: named };
    return [{ message, about: { organizationId, resourceId } }];
  }

  private async sync(syncId: string): Promise<Addressed[]> {
    const ended = await this.syncs.ended(syncId);
    if (!ended) return [];
    const { mapping_id, status, items_synced, items_failed, organization_id, workspace_id } = ended;
    const message = {
      type: 'mapping_synced' as const,
      mapping_id,
      sync_id: syncId,
      status,
      items_synced,
      items_failed,
    };
    return [{ message, about: { organizationId: organization_id, workspaceId: workspace_id } }];
  }
}
