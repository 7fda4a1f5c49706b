import { Injectable } from '@nestjs/common';
import { IsNull, type EntityManager, type SelectQueryBuilder } from 'typeorm';
import { organizationIds, requireRole, type Actor, type OrganizationRole } from '../../platform/auth/actor.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { notFound } from '../../platform/http/domain-error.js';
import { Page, readPage } from '../../platform/http/paging.js';
import {
  isProcess,
  RegistryService,
  type DeclaredResource,
  type ServerTypeDefinition,
} from '../registry/registry.service.js';
import { Connection, type ConnectionStatus } from './connection.entity.js';
import { connectionStatusChanged } from './connections.events.js';
import {
  ListConnections,
  toConnectionResponse,
  type ConnectionResponse,
  type ConnectionRow,
} from './connections.dto.js';

export type { ConnectionStatus } from './connection.entity.js';

export interface LiveState {
  organizationId: string;
  status: ConnectionStatus;
}

/** Members read, owners and admins edit (new-connections.service.ts, connection-changes.service.ts); nobody reads credentials. */
@Injectable()
export class ConnectionsService {
  constructor(
    private readonly database: Database,
    private readonly registry: RegistryService,
  ) {}

  async list(actor: Actor, query: ListConnections): Promise<Page<ConnectionResponse>> {
    const rows = this.visible(actor);
    if (query.organization !== undefined)
      rows.andWhere('c.organization_id = :organization', { organization: query.organization });
    if (query.server !== undefined) rows.andWhere('c.server_type_id = :server', { server: query.server });
    if (query.is_active !== undefined) rows.andWhere('c.is_active = :active', { active: query.is_active });
    return (await readPage<ConnectionRow, Connection>(rows, 'c.id', query, 'uuid')).map(toConnectionResponse);
  }

  async get(actor: Actor, id: string): Promise<ConnectionResponse> {
    return toConnectionResponse(await only(this.visible(actor), id));
  }

  /** A row as it is now, and stays until the end of the transaction. @throws DomainError 404 */
  held({ manager }: Transaction, actor: Actor, id: string): Promise<ConnectionRow> {
    return only(this.visible(actor, manager).setLock('for_no_key_update', undefined, ['c']), id);
  }

  /**
   * A living connection of the actor's organizations.
   * @throws DomainError 404, 403 when the role is too low
   */
  async required(actor: Actor, id: string, least: OrganizationRole): Promise<Connection> {
    const connection = await this.living(actor).andWhere('c.id = :id', { id }).getOne();
    if (!connection) throw notFound('connection', id);
    requireRole(actor, connection.organizationId, least, 'connection', id);
    return connection;
  }

  /**
   * One that this actor may have contacted, to test it or to look around, which starts the process of a local server.
   * @throws DomainError 404, 403
   */
  async inspectable(actor: Actor, id: string): Promise<Connection> {
    const connection = await this.required(actor, id, 'admin');
    await this.requireProcessRight(actor, connection);
    return connection;
  }

  /** Only operators make this installation start processes. @throws DomainError 403 */
  async requireProcessRight(actor: Actor, connection: Connection): Promise<void> {
    const type = await this.registry.findDefinition(connection.serverTypeId ?? 0);
    if (type && isProcess(type.transport)) this.registry.requireProcessRight(actor);
  }

  /** What discovery has to know of a connection. */
  async discoveredOn(id: string): Promise<DiscoveredOn> {
    const connection = await this.database.manager.findOne(Connection, {
      where: { id, deletedAt: IsNull() },
      relations: { serverType: true },
    });
    if (!connection?.serverType) throw notFound('connection', id);
    return discoveredOn(connection, connection.serverType);
  }

  /** What policy has to know of a connection: whether it is on, and what its type declares. @throws DomainError 404 */
  async policyFacts(id: string): Promise<{ isActive: boolean; organizationId: string; type: ServerTypeDefinition }> {
    const connection = await this.database.manager.findOne(Connection, {
      where: { id, deletedAt: IsNull() },
      relations: { serverType: true },
    });
    if (!connection?.serverType) throw notFound('connection', id);
    return { isActive: connection.isActive, organizationId: connection.organizationId, type: connection.serverType };
  }

