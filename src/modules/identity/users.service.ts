import { Injectable } from '@nestjs/common';
import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Actor } from '../../platform/auth/actor.js';
import { hashPassword } from '../../platform/crypto/passwords.js';
import { nameTaken } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { IdempotencyService } from '../../platform/http/idempotency/idempotency.service.js';
import { Page, PageQuery, readPage } from '../../platform/http/paging.js';
import { AuditService, type Change } from '../audit/audit.service.js';
import { identityChanged } from './identity.events.js';
import { SessionsService } from './sessions.service.js';
import { User } from './user.entity.js';
import { CreateUser, toUserResponse, UpdateUser, type UserResponse, type UserRow } from './users.dto.js';

/** For operators only: the controller says so. */
@Injectable()
export class UsersService {
  constructor(
    private readonly database: Database,
    private readonly sessions: SessionsService,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
  ) {}

  async list(page: PageQuery): Promise<Page<UserResponse>> {
    return (await readPage<UserRow, User>(this.living(), 'u.id', page, 'uuid')).map(toUserResponse);
  }

  get(id: string): Promise<UserResponse> {
    return only(this.living(), id);
  }

  async create(actor: Actor, body: CreateUser): Promise<UserResponse> {
    const id = uuidv7();
    const passwordHash = body.password === undefined ? null : await hashPassword(body.password);
    return this.database
      .transaction(async (transaction) => {
        await transaction.manager.insert(User, {
          id,
          username: body.username,
          email: body.email ?? null,
          passwordHash,
          isOperator: body.is_operator ?? false,
        });
        const created = await this.held(transaction, id);
        await this.idempotency.answer(transaction, actor, created);
        await this.audit.record(transaction, actor, changeOf('created', id, { after: { ...created } }));
        return created;
      })
      .catch(nameTaken('users_username_key', 'username'));
  }

  async update(actor: Actor, id: string, body: UpdateUser): Promise<UserResponse> {
    await this.get(id);
    return this.database.transaction(async (transaction) => {
      if (body.is_operator === false || body.is_active === false) await requireAnotherOperator(transaction, id);
      const before = await this.held(transaction, id);
      await transaction.manager.update(
        User,
        { id },
        { email: body.email, isOperator: body.is_operator, isActive: body.is_active, id },
      );
      const ended = body.is_active === false ? { sessions_ended: await this.sessions.revokeAll(transaction, id) } : {};
      await transaction.publish(identityChanged(id));
      const after = await this.held(transaction, id);
      const states = { before: { ...before }, after: { ...after, ...ended } };
      await this.audit.record(transaction, actor, changeOf('updated', id, states));
      return after;
    });
  }

  async setPassword(actor: Actor, id: string, password: string): Promise<void> {
    await this.get(id);
    await this.database.transaction((transaction) => this.sessions.setPassword(transaction, actor, id, password));
  }

  /** Leaves a tombstone: the name is free again, history keeps the id. */
  async remove(actor: Actor, id: string): Promise<void> {
    await this.get(id);
    if (id === actor.userId) throw new DomainError('conflict', 'You cannot delete yourself');
    await this.database.transaction(async (transaction) => {
      await requireAnotherOperator(transaction, id);
      const before = await this.held(transaction, id);
      await requireOtherOwners(transaction, id);
      const left = await leaveOrganizations(transaction, before);
      await transaction.manager.update(User, { id }, { isActive: false, deletedAt: new Date(), passwordHash: null });
      await this.sessions.revokeAll(transaction, id);
      // Chains in the order of their organizations, as everywhere: the installation's is the first.
      await this.audit.record(transaction, actor, changeOf('deleted', id, { before: { ...before } }));
      for (const change of left) await this.audit.record(transaction, actor, change);
    });
  }

  /** As it is now, and stays until the end of the transaction. */
  private held({ manager }: Transaction, id: string): Promise<UserResponse> {
    return only(this.living(manager).setLock('for_no_key_update', undefined, ['u']), id);
  }

  private living(manager: EntityManager = this.database.manager): SelectQueryBuilder<User> {
    return manager
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

async function only(rows: SelectQueryBuilder<User>, id: string): Promise<UserResponse> {
  const row = await rows.andWhere('u.id = :id', { id }).getRawOne<UserRow>();
  if (!row) throw notFound('user', id);
  return toUserResponse(row);
}

/** Users are of the installation. */
function changeOf(verb: string, id: string, states: Pick<Change, 'before' | 'after'>): Change {
  return { organizationId: null, action: `user.${verb}`, object: { type: 'user', id }, ...states };
}

/** @returns what it changed, by organization */
async function leaveOrganizations({ manager }: Transaction, { id, username }: UserResponse): Promise<Change[]> {
  const [left] = await manager.query<[{ organization_id: string; role: string }[], number]>(
    'DELETE FROM memberships WHERE user_id = $1 RETURNING organization_id, role',
    [id],
  );
  return left
    .sort((one, other) => (one.organization_id < other.organization_id ? -1 : 1))
    .map(({ organization_id: organizationId, role }) => ({
      organizationId,
      action: 'member.removed',
      object: { type: 'membership', id },
      before: { user: { id, username }, role },
    }));
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
