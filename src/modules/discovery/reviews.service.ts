import { Injectable } from '@nestjs/common';
import type { EntityManager, SelectQueryBuilder } from 'typeorm';
import { organizationIds, requireRole, type Actor, type OrganizationRole } from '../../platform/auth/actor.js';
import { columns } from '../../platform/database/columns.js';
import { Database } from '../../platform/database/transaction.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { Page, readPage } from '../../platform/http/paging.js';
import { AuditService } from '../audit/audit.service.js';
import { definitionDigest } from './definition-json.js';
import { DefinitionEntry } from './definition.entity.js';
import { decide, sameReview } from './definition-review.js';
import { DefinitionStoreService } from './definition-store.service.js';
import { toolChanged } from './discovery.events.js';
import {
  Decide,
  ListReviews,
  toDiffResponse,
  toReviewResponse,
  type DiffResponse,
  type ReviewResponse,
  type ReviewRow,
  type ReviewWithDiff,
} from './reviews.dto.js';
import { lookAlikes, suspiciousText, type Flag } from './suspicious-text.js';
import { BLOCKED, EFFECT } from './tool-catalog.service.js';
import { Tool } from './tool.entity.js';

/** What servers define, tools, prompts and instructions alike: members of the organization look, owners and admins decide. */
@Injectable()
export class ReviewsService {
  constructor(
    private readonly database: Database,
    private readonly definitions: DefinitionStoreService,
    private readonly audit: AuditService,
  ) {}

  async list(actor: Actor, query: ListReviews): Promise<Page<ReviewResponse>> {
    const rows = this.rows(this.database.manager, organizationIds(actor));
    if (query.connection !== undefined)
      rows.andWhere('d.connection_id = :connection', { connection: query.connection });
    if (query.kind !== undefined) rows.andWhere('d.kind = :kind', { kind: query.kind });
    if (query.status !== undefined) rows.andWhere('d.status = :status', { status: query.status });
    return (await readPage<ReviewRow, DefinitionEntry>(rows, 'd.id', query, 'integer')).map(toReviewResponse);
  }

  async get(actor: Actor, id: number): Promise<ReviewWithDiff> {
    const row = await this.required(actor, id, 'member');
    return { ...toReviewResponse(row), ...toDiffResponse(row, await this.flags(row)) };
  }

  async diff(actor: Actor, id: number): Promise<DiffResponse> {
    const row = await this.required(actor, id, 'member');
    return toDiffResponse(row, await this.flags(row));
  }

  /**
   * Deciding the same again changes nothing.
   * @throws DomainError 404, 403, 409 when `digest` names another definition than the latest
   */
  async decide(actor: Actor, id: number, { action, digest }: Decide): Promise<ReviewResponse> {
    const { connection_id: connectionId, organization_id: organizationId } = await this.required(actor, id, 'admin');
    return this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      // Discoveries write under the same lock: what is decided on is what is stored.
      await manager.query('SELECT 1 FROM connections WHERE id = $1 FOR NO KEY UPDATE', [connectionId]);
      const row = await this.only(manager, [organizationId], id);
      requireSame(row, digest);
      const decided = decide(row, row.latest, action);
      if (sameReview(row, decided)) return toReviewResponse(row);
      await manager.update(
        DefinitionEntry,
        { id, organizationId },
        columns<DefinitionEntry>({ ...decided, decidedAt: new Date(), decidedById: actor.userId }),
      );
      await this.definitions.show(manager, row.server_id, { ...decided, kind: row.kind, resourceId: row.resource_id });
      await transaction.publish(toolChanged(connectionId, organizationId, row.resource_id ?? 0));
      const after = toReviewResponse(await this.only(manager, [organizationId], id));
      await this.audit.record(transaction, actor, {
        organizationId,
        action: action === 'approve' ? 'definition.approved' : 'definition.rejected',
        object: { type: 'definition', id },
        before: { ...toReviewResponse(row) },
        after: { ...after },
      });
      return after;
    });
  }

  /** @param manager of the transaction that is changing it */
  async review(actor: Actor, id: number, manager = this.database.manager): Promise<ReviewResponse> {
    return toReviewResponse(await this.only(manager, organizationIds(actor), id));
  }

  /** @throws DomainError 404, 403 when the role is too low */
  private async required(actor: Actor, id: number, least: OrganizationRole): Promise<ReviewRow> {
    const row = await this.only(this.database.manager, organizationIds(actor), id);
    requireRole(actor, row.organization_id, least, 'review', String(id));
    return row;
  }

  private async only(manager: EntityManager, organizations: readonly string[], id: number): Promise<ReviewRow> {
    const row = await this.rows(manager, organizations).andWhere('d.id = :id', { id }).getRawOne<ReviewRow>();
    if (!row) throw notFound('review', id);
    return row;
  }

  /** What is there to be decided on: not what has vanished. */
  private rows(manager: EntityManager, organizations: readonly string[]): SelectQueryBuilder<DefinitionEntry> {
    return manager
      .createQueryBuilder(DefinitionEntry, 'd')
      .innerJoin('d.connection', 'c', 'c.deleted_at IS NULL')
      .innerJoin('c.serverType', 'st')
      .leftJoin('d.resource', 'r')
      .leftJoin(Tool, 't', 't.resource_id = d.resource_id')
      .select([
        'd.id AS id',
        'd.connection_id AS connection_id',
        'd.organization_id AS organization_id',
        'd.resource_id AS resource_id',
        'c.slug AS server_id',
        'd.kind AS kind',
        'd.name AS name',
        't.public_id AS tool_id',
        'd.latest AS latest',
        'd.approved AS approved',
        'd.status AS status',
        'd.compatible AS compatible',
        `${BLOCKED} AS blocked`,
        `${EFFECT} AS effect`,
        't.effect_override AS effect_override',
        'd.changed_at AS changed_at',
        'd.decided_at AS decided_at',
        'd.decided_by AS decided_by',
      ])
      .where('d.organization_id = ANY(:organizations)', { organizations: [...organizations] })
      .andWhere('d.latest IS NOT NULL AND r.is_available IS NOT FALSE');
  }

  private async flags(row: ReviewRow): Promise<Flag[]> {
    const flags = suspiciousText(row.latest);
    if (row.kind !== 'tool') return flags;
    const others = await this.database.manager
      .createQueryBuilder(Tool, 't')
      .innerJoin('t.resource', 'r', 'r.is_available')
      .innerJoin('r.connection', 'c', 'c.deleted_at IS NULL')
      .select(['t.name AS name', 't.public_id AS "publicId"'])
      .where('t.organization_id = :organization AND t.connection_id <> :connection AND t.public_id IS NOT NULL', {
        organization: row.organization_id,
        connection: row.connection_id,
      })
      .getRawMany<{ name: string; publicId: string }>();
    return [...flags, ...lookAlikes(row.name, others)];
  }
}

function requireSame(row: ReviewRow, digest: string | undefined): void {
  const current = definitionDigest(row.latest);
  if (digest === undefined || digest === current) return;
  throw new DomainError('conflict', 'The server has another definition by now: look at it again', { digest: current });
}
