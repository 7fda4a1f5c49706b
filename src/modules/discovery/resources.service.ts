import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { isExpansionOf } from '../../mcp/uri-template.js';
import { containing } from '../../platform/database/like.js';
import { Database } from '../../platform/database/transaction.js';
import { notFound } from '../../platform/http/domain-error.js';
import { Page, readPage, type PageQuery } from '../../platform/http/paging.js';
import { uriDigest } from './discovered-item.js';
import type { ListedExtras } from './kept-definition.js';
import { Resource, type ResourceKind } from './resource.entity.js';
import { ListResources, toResourceResponse, type ResourceResponse, type ResourceRow } from './resources.dto.js';

export { ListResources } from './resources.dto.js';
export type { ResourceResponse } from './resources.dto.js';

/** What a use of a resource needs to know of it. */
export interface ResourceFacts {
  id: number;
  connectionId: string;
  organizationId: string;
  uri: string;
}

/** A row with what kind of thing it is. */
export interface ResourceDetails extends ResourceFacts {
  kind: ResourceKind;
  isAvailable: boolean;
}

export interface ChangedResource {
  id: number;
  organization_id: string;
  resource_name: string;
  resource_type: string;
  is_available: boolean;
}

/** A resource as `/mcp/servers/{id}/resources` lists it. */
export interface ServerResourceRow {
  id: number;
  resource_uri: string;
  resource_name: string;
  description: string;
  mime_type: string | null;
}

/** A resource or template as an agent is shown it. */
export interface ListedResource {
  id: number;
  uri: string;
  name: string;
  description: string;
  mimeType: string | null;
  listed: ListedExtras;
}

/** Which rows somebody may see: everything in some organizations, and single ones that were granted. */
export interface RowScope {
  organizations: readonly string[];
  resourceIds: readonly number[];
}

/** An available resource as the policy of grants looks at it. */
export interface ResourceOutline {
  id: number;
  kind: ResourceKind;
  uri: string;
  name: string;
  type: string;
  parentId: number | null;
}

const IN_SCOPE = '(r.organization_id = ANY(:organizations) OR r.id = ANY(:resourceIds))';

/** A URI that can be read: of a listed resource, or (without an id of its own) the expansion of a listed template. */
export interface OfferedUri {
  resourceId: number | null;
  /** The row of the resource, or of the template. */
  listedAs: number;
}

/** What was discovered. Who may see which rows of it is for the caller to say. */
@Injectable()
export class ResourcesService {
  constructor(private readonly database: Database) {}

