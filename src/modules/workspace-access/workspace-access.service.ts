import { Injectable } from '@nestjs/common';
import { IsNull, type SelectQueryBuilder } from 'typeorm';
import { administeredOrganizationIds, hasRole, type Actor } from '../../platform/auth/actor.js';
import { columns } from '../../platform/database/columns.js';
import { nameTaken } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { forbidden, invalid, notFound } from '../../platform/http/domain-error.js';
import { Page, readPage } from '../../platform/http/paging.js';
import { enqueueJob } from '../../platform/jobs/enqueue-job.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { WorkspacesService } from '../identity/workspaces.service.js';
import { AccessResourcesService } from './access-resources.service.js';
import { AUTO_SYNC_JOB } from './auto-sync.service.js';
import { ResourceFiltersService } from './resource-filters.service.js';
import {
  CreateWorkspaceAccess,
  ListWorkspaceAccess,
  toWorkspaceAccessResponse,
  UpdateWorkspaceAccess,
  type WorkspaceAccessResponse,
  type WorkspaceAccessRow,
} from './workspace-access.dto.js';
import { WorkspaceAccess } from './workspace-access.entity.js';
import { accessChanged } from './workspace-access.events.js';

/** Grants: the organization's admins edit them, the people and agents of the workspace read them. */
@Injectable()
export class WorkspaceAccessService {
  constructor(
    private readonly database: Database,
    private readonly workspaces: WorkspacesService,
    private readonly connections: ConnectionsService,
    private readonly resources: AccessResourcesService,
    private readonly filters: ResourceFiltersService,
  ) {}

  async list(actor: Actor, query: ListWorkspaceAccess): Promise<Page<WorkspaceAccessResponse>> {
    const rows = this.selected(actor);
    if (query.workspace !== undefined) rows.andWhere('a.workspace_id = :workspace', { workspace: query.workspace });
    if (query.connection !== undefined)
      rows.andWhere('a.connection_id = :connection', { connection: query.connection });
    if (query.is_active !== undefined) rows.andWhere('a.is_active = :active', { active: query.is_active });
    const page = await readPage<WorkspaceAccessRow, WorkspaceAccess>(rows, 'a.id', query, 'integer');
    const shown = await this.resources.shown(page.items.map((row) => row.id));
    return page.map((row) => toWorkspaceAccessResponse(row, shown.get(row.id)));
  }

  async get(actor: Actor, id: number): Promise<WorkspaceAccessResponse> {
    const row = await this.selected(actor).andWhere('a.id = :id', { id }).getRawOne<WorkspaceAccessRow>();
    if (!row) throw notFound('workspace_access', id);
    return toWorkspaceAccessResponse(row, (await this.resources.shown([id])).get(id));
  }

  async create(actor: Actor, body: CreateWorkspaceAccess): Promise<WorkspaceAccessResponse> {
    const organizationId = await this.workspaces.organizationOf(actor, body.workspace);
    requireAdmin(actor, organizationId);
    const connection = await this.connections.required(actor, body.connection, 'admin');
    if (connection.organizationId !== organizationId)
      throw invalid({ connection: ['belongs to another organization than the workspace'] });
    await this.filters.check(connection.id, body.resource_filters ?? {});
    await this.resources.requireOf(connection, body.allowed_resources ?? []);
    const id = await this.database.transaction(async (transaction) => {
      const inserted = await transaction.manager
        .insert(
          WorkspaceAccess,
          columns<WorkspaceAccess>({
            ...toColumns(body),
            organizationId,
            workspaceId: body.workspace,
            connectionId: connection.id,
            createdById: actor.userId,
          }),
        )
        .catch(nameTaken('workspace_access_name_key', 'access_name'));
      const { id: created } = inserted.identifiers[0] as { id: number };
      await this.resources.setExplicit(transaction.manager, created, body.allowed_resources ?? []);
      await this.announce(transaction, created, body.workspace, connection.id, true);
      return created;
    });
    return this.get(actor, id);
  }

