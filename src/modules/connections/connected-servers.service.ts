import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { taken } from '../../platform/database/database-errors.js';
import { Database } from '../../platform/database/transaction.js';
import { Page, readPage, type PageQuery } from '../../platform/http/paging.js';
import { SSE_TYPE_ID, STREAMABLE_HTTP_TYPE_ID } from '../registry/registry.service.js';
import { Connection } from './connection.entity.js';

/** A connection as the `/mcp/servers` API sees it. */
export type ServerFacts = Pick<
  Connection,
  'id' | 'organizationId' | 'slug' | 'connectionName' | 'serverUrl' | 'isActive' | 'status'
>;

/** Which connections somebody may know of: all of some organizations, and single ones beside them. */
export interface ServerScope {
  organizations: readonly string[];
  connectionIds: readonly string[];
}

/** The shipped types that need nothing but an address. */
export const TYPES_BY_ADDRESS = { streamableHttp: STREAMABLE_HTTP_TYPE_ID, sse: SSE_TYPE_ID };

/** Connections as the `/mcp/servers` API sees them: by slug, as far as the caller may know of them. */
@Injectable()
export class ConnectedServersService {
  constructor(private readonly database: Database) {}

  list(scope: ServerScope, page: PageQuery): Promise<Page<ServerFacts>> {
    return readPage<ServerFacts, Connection>(this.servers(scope), 'c.id', page, 'uuid');
  }

  ofIds(organizationId: string, connectionIds: readonly string[]): Promise<ServerFacts[]> {
    return this.servers({ organizations: [], connectionIds })
      .andWhere('c.organization_id = :organizationId', { organizationId })
      .getRawMany<ServerFacts>();
  }

  /** Those with this slug: at most one per organization. */
  find(scope: ServerScope, slug: string): Promise<ServerFacts[]> {
    return this.servers(scope).andWhere('c.slug = :slug', { slug }).getRawMany<ServerFacts>();
  }

  /** Says early what the insert would say late. @throws DomainError 409 `name_taken` */
  async requireFree(organizationId: string, slug: string, name: string): Promise<void> {
    const rows = await this.database.manager
      .createQueryBuilder(Connection, 'c')
      .where('c.organization_id = :organizationId AND c.deleted_at IS NULL', { organizationId })
      .andWhere('(c.slug = :slug OR lower(c.connection_name) = lower(:name))', { slug, name })
      .select('c.slug', 'slug')
      .getRawMany<{ slug: string }>();
    if (rows.some((row) => row.slug === slug)) throw taken('server_id');
    if (rows.length > 0) throw taken('server_name');
  }

  private servers({ organizations, connectionIds }: ServerScope): SelectQueryBuilder<Connection> {
    return this.database.manager
      .createQueryBuilder(Connection, 'c')
      .select([
        'c.id AS id',
        'c.organization_id AS "organizationId"',
        'c.slug AS slug',
        'c.connection_name AS "connectionName"',
        'c.server_url AS "serverUrl"',
        'c.is_active AS "isActive"',
        'c.status AS status',
      ])
      .where('c.deleted_at IS NULL')
      .andWhere('(c.organization_id = ANY(:organizations) OR c.id = ANY(:connectionIds))', {
        organizations: [...organizations],
        connectionIds: [...connectionIds],
      });
  }
}
