import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { UpstreamPool } from '../../mcp/upstream-pool.js';
import { UpstreamError, type UpstreamReason } from '../../mcp/upstream.js';
import type { Actor } from '../../platform/auth/actor.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { ConnectionTargetsService } from '../connections/connection-targets.service.js';
import { TYPES_BY_ADDRESS } from '../connections/connected-servers.service.js';
import { NewConnectionsService, type NewConnection } from '../connections/new-connections.service.js';
import { DiscoveryRunnerService, type FirstLook } from '../discovery/discovery-runner.service.js';
import { AddServer, type ServerResponse } from './servers.dto.js';
import { ServersService } from './servers.service.js';

/** Answers that an old server gives to the new transport (MCP 2025-11-25, Transports, Backwards Compatibility). */
const MAY_BE_OLD: ReadonlySet<UpstreamReason> = new Set(['rejected', 'not_mcp']);

/** Adds a server by its address alone: connects and looks around first, and stores nothing unless both worked. */
@Injectable()
export class AddServerService {
  constructor(
    private readonly servers: ServersService,
    private readonly connections: NewConnectionsService,
    private readonly discovery: DiscoveryRunnerService,
    private readonly pool: UpstreamPool,
  ) {}

  async add(actor: Actor, body: AddServer): Promise<ServerResponse> {
    const organizationId = await this.servers.placeForNew(actor, body);
    const id = uuidv7();
    try {
      const { connection, look } = await this.connect(actor, id, organizationId, body);
      await this.connections.createWith(actor, connection, (transaction) =>
        this.discovery.writeFirst(transaction, look),
      );
    } catch (error) {
      await this.pool.closeConnection(id);
      if (!(error instanceof UpstreamError)) throw error;
      const code = error.reason === 'address_refused' ? 'address_refused' : 'connection_failed';
      throw new DomainError(code, error.message, { reason: error.reason });
    }
    return this.servers.get(actor, body.server_id, organizationId);
  }

  /** With Streamable HTTP, else with the old HTTP+SSE; the failure that is told is that of the current transport. */
  private async connect(
    actor: Actor,
    id: string,
    organizationId: string,
    body: AddServer,
  ): Promise<{ connection: NewConnection; look: FirstLook }> {
    const { streamableHttp, sse } = TYPES_BY_ADDRESS;
    try {
      return await this.connectAs(actor, id, organizationId, body, streamableHttp);
    } catch (failure) {
      if (!(failure instanceof UpstreamError && MAY_BE_OLD.has(failure.reason))) throw failure;
      return this.connectAs(actor, id, organizationId, body, sse).catch(() => {
        throw failure;
      });
    }
  }

  private async connectAs(
    actor: Actor,
    id: string,
    organizationId: string,
    body: AddServer,
    typeId: number,
  ): Promise<{ connection: NewConnection; look: FirstLook }> {
    const prepared = await this.connections
      .prepared(actor, organizationId, typeId, { base_url: body.server_url }, {})
      .catch(namingServerUrl);
    const connection: NewConnection = {
      ...prepared,
      id,
      organizationId,
      connectionName: body.server_name,
      description: '',
      slug: body.server_id,
      connected: true,
    };
    const { settings } = prepared;
    const target = ConnectionTargetsService.of(id, organizationId, settings.rendered, settings.options);
    return { connection, look: await this.discovery.lookAround(target, connection) };
  }
}

/** The caller knows no `auth_data`: the address is its `server_url`. */
function namingServerUrl(error: unknown): never {
  if (error instanceof DomainError && error.code === 'validation_failed') {
    const texts = Object.values(error.details.fields as Record<string, string[]>).flat();
    throw new DomainError(error.code, error.message, { fields: { server_url: texts } });
  }
  throw error;
}