  async list(scope: RowScope, query: ListResources): Promise<Page<ResourceResponse>> {
    const rows = this.selected(scope);
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

  async get(scope: RowScope, id: number): Promise<ResourceResponse> {
    const row = await this.selected(scope).andWhere('r.id = :id', { id }).getRawOne<ResourceRow>();
    if (!row) throw notFound('resource', id);
    return toResourceResponse(row);
  }

  /** @throws DomainError 404 for anything of these organizations that can't be read now */
  async readable(organizations: readonly string[], id: number): Promise<ResourceFacts> {
    const row = await this.visible({ organizations, resourceIds: [] })
      .andWhere("r.id = :id AND r.is_available AND r.kind = 'resource'", { id })
      .select([
        'r.id AS id',
        'r.connection_id AS "connectionId"',
        'r.organization_id AS "organizationId"',
        'r.resource_uri AS uri',
      ])
      .getRawOne<ResourceFacts>();
    if (!row) throw notFound('resource', id);
    return row;
  }

  /** One of an organization, also where it is not there any more; undefined where it never was. */
  details(organizationId: string, id: number): Promise<ResourceDetails | undefined> {
    return this.visible({ organizations: [organizationId], resourceIds: [] })
      .andWhere('r.id = :id', { id })
      .select(['r.id AS id', 'r.connection_id AS "connectionId"', 'r.organization_id AS "organizationId"'])
      .addSelect(['r.resource_uri AS uri', 'r.kind AS kind', 'r.is_available AS "isAvailable"'])
      .getRawOne<ResourceDetails>();
  }

  /** What a discovery made, changed or lost, at most so many of it. */
  changedIn(connectionId: string, runId: string, most: number): Promise<ChangedResource[]> {
    return this.database.manager
      .createQueryBuilder(Resource, 'r')
      .where('r.connection_id = :connectionId AND r.changed_in = :runId', { connectionId, runId })
      .select(['r.id AS id', 'r.organization_id AS organization_id', 'r.resource_name AS resource_name'])
      .addSelect(['r.resource_type AS resource_type', 'r.is_available AS is_available'])
      .orderBy('r.id')
      .limit(most)
      .getRawMany<ChangedResource>();
  }

  /** What a URI means on a connection; undefined where nothing that is listed offers it. */
  async findByUri(connectionId: string, uri: string): Promise<OfferedUri | undefined> {
    const row = await this.ofConnection(connectionId, 'resource')
      .andWhere('r.uri_digest = :digest', { digest: uriDigest(uri) })
      .select('r.id', 'id')
      .getRawOne<{ id: number }>();
    if (row) return { resourceId: row.id, listedAs: row.id };
    const templates = await this.ofConnection(connectionId, 'resource_template')
      .select(['r.id AS id', 'r.resource_uri AS uri'])
      .orderBy('r.id')
      .getRawMany<{ id: number; uri: string }>();
    const template = templates.find((each) => isExpansionOf(each.uri, uri));
    return template && { resourceId: null, listedAs: template.id };
  }

  listOfConnection(connectionId: string, scope: RowScope, page: PageQuery): Promise<Page<ServerResourceRow>> {
    const rows = this.ofConnection(connectionId, 'resource')
      .andWhere(IN_SCOPE, parametersOf(scope))
      .select([
        'r.id AS id',
        'r.resource_uri AS resource_uri',
        'r.resource_name AS resource_name',
        'r.description AS description',
        'r.mime_type AS mime_type',
      ]);
    return readPage<ServerResourceRow, Resource>(rows, 'r.id', page, 'integer');
  }

  /** Of these rows, in their order, as far as they are there now. */
  ofIds(organizationId: string, ids: readonly number[]): Promise<ListedResource[]> {
    return this.database.manager
      .createQueryBuilder(Resource, 'r')
      .where('r.organization_id = :organizationId AND r.id = ANY(:ids) AND r.is_available', { organizationId, ids })
      .select(['r.id AS id', 'r.resource_uri AS uri', 'r.resource_name AS name', 'r.description AS description'])
      .addSelect('r.mime_type', 'mimeType')
      .addSelect('r.listed', 'listed')
      .orderBy('r.id')
      .getRawMany<ListedResource>();
  }

  /** Everything that is available on a connection, for the policy of its grants. */
  outlines(connectionId: string): Promise<ResourceOutline[]> {
    return this.database.manager
      .createQueryBuilder(Resource, 'r')
      .select(['r.id AS id', 'r.kind AS kind', 'r.resource_uri AS uri', 'r.resource_name AS name'])
      .addSelect(['r.resource_type AS type', 'r.parent_id AS "parentId"'])
      .where('r.connection_id = :connectionId AND r.is_available', { connectionId })
      .orderBy('r.id')
      .getRawMany<ResourceOutline>();
  }

  /** The connection of each of these resources, as far as they exist in the organization. */
  async connectionsOf(organizationId: string, ids: readonly number[]): Promise<Map<number, string>> {
    const rows = await this.database.manager
      .createQueryBuilder(Resource, 'r')
      .innerJoin('r.connection', 'c', 'c.deleted_at IS NULL')
      .select(['r.id AS id', 'r.connection_id AS "connectionId"'])
      .where('r.organization_id = :organizationId AND r.id = ANY(:ids)', { organizationId, ids })
      .getRawMany<{ id: number; connectionId: string }>();
    return new Map(rows.map((row) => [row.id, row.connectionId]));
  }

  /** MCP resources and tools of each connection that are available now. */
  async counts(
    scope: RowScope,
    connectionIds: readonly string[],
  ): Promise<Map<string, { tools: number; resources: number }>> {
    const rows = await this.database.manager
      .createQueryBuilder(Resource, 'r')
      .select('r.connection_id', 'id')
      .addSelect("count(*) FILTER (WHERE r.kind = 'tool')::int", 'tools')
      .addSelect("count(*) FILTER (WHERE r.kind = 'resource')::int", 'resources')
      .where('r.connection_id = ANY(:connectionIds) AND r.is_available', { connectionIds })
      .andWhere(IN_SCOPE, parametersOf(scope))
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

  private visible(scope: RowScope): SelectQueryBuilder<Resource> {
    return this.database.manager
      .createQueryBuilder(Resource, 'r')
      .innerJoin('r.connection', 'c', 'c.deleted_at IS NULL')
      .where(IN_SCOPE, parametersOf(scope));
  }

  private selected(scope: RowScope): SelectQueryBuilder<Resource> {
    return this.visible(scope).select([
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

function parametersOf({ organizations, resourceIds }: RowScope): Record<string, unknown> {
  return { organizations: [...organizations], resourceIds: [...resourceIds] };
}
