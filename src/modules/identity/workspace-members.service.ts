import { Injectable } from '@nestjs/common';
import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import type { Actor } from '../../platform/auth/actor.js';
import { violatedUniqueIndex } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError, invalid, notFound } from '../../platform/http/domain-error.js';
import { IdempotencyService } from '../../platform/http/idempotency/idempotency.service.js';
import { Page, PageQuery, readPage } from '../../platform/http/paging.js';
import { AuditService } from '../audit/audit.service.js';
import { identityChanged } from './identity.events.js';
import { Membership } from './membership.entity.js';
import { findUser, memberOfWorkspace } from './organization-members.service.js';
import { toMemberResponse, type MemberResponse, type MemberRow } from './organizations.dto.js';
import { WorkspaceMember } from './workspace-member.entity.js';
import { AddWorkspaceMember, UpdateWorkspaceMember } from './workspaces.dto.js';
import { WorkspacesService } from './workspaces.service.js';

/** Everybody in a workspace sees its members; its managers and the organization's admins edit them. */
@Injectable()
export class WorkspaceMembersService {
  constructor(
    private readonly database: Database,
    private readonly workspaces: WorkspacesService,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
  ) {}

  async list(actor: Actor, workspaceId: string, page: PageQuery): Promise<Page<MemberResponse>> {
    await this.workspaces.get(actor, workspaceId);
    return (await readPage<MemberRow, WorkspaceMember>(this.members(workspaceId), 'u.id', page, 'uuid')).map(
      toMemberResponse,
    );
  }

  async add(actor: Actor, workspaceId: string, body: AddWorkspaceMember): Promise<MemberResponse> {
    const organizationId = await this.workspaces.organizationOfManaged(actor, workspaceId);
    return this.database.transaction(async (transaction) => {
      const user = await findUser(transaction, body.username);
      // The row is locked, so that leaving the organization at the same moment can't leave a stranger in the workspace.
      const membership = user
        ? await transaction.manager.findOne(Membership, {
            where: { organizationId, userId: user.id },
            lock: { mode: 'pessimistic_read' },
          })
        : null;
      if (!membership) throw invalid({ username: ['no member of the organization has this name'] });
      await transaction.manager
        .insert(WorkspaceMember, { workspaceId, userId: membership.userId, role: body.role })
        .catch((error: unknown) => {
          if (violatedUniqueIndex(error) === null) throw error;
          throw new DomainError('conflict', 'This user is already a member of the workspace', {
            fields: { username: ['is already a member'] },
          });
        });
      await transaction.publish(identityChanged(membership.userId));
      const added = await this.held(transaction, workspaceId, membership.userId);
      await this.idempotency.answer(transaction, actor, added);
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'workspace_member.added',
        object: memberOfWorkspace(workspaceId, membership.userId),
        after: { ...added },
      });
      return added;
    });
  }

  async update(
    actor: Actor,
    workspaceId: string,
    userId: string,
    body: UpdateWorkspaceMember,
  ): Promise<MemberResponse> {
    const organizationId = await this.workspaces.organizationOfManaged(actor, workspaceId);
    return this.database.transaction(async (transaction) => {
      const before = await this.held(transaction, workspaceId, userId);
      await transaction.manager.update(WorkspaceMember, { workspaceId, userId }, { role: body.role });
      await transaction.publish(identityChanged(userId));
      const after = await this.held(transaction, workspaceId, userId);
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'workspace_member.changed',
        object: memberOfWorkspace(workspaceId, userId),
        before: { ...before },
        after: { ...after },
      });
      return after;
    });
  }

  async remove(actor: Actor, workspaceId: string, userId: string): Promise<void> {
    const organizationId = await this.workspaces.organizationOfManaged(actor, workspaceId);
    await this.database.transaction(async (transaction) => {
      const before = await this.held(transaction, workspaceId, userId);
      await transaction.manager.delete(WorkspaceMember, { workspaceId, userId });
      await transaction.publish(identityChanged(userId));
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'workspace_member.removed',
        object: memberOfWorkspace(workspaceId, userId),
        before: { ...before },
      });
    });
  }

  /** As it is now, and stays until the end of the transaction. */
  private async held({ manager }: Transaction, workspaceId: string, userId: string): Promise<MemberResponse> {
    const row = await this.members(workspaceId, manager)
      .andWhere('u.id = :userId', { userId })
      .setLock('pessimistic_write', undefined, ['m'])
      .getRawOne<MemberRow>();
    if (!row) throw notFound('user', userId);
    return toMemberResponse(row);
  }

  private members(
    workspaceId: string,
    manager: EntityManager = this.database.manager,
  ): SelectQueryBuilder<WorkspaceMember> {
    return manager
      .createQueryBuilder(WorkspaceMember, 'm')
      .innerJoin('m.user', 'u', 'u.deleted_at IS NULL')
      .select(['u.id AS id', 'u.username AS username', 'm.role AS role', 'm.created_at AS created_at'])
      .where('m.workspace_id = :workspaceId', { workspaceId });
  }
}
