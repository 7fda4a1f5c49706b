import { Injectable, OnModuleInit } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import type { Transaction } from '../../platform/database/transaction.js';
import { DomainError, invalid } from '../../platform/http/domain-error.js';
import { OrganizationsService } from '../identity/organizations.service.js';
import { ConnectionSettingsService } from './connection-settings.service.js';
import { Connection } from './connection.entity.js';
import { connectionChanged } from './connections.events.js';
import type { ConnectionResponse, ReplaceCredentials, UpdateConnection } from './connections.dto.js';
import { ConnectionsService } from './connections.service.js';

/** So often is a change thought over again that met another one; each time one of them succeeds. */
const MOST_ATTEMPTS = 5;

/** Changes of a connection by those who may: name, switch, options and credentials. */
@Injectable()
export class ConnectionChangesService implements OnModuleInit {
  constructor(
    private readonly connections: ConnectionsService,
    private readonly settings: ConnectionSettingsService,
    private readonly organizations: OrganizationsService,
  ) {}

  onModuleInit(): void {
    this.organizations.onRemoval((transaction, organizationId) => this.removeAll(transaction, organizationId));
  }

  async update(actor: Actor, id: string, body: UpdateConnection): Promise<ConnectionResponse> {
    const current = await this.connections.required(actor, id, 'admin');
    const changes: Partial<Connection> = {
      connectionName: body.connection_name,
      description: body.description,
      isActive: body.is_active,
      toolReview: body.tool_review,
      trustAnnotations: body.trust_annotations,
    };
    if (body.is_active === true) await this.connections.requireProcessRight(actor, current);
    if (body.config_options === undefined && body.auth_data === undefined)
      await this.connections.store(current, changes);
    else await this.storeSettings(actor, current, body, changes);
    return this.connections.get(actor, id);
  }

  async replaceCredentials(actor: Actor, id: string, body: ReplaceCredentials): Promise<ConnectionResponse> {
    const current = await this.connections.required(actor, id, 'admin');
    await this.storeSettings(actor, current, { auth_data: body.auth_data }, {});
    return this.connections.get(actor, id);
  }

  /** New options go with the credentials that are stored, so these must not have been replaced meanwhile. */
  private async storeSettings(
    actor: Actor,
    first: Connection,
    body: Pick<UpdateConnection, 'auth_data' | 'config_options'>,
    changes: Partial<Connection>,
  ): Promise<void> {
    let current = first;
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      const settings = await this.changedSettings(actor, current, body);
      if (await this.connections.storeIf(current, { ...changes, ...settings }, current.sealedAuth)) return;
      current = await this.connections.required(actor, first.id, 'admin');
    }
    throw new DomainError('conflict', 'The connection is being changed by others: try again');
  }

  private async changedSettings(
    actor: Actor,
    current: Connection,
    body: Pick<UpdateConnection, 'auth_data' | 'config_options'>,
  ): Promise<Partial<Connection>> {
    const type = await this.connections.usableType(actor, current.organizationId, current.serverTypeId ?? 0);
    const options = body.config_options ?? current.configOptions;
    const auth = body.auth_data ?? this.settings.credentialsOf(current);
    const settings = await this.settings.check(type, auth, options);
    if (body.auth_data === undefined && settings.addressDigest !== current.addressDigest) {
      throw invalid({ auth_data: ['is required: these options change the address that the credentials are sent to'] });
    }
    return {
      configOptions: settings.options,
      sealedAuth: this.settings.seal(settings.auth, current.organizationId, current.id),
      addressDigest: settings.addressDigest,
      serverUrl: settings.rendered.displayUrl,
    };
  }

  /** Tombstones without credentials, as of single ones. */
  private async removeAll(transaction: Transaction, organizationId: string): Promise<void> {
    const [removed] = await transaction.manager.query<[{ id: string }[], number]>(
      `UPDATE connections SET deleted_at = now(), server_type_id = NULL, sealed_auth = '', is_active = false
        WHERE organization_id = $1 AND deleted_at IS NULL RETURNING id`,
      [organizationId],
    );
    for (const { id } of removed) await transaction.publish(connectionChanged(id, organizationId));
  }
}
