import { Injectable, OnModuleInit } from '@nestjs/common';
import { In, IsNull } from 'typeorm';
import type { Actor } from '../../platform/auth/actor.js';
import { columns } from '../../platform/database/columns.js';
import { nameTaken } from '../../platform/database/database-errors.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError, invalid, notFound } from '../../platform/http/domain-error.js';
import { AuditService, type Change } from '../audit/audit.service.js';
import { OrganizationsService } from '../identity/organizations.service.js';
import { checkPriceBook } from '../registry/registry.service.js';
import { ConnectionSettingsService, type Settings } from './connection-settings.service.js';
import { ConnectionCheck } from './connection-check.entity.js';
import { Connection } from './connection.entity.js';
import { connectionChanged } from './connections.events.js';
import {
  toConnectionFacts,
  toConnectionResponse,
  type ConnectionResponse,
  type ReplaceCredentials,
  type UpdateConnection,
} from './connections.dto.js';
import { ConnectionsService } from './connections.service.js';
import { firstCheckAfter } from './new-connections.service.js';

/** So often is a change thought over again that met another one; each time one of them succeeds. */
const MOST_ATTEMPTS = 5;

/** What somebody does to a connection. */
interface Edit {
  /** What the audit trail calls it. */
  actions: readonly ('connection.updated' | 'connection.credentials_changed')[];
  changes: Partial<Connection>;
  options?: Settings | undefined;
  auth?: Settings | undefined;
  /** Between checks; seconds. */
  interval?: number | undefined;
}

