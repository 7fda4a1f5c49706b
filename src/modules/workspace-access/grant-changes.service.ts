import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import type { Actor } from '../../platform/auth/actor.js';
import { columns } from '../../platform/database/columns.js';
import { nameTaken } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { IdempotencyService } from '../../platform/http/idempotency/idempotency.service.js';
import { enqueueJob } from '../../platform/jobs/enqueue-job.js';
import { AuditService, type Change } from '../audit/audit.service.js';
import { AccessChecksService, type GrantPlace } from './access-checks.service.js';
import { AccessResourcesService } from './access-resources.service.js';
import { AUTO_SYNC_JOB } from './auto-sync.service.js';
import { CreateWorkspaceAccess, UpdateWorkspaceAccess, type WorkspaceAccessResponse } from './workspace-access.dto.js';
import { WorkspaceAccess } from './workspace-access.entity.js';
import { accessChanged } from './workspace-access.events.js';
import { WorkspaceAccessService } from './workspace-access.service.js';

/** Grants made, changed and taken away, by the organization's admins. */
@Injectable()
export class GrantChangesService {
  constructor(
    private readonly database: Database,
    private readonly access: WorkspaceAccessService,
    private readonly checks: AccessChecksService,
    private readonly resources: AccessResourcesService,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
  ) {}

  async create(actor: Actor, body: CreateWorkspaceAccess): Promise<WorkspaceAccessResponse> {
    const place = await this.checks.placeForNew(actor, body);
    await this.checks.check(place, { ...body, resource_filters: body.resource_filters ?? {} });
    return this.database.transaction(async (transaction) => {
      const values = columns<WorkspaceAccess>({ ...toColumns(body), ...place, createdById: actor.userId });
      const inserted = await transaction.manager
        .insert(WorkspaceAccess, values)
        .catch(nameTaken('workspace_access_name_key', 'access_name'));
      const { id } = inserted.identifiers[0] as { id: number };
      await this.resources.setExplicit(transaction.manager, id, body.allowed_resources ?? []);
      await announce(transaction, id, place, true);
      const created = await this.access.held(transaction, actor, id);
      await this.idempotency.answer(transaction, actor, created);
      await this.audit.record(transaction, actor, changeOf('created', id, place, { after: { ...created } }));
      return created;
    });
  }

  async update(actor: Actor, id: number, body: UpdateWorkspaceAccess): Promise<WorkspaceAccessResponse> {
    const access = await this.access.editable(actor, id);
    await this.checks.check(access, body);
    return this.database.transaction(async (transaction) => {
      const before = await this.access.held(transaction, actor, id);
      await transaction.manager
        .update(
          WorkspaceAccess,
          { id, organizationId: access.organizationId, deletedAt: IsNull() },
          columns<WorkspaceAccess>({ ...toColumns(body), accessName: body.access_name ?? before.access_name }),
        )
        .catch(nameTaken('workspace_access_name_key', 'access_name'));
      if (body.allowed_resources) await this.resources.setExplicit(transaction.manager, id, body.allowed_resources);
      const isSyncDue = Boolean(body.resource_filters ?? body.allowed_resources ?? body.auto_sync);
      await announce(transaction, id, access, isSyncDue);
      const after = await this.access.held(transaction, actor, id);
      const states = { before: { ...before }, after: { ...after } };
      await this.audit.record(transaction, actor, changeOf('updated', id, access, states));
      return after;
    });
  }

  /** Leaves a tombstone. */
  async remove(actor: Actor, id: number): Promise<void> {
    const access = await this.access.editable(actor, id);
    const { organizationId } = access;
    await this.database.transaction(async (transaction) => {
      const before = await this.access.held(transaction, actor, id);
      await transaction.manager.update(WorkspaceAccess, { id, organizationId }, { deletedAt: new Date() });
      await announce(transaction, id, access, false);
      await this.audit.record(transaction, actor, changeOf('deleted', id, access, { before: { ...before } }));
    });
  }
}

/** In the transaction of the change: what auto-sync has to look at, and who has to forget what. */
async function announce(
  transaction: Transaction,
  id: number,
  { workspaceId, connectionId }: GrantPlace,
  isSyncDue: boolean,
): Promise<void> {
  const order = { queue: `connection:${connectionId}`, key: `${AUTO_SYNC_JOB}:${id}` };
  if (isSyncDue) await enqueueJob(transaction, AUTO_SYNC_JOB, { workspace_access_id: id }, order);
  await transaction.publish(accessChanged(id, workspaceId, connectionId));
}

function changeOf(verb: string, id: number, place: GrantPlace, states: Pick<Change, 'before' | 'after'>): Change {
  const { organizationId } = place;
  return { organizationId, action: `workspace_access.${verb}`, object: { type: 'workspace_access', id }, ...states };
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