  /** A type that this organization may connect, and that this actor may use. */
  async usableType(actor: Actor, organizationId: string, typeId: number): Promise<ServerTypeDefinition> {
    const type = await this.registry.definition(actor, typeId);
    // Private types of another organization of the same actor are not for this one.
    if (type.organizationId !== null && type.organizationId !== organizationId) throw notFound('server', typeId);
    if (isProcess(type.transport)) this.registry.requireProcessRight(actor);
    return type;
  }

  /** What the last contact said; not an edit, so no revision. Whoever watches the connection hears of a change. */
  async recordContact(id: string, reached: boolean, transaction?: Transaction): Promise<void> {
    if (!transaction) return this.database.transaction((own) => this.recordContact(id, reached, own));
    const status: ConnectionStatus = reached ? 'connected' : 'error';
    const [rows] = await transaction.manager.query<[{ organization_id: string; before: ConnectionStatus }[], number]>(
      `WITH known AS (SELECT id, status FROM connections WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE)
       UPDATE connections c SET status = $2, last_connected = CASE WHEN $3 THEN now() ELSE c.last_connected END
         FROM known WHERE c.id = known.id RETURNING c.organization_id, known.status AS before`,
      [id, status, reached],
    );
    const [row] = rows;
    if (row && row.before !== status)
      await transaction.publish(connectionStatusChanged(id, row.organization_id, reached));
  }

  /** What people who watch a connection are told of it; undefined for one that is not there any more. */
  async liveState(id: string): Promise<LiveState | undefined> {
    const row = await this.database.manager.findOneBy(Connection, { id, deletedAt: IsNull() });
    return row ? { organizationId: row.organizationId, status: row.isActive ? row.status : 'disconnected' } : undefined;
  }

  private living(actor: Actor, manager: EntityManager = this.database.manager): SelectQueryBuilder<Connection> {
    return manager
      .createQueryBuilder(Connection, 'c')
      .where('c.deleted_at IS NULL AND c.organization_id = ANY(:organizations)', {
        organizations: organizationIds(actor),
      });
  }

  private visible(actor: Actor, manager?: EntityManager): SelectQueryBuilder<Connection> {
    return this.living(actor, manager)
      .innerJoin('c.serverType', 't')
      .innerJoin('c.organization', 'o')
      .leftJoin('c.createdBy', 'u')
      .select([
        'c.id AS id',
        't.id AS type_id',
        't.qualified_name AS qualified_name',
        't.display_name AS display_name',
        'c.organization_id AS organization_id',
        'o.name AS organization_name',
        'c.connection_name AS connection_name',
        'c.description AS description',
        'c.is_active AS is_active',
        'c.last_connected AS last_connected',
        'c.created_at AS created_at',
        'c.created_by AS created_by',
        'u.username AS username',
        'c.slug AS slug',
        'c.server_url AS server_url',
        'c.status AS status',
        'c.config_options AS config_options',
        'c.tool_review AS tool_review',
        'c.trust_annotations AS trust_annotations',
        'c.price_book AS price_book',
        'c.health_check_interval AS health_check_interval',
      ]);
  }
}

/** Where things are discovered: the names that they get from their connection and its type. */
export interface DiscoveredOn {
  connectionId: string;
  organizationId: string;
  serverId: string;
  category: string;
  declaredResources: readonly DeclaredResource[];
}

export function discoveredOn(
  connection: { id: string; organizationId: string; slug: string },
  type: ServerTypeDefinition,
): DiscoveredOn {
  return {
    connectionId: connection.id,
    organizationId: connection.organizationId,
    serverId: connection.slug,
    category: type.category,
    declaredResources: type.declaredResources,
  };
}

async function only(rows: SelectQueryBuilder<Connection>, id: string): Promise<ConnectionRow> {
  const row = await rows.andWhere('c.id = :id', { id }).getRawOne<ConnectionRow>();
  if (!row) throw notFound('connection', id);
  return row;
}