  async update(actor: Actor, id: number, body: UpdateWorkspaceAccess): Promise<WorkspaceAccessResponse> {
    const { organizationId, workspaceId, connectionId, accessName } = await this.editable(actor, id);
    if (body.resource_filters) await this.filters.check(connectionId, body.resource_filters);
    await this.resources.requireOf({ id: connectionId, organizationId }, body.allowed_resources ?? []);
    await this.database.transaction(async (transaction) => {
      const { affected } = await transaction.manager
        .update(
          WorkspaceAccess,
          { id, organizationId, deletedAt: IsNull() },
          columns<WorkspaceAccess>({ ...toColumns(body), accessName: body.access_name ?? accessName }),
        )
        .catch(nameTaken('workspace_access_name_key', 'access_name'));
      if (affected !== 1) throw notFound('workspace_access', id);
      if (body.allowed_resources) await this.resources.setExplicit(transaction.manager, id, body.allowed_resources);
      const isSyncDue = Boolean(body.resource_filters ?? body.allowed_resources ?? body.auto_sync);
      await this.announce(transaction, id, workspaceId, connectionId, isSyncDue);
    });
    return this.get(actor, id);
  }

  /** Leaves a tombstone. */
  async remove(actor: Actor, id: number): Promise<void> {
    const { organizationId, workspaceId, connectionId } = await this.editable(actor, id);
    await this.database.transaction(async (transaction) => {
      const living = { id, organizationId, deletedAt: IsNull() };
      const { affected } = await transaction.manager.update(WorkspaceAccess, living, { deletedAt: new Date() });
      if (affected !== 1) throw notFound('workspace_access', id);
      await transaction.publish(accessChanged(id, workspaceId, connectionId));
    });
  }

  /** A living grant that the actor may change. @throws DomainError 404, 403 */
  async editable(actor: Actor, id: number): Promise<WorkspaceAccess> {
    const access = await this.readable(actor, id);
    requireAdmin(actor, access.organizationId);
    return access;
  }

  /** A living grant that the actor may see. @throws DomainError 404 */
  async readable(actor: Actor, id: number): Promise<WorkspaceAccess> {
    const access = await this.visible(actor).andWhere('a.id = :id', { id }).getOne();
    if (!access) throw notFound('workspace_access', id);
    return access;
  }

  /** In the transaction of the change: what auto-sync has to look at, and who has to forget what. */
  private async announce(
    transaction: Transaction,
    id: number,
    workspaceId: string,
    connectionId: string,
    isSyncDue: boolean,
  ): Promise<void> {
    const order = { queue: `connection:${connectionId}`, key: `${AUTO_SYNC_JOB}:${id}` };
    if (isSyncDue) await enqueueJob(transaction, AUTO_SYNC_JOB, { workspace_access_id: id }, order);
    await transaction.publish(accessChanged(id, workspaceId, connectionId));
  }

  private visible(actor: Actor): SelectQueryBuilder<WorkspaceAccess> {
    return this.database.manager
      .createQueryBuilder(WorkspaceAccess, 'a')
      .innerJoin('a.workspace', 'w', 'w.deleted_at IS NULL')
      .innerJoin('a.connection', 'c', 'c.deleted_at IS NULL')
      .where('a.deleted_at IS NULL')
      .andWhere('(a.organization_id = ANY(:administered) OR a.workspace_id = ANY(:joined))', {
        administered: administeredOrganizationIds(actor),
        joined: [...actor.workspaces.keys()],
      });
  }

  private selected(actor: Actor): SelectQueryBuilder<WorkspaceAccess> {
    return this.visible(actor)
      .leftJoin('a.createdBy', 'u')
      .select([
        'a.id AS id',
        'a.workspace_id AS workspace_id',
        'w.name AS workspace_name',
        'a.connection_id AS connection_id',
        'c.connection_name AS connection_name',
        'a.access_name AS access_name',
        'a.description AS description',
        'a.resource_filters AS resource_filters',
        'a.permission_level AS permission_level',
        'a.is_active AS is_active',
        'a.auto_sync AS auto_sync',
        'a.last_used AS last_used',
        'a.usage_count AS usage_count',
        'a.created_at AS created_at',
        'a.created_by AS created_by',
        'u.username AS username',
      ]);
  }
}

/** Of somebody who sees the workspace: it is no secret that it is there. */
function requireAdmin(actor: Actor, organizationId: string): void {
  if (!hasRole(actor, organizationId, 'admin')) throw forbidden('This needs the role admin in the organization');
}

function toColumns(body: UpdateWorkspaceAccess): Partial<WorkspaceAccess> {
  return {
    accessName: body.access_name,
    description: body.description,
    resourceFilters: body.resource_filters,
    permissionLevel: body.permission_level,
    isActive: body.is_active,
    autoSync: body.auto_sync,
  };
}