/** Changes of a connection by those who may: name, switch, options and credentials. */
@Injectable()
export class ConnectionChangesService implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly connections: ConnectionsService,
    private readonly settings: ConnectionSettingsService,
    private readonly organizations: OrganizationsService,
    private readonly audit: AuditService,
  ) {}

  onModuleInit(): void {
    this.organizations.onRemoval((transaction, organizationId) => removeAll(transaction, organizationId));
  }

  async update(actor: Actor, id: string, body: UpdateConnection): Promise<ConnectionResponse> {
    const current = await this.connections.required(actor, id, 'admin');
    const { auth_data: auth, config_options: options, health_check_interval: interval } = body;
    const edit: Edit = {
      actions: ['connection.updated', ...(auth === undefined ? [] : (['connection.credentials_changed'] as const))],
      changes: {
        connectionName: body.connection_name,
        description: body.description,
        isActive: body.is_active,
        toolReview: body.tool_review,
        trustAnnotations: body.trust_annotations,
        priceBook: body.price_book && checkPriceBook(body.price_book),
        ...(interval === undefined ? {} : { healthCheckInterval: interval, nextCheckAt: firstCheckAfter(interval) }),
      },
      options,
      auth,
      interval,
    };
    // Checks of a local server start its process.
    if (body.is_active === true || (interval ?? 0) > 0) await this.connections.requireProcessRight(actor, current);
    if (options !== undefined || auth !== undefined) return this.storeSettings(actor, current, edit);
    const stored = await this.store(actor, current, edit);
    if (!stored) throw notFound('connection', id);
    return stored;
  }

  async replaceCredentials(actor: Actor, id: string, body: ReplaceCredentials): Promise<ConnectionResponse> {
    const current = await this.connections.required(actor, id, 'admin');
    const edit: Edit = { actions: ['connection.credentials_changed'], changes: {}, auth: body.auth_data };
    return this.storeSettings(actor, current, edit);
  }

  /** Leaves a tombstone without credentials; what was discovered on it disappears with it. */
  async remove(actor: Actor, id: string): Promise<void> {
    const { organizationId } = await this.connections.required(actor, id, 'admin');
    await this.database.transaction(async (transaction) => {
      const before = await this.connections.held(transaction, actor, id);
      const tombstone = { deletedAt: new Date(), serverTypeId: null, sealedAuth: '', isActive: false };
      await transaction.manager.update(Connection, { id, organizationId }, columns<Connection>({ id, ...tombstone }));
      await transaction.manager.delete(ConnectionCheck, { connectionId: id });
      await transaction.publish(connectionChanged(id, organizationId, true));
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'connection.deleted',
        object: { type: 'connection', id },
        before: toConnectionFacts(before),
      });
    });
  }

  /** New options go with the credentials that are stored, so these must not have been replaced meanwhile. */
  private async storeSettings(actor: Actor, first: Connection, edit: Edit): Promise<ConnectionResponse> {
    let current = first;
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      const changes = { ...edit.changes, ...(await this.changedSettings(actor, current, edit)) };
      const stored = await this.store(actor, current, { ...edit, changes }, current.sealedAuth);
      if (stored) return stored;
      current = await this.connections.required(actor, first.id, 'admin');
    }
    throw new DomainError('conflict', 'The connection is being changed by others: try again');
  }

  private async changedSettings(
    actor: Actor,
    current: Connection,
    edit: Pick<Edit, 'options' | 'auth' | 'interval'>,
  ): Promise<Partial<Connection>> {
    const type = await this.connections.usableType(actor, current.organizationId, current.serverTypeId ?? 0);
    const auth = edit.auth ?? this.settings.credentialsOf(current);
    const settings = await this.settings.check(type, auth, edit.options ?? current.configOptions);
    if (edit.auth === undefined && settings.addressDigest !== current.addressDigest) {
      throw invalid({ auth_data: ['is required: these options change the address that the credentials are sent to'] });
    }
    return {
      configOptions: settings.options,
      sealedAuth: this.settings.seal(settings.auth, current.organizationId, current.id),
      addressDigest: settings.addressDigest,
      serverUrl: settings.rendered.displayUrl,
      // What failed before may work now.
      failedChecks: 0,
      nextCheckAt: firstCheckAfter(edit.interval ?? current.healthCheckInterval),
    };
  }

  /**
   * Changes a living connection and tells every replica.
   * @param sealedAuth only while these are the stored credentials: every change of settings seals them anew
   * @returns null where there is no such connection
   * @throws DomainError 409 `name_taken`
   */
  private store(
    actor: Actor,
    { id, organizationId }: Connection,
    edit: Edit,
    sealedAuth?: string,
  ): Promise<ConnectionResponse | null> {
    return this.database.transaction(async (transaction) => {
      const before = await this.connections.held(transaction, actor, id);
      const unchanged = sealedAuth === undefined ? {} : { sealedAuth };
      const { affected } = await transaction.manager
        .update(
          Connection,
          { id, organizationId, deletedAt: IsNull(), ...unchanged },
          columns<Connection>({ id, ...edit.changes }),
        )
        .catch(nameTaken('connections_name_key', 'connection_name'));
      if (affected !== 1) return null;
      const after = await this.connections.held(transaction, actor, id);
      const ends = edit.auth !== undefined || edit.changes.isActive === false;
      await transaction.publish(connectionChanged(id, organizationId, ends));
      for (const action of edit.actions) {
        await this.audit.record(transaction, actor, {
          organizationId,
          action,
          object: { type: 'connection', id },
          before: toConnectionFacts(before),
          after: { ...toConnectionFacts(after), ...(action === 'connection.updated' ? {} : maskedAuth(edit.auth)) },
        });
      }
      return toConnectionResponse(after);
    });
  }
}

/** Of credentials the trail has the names, so that it tells which were entered. */
function maskedAuth(auth: Settings = {}): { auth: Record<string, string> } {
  return { auth: Object.fromEntries(Object.keys(auth).map((name) => [name, '[masked]'])) };
}

/** Tombstones without credentials, as of single ones. */
async function removeAll(transaction: Transaction, organizationId: string): Promise<Change[]> {
  const [removed] = await transaction.manager.query<
    [{ id: string; server_id: string; connection_name: string; server_url: string }[], number]
  >(
    `UPDATE connections SET deleted_at = now(), server_type_id = NULL, sealed_auth = '', is_active = false
      WHERE organization_id = $1 AND deleted_at IS NULL RETURNING id, slug AS server_id, connection_name, server_url`,
    [organizationId],
  );
  await transaction.manager.delete(ConnectionCheck, { connectionId: In(removed.map(({ id }) => id)) });
  for (const { id } of removed) await transaction.publish(connectionChanged(id, organizationId, true));
  return removed.map((before) => ({
    organizationId,
    action: 'connection.deleted',
    object: { type: 'connection', id: before.id },
    before,
  }));
}
