import { Injectable } from '@nestjs/common';
import { In, type EntityManager, type SelectQueryBuilder } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { administeredOrganizationIds, hasRole, requireRole, type Actor } from '../../platform/auth/actor.js';
import { nameTaken } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { forbidden, notFound } from '../../platform/http/domain-error.js';
import type { MaybePromise } from '../../platform/maybe-promise.js';
import { IdempotencyService } from '../../platform/http/idempotency/idempotency.service.js';
import { Page, readPage } from '../../platform/http/paging.js';
import { AuditService, type Change } from '../audit/audit.service.js';
import { identityChanged } from './identity.events.js';
import { Workspace } from './workspace.entity.js';
import {
  CreateWorkspace,
  ListWorkspaces,
  toWorkspaceResponse,
  UpdateWorkspace,
  type WorkspaceResponse,
  type WorkspaceRow,
} from './workspaces.dto.js';

/** Owners and admins edit the workspaces of their organization; members see those they work in. */
@Injectable()
export class WorkspacesService {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
  ) {}

  async list(actor: Actor, query: ListWorkspaces): Promise<Page<WorkspaceResponse>> {
    const rows = this.visible(actor);
    if (query.organization) rows.andWhere('w.organization_id = :organization', { organization: query.organization });
    return (await readPage<WorkspaceRow, Workspace>(rows, 'w.id', query, 'uuid')).map(toWorkspaceResponse);
  }

  get(actor: Actor, id: string): Promise<WorkspaceResponse> {
    return only(this.visible(actor), id);
  }

  async create(actor: Actor, body: CreateWorkspace): Promise<WorkspaceResponse> {
    requireRole(actor, body.organization, 'admin');
    const id = uuidv7();
    return this.database
      .transaction(async (transaction) => {
        await transaction.manager.insert(Workspace, {
          id,
          organizationId: body.organization,
          name: body.name,
          description: body.description ?? '',
          createdById: actor.userId,
        });
        const created = await this.held(transaction, actor, id);
        await this.idempotency.answer(transaction, actor, created);
        await this.audit.record(transaction, actor, changeOf('created', created, { after: { ...created } }));
        return created;
      })
      .catch(nameTaken('workspaces_name_key', 'name'));
  }

  async update(actor: Actor, id: string, body: UpdateWorkspace): Promise<WorkspaceResponse> {
    const organizationId = await this.editable(actor, id);
    return this.database
      .transaction(async (transaction) => {
        const before = await this.held(transaction, actor, id);
        const changes = { id, name: body.name, description: body.description };
        await transaction.manager.update(Workspace, { id, organizationId }, changes);
        const after = await this.held(transaction, actor, id);
        const states = { before: { ...before }, after: { ...after } };
        await this.audit.record(transaction, actor, changeOf('updated', after, states));
        return after;
      })
      .catch(nameTaken('workspaces_name_key', 'name'));
  }

  /** Leaves a tombstone. */
  async remove(actor: Actor, id: string): Promise<void> {
    const organizationId = await this.editable(actor, id);
    await this.database.transaction(async (transaction) => {
      const before = await this.held(transaction, actor, id);
      await transaction.manager.update(Workspace, { id, organizationId }, { deletedAt: new Date() });
      await transaction.publish(identityChanged(null));
      await this.audit.record(transaction, actor, changeOf('deleted', before, { before: { ...before } }));
    });
  }

  /** The organization of a workspace that the actor sees; without the database for one it works in. @throws DomainError 404 */
  organizationOf(actor: Actor, id: string): MaybePromise<string> {
    return actor.workspaces.get(id)?.organizationId ?? this.get(actor, id).then(({ organization }) => organization.id);
  }

  /** Names of workspaces that the caller is known to work in. */
  async names(ids: readonly string[]): Promise<{ id: string; name: string }[]> {
    const rows = await this.database.manager.findBy(Workspace, { id: In(ids) });
    return rows.map(({ id, name }) => ({ id, name })).sort((a, b) => a.id.localeCompare(b.id));
  }

  /** The organization of a workspace whose members the actor may edit. */
  async organizationOfManaged(actor: Actor, id: string): Promise<string> {
    const organizationId = (await this.get(actor, id)).organization.id;
    if (hasRole(actor, organizationId, 'admin') || actor.workspaces.get(id)?.role === 'manager') return organizationId;
    throw forbidden('This needs a manager of the workspace');
  }

  private async editable(actor: Actor, id: string): Promise<string> {
    const organizationId = (await this.get(actor, id)).organization.id;
    // Whoever got this far sees the workspace: it is no secret that it is there.
    if (!hasRole(actor, organizationId, 'admin')) throw forbidden('This needs the role admin in the organization');
    return organizationId;
  }

  /** As it is now, and stays until the end of the transaction. */
  private held({ manager }: Transaction, actor: Actor, id: string): Promise<WorkspaceResponse> {
    return only(this.visible(actor, manager).setLock('for_no_key_update', undefined, ['w']), id);
  }

  private visible(actor: Actor, manager: EntityManager = this.database.manager): SelectQueryBuilder<Workspace> {
    return manager
      .createQueryBuilder(Workspace, 'w')
      .innerJoin('w.organization', 'o', 'o.deleted_at IS NULL')
      .select([
        'w.id AS id',
        'w.organization_id AS organization_id',
        'o.name AS organization_name',
        'w.name AS name',
        'w.description AS description',
        'w.created_at AS created_at',
      ])
      .where('w.deleted_at IS NULL')
      .andWhere('(w.organization_id = ANY(:administered) OR w.id = ANY(:joined))', {
        administered: administeredOrganizationIds(actor),
        joined: [...actor.workspaces.keys()],
      });
  }
}

async function only(rows: SelectQueryBuilder<Workspace>, id: string): Promise<WorkspaceResponse> {
  const row = await rows.andWhere('w.id = :id', { id }).getRawOne<WorkspaceRow>();
  if (!row) throw notFound('workspace', id);
  return toWorkspaceResponse(row);
}

function changeOf(verb: string, workspace: WorkspaceResponse, states: Pick<Change, 'before' | 'after'>): Change {
  const { id, organization } = workspace;
  return { organizationId: organization.id, action: `workspace.${verb}`, object: { type: 'workspace', id }, ...states };
}
