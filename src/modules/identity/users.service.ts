import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Actor } from '../../platform/auth/actor.js';
import { hashPassword } from '../../platform/crypto/passwords.js';
import { nameTaken } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { Page, PageQuery, readPage } from '../../platform/http/paging.js';
import { identityChanged } from './identity.events.js';
import { Membership } from './membership.entity.js';
import { SessionsService } from './sessions.service.js';
import { User } from './user.entity.js';
import { CreateUser, toUserResponse, UpdateUser, type UserResponse, type UserRow } from './users.dto.js';

/** For operators only: the controller says so. */
@Injectable()
export class UsersService {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsService,
  ) {}

  async list(page: PageQuery): Promise<Page<UserResponse>> {
    return (await readPage<UserRow, User>(this.living(), 'u.id', page, 'uuid')).map(toUserResponse);
  }

  async get(id: string): Promise<UserResponse> {
    const row = await this.living().andWhere('u.id = :id', { id }).getRawOne<UserRow>();
    if (!row) throw notFound('user', id);
    return toUserResponse(row);
  }

  async create(body: CreateUser): Promise<UserResponse> {
    const id = uuidv7();
    const passwordHash = body.password === undefined ? null : await hashPassword(body.password);
    await this.database.manager
      .insert(User, {
        id,
        username: body.username,
        email: body.email ?? null,
        passwordHash,
        isOperator: body.is_operator ?? false,
      })
      .catch(nameTaken('users_username_key', 'username'));
    return this.get(id);
  }

  async update(id: string, body: UpdateUser): Promise<UserResponse> {
    await this.get(id);
    await this.database.transaction(async (transaction) => {
      if (body.is_operator === false || body.is_active === false) await requireAnotherOperator(transaction, id);
      await transaction.manager.update(
        User,
        { id },
        { email: body.email, isOperator: body.is_operator, isActive: body.is_active, id },
      );
      if (body.is_active === false) await this.sessions.revokeAll(transaction, id);
      await transaction.publish(identityChanged(id));
    });
    return this.get(id);
  }

  async setPassword(id: string, password: string): Promise<void> {
    await this.get(id);
    await this.database.transaction((transaction) => this.sessions.setPassword(transaction, id, password));
  }

  /** Leaves a tombstone: the name is free again, history keeps the id. */
  async remove(actor: Actor, id: string): Promise<void> {
    await this.get(id);
    if (id === actor.userId) throw new DomainError('conflict', 'You cannot delete yourself');
    await this.database.transaction(async (transaction) => {
      await requireAnotherOperator(transaction, id);
      await requireOtherOwners(transaction, id);
      await transaction.manager.delete(Membership, { userId: id });
      await transaction.manager.update(User, { id }, { isActive: false, deletedAt: new Date(), passwordHash: null });
      await this.sessions.revokeAll(transaction, id);
    });
  }

  private living(): SelectQueryBuilder<User> {
    return this.database.manager
      .createQueryBuilder(User, 'u')
      .select([
        'u.id AS id',
        'u.username AS username',
        'u.email AS email',
        'u.is_operator AS is_operator',
        'u.is_active AS is_active',
        'u.created_at AS created_at',
      ])
      .where('u.deleted_at IS NULL');
  }
}

/** Somebody has to be able to run the installation. Locks, so that two operators can't remove each other at once. */
async function requireAnotherOperator(transaction: Transaction, id: string): Promise<void> {
  const operators = await transaction.manager.find(User, {
    where: { isOperator: true, isActive: true },
    order: { id: 'ASC' },
    lock: { mode: 'pessimistic_write' },
  });
  if (operators.length === 1 && operators[0]?.id === id) {
    throw new DomainError('conflict', 'The installation needs an operator: make somebody else operator first');
  }
}

async function requireOtherOwners(transaction: Transaction, id: string): Promise<void> {
  const orphaned = await transaction.manager.query<{ name: string }[]>(
    `SELECT o.name FROM memberships m JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL
      WHERE m.user_id = $1 AND m.role = 'owner'
        AND NOT EXISTS (SELECT 1 FROM memberships x WHERE x.organization_id = o.id AND x.role = 'owner' AND x.user_id <> $1)`,
    [id],
  );
  if (orphaned.length > 0) {
    throw new DomainError(
      'last_owner',
      'This user is the only owner of an organization: make somebody else owner first',
      {
        organizations: orphaned.map((row) => row.name),
      },
    );
  }
}
