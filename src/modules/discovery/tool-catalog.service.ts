import { Injectable, OnModuleDestroy } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { containing } from '../../platform/database/like.js';
import { Database } from '../../platform/database/transaction.js';
import { EventsService } from '../../platform/events/events.service.js';
import { FreshCache } from '../../platform/events/fresh-cache.js';
import { Page, readPage, type PageQuery } from '../../platform/http/paging.js';
import { CONNECTION_CHANGED } from '../connections/connections.events.js';
import { SERVER_TYPE_CHANGED } from '../registry/registry.events.js';
import { DefinitionEntry, type DefinitionStatus } from './definition.entity.js';
import type { Blocked } from './definition-review.js';
import { DISCOVERY_FINISHED, TOOL_CHANGED } from './discovery.events.js';
import type { RowScope } from './resources.service.js';
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
  /** What it may do, by the first that says so: an admin, the verified list of the type, its own annotations. */
  effect: ToolEffect;
  /** The one in force: approved, else as last discovered. */
  definition: ToolDefinition;
  review: DefinitionStatus;
  /** Why its definition keeps it from being called; null where it does not. */
  blocked: Blocked | null;
  schemaProblem: string | null;
  connectionId: string;
  organizationId: string;
  serverId: string;
  serverName: string;
}

/** A tool as the policy of grants looks at it. */
export type ToolOutline = Pick<ToolFacts, 'id' | 'name' | 'publicId' | 'title' | 'effect' | 'blocked'>;

export interface ToolFilter extends PageQuery {
  server_id?: string;
  category?: string;
  effect?: ToolEffect;
  search?: string;
}

/**
 * SQL of what a tool may do. Annotations come from the server itself, so they raise an effect, and lower it only where the
 * type or the connection is trusted. Needs the aliases `t` (tools), `c` (connections) and `st` (server types).
 */
export const EFFECT = `COALESCE(t.effect_override, st.tool_effects ->> t.name,
  CASE WHEN t.effect = 'read' AND NOT (st.trust_annotations OR c.trust_annotations) THEN 'write' ELSE t.effect END)`;

/** SQL of `blockedBecause`; needs the alias `d` (definitions). */
export const BLOCKED = `CASE WHEN d.status = 'approved' THEN NULL WHEN d.approved IS NULL THEN 'definition_' || d.status
  WHEN d.compatible THEN NULL ELSE 'definition_changed' END`;

/** The tools that can be used now: discovered, still there, on a connection that is switched on. */
@Injectable()
export class ToolCatalogService implements OnModuleDestroy {
  /** Kept with their schema objects, so that a compiled check is found by identity. */
  private readonly known: FreshCache<ToolFacts[]>;

  constructor(
    private readonly database: Database,
    events: EventsService,
  ) {
    const stale = [DISCOVERY_FINISHED, CONNECTION_CHANGED, SERVER_TYPE_CHANGED, TOOL_CHANGED];
    this.known = new FreshCache(events, stale, { max: 20_000, ttlMs: CACHED_MS });
  }

  onModuleDestroy(): void {
    this.known.close();
  }

  list(scope: RowScope, filter: ToolFilter): Promise<Page<ToolFacts>> {
    const rows = this.usable().andWhere(
      '(t.organization_id = ANY(:organizations) OR t.resource_id = ANY(:resources))',
      {
        organizations: [...scope.organizations],
        resources: [...scope.resourceIds],
      },
    );
    if (filter.server_id !== undefined) rows.andWhere('c.slug = :slug', { slug: filter.server_id });
    if (filter.category !== undefined) rows.andWhere('t.category = :category', { category: filter.category });
    if (filter.effect !== undefined) rows.andWhere(`${EFFECT} = :effect`, { effect: filter.effect });
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
    return this.known.get(key, () =>
      this.usable()
        .andWhere('t.organization_id = ANY(:organizations) AND t.public_id = :publicId', {
          organizations: [...organizationIds],
          publicId,
        })
        .getRawMany<ToolFacts>(),
    );
  }

  /** Of a resource row. */
  async byId(resourceId: number): Promise<ToolFacts | undefined> {
    const [tool] = await this.known.get(`#${resourceId}`, () =>
      this.usable().andWhere('t.resource_id = :resourceId', { resourceId }).getRawMany<ToolFacts>(),
    );
    return tool;
  }

  /** By its name at the server. */
  async byName(connectionId: string, name: string): Promise<ToolFacts | undefined> {
    const [tool] = await this.known.get(`${connectionId} ${name}`, () =>
      this.usable()
        .andWhere('t.connection_id = :connectionId AND t.name = :name', { connectionId, name })
        .getRawMany<ToolFacts>(),
    );
    return tool;
  }

  /** Of these resource rows, in their order. */
  ofIds(organizationId: string, resourceIds: readonly number[]): Promise<ToolFacts[]> {
    return this.usable()
      .andWhere('t.organization_id = :organizationId AND t.resource_id = ANY(:resourceIds)', {
        organizationId,
        resourceIds,
      })
      .orderBy('t.resource_id')
      .getRawMany<ToolFacts>();
  }

  /** All that a connection offers, switched on or off, for the policy of its grants. */
  outlines(connectionId: string): Promise<ToolOutline[]> {
    return this.available()
      .select(['t.resource_id AS id', 't.name AS name', 't.public_id AS "publicId"', 't.title AS title'])
      .addSelect([`${EFFECT} AS effect`, `${BLOCKED} AS blocked`])
      .andWhere('t.connection_id = :connectionId', { connectionId })
      .orderBy('t.resource_id')
      .getRawMany<ToolOutline>();
  }

  private available(): SelectQueryBuilder<Tool> {
    return this.database.manager
      .createQueryBuilder(Tool, 't')
      .innerJoin('t.resource', 'r', 'r.is_available')
      .innerJoin('r.connection', 'c', 'c.deleted_at IS NULL')
      .innerJoin('c.serverType', 'st')
      .innerJoin(DefinitionEntry, 'd', 'd.resource_id = t.resource_id')
      .where('t.public_id IS NOT NULL');
  }

  private usable(): SelectQueryBuilder<Tool> {
    return this.available()
      .andWhere('c.is_active')
      .select([
        't.resource_id AS id',
        't.public_id AS "publicId"',
        't.name AS name',
        't.title AS title',
        't.category AS category',
        `${EFFECT} AS effect`,
        'COALESCE(d.approved, d.latest) AS definition',
        'd.status AS review',
        `${BLOCKED} AS blocked`,
        't.schema_problem AS "schemaProblem"',
        't.connection_id AS "connectionId"',
        't.organization_id AS "organizationId"',
        'c.slug AS "serverId"',
        'c.connection_name AS "serverName"',
      ]);
  }
}
