import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { hasRole, type Actor } from '../../platform/auth/actor.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { notFound } from '../../platform/http/domain-error.js';
import { Page, readPage } from '../../platform/http/paging.js';
import { AuditService } from '../audit/audit.service.js';
import { AccessResourcesService } from './access-resources.service.js';
import { PoliciesService, type GrantRow } from './policies.service.js';
import type { ConnectionFacts, GrantFacts } from './policy/facts.js';
import { FiltersTooCostly } from './policy/filters.js';
import { automaticResources, compileGrant } from './policy/grant-policy.js';
import {
  ListAccessResources,
  toAccessResourceResponse,
  type AccessResourceResponse,
  type NamedResource,
} from './workspace-access.dto.js';
import type { WorkspaceAccess } from './workspace-access.entity.js';
import { accessChanged } from './workspace-access.events.js';
import { WorkspaceAccessResource } from './workspace-access-resource.entity.js';
import { WorkspaceAccessService } from './workspace-access.service.js';

/** Single resources joining and leaving a grant. */
@Injectable()
export class AccessChangesService {
  constructor(
    private readonly database: Database,
    private readonly access: WorkspaceAccessService,
    private readonly resources: AccessResourcesService,
    private readonly policies: PoliciesService,
    private readonly audit: AuditService,
  ) {}

  /** How every marked resource stands in the grant. */
  async list(actor: Actor, id: number, query: ListAccessResources): Promise<Page<AccessResourceResponse>> {
    const access = await this.access.readable(actor, id);
    const rows = this.database.manager
      .createQueryBuilder(WorkspaceAccessResource, 'm')
      .innerJoin('m.resource', 'r')
      .select(['r.id AS id', 'r.resource_name AS resource_name', 'r.resource_type AS resource_type'])
      .addSelect(['r.resource_uri AS resource_uri', 'm.state AS state', 'r.is_available AS is_available'])
      .where('m.workspace_access_id = :id', { id });
    // What was taken out is not for those whom it was taken from.
    if (!hasRole(actor, access.organizationId, 'admin')) rows.andWhere("m.state <> 'excluded' AND r.is_available");
    if (query.state !== undefined) rows.andWhere('m.state = :state', { state: query.state });
    const page = await readPage<AccessResourceResponse, WorkspaceAccessResource>(rows, 'r.id', query, 'integer');
    return page.map(toAccessResourceResponse);
  }

  /** Adding lifts an exclusion, and makes explicit what was automatic; adding twice adds once. */
  async add(
    actor: Actor,
    id: number,
    resourceId: number,
  ): Promise<{ success: true; message: string; resource: NamedResource }> {
    const access = await this.access.editable(actor, id);
    await this.resources.requireOf(
      { id: access.connectionId, organizationId: access.organizationId },
      [resourceId],
      'resource_id',
    );
    const resource = await this.changing(actor, access, resourceId, 'added', ({ manager }) =>
      this.resources.mark(manager, id, [resourceId], 'explicit'),
    );
    return { success: true, message: 'Resource added to workspace access', resource };
  }

  /** What a parent or the filters would bring back is excluded; anything else just leaves. */
  async remove(actor: Actor, id: number, resourceId: number): Promise<{ success: true; message: string }> {
    const access = await this.access.editable(actor, id);
    const connection = await this.policies.connection(access.connectionId);
    await this.changing(actor, access, resourceId, 'removed', async ({ manager }, row) => {
      const facts = await this.policies.facts(row, manager);
      const mark = facts.marks.get(resourceId);
      const { marked } = compileGrant(connection, facts);
      const isAllowed = mark === 'explicit' || mark === 'automatic' || marked.has(resourceId);
      if (!isAllowed) throw notFound('resource', resourceId);
      if (mark === 'automatic' || mayComeBack(connection, facts, resourceId))
        await this.resources.mark(manager, id, [resourceId], 'excluded');
      else await this.resources.unmark(manager, id, [resourceId]);
    });
    return { success: true, message: 'Resource removed from workspace access' };
  }

  /** The grant's row is locked, so that auto-sync and other people come before or after. */
  private changing(
    actor: Actor,
    access: WorkspaceAccess,
    resourceId: number,
    verb: 'added' | 'removed',
    change: (transaction: Transaction, row: GrantRow) => Promise<void>,
  ): Promise<NamedResource> {
    const { id, organizationId } = access;
    return this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      const [row] = await manager.query<GrantRow[]>(
        `SELECT id, workspace_id, connection_id, permission_level, is_active, resource_filters
           FROM workspace_access WHERE id = $1 AND organization_id = $2 AND deleted_at IS NULL FOR UPDATE`,
        [id, organizationId],
      );
      if (!row) throw notFound('workspace_access', id);
      const before = await this.resources.markOf(manager, id, resourceId);
      await change(transaction, row);
      const after = await this.resources.markOf(manager, id, resourceId);
      const resource = await named(manager, organizationId, resourceId);
      await transaction.publish(accessChanged(id, access.workspaceId, access.connectionId));
      if (before === after) return resource;
      await this.audit.record(transaction, actor, {
        organizationId,
        action: `workspace_access.resource_${verb}`,
        object: { type: 'workspace_access', id },
        before: before && { resource: { ...resource, state: before } },
        after: after && { resource: { ...resource, state: after } },
      });
      return resource;
    });
  }
}

async function named(manager: EntityManager, organizationId: string, resourceId: number): Promise<NamedResource> {
  const [resource] = await manager.query<NamedResource[]>(
    'SELECT id, resource_name, resource_type FROM resources WHERE id = $1 AND organization_id = $2',
    [resourceId, organizationId],
  );
  if (!resource) throw notFound('resource', resourceId);
  return resource;
}

/** Whether a parent or the filters would bring a resource in again; so might they what is not available now, or hard to decide. */
function mayComeBack(connection: ConnectionFacts, facts: GrantFacts, resourceId: number): boolean {
  if (!connection.resources.has(resourceId)) return true;
  const without = { ...facts, marks: new Map([...facts.marks].filter(([id]) => id !== resourceId)) };
  if (compileGrant(connection, without).marked.has(resourceId)) return true;
  try {
    return automaticResources(connection, without).has(resourceId);
  } catch (error) {
    if (error instanceof FiltersTooCostly) return true;
    throw error;
  }
}
