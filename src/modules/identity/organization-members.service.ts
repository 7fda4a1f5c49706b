import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { hasRole, requireRole, type Actor, type OrganizationRole } from '../../platform/auth/actor.js';
import { violatedUniqueIndex } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError, forbidden, invalid, notFound } from '../../platform/http/domain-error.js';
import { Page, PageQuery, readPage } from '../../platform/http/paging.js';
import { identityChanged } from './identity.events.js';
import { Membership } from './membership.entity.js';
import { AddMember, toMemberResponse, UpdateMember, type MemberResponse, type MemberRow } from './organizations.dto.js';
import { User } from './user.entity.js';
import { WorkspaceMember } from './workspace-member.entity.js';

/** Owners and admins edit the members of their organization; only owners make or unmake owners. */
@Injectable()
export class OrganizationMembersService {
  constructor(private readonly database: Database) {}

  async list(actor: Actor, organizationId: string, page: PageQuery): Promise<Page<MemberResponse>> {
    requireRole(actor, organizationId, 'admin');
    return (await readPage<MemberRow, Membership>(this.members(organizationId), 'u.id', page, 'uuid')).map(
      toMemberResponse,
    );
  }

  async add(actor: Actor, organizationId: string, body: AddMember): Promise<MemberResponse> {
    requireRole(actor, organizationId, 'admin');
    requireOwnerFor(actor, organizationId, body.role);
    const userId = await this.database.transaction(async (transaction) => {
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
      return user.id;
    });
    return this.get(organizationId, userId);
  }

  async update(actor: Actor, organizationId: string, userId: string, body: UpdateMember): Promise<MemberResponse> {
    requireRole(actor, organizationId, 'admin');
    await this.change(actor, organizationId, userId, body.role, (transaction) =>
      transaction.manager.update(Membership, { organizationId, userId }, { role: body.role }),
    );
    return this.get(organizationId, userId);
  }

  /** Also leaves the organization's workspaces. */
  async remove(actor: Actor, organizationId: string, userId: string): Promise<void> {
    requireRole(actor, organizationId, 'admin');
    await this.change(actor, organizationId, userId, null, async (transaction) => {
      await transaction.manager
        .createQueryBuilder()
        .delete()
        .from(WorkspaceMember)
        .where(
          'user_id = :userId AND workspace_id IN (SELECT id FROM workspaces WHERE organization_id = :organizationId)',
          { userId, organizationId },
        )
        .execute();
      await transaction.manager.delete(Membership, { organizationId, userId });
    });
  }

  /** Locks all owners first: two admins who remove each other's at once must not leave the organization without one. */
  private async change(
    actor: Actor,
    organizationId: string,
    userId: string,
    role: OrganizationRole | null,
    write: (transaction: Transaction) => Promise<unknown>,
  ): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const owners = await transaction.manager.find(Membership, {
        where: { organizationId, role: 'owner' },
        order: { userId: 'ASC' },
        lock: { mode: 'pessimistic_write' },
      });
      const current = await transaction.manager.findOneBy(Membership, { organizationId, userId });
      if (!current) throw notFound('user', userId);
      requireOwnerFor(actor, organizationId, current.role, role);
      if (current.role === 'owner' && role !== 'owner' && owners.length === 1) {
        throw new DomainError('last_owner', 'An organization needs an owner: make somebody else owner first');
      }
      await write(transaction);
      await transaction.publish(identityChanged(userId));
    });
  }

  private async get(organizationId: string, userId: string): Promise<MemberResponse> {
    const row = await this.members(organizationId).andWhere('u.id = :userId', { userId }).getRawOne<MemberRow>();
    if (!row) throw notFound('user', userId);
    return toMemberResponse(row);
  }

  private members(organizationId: string): SelectQueryBuilder<Membership> {
    return this.database.manager
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

/** By name, whatever its case. */
export function findUser(transaction: Transaction, username: string): Promise<User | null> {
  return transaction.manager
    .createQueryBuilder(User, 'u')
    .where('lower(u.username) = lower(:username) AND u.is_active AND u.deleted_at IS NULL', { username })
    .getOne();
}
