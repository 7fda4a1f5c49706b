import { Injectable, OnModuleDestroy } from '@nestjs/common';
import { Database } from '../../platform/database/transaction.js';
import { EventsService, type DomainEvent } from '../../platform/events/events.service.js';
import { FreshCache } from '../../platform/events/fresh-cache.js';
import type { MaybePromise } from '../../platform/maybe-promise.js';
import { CONNECTION_CHANGED } from '../connections/connections.events.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { DISCOVERY_FINISHED, TOOL_CHANGED } from '../discovery/discovery.events.js';
import { ResourcesService } from '../discovery/resources.service.js';
import { ToolCatalogService, type ToolOutline } from '../discovery/tool-catalog.service.js';
import { SERVER_TYPE_CHANGED } from '../registry/registry.events.js';
import { compileScope } from './policy/compiled-scope.js';
import type { ConnectionFacts, GrantFacts, Mark, PermissionLevel, ResourceFilters } from './policy/facts.js';
import { judgeRead } from './policy/decide-read.js';
import { compileGrant, judgeTool, whyInactive, type GrantPolicy } from './policy/grant-policy.js';
import { ACCESS_CHANGED } from './workspace-access.events.js';

/** Events end a cached policy within milliseconds, and the loss of their connection within seconds; this is a last resort. */
const CACHED_MS = 60_000;

export interface ConnectionPolicy extends ConnectionFacts {
  organizationId: string;
  outlines: ReadonlyMap<number, ToolOutline>;
  lookupTools: ReadonlyMap<string, number>;
}

/** A compiled grant, and what it makes visible. */
export interface Grant {
  workspaceId: string;
  connectionId: string;
  policy: GrantPolicy;
  /** Tools that may be asked what a call touches, name to resource id: they only read, as far as anybody knows now. */
  lookupTools: ReadonlyMap<string, number>;
  /** Resource ids of the tools that an agent would see. */
  toolIds: readonly number[];
  /** Resources, templates and prompts. */
  resourceIds: readonly number[];
}

export interface GrantRow {
  id: number;
  workspace_id: string;
  connection_id: string;
  permission_level: PermissionLevel;
  is_active: boolean;
  resource_filters: ResourceFilters;
}

interface GrantPlace {
  organization_id: string;
  workspace_id: string;
  connection_id: string;
}

/** Compiled grants, fresh within moments of a change on any replica. */
@Injectable()
export class PoliciesService implements OnModuleDestroy {
  private readonly connections: FreshCache<ConnectionPolicy>;
  /** Of a workspace on a connection, oldest first. */
  private readonly grants: FreshCache<Grant[]>;

  constructor(
    private readonly database: Database,
    private readonly connectionRows: ConnectionsService,
    private readonly resources: ResourcesService,
    private readonly tools: ToolCatalogService,
    events: EventsService,
  ) {
    const offered = [DISCOVERY_FINISHED, CONNECTION_CHANGED, SERVER_TYPE_CHANGED, TOOL_CHANGED];
    this.connections = new FreshCache(events, offered, {
      max: 200,
      ttlMs: CACHED_MS,
      affects: isOfConnection,
    });
    this.grants = new FreshCache(events, [...offered, ACCESS_CHANGED], {
      max: 2_000,
      ttlMs: CACHED_MS,
      affects: isOfConnection,
    });
  }

  onModuleDestroy(): void {
    this.connections.close();
    this.grants.close();
  }

  /** The grants of a workspace on a connection, oldest first; those that are switched off too. */
  of(organizationId: string, workspaceId: string, connectionId: string): MaybePromise<Grant[]> {
    return this.grants.get(`${organizationId} ${workspaceId} ${connectionId}`, async () => {
      const rows = await this.database.manager.query<GrantRow[]>(
        `SELECT id, workspace_id, connection_id, permission_level, is_active, resource_filters FROM workspace_access
          WHERE organization_id = $1 AND workspace_id = $2 AND connection_id = $3 AND deleted_at IS NULL ORDER BY id`,
        [organizationId, workspaceId, connectionId],
      );
      if (rows.length === 0) return [];
      const connection = await this.connection(connectionId);
      return Promise.all(rows.map((row) => this.compiled(row, connection)));
    });
  }

