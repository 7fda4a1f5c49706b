import { Injectable } from '@nestjs/common';
import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import { administeredOrganizationIds, hasRole, type Actor } from '../../platform/auth/actor.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { forbidden, notFound } from '../../platform/http/domain-error.js';
import { Page, readPage } from '../../platform/http/paging.js';
import { AccessResourcesService } from './access-resources.service.js';
import {
  ListWorkspaceAccess,
  toWorkspaceAccessResponse,
  type WorkspaceAccessResponse,
  type WorkspaceAccessRow,
} from './workspace-access.dto.js';
import { WorkspaceAccess } from './workspace-access.entity.js';

/** Grants: the people and agents of the workspace read them, the organization's admins edit them (grant-changes.service.ts). */
@Injectable()
export class WorkspaceAccessService {
  constructor(
    private readonly database: Database,
    private readonly resources: AccessResourcesService,
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

  get(actor: Actor, id: number): Promise<WorkspaceAccessResponse> {
    return this.shown(this.selected(actor), id, this.database.manager);
  }

  /** A grant as it is now, and stays until the end of the transaction. @throws DomainError 404 */
  held({ manager }: Transaction, actor: Actor, id: number): Promise<WorkspaceAccessResponse> {
    const rows = this.selected(actor, manager).setLock('for_no_key_update', undefined, ['a']);
    return this.shown(rows, id, manager);
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

  private async shown(
    rows: SelectQueryBuilder<WorkspaceAccess>,
    id: number,
    manager: EntityManager,
  ): Promise<WorkspaceAccessResponse> {
    const row = await rows.andWhere('a.id = :id', { id }).getRawOne<WorkspaceAccessRow>();
    if (!row) throw notFound('workspace_access', id);
    return toWorkspaceAccessResponse(row, (await this.resources.shown([id], manager)).get(id));
  }

  private visible(actor: Actor, manager: EntityManager = this.database.manager): SelectQueryBuilder<WorkspaceAccess> {
    return manager
      .createQueryBuilder(WorkspaceAccess, 'a')
      .innerJoin('a.workspace', 'w', 'w.deleted_at IS NULL')
      .innerJoin('a.connection', 'c', 'c.deleted_at IS NULL')
      .where('a.deleted_at IS NULL')
      .andWhere('(a.organization_id = ANY(:administered) OR a.workspace_id = ANY(:joined))', {
        administered: administeredOrganizationIds(actor),
        joined: [...actor.workspaces.keys()],
      });
  }

  private selected(actor: Actor, manager?: EntityManager): SelectQueryBuilder<WorkspaceAccess> {
    return this.visible(actor, manager)
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
export function requireAdmin(actor: Actor, organizationId: string): void {
  if (!hasRole(actor, organizationId, 'admin')) throw forbidden('This needs the role admin in the organization');
}
