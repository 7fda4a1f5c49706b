import { Injectable, Logger } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { Database } from '../../platform/database/transaction.js';
import { NOT_STORABLE } from '../../platform/http/body-rules.js';
import { DomainError, invalid, notFound } from '../../platform/http/domain-error.js';
import { canonicalJson, storableJson } from '../../platform/json/canonical-json.js';
import { valueAt } from '../../platform/json/json-pointer.js';
import { AuditService } from '../audit/audit.service.js';
import { ToolCatalogService } from '../discovery/tool-catalog.service.js';
import { InvocationService } from '../tools/invocation.service.js';
import { ItemReaderService, requireReading } from './item-reader.service.js';
import { documentOfTool } from './item-source.js';
import { compileConfig, type CompiledPush, type ToolTemplate } from './mapping-config.js';
import { MappingsService, type VisibleMapping } from './mappings.service.js';
import { enqueueDeliveries } from './outbox.js';
import { toRow, type RenderedItem } from './sync-store.service.js';
import { FieldMissing } from './template.js';

/** Of a process that died with it. */
const LONGEST_PUSH = '3 minutes';

interface StoredItem {
  external_id: string;
  rendered: Record<string, unknown>;
  content_hash: string;
}

export interface PushedResponse {
  success: true;
  message: string;
  external_id: string;
}

/** Takes a changed item back to where it came from, through the grant, unless it changed there too. */
@Injectable()
export class PushService {
  private readonly logger = new Logger('mappings');

  constructor(
    private readonly database: Database,
    private readonly mappings: MappingsService,
    private readonly tools: ToolCatalogService,
    private readonly invocation: InvocationService,
    private readonly reader: ItemReaderService,
    private readonly audit: AuditService,
  ) {}

  /**
   * @param data members of the item that change, in the shape of the component
   * @throws DomainError 404, 403, 409 `upstream_changed`, or what the server says
   */
  async push(
    actor: Actor,
    mappingId: number,
    externalId: string,
    data: Record<string, unknown>,
    signal: CancelSignal,
  ): Promise<PushedResponse> {
    const mapping = await this.mappings.editable(actor, mappingId);
    const { push } = compileConfig({ ...mapping.config });
    if (!push) throw new DomainError('conflict', 'The mapping does not say how: mapping_config.push');
    const stored = await this.stored(mappingId, externalId);
    const before = { ...stored.rendered, external_id: externalId };
    const context = { ...stored.rendered, ...data, external_id: externalId };
    refuseUnfit(push, stored.rendered, data, [before, context]);
    // Before anything is asked, so that a template that does not fit costs nothing.
    const args = argumentsOf(push, context);
    await this.begin(mappingId, externalId);
    try {
      const current = await this.current(actor, mapping, push, before, signal);
      if (current.error !== null || toRow(current).content_hash !== stored.content_hash) {
        const details = { external_id: externalId, current: current.rendered, reason: current.error };
        throw new DomainError('upstream_changed', 'The record changed at the server since the last sync', details);
      }
      const pushed = await this.call(actor, mapping, push.tool, args, signal, (result) => {
        requireSuccess(result);
        return { success: true as const, message: 'The item was pushed', external_id: externalId };
      });
      await this.keep(actor, mapping, push, context, signal);
      return pushed;
    } finally {
      await this.end(mappingId, externalId);
    }
  }

  /** One at a time: of two that look at the same record both would find it unchanged. @throws DomainError 409 */
  private async begin(mappingId: number, externalId: string): Promise<void> {
    const [rows] = await this.database.manager.query<[unknown[], number]>(
      `UPDATE mapping_items SET pushed_until = now() + interval '${LONGEST_PUSH}'
        WHERE mapping_id = $1 AND external_id = $2 AND (pushed_until IS NULL OR pushed_until < now()) RETURNING id`,
      [mappingId, externalId],
    );
    if (rows.length === 0) throw new DomainError('conflict', 'The item is being pushed', { external_id: externalId });
  }

  private async end(mappingId: number, externalId: string): Promise<void> {
    await this.database.manager.query(
      'UPDATE mapping_items SET pushed_until = NULL WHERE mapping_id = $1 AND external_id = $2',
      [mappingId, externalId],
    );
  }

  /** What the server has now, rendered as a sync would. */
  private async current(
    actor: Actor,
    mapping: VisibleMapping,
    { read }: CompiledPush,
    context: { external_id: string } & Record<string, unknown>,
    signal: CancelSignal,
  ): Promise<RenderedItem> {
    // The key of the request is for what changes something.
    const asking = { ...actor, origin: { ...actor.origin, idempotencyKey: null } };
    const tool = await this.toolOf(mapping, read.tool);
    requireReading(tool.effect);
    const document = await this.call(asking, mapping, read.tool, argumentsOf(read, context), signal, documentOfTool);
    const [item] = this.reader.rendered(mapping.config, [valueAt(document, read.item)]);
    if (item?.external_id === context.external_id) return item;
    throw new DomainError('upstream_error', 'The server answers with another record', { reason: 'another_record' });
  }

