import { Injectable } from '@nestjs/common';
import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { organizationIds, requireUser, type Actor } from '../../platform/auth/actor.js';
import { nameTaken } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { forbidden, notFound } from '../../platform/http/domain-error.js';
import { IdempotencyService } from '../../platform/http/idempotency/idempotency.service.js';
import { Page, PageQuery, readPage } from '../../platform/http/paging.js';
import { AuditService, type Change } from '../audit/audit.service.js';
import { identityChanged } from './identity.events.js';
import { Membership } from './membership.entity.js';
import { Organization } from './organization.entity.js';
import {
  CreateOrganization,
  toOrganizationResponse,
  UpdateOrganization,
  type OrganizationResponse,
  type OrganizationRow,
} from './organizations.dto.js';
import { User } from './user.entity.js';

/** @returns what it changed, for the audit trail: it is written at the end of the transaction */
export type RemovalStep = (transaction: Transaction, organizationId: string) => Promise<Change[]>;

/** Operators see and edit every organization; everybody else sees their own. */
@Injectable()
export class OrganizationsService {
  private readonly removals: RemovalStep[] = [];

  constructor(
    private readonly database: Database,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
  ) {}

  /** What modules further along the ladder have to undo with an organization, in the same transaction. */
  onRemoval(step: RemovalStep): void {
    this.removals.push(step);
  }

  async list(actor: Actor, page: PageQuery): Promise<Page<OrganizationResponse>> {
    return (await readPage<OrganizationRow, Organization>(this.visible(actor), 'o.id', page, 'uuid')).map(
      toOrganizationResponse,
    );
  }

  get(actor: Actor, id: string): Promise<OrganizationResponse> {
    return only(this.visible(actor), id);
  }

  async create(actor: Actor, body: CreateOrganization): Promise<OrganizationResponse> {
    const id = uuidv7();
    const ownerId = body.owner ?? requireUser(actor);
    return this.database
      .transaction(async (transaction) => {
        const owner = await transaction.manager.findOneBy(User, { id: ownerId, isActive: true });
        if (!owner) throw notFound('user', ownerId);
        await transaction.manager.insert(Organization, { id, name: body.name });
        await transaction.manager.insert(Membership, { organizationId: id, userId: ownerId, role: 'owner' });
        await transaction.publish(identityChanged(ownerId));
        const created = await this.held(transaction, actor, id);
        await this.idempotency.answer(transaction, actor, created);
        await this.audit.record(transaction, actor, changeOf('created', id, { after: { ...created } }));
        await this.audit.record(transaction, actor, {
          organizationId: id,
          action: 'member.added',
          object: { type: 'membership', id: ownerId },
          after: { user: { id: ownerId, username: owner.username }, role: 'owner' },
        });
        return created;
      })
      .catch(nameTaken('organizations_name_key', 'name'));
  }

  async update(actor: Actor, id: string, body: UpdateOrganization): Promise<OrganizationResponse> {
    await this.editable(actor, id);
    return this.database
      .transaction(async (transaction) => {
        const before = await this.held(transaction, actor, id);
        await transaction.manager.update(Organization, { id }, { name: body.name });
        const after = await this.held(transaction, actor, id);
        await this.audit.record(
          transaction,
          actor,
          changeOf('updated', id, { before: { ...before }, after: { ...after } }),
        );
        return after;
      })
      .catch(nameTaken('organizations_name_key', 'name'));
  }

  /** Leaves a tombstone; everything inside disappears with it, its history stays. */
  async remove(actor: Actor, id: string): Promise<void> {
    await this.editable(actor, id);
    await this.database.transaction(async (transaction) => {
      const before = await this.held(transaction, actor, id);
      await transaction.manager.update(Organization, { id }, { deletedAt: new Date() });
      const deletion = changeOf('deleted', id, { before: { ...before } });
      // The organization's own trail has no reader any more: what its end was is in that of the installation.
      const changes = [{ ...deletion, organizationId: null }, deletion];
      for (const step of this.removals) changes.push(...(await step(transaction, id)));
      await transaction.publish(identityChanged(null));
      for (const change of changes) await this.audit.record(transaction, actor, change);
    });
  }

  private async editable(actor: Actor, id: string): Promise<void> {
    await this.get(actor, id);
    if (!actor.isOperator) throw forbidden('Only an operator may change an organization');
  }

  /** As it is now, and stays until the end of the transaction. */
  private held({ manager }: Transaction, actor: Actor, id: string): Promise<OrganizationResponse> {
    return only(this.visible(actor, manager).setLock('for_no_key_update', undefined, ['o']), id);
  }

  private visible(actor: Actor, manager: EntityManager = this.database.manager): SelectQueryBuilder<Organization> {
    const query = manager
      .createQueryBuilder(Organization, 'o')
      .select(['o.id AS id', 'o.name AS name', 'o.created_at AS created_at'])
      .where('o.deleted_at IS NULL');
    return actor.isOperator
      ? query
      : query.andWhere('o.id = ANY(:organizations)', { organizations: organizationIds(actor) });
  }
}

async function only(rows: SelectQueryBuilder<Organization>, id: string): Promise<OrganizationResponse> {
  const row = await rows.andWhere('o.id = :id', { id }).getRawOne<OrganizationRow>();
  if (!row) throw notFound('organization', id);
  return toOrganizationResponse(row);
}

function changeOf(verb: string, id: string, states: Pick<Change, 'before' | 'after'>): Change {
  return { organizationId: id, action: `organization.${verb}`, object: { type: 'organization', id }, ...states };
}
