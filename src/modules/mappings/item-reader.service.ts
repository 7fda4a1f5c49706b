import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { traceOfRequest } from '../../platform/telemetry/trace-context.js';
import { ResourcesService, type ResourceDetails } from '../discovery/resources.service.js';
import { ToolCatalogService } from '../discovery/tool-catalog.service.js';
import { InvocationService } from '../tools/invocation.service.js';
import { argumentsFor, externalIdOf, itemsOfResource, itemsOfTool, type Cursor } from './item-source.js';
import { compileConfig, type CompiledConfig, type MappingConfig } from './mapping-config.js';
import type { RenderedItem } from './sync-store.service.js';
import { FieldMissing, ItemTooLarge } from './template.js';

/** What is read, and by which right. */
export interface ReadPlace {
  mapping_id: number;
  organization_id: string;
  workspace_id: string;
  workspace_access_id: number;
  resource_id: number;
  config: MappingConfig;
}

export interface RenderedPage {
  items: RenderedItem[];
  /** Where a provider says that the next reading begins. */
  checkpoint: string | null;
}

const ITEMS_AT_ONCE = 100;
/** Of a record. */
const MOST_DEPTH = 100;
const LONGEST_SOURCE = 262_144;
/** More pages than this have no end. */
const MOST_PAGES = 100_000;

/** Reads the records of a mapping page by page, through its grant and no other, and renders them. */
@Injectable()
export class ItemReaderService {
  constructor(
    private readonly invocation: InvocationService,
    private readonly resources: ResourcesService,
    private readonly tools: ToolCatalogService,
  ) {}

  /**
   * @param requestId under which the calls stand in the ledger
   * @param since a provider's checkpoint; null for everything
   * @throws DomainError where policy, budget or the upstream end it
   */
  async *pages(
    place: ReadPlace,
    requestId: string,
    since: string | null,
    signal: CancelSignal,
  ): AsyncGenerator<RenderedPage> {
    const config = compileConfig({ ...place.config });
    const resource = await this.resources.details(place.organization_id, place.resource_id);
    if (!resource?.isAvailable) throw notFound('resource', place.resource_id);
    const seen = new Set<Cursor>();
    let cursor: Cursor | null = null;
    for (let pages = 0; pages < MOST_PAGES; pages++) {
      const read = await this.page(place, resource, config, { requestId, since, cursor }, signal);
      // In parts: a page may have many small items, or few large ones.
      const ends = Math.max(1, Math.ceil(read.items.length / ITEMS_AT_ONCE));
      for (let part = 0; part < ends; part++) {
        const items = read.items.slice(part * ITEMS_AT_ONCE, (part + 1) * ITEMS_AT_ONCE);
        const checkpoint = part === ends - 1 ? read.checkpoint : null;
        yield { items: items.map((item) => rendered(item, config)), checkpoint };
      }
      if (read.next === null) return;
      if (seen.has(read.next))
        throw new DomainError('upstream_error', 'The server repeats a page', { reason: 'repeated_cursor' });
      seen.add(read.next);
      cursor = read.next;
    }
    throw new DomainError('upstream_error', `More than ${MOST_PAGES} pages`, { reason: 'pages' });
  }

  rendered(config: MappingConfig, items: readonly unknown[]): RenderedItem[] {
    const compiled = compileConfig({ ...config });
    return items.map((item) => rendered(item, compiled));
  }

  private async page(
    place: ReadPlace,
    resource: ResourceDetails,
    config: CompiledConfig,
    at: { requestId: string; since: string | null; cursor: Cursor | null },
    signal: CancelSignal,
  ): Promise<{ items: readonly unknown[]; next: Cursor | null; checkpoint: string | null }> {
    const caller = {
      actor: mappingActor(place, at.requestId),
      workspace: place.workspace_id,
      door: 'mapping' as const,
    };
    const grantId = place.workspace_access_id;
    if (resource.kind === 'tool') {
      const tool = await this.tools.byId(resource.id);
      if (!tool) throw notFound('resource', resource.id);
      requireReading(tool.effect);
      const args = argumentsFor(config, at.cursor);
      const used = { ...tool, grantId };
      const { items, next } = await this.invocation.callTool(caller, used, args, { signal }, (result) =>
        itemsOfTool(result, config),
      );
      return { items, next, checkpoint: null };
    }
    const { connectionId, uri, id } = resource;
    const window = {
      ...(at.since === null ? {} : { since: at.since }),
      ...(at.cursor === null ? {} : { cursor: String(at.cursor) }),
    };
    const readable = {
      connectionId,
      organizationId: place.organization_id,
      uri,
      resourceId: id,
      listedAs: id,
      named: id,
    };
    const { items, page } = await this.invocation.readResource(
      caller,
      { ...readable, window, grantId },
      { signal },
      (result) => itemsOfResource(result, config),
    );
    return { items, next: page?.nextCursor ?? null, checkpoint: page?.checkpoint ?? null };
  }
}

/** A sync runs again and again: nothing that changes the upstream is run like that. @throws DomainError 403 */
export function requireReading(effect: string): void {
  if (effect === 'read') return;
  throw new DomainError(
    'access_denied',
    'A mapping only calls tools that read: an admin can say that this one does, by its effect',
    { reason: 'permission_level', effect },
  );
}

/** A mapping acts by itself, with the rights of its grant alone, whoever made it or asked for the sync. */
function mappingActor(place: ReadPlace, requestId: string): Actor {
  const { mapping_id, organization_id: organizationId, workspace_id } = place;
  return {
    userId: null,
    tokenId: null,
    username: `mapping ${mapping_id}`,
    isOperator: false,
    sessionId: null,
    organizations: new Map(),
    workspaces: new Map([[workspace_id, { organizationId, role: 'member' }]]),
    // The pages of one sync are one trace.
    origin: { requestId, address: '', idempotencyKey: null, trace: traceOfRequest(undefined, requestId) },
  };
}

function rendered(item: unknown, config: CompiledConfig): RenderedItem {
  const external_id = externalIdOf(item, config);
  if (external_id === null) return failed(item, null, 'The item has no usable id');
  if (isDeeperThan(item, MOST_DEPTH)) return failed(null, external_id, `The item is nested deeper than ${MOST_DEPTH}`);
  try {
    return { external_id, rendered: config.render(item), error: null, source: null };
  } catch (error) {
    if (!(error instanceof FieldMissing || error instanceof ItemTooLarge)) throw error;
    return failed(item, external_id, error.message);
  }
}

/** What is too large to be kept can't be tried again by itself: a complete sync does. */
function failed(item: unknown, external_id: string | null, error: string): RenderedItem {
  const isKept = !isDeeperThan(item, MOST_DEPTH) && JSON.stringify(item).length <= LONGEST_SOURCE;
  return { external_id, rendered: null, error, source: isKept ? item : null };
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((inner) => isDeeperThan(inner, depth - 1));
}