  /** Everything of the workspaces, as far as it is switched on. */
  async ofWorkspaces(workspaceIds: readonly string[]): Promise<Grant[]> {
    if (workspaceIds.length === 0) return [];
    const places = await this.database.manager.query<GrantPlace[]>(
      `SELECT DISTINCT a.organization_id, a.workspace_id, a.connection_id FROM workspace_access a
         JOIN connections c ON c.id = a.connection_id AND c.organization_id = a.organization_id AND c.deleted_at IS NULL AND c.is_active
        WHERE a.workspace_id = ANY($1) AND a.deleted_at IS NULL AND a.is_active`,
      [workspaceIds],
    );
    const grants = await Promise.all(
      places.map(async (place) => this.of(place.organization_id, place.workspace_id, place.connection_id)),
    );
    return grants.flat();
  }

  /** @throws DomainError 404 */
  connection(connectionId: string): MaybePromise<ConnectionPolicy> {
    return this.connections.get(connectionId, () => this.readConnection(connectionId));
  }

  /** Read now, past the cache: for jobs, which run because something changed. */
  async readConnection(connectionId: string): Promise<ConnectionPolicy> {
    const { isActive, organizationId, type } = await this.connectionRows.policyFacts(connectionId);
    const [resources, outlines] = await Promise.all([
      this.resources.outlines(connectionId),
      this.tools.outlines(connectionId),
    ]);
    return {
      isActive,
      organizationId,
      scopes: type.scopes.map(compileScope),
      resources: new Map(resources.map((resource) => [resource.id, resource])),
      tools: new Map(outlines.map(({ id, name, publicId, effect }) => [id, { id, name, publicId, effect }])),
      outlines: new Map(outlines.map((outline) => [outline.id, outline])),
      lookupTools: new Map(
        outlines
          .filter(({ effect, blocked }) => effect === 'read' && blocked === null)
          .map(({ name, id }) => [name, id]),
      ),
    };
  }

  /** @param manager of the transaction that holds the grant's row */
  async facts(row: GrantRow, manager = this.database.manager): Promise<GrantFacts> {
    const marks = await manager.query<{ resource_id: number; state: Mark }[]>(
      'SELECT resource_id, state FROM workspace_access_resources WHERE workspace_access_id = $1',
      [row.id],
    );
    return {
      id: row.id,
      level: row.permission_level,
      isActive: row.is_active,
      filters: row.resource_filters,
      marks: new Map(marks.map(({ resource_id: id, state }) => [id, state])),
    };
  }

  private async compiled(row: GrantRow, connection: ConnectionPolicy): Promise<Grant> {
    const policy = compileGrant(connection, await this.facts(row));
    const isOff = whyInactive(policy) !== null;
    const seen = isOff ? [] : [...connection.outlines.values()].filter((tool) => isListed(tool, policy));
    const granted = isOff ? [] : [...policy.granted];
    const expansions = isOff ? [] : listedExpansions(policy);
    return {
      workspaceId: row.workspace_id,
      connectionId: row.connection_id,
      policy,
      lookupTools: connection.lookupTools,
      toolIds: seen.map(({ id }) => id),
      resourceIds: [...granted.filter((id) => connection.resources.get(id)?.kind !== 'tool'), ...expansions],
    };
  }
}

/** Without a definition that somebody approved there is nothing to show an agent. */
function isListed(tool: ToolOutline, policy: GrantPolicy): boolean {
  return (
    tool.blocked !== 'definition_pending' &&
    tool.blocked !== 'definition_rejected' &&
    judgeTool(policy, tool).denial === null
  );
}

/** Listed resources that only a granted template makes readable. */
function listedExpansions(policy: GrantPolicy): number[] {
  if (policy.templates.length === 0) return [];
  return [...policy.connection.resources.values()]
    .filter(({ id, kind }) => kind === 'resource' && !policy.marked.has(id))
    .filter(({ id, uri }) => judgeRead(policy, { uri, resourceId: id }).denial === null)
    .map(({ id }) => id);
}

/** Keys end in the id of their connection; a change of a type concerns all. */
function isOfConnection(event: DomainEvent, key: string): boolean {
  return typeof event.connection_id !== 'string' || key.endsWith(event.connection_id);
}