  /** What the server made of it; where that can't be read, the next sync brings it. */
  private async keep(
    actor: Actor,
    mapping: VisibleMapping,
    push: CompiledPush,
    context: { external_id: string } & Record<string, unknown>,
    signal: CancelSignal,
  ): Promise<void> {
    const item = await this.current(actor, mapping, push, context, signal).catch((error: unknown) => {
      if (!(error instanceof DomainError)) throw error;
      this.logger.warn({ mapping: mapping.id, reason: error.message }, 'a pushed item could not be read back');
      return null;
    });
    const { id: mappingId, organization_id: organizationId } = mapping;
    await this.database.transaction(async (transaction) => {
      if (item !== null && item.error === null) {
        const { content_hash: hash } = toRow(item);
        const [rows] = await transaction.manager.query<[unknown[], number]>(
          `UPDATE mapping_items SET rendered = $3, content_hash = decode($4, 'hex'), synced_at = now()
            WHERE mapping_id = $1 AND external_id = $2 AND content_hash <> decode($4, 'hex') RETURNING id`,
          [mappingId, context.external_id, storableJson(item.rendered), hash],
        );
        const upserted = rows.length > 0 ? [{ external_id: context.external_id, data: item.rendered }] : [];
        await enqueueDeliveries(transaction, { mappingId, syncId: null, upserted, deleted: [] });
      }
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'mapping.item_pushed',
        object: { type: 'mapping', id: mappingId },
        after: { external_id: context.external_id },
      });
    });
  }

  private async call<T>(
    actor: Actor,
    mapping: VisibleMapping,
    name: string,
    args: Record<string, unknown>,
    signal: CancelSignal,
    toAnswer: (result: unknown) => T,
  ): Promise<T> {
    const tool = await this.toolOf(mapping, name);
    const caller = { actor, workspace: mapping.workspace_id, door: 'mapping' as const };
    const used = { ...tool, grantId: mapping.workspace_access_id };
    return this.invocation.callTool(caller, used, args, { signal }, toAnswer);
  }

  private async toolOf(
    mapping: VisibleMapping,
    name: string,
  ): Promise<NonNullable<Awaited<ReturnType<ToolCatalogService['byName']>>>> {
    const tool = await this.tools.byName(mapping.connection_id, name);
    if (!tool) throw notFound('tool', name);
    return tool;
  }

  private async stored(mappingId: number, externalId: string): Promise<StoredItem> {
    if (NOT_STORABLE.test(externalId)) throw notFound('item', externalId);
    const [item] = await this.database.manager.query<(StoredItem & { status: string })[]>(
      `SELECT external_id, status, rendered, encode(content_hash, 'hex') AS content_hash
         FROM mapping_items WHERE mapping_id = $1 AND external_id = $2`,
      [mappingId, externalId],
    );
    if (!item) throw notFound('item', externalId);
    if (item.status !== 'synced') throw new DomainError('conflict', 'The item failed: see its error');
    return item;
  }
}

/** @throws DomainError 400 for what the item does not have, and for what says which record it is */
function refuseUnfit(
  { read }: CompiledPush,
  known: Record<string, unknown>,
  data: Record<string, unknown>,
  [before, after]: [unknown, unknown],
): void {
  const unknown = Object.keys(data).filter((name) => !Object.hasOwn(known, name));
  if (unknown.length > 0)
    throw invalid(Object.fromEntries(unknown.map((name) => [`data.${name}`, ['is not a member of the item']])));
  if (canonicalJson(argumentsOf(read, before)) !== canonicalJson(argumentsOf(read, after)))
    throw invalid({ data: ['must not change what the record is read by, see mapping_config.push.read'] });
}

/** Whatever a tool that writes says: that it reported no error is all there is to know. @throws DomainError */
function requireSuccess(result: unknown): void {
  if ((result as { isError?: unknown } | null)?.isError !== true) return;
  documentOfTool(result);
}

/** @throws DomainError 400 naming the template */
function argumentsOf({ render }: ToolTemplate, context: unknown): Record<string, unknown> {
  try {
    return render(context);
  } catch (error) {
    if (!(error instanceof FieldMissing)) throw error;
    throw invalid({ data: [`has nothing for ${error.placeholder} of mapping_config.push`] });
  }
}
