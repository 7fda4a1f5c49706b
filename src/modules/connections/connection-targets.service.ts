import { Injectable, OnModuleDestroy } from '@nestjs/common';
import { createHash } from 'node:crypto';
import type { Subscription } from 'rxjs';
import type { UpstreamTarget } from '../../mcp/upstream.js';
import { UpstreamPool } from '../../mcp/upstream-pool.js';
import { Database } from '../../platform/database/transaction.js';
import { EventsService } from '../../platform/events/events.service.js';
import { FreshCache } from '../../platform/events/fresh-cache.js';
import type { MaybePromise } from '../../platform/maybe-promise.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import {
  priceOf,
  RegistryService,
  type Price,
  type PriceBook,
  type RenderedTransport,
  type ServerTypeDefinition,
} from '../registry/registry.service.js';
import { SERVER_TYPE_CHANGED } from '../registry/registry.events.js';
import { ConnectionSettingsService } from './connection-settings.service.js';
import { Connection } from './connection.entity.js';
import { CONNECTION_CHANGED, CONNECTION_STATUS } from './connections.events.js';

/** Sessions that belong to nobody in particular: those of a type that keeps no state, and of discovery. */
export const SHARED_PRINCIPAL = 'shared';
const DEFAULT_TIMEOUT_SECONDS = 30;
/** A safety net under the events that end a cached target. */
const CACHED_MS = 30_000;

interface Reachable {
  target: Omit<UpstreamTarget, 'principal'>;
  shared: boolean;
  isActive: boolean;
  prices: PriceBook;
}

/** From a connection's id to what the pool needs to reach its server. */
@Injectable()
export class ConnectionTargetsService implements OnModuleDestroy {
  private readonly known: FreshCache<Reachable>;
  private readonly news: Subscription;

  constructor(
    private readonly database: Database,
    private readonly registry: RegistryService,
    private readonly settings: ConnectionSettingsService,
    private readonly pool: UpstreamPool,
    events: EventsService,
  ) {
    this.known = new FreshCache(events, [CONNECTION_CHANGED, SERVER_TYPE_CHANGED], {
      max: 5_000,
      ttlMs: CACHED_MS,
      affects: (event, connectionId) => event.type !== CONNECTION_CHANGED || event.connection_id === connectionId,
    });
    this.news = events.on([CONNECTION_CHANGED, CONNECTION_STATUS], (event) => {
      const id = String(event.connection_id);
      if (event.type === CONNECTION_CHANGED && event.ends === true) void this.pool.closeConnection(id);
      if (event.type === CONNECTION_STATUS && event.reached === true) this.pool.hear(id, true);
    });
  }

  onModuleDestroy(): void {
    this.known.close();
    this.news.unsubscribe();
  }

  /**
   * For a call by `principal`.
   * @throws DomainError 404, 403 `access_denied` while it is switched off, 409 `credentials_required`
   */
  async forCall(connectionId: string, principal: string): Promise<UpstreamTarget> {
    const { target, shared, isActive } = await this.reachable(connectionId);
    if (!isActive)
      throw new DomainError('access_denied', 'The connection is switched off', { reason: 'connection_inactive' });
    return { principal: shared ? SHARED_PRINCIPAL : principal, ...target };
  }

  /**
   * What a call costs: by the connection's own price book where it has one, else by that of its type.
   * @param tool its name at the server; null for anything but a tool
   * @throws as {@link forCall}
   */
  async priceOf(connectionId: string, tool: string | null): Promise<Price> {
    return priceOf((await this.reachable(connectionId)).prices, tool);
  }

  /** For tests and discovery, which also work while the connection is switched off. */
  async forInspection(connectionId: string): Promise<UpstreamTarget> {
    return { ...(await this.reachable(connectionId)).target, principal: SHARED_PRINCIPAL };
  }

  /** For a connection that is not stored yet. */
  static of(
    connectionId: string,
    organizationId: string,
    rendered: RenderedTransport,
    options: Record<string, unknown>,
  ): UpstreamTarget {
    return { ...describe(connectionId, organizationId, rendered, options), principal: SHARED_PRINCIPAL };
  }

  private reachable(connectionId: string): MaybePromise<Reachable> {
    return this.known.get(connectionId, () => this.read(connectionId));
  }

  private async read(connectionId: string): Promise<Reachable> {
    const row = await this.database.manager
      .createQueryBuilder(Connection, 'c')
      .innerJoinAndSelect('c.serverType', 't')
      .where('c.id = :connectionId AND c.deleted_at IS NULL', { connectionId })
      .getOne();
    const type: ServerTypeDefinition | null | undefined = row?.serverType;
    if (!row || !type) throw notFound('connection', connectionId);
    if (!this.registry.isEnabled(type.transport)) {
      throw new DomainError('access_denied', 'Servers that are processes are switched off', {
        reason: 'stdio_disabled',
      });
    }
    return {
      target: describe(row.id, row.organizationId, this.settings.open(type, row), row.configOptions),
      shared: type.sessionScope === 'connection',
      isActive: row.isActive,
      prices: row.priceBook ?? type.priceBook,
    };
  }
}

function describe(
  connectionId: string,
  organizationId: string,
  rendered: RenderedTransport,
  options: Record<string, unknown>,
): Omit<UpstreamTarget, 'principal'> {
  const seconds =
    typeof options.timeout === 'number' && options.timeout > 0 ? options.timeout : DEFAULT_TIMEOUT_SECONDS;
  return {
    connectionId,
    organizationId,
    // Whatever changes how the server is reached, be it the connection or its type, gives other sessions.
    revision: createHash('sha256').update(JSON.stringify(rendered.transport)).digest('base64url'),
    transport: rendered.transport,
    timeoutMs: Math.min(seconds, 600) * 1_000,
  };
}
