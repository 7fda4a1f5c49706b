import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { administeredOrganizationIds, type Actor } from '../../platform/auth/actor.js';
import { containing } from '../../platform/database/like.js';
import { Database } from '../../platform/database/transaction.js';
import { notFound } from '../../platform/http/domain-error.js';
import { Page, readPage, type PageQuery } from '../../platform/http/paging.js';
import { uriDigest } from './discovered-item.js';
import { Resource, type ResourceKind } from './resource.entity.js';
import { ListResources, toResourceResponse, type ResourceResponse, type ResourceRow } from './resources.dto.js';

/** What a use of a resource needs to know of it. */
export interface ResourceFacts {
  connectionId: string;
  organizationId: string;
  uri: string;
}

/** A resource as `/mcp/servers/{id}/resources` lists it. */
export interface ServerResourceRow {
  id: number;
  resource_uri: string;
  resource_name: string;
  description: string;
  mime_type: string | null;
}

/** Owners and admins of an organization see everything that was discovered on its connections. */
@Injectable()
export class ResourcesService {
  constructor(private readonly database: Database) {}

  async list(actor: Actor, query: ListResources): Promise<Page<ResourceResponse>> {
    const rows = this.selected(actor);
    if (query.connection !== undefined)
      rows.andWhere('r.connection_id = :connection', { connection: query.connection });
    if (query.resource_type !== undefined) rows.andWhere('r.resource_type = :type', { type: query.resource_type });
    if (query.parent !== undefined) rows.andWhere('r.parent_id = :parent', { parent: query.parent });
    if (query.is_available !== undefined)
      rows.andWhere('r.is_available = :available', { available: query.is_available });
    if (query.search !== undefined) {
      rows.andWhere('(r.resource_name ILIKE :search OR r.description ILIKE :search)', {
        search: containing(query.search),
      });
    }
    return (await readPage<ResourceRow, Resource>(rows, 'r.id', query, 'integer')).map(toResourceResponse);
  }

  async get(actor: Actor, id: number): Promise<ResourceResponse> {
    const row = await this.selected(actor).andWhere('r.id = :id', { id }).getRawOne<ResourceRow>();
    if (!row) throw notFound('resource', id);
    return toResourceResponse(row);
  }

  /** @throws DomainError 404 for anything that can't be read now */
  async readable(actor: Actor, id: number): Promise<ResourceFacts> {
    const row = await this.visible(actor)
      .andWhere("r.id = :id AND r.is_available AND r.kind = 'resource'", { id })
      .select(['r.connection_id AS "connectionId"', 'r.organization_id AS "organizationId"', 'r.resource_uri AS uri'])
      .getRawOne<ResourceFacts>();
    if (!row) throw notFound('resource', id);
    return row;
  }

  isListed(connectionId: string, uri: string): Promise<boolean> {
    return this.ofConnection(connectionId, 'resource')
      .andWhere('r.uri_digest = :digest', { digest: uriDigest(uri) })
      .getExists();
  }

  async templatesOf(connectionId: string): Promise<string[]> {
    const rows = await this.ofConnection(connectionId, 'resource_template')
      .select('r.resource_uri', 'uri')
      .getRawMany<{ uri: string }>();
    return rows.map((row) => row.uri);
  }

  listOfConnection(connectionId: string, page: PageQuery): Promise<Page<ServerResourceRow>> {
    const rows = this.ofConnection(connectionId, 'resource').select([
      'r.id AS id',
      'r.resource_uri AS resource_uri',
      'r.resource_name AS resource_name',
      'r.description AS description',
      'r.mime_type AS mime_type',
    ]);
    return readPage<ServerResourceRow, Resource>(rows, 'r.id', page, 'integer');
  }

  /** MCP resources and tools of each connection that are available now. */
  async counts(connectionIds: readonly string[]): Promise<Map<string, { tools: number; resources: number }>> {
    const rows = await this.database.manager
      .createQueryBuilder(Resource, 'r')
      .select('r.connection_id', 'id')
      .addSelect("count(*) FILTER (WHERE r.kind = 'tool')::int", 'tools')
      .addSelect("count(*) FILTER (WHERE r.kind = 'resource')::int", 'resources')
      .where('r.connection_id = ANY(:connectionIds) AND r.is_available', { connectionIds })
      .groupBy('r.connection_id')
      .getRawMany<{ id: string; tools: number; resources: number }>();
    return new Map(rows.map(({ id, tools, resources }) => [id, { tools, resources }]));
  }

  /** What is available now; for whoever may use the connection. */
  private ofConnection(connectionId: string, kind: ResourceKind): SelectQueryBuilder<Resource> {
    return this.database.manager
      .createQueryBuilder(Resource, 'r')
      .where('r.connection_id = :connectionId AND r.kind = :kind AND r.is_available', { connectionId, kind });
  }

  private visible(actor: Actor): SelectQueryBuilder<Resource> {
    return this.database.manager
      .createQueryBuilder(Resource, 'r')
      .innerJoin('r.connection', 'c', 'c.deleted_at IS NULL')
      .where('r.organization_id = ANY(:organizations)', { organizations: administeredOrganizationIds(actor) });
  }

  private selected(actor: Actor): SelectQueryBuilder<Resource> {
    return this.visible(actor).select([
      'r.id AS id',
      'r.connection_id AS connection_id',
      'r.resource_uri AS resource_uri',
      'r.resource_name AS resource_name',
      'r.resource_type AS resource_type',
      'r.description AS description',
      'r.schema AS schema',
      'r.operations AS operations',
      'r.external_id AS external_id',
      'r.parent_id AS parent_id',
      'r.discovered_at AS discovered_at',
      'r.last_verified AS last_verified',
      'r.is_available AS is_available',
    ]);
  }
}
