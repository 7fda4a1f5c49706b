import { Injectable } from '@nestjs/common';
import { IsNull, type SelectQueryBuilder } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { organizationIds, requireRole, type Actor, type OrganizationRole } from '../../platform/auth/actor.js';
import { columns } from '../../platform/database/columns.js';
import { isForeignKeyViolation, nameTaken, violatedUniqueIndex } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { notFound } from '../../platform/http/domain-error.js';
import { Page, readPage } from '../../platform/http/paging.js';
import {
  isProcess,
  RegistryService,
  type DeclaredResource,
  type ServerTypeDefinition,
} from '../registry/registry.service.js';
import { ConnectionSettingsService, type CheckedSettings } from './connection-settings.service.js';
import { Connection, type ToolReview } from './connection.entity.js';
import { connectionChanged } from './connections.events.js';
import {
  CreateConnection,
  ListConnections,
  toConnectionResponse,
  type ConnectionResponse,
  type ConnectionRow,
} from './connections.dto.js';
import { slugFrom } from './slug.js';

/** Everything a new connection is made of. */
export interface NewConnection {
  id: string;
  organizationId: string;
  type: ServerTypeDefinition;
  connectionName: string;
  description: string;
  /** Left out: derived from the name. */
  slug?: string;
  settings: CheckedSettings;
  connected: boolean;
  /** Left out: its definitions are reviewed, its annotations not believed. */
  toolReview?: ToolReview | undefined;
  trustAnnotations?: boolean | undefined;
}

/** Members read, owners and admins edit (connection-changes.service.ts); nobody reads credentials. */
@Injectable()
export class ConnectionsService {
  constructor(
    private readonly database: Database,
    private readonly registry: RegistryService,
    private readonly settings: ConnectionSettingsService,
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
    const row = await this.visible(actor).andWhere('c.id = :id', { id }).getRawOne<ConnectionRow>();
    if (!row) throw notFound('connection', id);
    return toConnectionResponse(row);
  }

  async create(actor: Actor, body: CreateConnection): Promise<ConnectionResponse> {
    requireRole(actor, body.organization, 'admin');
    const type = await this.usableType(actor, body.organization, body.server);
    const connection: NewConnection = {
      id: uuidv7(),
      organizationId: body.organization,
      type,
      connectionName: body.connection_name,
      description: body.description ?? '',
      settings: await this.settings.check(type, body.auth_data, body.config_options ?? {}),
      connected: false,
      toolReview: body.tool_review,
      trustAnnotations: body.trust_annotations,
    };
    await this.database.transaction((transaction) => this.insert(actor, transaction, connection));
    return this.get(actor, connection.id);
  }

  /** Leaves a tombstone without credentials; what was discovered on it disappears with it. */
  async remove(actor: Actor, id: string): Promise<void> {
    const current = await this.required(actor, id, 'admin');
    await this.store(current, { deletedAt: new Date(), serverTypeId: null, sealedAuth: '', isActive: false });
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

  async insert(actor: Actor, transaction: Transaction, connection: NewConnection): Promise<void> {
    const { id, organizationId, settings } = connection;
    const slug = connection.slug ?? (await freeSlug(transaction, organizationId, connection.connectionName));
    await transaction.manager
      .insert(
        Connection,
        columns<Connection>({
          id,
          organizationId,
          slug,
          serverTypeId: connection.type.id,
          connectionName: connection.connectionName,
          description: connection.description,
          configOptions: settings.options,
          sealedAuth: this.settings.seal(settings.auth, organizationId, id),
          addressDigest: settings.addressDigest,
          serverUrl: settings.rendered.displayUrl,
          createdById: actor.userId,
          toolReview: connection.toolReview,
          trustAnnotations: connection.trustAnnotations,
          ...(connection.connected ? { status: 'connected' as const, lastConnected: new Date() } : {}),
        }),
      )
      .catch((error: unknown) => {
        // The type was deleted a moment ago.
        if (isForeignKeyViolation(error)) throw notFound('server', connection.type.id);
        return nameConflict(error, connection.slug === undefined ? 'connection_name' : 'server_name');
      });
  }

  /** Changes a living connection and tells every replica. @throws DomainError 404, 409 `name_taken` */
  async store(current: Connection, changes: Partial<Connection>): Promise<void> {
    if (!(await this.storeIf(current, changes))) throw notFound('connection', current.id);
  }

  /**
   * @param sealedAuth only while these are the stored credentials: every change of settings seals them anew
   * @returns whether there was such a living connection
   */
  storeIf(current: Connection, changes: Partial<Connection>, sealedAuth?: string): Promise<boolean> {
    const { id, organizationId } = current;
    const unchanged = sealedAuth === undefined ? {} : { sealedAuth };
    return this.database.transaction(async (transaction) => {
      const { affected } = await transaction.manager
        .update(
          Connection,
          { id, organizationId, deletedAt: IsNull(), ...unchanged },
          columns<Connection>({ id, ...changes }),
        )
        .catch((error: unknown) => nameConflict(error, 'connection_name'));
      if (affected !== 1) return false;
      await transaction.publish(connectionChanged(id, organizationId));
      return true;
    });
  }

  /** What the last contact said; not an edit, so no revision and no event. */
  async recordContact(id: string, reached: boolean): Promise<void> {
    await this.database.manager
      .createQueryBuilder()
      .update(Connection)
      .set({
        status: reached ? 'connected' : 'error',
        ...(reached ? { lastConnected: new Date() } : {}),
        updatedAt: () => 'updated_at',
      })
      .where('id = :id AND deleted_at IS NULL', { id })
      .execute();
  }

  private living(actor: Actor): SelectQueryBuilder<Connection> {
    return this.database.manager
      .createQueryBuilder(Connection, 'c')
      .where('c.deleted_at IS NULL AND c.organization_id = ANY(:organizations)', {
        organizations: organizationIds(actor),
      });
  }

  private visible(actor: Actor): SelectQueryBuilder<Connection> {
    return this.living(actor)
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
        'c.status AS status',
        'c.config_options AS config_options',
        'c.tool_review AS tool_review',
        'c.trust_annotations AS trust_annotations',
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

function nameConflict(error: unknown, nameField: string): never {
  const index = violatedUniqueIndex(error) ?? '';
  return nameTaken(index, index === 'connections_slug_key' ? 'server_id' : nameField)(error);
}

/** The first free one of `acme-jira`, `acme-jira-2`, ...; the lock keeps two creations from choosing the same. */
async function freeSlug(transaction: Transaction, organizationId: string, name: string): Promise<string> {
  const wish = slugFrom(name);
  await transaction.manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`slug:${organizationId}`]);
  const rows = await transaction.manager.query<{ slug: string }[]>(
    'SELECT slug FROM connections WHERE organization_id = $1 AND deleted_at IS NULL AND starts_with(slug, $2)',
    [organizationId, wish],
  );
  const taken = new Set(rows.map((row) => row.slug));
  for (let number = 1; ; number++) {
    const slug = number === 1 ? wish : `${wish}-${number}`;
    if (!taken.has(slug)) return slug;
  }
}
