import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { organizationIds, requireUser, type Actor } from '../../platform/auth/actor.js';
import { nameTaken } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { forbidden, notFound } from '../../platform/http/domain-error.js';
import { Page, PageQuery, readPage } from '../../platform/http/paging.js';
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

export type RemovalStep = (transaction: Transaction, organizationId: string) => Promise<void>;

/** Operators see and edit every organization; everybody else sees their own. */
@Injectable()
export class OrganizationsService {
  private readonly removals: RemovalStep[] = [];

  constructor(private readonly database: Database) {}

  /** What modules further along the ladder have to undo with an organization, in the same transaction. */
  onRemoval(step: RemovalStep): void {
    this.removals.push(step);
  }

  async list(actor: Actor, page: PageQuery): Promise<Page<OrganizationResponse>> {
    return (await readPage<OrganizationRow, Organization>(this.visible(actor), 'o.id', page, 'uuid')).map(
      toOrganizationResponse,
    );
  }

  async get(actor: Actor, id: string): Promise<OrganizationResponse> {
    const row = await this.visible(actor).andWhere('o.id = :id', { id }).getRawOne<OrganizationRow>();
    if (!row) throw notFound('organization', id);
    return toOrganizationResponse(row);
  }

  async create(actor: Actor, body: CreateOrganization): Promise<OrganizationResponse> {
    const id = uuidv7();
    const owner = body.owner ?? requireUser(actor);
    await this.database
      .transaction(async (transaction) => {
        const known = await transaction.manager.existsBy(User, { id: owner, isActive: true });
        if (!known) throw notFound('user', owner);
        await transaction.manager.insert(Organization, { id, name: body.name });
        await transaction.manager.insert(Membership, { organizationId: id, userId: owner, role: 'owner' });
        await transaction.publish(identityChanged(owner));
      })
      .catch(nameTaken('organizations_name_key', 'name'));
    return this.get(actor, id);
  }

  async update(actor: Actor, id: string, body: UpdateOrganization): Promise<OrganizationResponse> {
    await this.editable(actor, id);
    await this.database.manager
      .update(Organization, { id }, { name: body.name })
      .catch(nameTaken('organizations_name_key', 'name'));
    return this.get(actor, id);
  }

  /** Leaves a tombstone; everything inside disappears with it, its history stays. */
  async remove(actor: Actor, id: string): Promise<void> {
    await this.editable(actor, id);
    await this.database.transaction(async (transaction) => {
      await transaction.manager.update(Organization, { id }, { deletedAt: new Date() });
      for (const step of this.removals) await step(transaction, id);
      await transaction.publish(identityChanged(null));
    });
  }

  private async editable(actor: Actor, id: string): Promise<void> {
    await this.get(actor, id);
    if (!actor.isOperator) throw forbidden('Only an operator may change an organization');
  }

  private visible(actor: Actor): SelectQueryBuilder<Organization> {
    const query = this.database.manager
      .createQueryBuilder(Organization, 'o')
      .select(['o.id AS id', 'o.name AS name', 'o.created_at AS created_at'])
      .where('o.deleted_at IS NULL');
    return actor.isOperator
      ? query
      : query.andWhere('o.id = ANY(:organizations)', { organizations: organizationIds(actor) });
  }
}
