import { Injectable } from '@nestjs/common';
import { UpstreamPool } from '../../mcp/upstream-pool.js';
import { UpstreamError } from '../../mcp/upstream.js';
import type { Actor } from '../../platform/auth/actor.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { ConnectionTargetsService } from './connection-targets.service.js';
import { ConnectionsService } from './connections.service.js';
import type { TestResponse } from './connections.dto.js';

/** Tries whether a connection works, with a fresh session. */
@Injectable()
export class ConnectionTestService {
  constructor(
    private readonly connections: ConnectionsService,
    private readonly targets: ConnectionTargetsService,
    private readonly pool: UpstreamPool,
  ) {}

  async test(actor: Actor, id: string): Promise<TestResponse> {
    await this.connections.inspectable(actor, id);
    try {
      const server = await this.pool.probe(await this.targets.forInspection(id), {});
      await this.connections.recordContact(id, true);
      return {
        success: true,
        message: 'Connection successful',
        details: {
          version: server.serverInfo.version,
          ...(server.serverTime === undefined ? {} : { server_time: server.serverTime }),
          server_name: server.serverInfo.name,
          protocol_version: server.protocolVersion,
          latency_ms: Math.round(server.latencyMs),
        },
      };
    } catch (error) {
      const failure = describeFailure(error);
      await this.connections.recordContact(id, false);
      return { success: false, message: failure.message, details: failure.details };
    }
  }
}

function describeFailure(error: unknown): { message: string; details: Record<string, unknown> } {
  if (error instanceof UpstreamError) {
    const { reason, stderr } = error;
    return { message: error.message, details: { reason, ...(stderr === undefined ? {} : { stderr }) } };
  }
  if (error instanceof DomainError && error.code !== 'resource_not_found')
    return { message: error.message, details: { reason: error.code, ...error.details } };
  throw error;
}
