import { Injectable } from '@nestjs/common';
import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import { hasRole, requireRole, type Actor, type OrganizationRole } from '../../platform/auth/actor.js';
import { violatedUniqueIndex } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError, forbidden, invalid, notFound } from '../../platform/http/domain-error.js';
import { IdempotencyService } from '../../platform/http/idempotency/idempotency.service.js';
import { Page, PageQuery, readPage } from '../../platform/http/paging.js';
import { AuditService, type Change } from '../audit/audit.service.js';
import { identityChanged } from './identity.events.js';
import { Membership } from './membership.entity.js';
import { AddMember, toMemberResponse, UpdateMember, type MemberResponse, type MemberRow } from './organizations.dto.js';
import { User } from './user.entity.js';

/** Owners and admins edit the members of their organization; only owners make or unmake owners. */
@Injectable()
export class OrganizationMembersService {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
  ) {}

  async list(actor: Actor, organizationId: string, page: PageQuery): Promise<Page<MemberResponse>> {
    requireRole(actor, organizationId, 'admin');
    return (await readPage<MemberRow, Membership>(this.members(organizationId), 'u.id', page, 'uuid')).map(
      toMemberResponse,
    );
  }

  async add(actor: Actor, organizationId: string, body: AddMember): Promise<MemberResponse> {
    requireRole(actor, organizationId, 'admin');
    requireOwnerFor(actor, organizationId, body.role);
    return this.database.transaction(async (transaction) => {
      const user = await findUser(transaction, body.username);
      if (!user) throw invalid({ username: ['no active user has this name'] });
      await transaction.manager
        .insert(Membership, { organizationId, userId: user.id, role: body.role })
        .catch((error: unknown) => {
          if (violatedUniqueIndex(error) === null) throw error;
          throw new DomainError('conflict', 'This user is already a member of the organization', {
            fields: { username: ['is already a member'] },
          });
        });
      await transaction.publish(identityChanged(user.id));
      const added = await this.get(transaction, organizationId, user.id);
      await this.idempotency.answer(transaction, actor, added);
      await this.audit.record(transaction, actor, changeOf('added', organizationId, user.id, { after: { ...added } }));
      return added;
    });
  }

  async update(actor: Actor, organizationId: string, userId: string, body: UpdateMember): Promise<MemberResponse> {
    requireRole(actor, organizationId, 'admin');
    return this.database.transaction(async (transaction) => {
      const before = await this.held(transaction, actor, organizationId, userId, body.role);
      await transaction.manager.update(Membership, { organizationId, userId }, { role: body.role });
      await transaction.publish(identityChanged(userId));
      const after = await this.get(transaction, organizationId, userId);
      const states = { before: { ...before }, after: { ...after } };
      await this.audit.record(transaction, actor, changeOf('changed', organizationId, userId, states));
      return after;
    });
  }

  /** Also leaves the organization's workspaces. */
  async remove(actor: Actor, organizationId: string, userId: string): Promise<void> {
    requireRole(actor, organizationId, 'admin');
    await this.database.transaction(async (transaction) => {
      const before = await this.held(transaction, actor, organizationId, userId, null);
      const [left] = await transaction.manager.query<[{ workspace_id: string; role: string }[], number]>(
        `DELETE FROM workspace_members m USING workspaces w
          WHERE w.id = m.workspace_id AND w.organization_id = $1 AND m.user_id = $2 RETURNING m.workspace_id, m.role`,
        [organizationId, userId],
      );
      await transaction.manager.delete(Membership, { organizationId, userId });
      await transaction.publish(identityChanged(userId));
      for (const { workspace_id: workspaceId, role } of left) {
        await this.audit.record(transaction, actor, {
          organizationId,
          action: 'workspace_member.removed',
          object: memberOfWorkspace(workspaceId, userId),
          before: { user: before.user, role },
        });
      }
      const states = { before: { ...before } };
      await this.audit.record(transaction, actor, changeOf('removed', organizationId, userId, states));
    });
  }

  /**
   * A member before it becomes `role`, or nothing. Locks all owners first: two admins who remove each other's at once must
   * not leave the organization without one.
   */
  private async held(
    transaction: Transaction,
    actor: Actor,
    organizationId: string,
    userId: string,
    role: OrganizationRole | null,
  ): Promise<MemberResponse> {
    const owners = await transaction.manager.find(Membership, {
      where: { organizationId, role: 'owner' },
      order: { userId: 'ASC' },
      lock: { mode: 'pessimistic_write' },
    });
    const current = await transaction.manager.findOne(Membership, {
      where: { organizationId, userId },
      lock: { mode: 'pessimistic_write' },
    });
    if (!current) throw notFound('user', userId);
    requireOwnerFor(actor, organizationId, current.role, role);
    if (current.role === 'owner' && role !== 'owner' && owners.length === 1) {
      throw new DomainError('last_owner', 'An organization needs an owner: make somebody else owner first');
    }
    return this.get(transaction, organizationId, userId);
  }

  private async get({ manager }: Transaction, organizationId: string, userId: string): Promise<MemberResponse> {
    const row = await this.members(organizationId, manager)
      .andWhere('u.id = :userId', { userId })
      .getRawOne<MemberRow>();
    if (!row) throw notFound('user', userId);
    return toMemberResponse(row);
  }

  private members(
    organizationId: string,
    manager: EntityManager = this.database.manager,
  ): SelectQueryBuilder<Membership> {
    return manager
      .createQueryBuilder(Membership, 'm')
      .innerJoin('m.user', 'u', 'u.deleted_at IS NULL')
      .select(['u.id AS id', 'u.username AS username', 'm.role AS role', 'm.created_at AS created_at'])
      .where('m.organization_id = :organizationId', { organizationId });
  }
}

function requireOwnerFor(actor: Actor, organizationId: string, ...roles: (OrganizationRole | null)[]): void {
  if (roles.includes('owner') && !hasRole(actor, organizationId, 'owner'))
    throw forbidden('Only an owner may make or unmake owners');
}

function changeOf(
  verb: string,
  organizationId: string,
  userId: string,
  states: Pick<Change, 'before' | 'after'>,
): Change {
  return { organizationId, action: `member.${verb}`, object: { type: 'membership', id: userId }, ...states };
}

/** What the audit trail calls a user's place in a workspace: a user has several. */
export function memberOfWorkspace(workspaceId: string, userId: string): Change['object'] {
  return { type: 'workspace_member', id: `${workspaceId}/${userId}` };
}

/** By name, whatever its case. */
export function findUser(transaction: Transaction, username: string): Promise<User | null> {
  return transaction.manager
    .createQueryBuilder(User, 'u')
    .where('lower(u.username) = lower(:username) AND u.is_active AND u.deleted_at IS NULL', { username })
    .getOne();
}
