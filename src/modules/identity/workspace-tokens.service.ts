import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AccessTokenService } from '../../platform/auth/access-token.service.js';
import type { Actor } from '../../platform/auth/actor.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { notFound } from '../../platform/http/domain-error.js';
import { Page, PageQuery, readPage } from '../../platform/http/paging.js';
import { AuditService } from '../audit/audit.service.js';
import { identityChanged } from './identity.events.js';
import { WorkspaceToken } from './workspace-token.entity.js';
import {
  CreateWorkspaceToken,
  DEFAULT_TOKEN_DAYS,
  toWorkspaceTokenResponse,
  type CreatedWorkspaceTokenResponse,
  type WorkspaceTokenResponse,
  type WorkspaceTokenRow,
} from './workspace-tokens.dto.js';
import { WorkspacesService } from './workspaces.service.js';

const DAY_MS = 86_400_000;
/** `last_used` is written this often at most, per token and replica. */
const NOTED_FOR_MS = 60_000;

/** Tokens for agents: managers of a workspace and the organization's admins make and revoke them. */
@Injectable()
export class WorkspaceTokensService {
  private readonly logger = new Logger('workspace-tokens');
  private readonly noted = new LRUCache<string, true>({ max: 10_000, ttl: NOTED_FOR_MS });

  constructor(
    private readonly database: Database,
    private readonly workspaces: WorkspacesService,
    private readonly tokens: AccessTokenService,
    private readonly audit: AuditService,
  ) {}

  async list(actor: Actor, workspaceId: string, page: PageQuery): Promise<Page<WorkspaceTokenResponse>> {
    await this.workspaces.organizationOfManaged(actor, workspaceId);
    return (await readPage<WorkspaceTokenRow, WorkspaceToken>(this.living(workspaceId), 't.id', page, 'uuid')).map(
      toWorkspaceTokenResponse,
    );
  }

  async create(actor: Actor, workspaceId: string, body: CreateWorkspaceToken): Promise<CreatedWorkspaceTokenResponse> {
    const organizationId = await this.workspaces.organizationOfManaged(actor, workspaceId);
    const id = uuidv7();
    const days = body.expires_in_days ?? DEFAULT_TOKEN_DAYS;
    // A JWT counts in whole seconds.
    const expiresAt = new Date(Math.floor((Date.now() + days * DAY_MS) / 1_000) * 1_000);
    const token = await this.tokens.signForWorkspace(id, workspaceId, expiresAt);
    return this.database.transaction(async (transaction) => {
      const row = { id, workspaceId, name: body.name, expiresAt, createdById: actor.userId };
      await transaction.manager.insert(WorkspaceToken, row);
      const created = await this.held(transaction, workspaceId, id);
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'workspace_token.created',
        object: { type: 'workspace_token', id },
        after: { ...created },
      });
      return { ...created, token };
    });
  }

  /** At once: the next request with it is refused, on every replica. */
  async revoke(actor: Actor, workspaceId: string, id: string): Promise<void> {
    const organizationId = await this.workspaces.organizationOfManaged(actor, workspaceId);
    await this.database.transaction(async (transaction) => {
      const before = await this.held(transaction, workspaceId, id);
      await transaction.manager.update(WorkspaceToken, { id, workspaceId }, { revokedAt: new Date() });
      await transaction.publish(identityChanged(null));
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'workspace_token.revoked',
        object: { type: 'workspace_token', id },
        before: { ...before },
      });
    });
  }

  /** Nobody waits for it, and it is written once a minute at most: a request costs no write. */
  noteUse(id: string): void {
    if (this.noted.has(id)) return;
    this.noted.set(id, true);
    this.database.manager
      .update(WorkspaceToken, { id }, { lastUsed: new Date() })
      .catch((error: unknown) => this.logger.warn({ err: error }, 'the use of a token could not be noted'));
  }

  /** As it is now, and stays until the end of the transaction. */
  private async held({ manager }: Transaction, workspaceId: string, id: string): Promise<WorkspaceTokenResponse> {
    const row = await this.living(workspaceId, manager)
      .andWhere('t.id = :id', { id })
      .setLock('for_no_key_update', undefined, ['t'])
      .getRawOne<WorkspaceTokenRow>();
    if (!row) throw notFound('token', id);
    return toWorkspaceTokenResponse(row);
  }

  private living(
    workspaceId: string,
    manager: EntityManager = this.database.manager,
  ): SelectQueryBuilder<WorkspaceToken> {
    return manager
      .createQueryBuilder(WorkspaceToken, 't')
      .leftJoin('t.createdBy', 'u')
      .select([
        't.id AS id',
        't.workspace_id AS workspace_id',
        't.name AS name',
        't.expires_at AS expires_at',
        't.last_used AS last_used',
        't.created_at AS created_at',
        't.created_by AS created_by',
        'u.username AS username',
      ])
      .where('t.workspace_id = :workspaceId AND t.revoked_at IS NULL', { workspaceId });
  }
}
