import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import { KeyRing, type SealedPlace } from '../../platform/crypto/key-ring.js';
import type { SealedColumn } from '../../platform/crypto/reseal.js';
import { Database } from '../../platform/database/transaction.js';
import { EgressClient } from '../../platform/egress/egress-client.js';
import { EgressError } from '../../platform/egress/egress-error.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { Page, readPage } from '../../platform/http/paging.js';
import { AuditService } from '../audit/audit.service.js';
import { MappingDelivery } from './mapping-delivery.entity.js';
import { MappingWebhook } from './mapping-webhook.entity.js';
import { MappingsService } from './mappings.service.js';
import { enqueueDelivery } from './outbox.js';
import { newWebhookSecret } from './webhook-signature.js';
import {
  ListDeliveries,
  toDeliveryResponse,
  type DeliveryResponse,
  type DeliveryRow,
  type NewWebhookResponse,
  type WebhookResponse,
} from './webhooks.dto.js';

/** Where the items of mappings are delivered to, and what became of it. */
@Injectable()
export class WebhooksService {
  constructor(
    private readonly database: Database,
    private readonly mappings: MappingsService,
    private readonly keys: KeyRing,
    private readonly egress: EgressClient,
    private readonly audit: AuditService,
  ) {}

  async get(actor: Actor, mappingId: number): Promise<WebhookResponse> {
    await this.mappings.readable(actor, mappingId);
    const row = await this.database.manager.findOneBy(MappingWebhook, { mappingId });
    if (!row) throw notFound('webhook', mappingId);
    return { url: row.url, created_at: row.createdAt.toISOString() };
  }

  /** Every address gets a secret of its own. */
  async set(actor: Actor, mappingId: number, url: string): Promise<NewWebhookResponse> {
    const { organization_id: organizationId } = await this.mappings.editable(actor, mappingId);
    this.refuseAddress(url);
    const secret = newWebhookSecret();
    const sealedSecret = this.keys.seal(secret, secretPlace(organizationId, mappingId));
    return this.database.transaction(async (transaction) => {
      await this.mappings.held(transaction, actor, mappingId);
      const before = await transaction.manager.findOneBy(MappingWebhook, { mappingId });
      const createdAt = new Date();
      const values = { mappingId, organizationId, url, sealedSecret, createdAt };
      await transaction.manager.upsert(MappingWebhook, values, ['mappingId']);
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'mapping.webhook_set',
        object: { type: 'mapping', id: mappingId },
        before: before && { url: before.url },
        after: { url },
      });
      return { url, created_at: createdAt.toISOString(), secret };
    });
  }

  /** What was not delivered yet counts as given up. */
  async remove(actor: Actor, mappingId: number): Promise<void> {
    const { organization_id: organizationId } = await this.mappings.editable(actor, mappingId);
    await this.database.transaction(async (transaction) => {
      const [before] = await transaction.manager.findBy(MappingWebhook, { mappingId });
      if (!before) throw notFound('webhook', mappingId);
      await transaction.manager.delete(MappingWebhook, { mappingId });
      await transaction.manager.query(
        "UPDATE mapping_deliveries SET status = 'dead', last_error = 'the webhook was removed' WHERE mapping_id = $1 AND status = 'pending'",
        [mappingId],
      );
      const object = { type: 'mapping', id: mappingId };
      const change = { organizationId, action: 'mapping.webhook_removed', object, before: { url: before.url } };
      await this.audit.record(transaction, actor, change);
    });
  }

  async deliveries(actor: Actor, mappingId: number, query: ListDeliveries): Promise<Page<DeliveryResponse>> {
    await this.mappings.readable(actor, mappingId);
    const rows = this.database.manager
      .createQueryBuilder(MappingDelivery, 'd')
      .where('d.mapping_id = :mappingId', { mappingId })
      .select(['d.id AS id', 'd.status AS status', 'd.attempts AS attempts', 'd.last_status AS last_status'])
      .addSelect(['d.last_error AS last_error', 'd.created_at AS created_at', 'd.delivered_at AS delivered_at'])
      .addSelect("json_array_length(d.payload->'data'->'upserted')", 'upserted')
      .addSelect("json_array_length(d.payload->'data'->'deleted')", 'deleted');
    if (query.status !== undefined) rows.andWhere('d.status = :status', { status: query.status });
    return (await readPage<DeliveryRow, MappingDelivery>(rows, 'd.id', query, 'uuid')).map(toDeliveryResponse);
  }

  /** One that was given up, with the id it had. */
  async resend(actor: Actor, mappingId: number, id: string): Promise<{ success: true; message: string }> {
    const { organization_id: organizationId } = await this.mappings.editable(actor, mappingId);
    await this.database.transaction(async (transaction) => {
      if (!(await transaction.manager.existsBy(MappingWebhook, { mappingId })))
        throw new DomainError('conflict', 'The mapping has no webhook');
      const [rows] = await transaction.manager.query<[unknown[], number]>(
        `UPDATE mapping_deliveries SET status = 'pending', attempts = 0, delivered_at = NULL
          WHERE id = $1 AND mapping_id = $2 AND status <> 'pending' RETURNING id`,
        [id, mappingId],
      );
      if (rows.length === 0) throw await this.whyNot(mappingId, id);
      await enqueueDelivery(transaction, { id, organizationId, mappingId });
      const object = { type: 'mapping', id: mappingId };
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'mapping.delivery_resent',
        object,
        after: { delivery: id },
      });
    });
    return { success: true, message: 'It is delivered again' };
  }

  private async whyNot(mappingId: number, id: string): Promise<DomainError> {
    const known = await this.database.manager.existsBy(MappingDelivery, { id, mappingId });
    return known ? new DomainError('conflict', 'It is being delivered') : notFound('delivery', id);
  }

  private refuseAddress(url: string): void {
    try {
      this.egress.checkUrl(url);
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      throw new DomainError('address_refused', error.message);
    }
  }
}

export function secretPlace(organizationId: string, mappingId: number): SealedPlace {
  return { organizationId, connectionId: `mapping:${mappingId}`, field: 'webhook_secret' };
}

/** Secrets of webhooks, for `npm run keys:rotate`. */
export const SEALED_WEBHOOK_SECRETS: SealedColumn = {
  table: 'mapping_webhooks',
  id: 'mapping_id',
  column: 'sealed_secret',
  condition: 'true',
  place: ({ id, organization_id }) => secretPlace(organization_id, Number(id)),
  named: 'webhooks of mappings',
};
