import { Injectable } from '@nestjs/common';
import { createHash, randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { ACCESS_TOKEN_SECONDS, AccessTokenService } from '../../platform/auth/access-token.service.js';
import { requireUser, type Actor, type Origin } from '../../platform/auth/actor.js';
import { hashPassword, passwordMatches } from '../../platform/crypto/passwords.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError, invalid } from '../../platform/http/domain-error.js';
import { AuditService, type Author, type Change } from '../audit/audit.service.js';
import type { ChangePassword, Credentials, TokenPair } from './auth.dto.js';
import { identityChanged } from './identity.events.js';
import { RefreshToken } from './refresh-token.entity.js';
import { Session } from './session.entity.js';
import { User } from './user.entity.js';
import type { UserReference } from './users.dto.js';

const REFRESH_DAYS = 30;
const DAY_MS = 86_400_000;

/** Login, refresh with rotation and reuse detection (RFC 9700, section 4.14.2), logout and password change. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly database: Database,
    private readonly tokens: AccessTokenService,
    private readonly audit: AuditService,
  ) {}

  /** @throws DomainError `invalid_credentials`, the same for unknown, disabled and wrong */
  async login(origin: Origin, credentials: Credentials): Promise<TokenPair> {
    const user = await this.database.manager
      .createQueryBuilder(User, 'u')
      .where('lower(u.username) = lower(:username) AND u.deleted_at IS NULL', { username: credentials.username })
      .getOne();
    const matches = await passwordMatches(user?.passwordHash ?? null, credentials.password);
    if (!user || !matches || !user.isActive)
      throw new DomainError('invalid_credentials', 'User name or password is wrong');
    return this.database.transaction(async (transaction) => {
      const session = { id: uuidv7(), userId: user.id };
      await transaction.manager.insert(Session, session);
      const tokens = await this.issue(transaction, user.id, session.id);
      await this.audit.record(transaction, authorOf(user, origin), changeOf('started', session.id, user));
      return tokens;
    });
  }

  /** Exchanges a refresh token for a new pair. A token that was used before has been stolen: its whole family ends. */
  async refresh(origin: Origin, refreshToken: string): Promise<TokenPair> {
    const tokenHash = hashToken(refreshToken);
    const outcome = await this.database.transaction(async (transaction) => {
      const row = await transaction.manager
        .createQueryBuilder(RefreshToken, 't')
        .innerJoinAndSelect('t.session', 's')
        .innerJoinAndSelect('s.user', 'u', 'u.is_active AND u.deleted_at IS NULL')
        .where('t.token_hash = :tokenHash', { tokenHash })
        .setLock('pessimistic_write', undefined, ['t'])
        .getOne();
      const user = row?.session?.user;
      if (!row || !user || row.session?.revokedAt || row.expiresAt.getTime() < Date.now()) return null;
      if (row.usedAt) {
        await this.revoke(transaction, user.id, row.sessionId);
        const revoked = changeOf('revoked', row.sessionId, user, { reason: 'refresh_token_reused' });
        await this.audit.record(transaction, authorOf(user, origin), revoked);
        return null;
      }
      await transaction.manager.update(RefreshToken, { tokenHash }, { usedAt: new Date() });
      const tokens = await this.issue(transaction, user.id, row.sessionId);
      await this.audit.record(transaction, authorOf(user, origin), changeOf('refreshed', row.sessionId, user));
      return tokens;
    });
    // Thrown outside, so that the revocation above is kept.
    if (!outcome) throw new DomainError('invalid_credentials', 'The refresh token is not valid');
    return outcome;
  }

  /** Ends the session of the caller's token. Tokens without a session end where they were issued. */
  async logout(actor: Actor): Promise<void> {
    const userId = requireUser(actor);
    const { sessionId } = actor;
    if (sessionId === null) return;
    await this.database.transaction(async (transaction) => {
      const ended = await this.revoke(transaction, userId, sessionId);
      if (ended === 0) return;
      const user = { id: userId, username: actor.username };
      await this.audit.record(transaction, actor, changeOf('ended', sessionId, user));
    });
  }

  async changeOwnPassword(actor: Actor, change: ChangePassword): Promise<void> {
    const userId = requireUser(actor);
    const user = await this.database.manager.findOneByOrFail(User, { id: userId });
    if (!(await passwordMatches(user.passwordHash, change.current_password))) {
      throw invalid({ current_password: ['current_password is wrong'] });
    }
    await this.database.transaction((transaction) => this.setPassword(transaction, actor, userId, change.new_password));
  }

  /** Sets a password and ends every session of the user. The last step of a transaction: it writes the audit trail. */
  async setPassword(transaction: Transaction, actor: Actor, userId: string, password: string): Promise<void> {
    await transaction.manager.update(User, { id: userId }, { passwordHash: await hashPassword(password) });
    const ended = await this.revokeAll(transaction, userId);
    await this.audit.record(transaction, actor, {
      organizationId: null,
      action: 'user.password_changed',
      object: { type: 'user', id: userId },
      after: { sessions_ended: ended },
    });
  }

  /** @returns how many were ended */
  async revokeAll(transaction: Transaction, userId: string): Promise<number> {
    await transaction.manager.update(User, { id: userId }, { tokensValidFrom: new Date() });
    return this.revoke(transaction, userId);
  }

  private async revoke(transaction: Transaction, userId: string, sessionId?: string): Promise<number> {
    const { affected } = await transaction.manager
      .createQueryBuilder()
      .update(Session)
      .set({ revokedAt: new Date() })
      .where({ userId, ...(sessionId === undefined ? {} : { id: sessionId }) })
      .andWhere('revoked_at IS NULL')
      .execute();
    await transaction.publish(identityChanged(userId));
    return affected ?? 0;
  }

  private async issue(transaction: Transaction, userId: string, sessionId: string): Promise<TokenPair> {
    const refreshToken = randomBytes(32).toString('base64url');
    const expiresAt = new Date(Date.now() + REFRESH_DAYS * DAY_MS);
    await transaction.manager.insert(RefreshToken, { tokenHash: hashToken(refreshToken), sessionId, expiresAt });
    return {
      access_token: await this.tokens.sign(userId, sessionId),
      token_type: 'Bearer',
      expires_in: ACCESS_TOKEN_SECONDS,
      refresh_token: refreshToken,
    };
  }
}

/** A random token of 256 bits needs no slow hash. */
function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}

/** Whoever proved with a password or a refresh token to be this user. */
function authorOf({ id, username }: User, origin: Origin): Author {
  return { userId: id, tokenId: null, username, origin };
}

/** Sessions are of the installation. */
function changeOf(verb: string, sessionId: string, user: UserReference, more: object = {}): Change {
  return {
    organizationId: null,
    action: `session.${verb}`,
    object: { type: 'session', id: sessionId },
    after: { user: { id: user.id, username: user.username }, ...more },
  };
}
