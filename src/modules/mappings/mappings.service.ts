import { Injectable } from '@nestjs/common';
import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import { administeredOrganizationIds, hasRole, type Actor } from '../../platform/auth/actor.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { forbidden, notFound } from '../../platform/http/domain-error.js';
import { Page, readPage } from '../../platform/http/paging.js';
import { MappingItem } from './mapping-item.entity.js';
import { Mapping } from './mapping.entity.js';
import {
  ListItems,
  ListMappings,
  toItemResponse,
  toMappingResponse,
  type ItemResponse,
  type ItemRow,
  type MappingResponse,
  type MappingRow,
} from './mappings.dto.js';

/** A row with what its rights follow from. */
export interface VisibleMapping extends MappingRow {
  workspace_id: string;
  connection_id: string;
  /** Of its shape. */
  version: number;
}

/** Mappings: the people and agents of the workspace read them, its managers and the organization's admins edit them. */
@Injectable()
export class MappingsService {
  constructor(private readonly database: Database) {}

  async list(actor: Actor, query: ListMappings): Promise<Page<MappingResponse>> {
    const rows = this.selected(actor);
    if (query.workspace_access !== undefined)
      rows.andWhere('m.workspace_access_id = :access', { access: query.workspace_access });
    if (query.resource !== undefined) rows.andWhere('m.resource_id = :resource', { resource: query.resource });
    if (query.component_type !== undefined)
      rows.andWhere('m.component_type = :componentType', { componentType: query.component_type });
    if (query.component_id !== undefined)
      rows.andWhere('m.component_id = :componentId', { componentId: query.component_id });
    return (await readPage<MappingRow, Mapping>(rows, 'm.id', query, 'integer')).map(toMappingResponse);
  }

  async get(actor: Actor, id: number): Promise<MappingResponse> {
    return toMappingResponse(await this.readable(actor, id));
  }

  async items(actor: Actor, id: number, query: ListItems): Promise<Page<ItemResponse>> {
    await this.readable(actor, id);
    const rows = this.database.manager
      .createQueryBuilder(MappingItem, 'i')
      .where('i.mapping_id = :id', { id })
      .select(['i.id AS id', 'i.external_id AS external_id', 'i.status AS status', 'i.rendered AS rendered'])
      .addSelect(['i.error AS error', 'i.synced_at AS synced_at']);
    if (query.status !== undefined) rows.andWhere('i.status = :status', { status: query.status });
    if (query.external_id !== undefined) rows.andWhere('i.external_id = :external', { external: query.external_id });
    return (await readPage<ItemRow, MappingItem>(rows, 'i.id', query, 'integer')).map(toItemResponse);
  }

  /** @throws DomainError 404 */
  async readable(actor: Actor, id: number, manager?: EntityManager): Promise<VisibleMapping> {
    const row = await this.selected(actor, manager).andWhere('m.id = :id', { id }).getRawOne<VisibleMapping>();
    if (!row) throw notFound('mapping', id);
    return row;
  }

  /** @throws DomainError 404, 403 */
  async editable(actor: Actor, id: number): Promise<VisibleMapping> {
    const mapping = await this.readable(actor, id);
    requireEditor(actor, mapping.organization_id, mapping.workspace_id);
    return mapping;
  }

  /** As it is now, and stays until the end of the transaction. @throws DomainError 404 */
  async held({ manager }: Transaction, actor: Actor, id: number): Promise<VisibleMapping> {
    await manager.query('SELECT 1 FROM mappings WHERE id = $1 FOR NO KEY UPDATE', [id]);
    return this.readable(actor, id, manager);
  }

  private selected(actor: Actor, manager: EntityManager = this.database.manager): SelectQueryBuilder<Mapping> {
    return manager
      .createQueryBuilder(Mapping, 'm')
      .innerJoin('m.workspaceAccess', 'a', 'a.deleted_at IS NULL')
      .innerJoin('a.workspace', 'w', 'w.deleted_at IS NULL')
      .innerJoin('a.connection', 'c', 'c.deleted_at IS NULL')
      .innerJoin('m.resource', 'r')
      .where('(m.organization_id = ANY(:administered) OR a.workspace_id = ANY(:joined))', {
        administered: administeredOrganizationIds(actor),
        joined: [...actor.workspaces.keys()],
      })
      .select(['m.id AS id', 'm.organization_id AS organization_id', 'a.workspace_id AS workspace_id'])
      .addSelect(['a.connection_id AS connection_id', 'm.version AS version'])
      .addSelect(['m.workspace_access_id AS workspace_access_id', 'm.resource_id AS resource_id'])
      .addSelect(['r.resource_name AS resource_name', 'r.resource_type AS resource_type'])
      .addSelect(['m.component_type AS component_type', 'm.component_id AS component_id', 'm.config AS config'])
      .addSelect(['m.last_synced AS last_synced', 'm.sync_frequency AS sync_frequency', 'm.is_active AS is_active'])
      .addSelect('m.created_at AS created_at');
  }
}

/** Of somebody who sees the workspace. @throws DomainError 403 */
export function requireEditor(actor: Actor, organizationId: string, workspaceId: string): void {
  if (hasRole(actor, organizationId, 'admin') || actor.workspaces.get(workspaceId)?.role === 'manager') return;
  throw forbidden('This needs a manager of the workspace');
}
