import { Injectable } from '@nestjs/common';
import { hasRole, requireRole, type Actor, type OrganizationRole } from '../../platform/auth/actor.js';
import { canBeAnId, candidateOrganizations, theOnly } from '../../platform/auth/organization-choice.js';
import { Database } from '../../platform/database/transaction.js';
import { notFound } from '../../platform/http/domain-error.js';
import { AuditService } from '../audit/audit.service.js';
import { DefinitionEntry } from './definition.entity.js';
import { toolChanged } from './discovery.events.js';
import type { Decide, DiffResponse, ReviewResponse, SetEffect } from './reviews.dto.js';
import { ReviewsService } from './reviews.service.js';
import { Tool } from './tool.entity.js';

interface ReviewedTool {
  reviewId: number;
  resourceId: number;
  connectionId: string;
  organizationId: string;
}

/** The reviews of tools by their public ids, and what admins say about a tool's effect. */
@Injectable()
export class ToolReviewService {
  constructor(
    private readonly database: Database,
    private readonly reviews: ReviewsService,
    private readonly audit: AuditService,
  ) {}

  async diff(actor: Actor, toolId: string, organization: string | undefined): Promise<DiffResponse> {
    return this.reviews.diff(actor, (await this.required(actor, toolId, organization, 'member')).reviewId);
  }

  async decide(
    actor: Actor,
    toolId: string,
    organization: string | undefined,
    decision: Decide,
  ): Promise<ReviewResponse> {
    return this.reviews.decide(actor, (await this.required(actor, toolId, organization, 'admin')).reviewId, decision);
  }

  async setEffect(
    actor: Actor,
    toolId: string,
    organization: string | undefined,
    { effect }: SetEffect,
  ): Promise<ReviewResponse> {
    const tool = await this.required(actor, toolId, organization, 'admin');
    const { reviewId, resourceId, connectionId, organizationId } = tool;
    const its = [resourceId, organizationId];
    return this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      await manager.query('SELECT 1 FROM tools WHERE resource_id = $1 AND organization_id = $2 FOR NO KEY UPDATE', its);
      const before = await this.reviews.review(actor, reviewId, manager);
      if (before.effect_override === effect) return before;
      const set = 'UPDATE tools SET effect_override = $3 WHERE resource_id = $1 AND organization_id = $2';
      await manager.query(set, [...its, effect]);
      await transaction.publish(toolChanged(connectionId, organizationId, resourceId));
      const after = await this.reviews.review(actor, reviewId, manager);
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'tool.effect_changed',
        object: { type: 'tool', id: toolId },
        before: { ...before },
        after: { ...after },
      });
      return after;
    });
  }

  /** Also of a connection that is switched off. Where the id exists in several organizations, those count that the actor administers. */
  private async required(
    actor: Actor,
    toolId: string,
    organization: string | undefined,
    least: OrganizationRole,
  ): Promise<ReviewedTool> {
    const shownId = toolId.slice(0, 200);
    if (!canBeAnId(toolId)) throw notFound('tool', shownId);
    const organizations = candidateOrganizations(actor, organization);
    const found = await this.database.manager
      .createQueryBuilder(Tool, 't')
      .innerJoin('t.resource', 'r', 'r.is_available')
      .innerJoin('r.connection', 'c', 'c.deleted_at IS NULL')
      .innerJoin(DefinitionEntry, 'd', 'd.resource_id = t.resource_id')
      .select(['d.id AS "reviewId"', 't.resource_id AS "resourceId"'])
      .addSelect(['t.connection_id AS "connectionId"', 't.organization_id AS "organizationId"'])
      .where('t.organization_id = ANY(:organizations) AND t.public_id = :toolId', { organizations, toolId })
      .getRawMany<ReviewedTool>();
    const administered = found.filter((tool) => hasRole(actor, tool.organizationId, 'admin'));
    const tool = theOnly(administered.length > 0 ? administered : found, 'tool', shownId);
    requireRole(actor, tool.organizationId, least, 'tool', shownId);
    return tool;
  }
}
