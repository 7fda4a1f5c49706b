import { Injectable, OnModuleDestroy } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { AccessTokenService, type VerifiedToken } from '../../platform/auth/access-token.service.js';
import type { OrganizationRole, Principal, WorkspaceRole } from '../../platform/auth/actor.js';
import { Environment } from '../../platform/config/environment.js';
import { Database } from '../../platform/database/transaction.js';
import { EventsService } from '../../platform/events/events.service.js';
import { FreshCache } from '../../platform/events/fresh-cache.js';
import type { MaybePromise } from '../../platform/maybe-promise.js';
import { AuditService } from '../audit/audit.service.js';
import { IDENTITY_CHANGED } from './identity.events.js';
import { toUserResponse, type UserRow } from './users.dto.js';
import { WorkspaceTokensService } from './workspace-tokens.service.js';

/** Upper bound for stale rights should an invalidation be lost; normally NOTIFY ends them within milliseconds. */
const RIGHTS_CACHED_MS = 3_000;
const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i;

interface ActorRow {
  id: string;
  username: string;
  is_operator: boolean;
  tokens_valid_from: Date | null;
  session_alive: boolean;
  organizations: Record<string, OrganizationRole> | null;
  workspaces: Record<string, { organizationId: string; role: WorkspaceRole }> | null;
}

interface TokenRow {
  id: string;
  name: string;
  workspace_id: string;
  organization_id: string;
}

interface CachedRights {
  actor: Principal;
  tokensValidFrom: Date | null;
  sessionAlive: boolean;
}

const RIGHTS_SQL = `
  SELECT u.id, u.username, u.is_operator, u.tokens_valid_from,
         ($2::uuid IS NULL OR EXISTS (
           SELECT 1 FROM sessions s WHERE s.id = $2 AND s.user_id = u.id AND s.revoked_at IS NULL)) AS session_alive,
         (SELECT json_object_agg(m.organization_id, m.role)
            FROM memberships m JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL
           WHERE m.user_id = u.id) AS organizations,
         (SELECT json_object_agg(w.id, json_build_object('organizationId', w.organization_id, 'role', wm.role))
            FROM workspace_members wm
            JOIN workspaces w ON w.id = wm.workspace_id AND w.deleted_at IS NULL
            JOIN organizations o ON o.id = w.organization_id AND o.deleted_at IS NULL
           WHERE wm.user_id = u.id) AS workspaces
    FROM users u
   WHERE u.is_active AND u.deleted_at IS NULL AND `;

const TOKEN_SQL = `
  SELECT t.id, t.name, t.workspace_id, w.organization_id
    FROM workspace_tokens t
    JOIN workspaces w ON w.id = t.workspace_id AND w.deleted_at IS NULL
    JOIN organizations o ON o.id = w.organization_id AND o.deleted_at IS NULL
   WHERE t.id = $1 AND t.revoked_at IS NULL AND t.expires_at > now()`;

/** From a bearer token to whoever is behind it. */
@Injectable()
export class AuthenticationService implements OnModuleDestroy {
  private readonly rights: FreshCache<CachedRights>;

  constructor(
    private readonly tokens: AccessTokenService,
    private readonly database: Database,
    private readonly environment: Environment,
    private readonly workspaceTokens: WorkspaceTokensService,
    private readonly audit: AuditService,
    events: EventsService,
  ) {
    // Rights hang together (a workspace's organization, an operator's users), so a change forgets them all: they are cheap to read.
    this.rights = new FreshCache(events, [IDENTITY_CHANGED], { max: 10_000, ttlMs: RIGHTS_CACHED_MS });
  }

  onModuleDestroy(): void {
    this.rights.close();
  }

  /** Who is behind an `Authorization` header, null for anything but a genuine token of a living session of an active user. */
  async authenticate(authorization: string | undefined): Promise<Principal | null> {
    const token = authorization === undefined ? undefined : BEARER.exec(authorization)?.[1];
    if (token === undefined) return null;
    const verified = await this.tokens.verify(token);
    if (!verified) return null;
    const rights = await this.rightsOf(verified);
    if (!rights?.sessionAlive) return null;
    // `iat` has whole seconds; sessions are revoked one by one, so this decides for tokens without one only.
    const validFrom = Math.floor((rights.tokensValidFrom?.getTime() ?? 0) / 1_000) * 1_000;
    const issuedTooEarly = verified.issuedAt.getTime() < validFrom;
    if (verified.sessionId === null && issuedTooEarly) return null;
    if (rights.actor.tokenId !== null) this.workspaceTokens.noteUse(rights.actor.tokenId);
    return rights.actor;
  }

  private rightsOf(token: VerifiedToken): MaybePromise<CachedRights | null> {
    const key = `${token.issuedBy}:${token.use}:${token.subject}:${token.sessionId ?? ''}`;
    return this.rights.find(key, () =>
      token.use === 'workspace' ? this.rightsOfAgent(token) : this.rightsOfUser(token),
    );
  }

  /** An agent is a member of its workspace, and nobody anywhere else. */
  private async rightsOfAgent(token: VerifiedToken): Promise<CachedRights | null> {
    const [row] = await this.database.manager.query<TokenRow[]>(TOKEN_SQL, [token.subject]);
    if (!row) return null;
    return {
      tokensValidFrom: null,
      sessionAlive: true,
      actor: {
        userId: null,
        tokenId: row.id,
        username: row.name,
        isOperator: false,
        sessionId: null,
        organizations: new Map(),
        workspaces: new Map([[row.workspace_id, { organizationId: row.organization_id, role: 'member' }]]),
      },
    };
  }

  private async rightsOfUser(token: VerifiedToken): Promise<CachedRights | null> {
    const row = (await this.readRights(token)) ?? (await this.provision(token));
    if (!row) return null;
    return {
      tokensValidFrom: row.tokens_valid_from,
      sessionAlive: row.session_alive,
      actor: {
        userId: row.id,
        tokenId: null,
        username: row.username,
        isOperator: row.is_operator,
        sessionId: token.sessionId,
        organizations: new Map(Object.entries(row.organizations ?? {})),
        workspaces: new Map(Object.entries(row.workspaces ?? {})),
      },
    };
  }

  private async readRights(token: VerifiedToken): Promise<ActorRow | undefined> {
    const condition = token.issuedBy === 'local' ? 'u.id = $1::uuid' : 'lower(u.username) = lower($1)';
    const rows = await this.database.manager.query<ActorRow[]>(RIGHTS_SQL + condition, [
      token.subject,
      token.sessionId,
    ]);
    return rows[0];
  }

  /** A user for a valid token of the OpenID provider, where the operator wants that. Rights come later, from people. */
  private async provision(token: VerifiedToken): Promise<ActorRow | undefined> {
    if (token.issuedBy !== 'provider' || !this.environment.JWT_AUTO_PROVISION || token.subject.length > 255)
      return undefined;
    await this.database.transaction(async (transaction) => {
      // Two first requests at once: one of them makes the user, both find it.
      const [created] = await transaction.manager.query<UserRow[]>(
        `INSERT INTO users (id, username) VALUES ($1, $2)
         ON CONFLICT (lower(username)) WHERE deleted_at IS NULL DO NOTHING
         RETURNING id, username, email, is_operator, is_active, created_at`,
        [uuidv7(), token.subject],
      );
      if (!created) return;
      await this.audit.record(transaction, null, {
        organizationId: null,
        action: 'user.created',
        object: { type: 'user', id: created.id },
        after: { ...toUserResponse(created) },
      });
    });
    return this.readRights(token);
  }
}
