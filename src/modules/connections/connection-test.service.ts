import { Injectable } from '@nestjs/common';
import { UpstreamPool } from '../../mcp/upstream-pool.js';
import { UpstreamError } from '../../mcp/upstream.js';
import type { Actor } from '../../platform/auth/actor.js';
import { Database } from '../../platform/database/transaction.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { AuditService } from '../audit/audit.service.js';
import { ConnectionTargetsService } from './connection-targets.service.js';
import { ConnectionsService } from './connections.service.js';
import type { TestResponse } from './connections.dto.js';

const LONGEST_SHOWN = 200;

/** Tries whether a connection works, with a fresh session. */
@Injectable()
export class ConnectionTestService {
  constructor(
    private readonly database: Database,
    private readonly connections: ConnectionsService,
    private readonly targets: ConnectionTargetsService,
    private readonly pool: UpstreamPool,
    private readonly audit: AuditService,
  ) {}

  async test(actor: Actor, id: string): Promise<TestResponse> {
    const { organizationId } = await this.connections.inspectable(actor, id);
    const result = await this.probe(id);
    const { success, details } = result;
    await this.database.transaction(async (transaction) => {
      await this.connections.recordContact(id, success, transaction);
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'connection.tested',
        object: { type: 'connection', id },
        after: { success, ...(success ? {} : { reason: details.reason }) },
      });
    });
    return result;
  }

  private async probe(id: string): Promise<TestResponse> {
    try {
      const server = await this.pool.probe(await this.targets.forInspection(id), {});
      return {
        success: true,
        message: 'Connection successful',
        details: {
          version: shown(server.serverInfo.version),
          ...(server.serverTime === undefined ? {} : { server_time: server.serverTime }),
          server_name: shown(server.serverInfo.name),
          protocol_version: server.protocolVersion,
          latency_ms: Math.round(server.latencyMs),
        },
      };
    } catch (error) {
      return { success: false, ...describeFailure(error) };
    }
  }
}

/** Whatever a server says of itself: short, and nothing that hides or turns what is around it. */
function shown(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '').slice(0, LONGEST_SHOWN);
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
