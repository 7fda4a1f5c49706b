import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { requireRole, type Actor } from '../../platform/auth/actor.js';
import { columns } from '../../platform/database/columns.js';
import { isForeignKeyViolation, nameTaken, violatedUniqueIndex } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { notFound } from '../../platform/http/domain-error.js';
import { IdempotencyService } from '../../platform/http/idempotency/idempotency.service.js';
import { AuditService, type Change } from '../audit/audit.service.js';
import { checkPriceBook, isProcess, type PriceBook, type ServerTypeDefinition } from '../registry/registry.service.js';
import { ConnectionSettingsService, type CheckedSettings, type Settings } from './connection-settings.service.js';
import { Connection, type ToolReview } from './connection.entity.js';
import {
  CreateConnection,
  toConnectionFacts,
  toConnectionResponse,
  type ConnectionResponse,
  type ConnectionRow,
} from './connections.dto.js';
import { ConnectionsService } from './connections.service.js';
import { slugFrom } from './slug.js';

/** Seconds between checks of a connection that does not say. */
const CHECK_INTERVAL = 60;

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
  /** Left out: its calls cost what its type says. */
  priceBook?: PriceBook | undefined;
  /** Seconds. Left out: a minute, and never for servers that are processes. */
  healthCheckInterval?: number | undefined;
}

/** Connections coming to be. */
@Injectable()
export class NewConnectionsService {
  constructor(
    private readonly database: Database,
    private readonly connections: ConnectionsService,
    private readonly settings: ConnectionSettingsService,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
  ) {}

  async create(actor: Actor, body: CreateConnection): Promise<ConnectionResponse> {
    const { organization: organizationId, server, auth_data: auth, config_options: options = {} } = body;
    requireRole(actor, organizationId, 'admin');
    const connection: NewConnection = {
      ...(await this.prepared(actor, organizationId, server, auth, options)),
      id: uuidv7(),
      organizationId,
      connectionName: body.connection_name,
      description: body.description ?? '',
      connected: false,
      toolReview: body.tool_review,
      trustAnnotations: body.trust_annotations,
      priceBook: body.price_book ? checkPriceBook(body.price_book) : undefined,
      healthCheckInterval: body.health_check_interval,
    };
    return this.database.transaction(async (transaction) => {
      await this.insert(transaction, actor, connection);
      const row = await this.connections.held(transaction, actor, connection.id);
      const created = toConnectionResponse(row);
      await this.idempotency.answer(transaction, actor, created);
      await this.audit.record(transaction, actor, creationOf(row));
      return created;
    });
  }

  /** The type of a connection to be, and its settings, checked by it. @throws DomainError 404, 403, 400 */
  async prepared(
    actor: Actor,
    organizationId: string,
    typeId: number,
    auth: Settings,
    options: Settings,
  ): Promise<Pick<NewConnection, 'type' | 'settings'>> {
    const type = await this.connections.usableType(actor, organizationId, typeId);
    return { type, settings: await this.settings.check(type, auth, options) };
  }

  /**
   * Stores a connection together with what is known of it already.
   * @param write in the same transaction; returns what it changed, for the audit trail
   */
  async createWith(
    actor: Actor,
    connection: NewConnection,
    write: (transaction: Transaction) => Promise<Change>,
  ): Promise<void> {
    await this.database.transaction(async (transaction) => {
      await this.insert(transaction, actor, connection);
      const written = await write(transaction);
      const row = await this.connections.held(transaction, actor, connection.id);
      await this.idempotency.begin(transaction, actor, connection.id);
      for (const change of [creationOf(row), written]) await this.audit.record(transaction, actor, change);
    });
  }

  private async insert(transaction: Transaction, actor: Actor, connection: NewConnection): Promise<void> {
    const { id, organizationId, settings } = connection;
    const interval = connection.healthCheckInterval ?? (isProcess(connection.type.transport) ? 0 : CHECK_INTERVAL);
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
          priceBook: connection.priceBook,
          healthCheckInterval: interval,
          nextCheckAt: firstCheckAfter(interval),
          ...(connection.connected ? { status: 'connected' as const, lastConnected: new Date() } : {}),
        }),
      )
      .catch((error: unknown) => {
        // The type was deleted a moment ago.
        if (isForeignKeyViolation(error)) throw notFound('server', connection.type.id);
        return nameConflict(error, connection.slug === undefined ? 'connection_name' : 'server_name');
      });
  }
}

/** @param seconds between two checks */
export function firstCheckAfter(seconds: number): Date {
  return new Date(Date.now() + seconds * (0.9 + 0.2 * Math.random()) * 1_000);
}

function creationOf(row: ConnectionRow): Change {
  return {
    organizationId: row.organization_id,
    action: 'connection.created',
    object: { type: 'connection', id: row.id },
    after: toConnectionFacts(row),
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
