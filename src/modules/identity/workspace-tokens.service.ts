import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { IsNull, type SelectQueryBuilder } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { AccessTokenService } from '../../platform/auth/access-token.service.js';
import type { Actor } from '../../platform/auth/actor.js';
import { Database } from '../../platform/database/transaction.js';
import { notFound } from '../../platform/http/domain-error.js';
import { Page, PageQuery, readPage } from '../../platform/http/paging.js';
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
  ) {}

  async list(actor: Actor, workspaceId: string, page: PageQuery): Promise<Page<WorkspaceTokenResponse>> {
    await this.workspaces.organizationOfManaged(actor, workspaceId);
    return (await readPage<WorkspaceTokenRow, WorkspaceToken>(this.living(workspaceId), 't.id', page, 'uuid')).map(
      toWorkspaceTokenResponse,
    );
  }

  async create(actor: Actor, workspaceId: string, body: CreateWorkspaceToken): Promise<CreatedWorkspaceTokenResponse> {
    await this.workspaces.organizationOfManaged(actor, workspaceId);
    const id = uuidv7();
    const days = body.expires_in_days ?? DEFAULT_TOKEN_DAYS;
    // A JWT counts in whole seconds.
    const expiresAt = new Date(Math.floor((Date.now() + days * DAY_MS) / 1_000) * 1_000);
    await this.database.manager.insert(WorkspaceToken, {
      id,
      workspaceId,
      name: body.name,
      expiresAt,
      createdById: actor.userId,
    });
    const row = await this.living(workspaceId).andWhere('t.id = :id', { id }).getRawOne<WorkspaceTokenRow>();
    if (!row) throw notFound('token', id);
    return { ...toWorkspaceTokenResponse(row), token: await this.tokens.signForWorkspace(id, workspaceId, expiresAt) };
  }

  /** At once: the next request with it is refused, on every replica. */
  async revoke(actor: Actor, workspaceId: string, id: string): Promise<void> {
    await this.workspaces.organizationOfManaged(actor, workspaceId);
    await this.database.transaction(async (transaction) => {
      const { affected } = await transaction.manager.update(
        WorkspaceToken,
        { id, workspaceId, revokedAt: IsNull() },
        { revokedAt: new Date() },
      );
      if (affected !== 1) throw notFound('token', id);
      await transaction.publish(identityChanged(null));
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

  private living(workspaceId: string): SelectQueryBuilder<WorkspaceToken> {
    return this.database.manager
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
