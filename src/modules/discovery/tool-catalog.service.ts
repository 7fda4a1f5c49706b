import { Injectable, OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Subscription } from 'rxjs';
import type { SelectQueryBuilder } from 'typeorm';
import { containing } from '../../platform/database/like.js';
import { Database } from '../../platform/database/transaction.js';
import { EventsService } from '../../platform/events/events.service.js';
import { Page, readPage, type PageQuery } from '../../platform/http/paging.js';
import { CONNECTION_CHANGED } from '../connections/connections.events.js';
import { DISCOVERY_FINISHED } from './discovery.events.js';
import { Tool, type ToolDefinition, type ToolEffect } from './tool.entity.js';

/** A safety net under the events that end a cached fact. */
const CACHED_MS = 30_000;

/** Everything a list, a description or a use of a tool needs. */
export interface ToolFacts {
  /** Of its resource row. */
  id: number;
  publicId: string;
  name: string;
  title: string;
  category: string;
  effect: ToolEffect;
  definition: ToolDefinition;
  schemaProblem: string | null;
  connectionId: string;
  organizationId: string;
  serverId: string;
  serverName: string;
}

export interface ToolFilter extends PageQuery {
  server_id?: string;
  category?: string;
  effect?: ToolEffect;
  search?: string;
}

/** The tools that can be used now: discovered, still there, on a connection that is switched on. */
@Injectable()
export class ToolCatalogService implements OnModuleDestroy {
  /** Kept with their schema objects, so that a compiled check is found by identity. */
  private readonly known = new LRUCache<string, ToolFacts[]>({ max: 20_000, ttl: CACHED_MS });
  private readonly invalidation: Subscription;

  constructor(
    private readonly database: Database,
    events: EventsService,
  ) {
    this.invalidation = events.on([DISCOVERY_FINISHED, CONNECTION_CHANGED], () => this.known.clear());
  }

  onModuleDestroy(): void {
    this.invalidation.unsubscribe();
  }

  list(organizationIds: readonly string[], filter: ToolFilter): Promise<Page<ToolFacts>> {
    const rows = this.usable(organizationIds);
    if (filter.server_id !== undefined) rows.andWhere('c.slug = :slug', { slug: filter.server_id });
    if (filter.category !== undefined) rows.andWhere('t.category = :category', { category: filter.category });
    if (filter.effect !== undefined) rows.andWhere('t.effect = :effect', { effect: filter.effect });
    if (filter.search !== undefined) {
      rows.andWhere('(t.public_id ILIKE :search OR t.title ILIKE :search OR r.description ILIKE :search)', {
        search: containing(filter.search),
      });
    }
    return readPage<ToolFacts, Tool>(rows, 't.resource_id', filter, 'integer');
  }

  /** At most one per organization. */
  async find(organizationIds: readonly string[], publicId: string): Promise<ToolFacts[]> {
    if (organizationIds.length === 0) return [];
    const key = `${[...organizationIds].sort().join(',')} ${publicId}`;
    const known = this.known.get(key);
    if (known) return known;
    const found = await this.usable(organizationIds)
      .andWhere('t.public_id = :publicId', { publicId })
      .getRawMany<ToolFacts>();
    this.known.set(key, found);
    return found;
  }

  private usable(organizationIds: readonly string[]): SelectQueryBuilder<Tool> {
    return this.database.manager
      .createQueryBuilder(Tool, 't')
      .innerJoin('t.resource', 'r', 'r.is_available')
      .innerJoin('r.connection', 'c', 'c.deleted_at IS NULL AND c.is_active')
      .select([
        't.resource_id AS id',
        't.public_id AS "publicId"',
        't.name AS name',
        't.title AS title',
        't.category AS category',
        't.effect AS effect',
        't.definition AS definition',
        't.schema_problem AS "schemaProblem"',
        't.connection_id AS "connectionId"',
        't.organization_id AS "organizationId"',
        'c.slug AS "serverId"',
        'c.connection_name AS "serverName"',
      ])
      .where('t.organization_id = ANY(:organizationIds) AND t.public_id IS NOT NULL', {
        organizationIds: [...organizationIds],
      });
  }
}
