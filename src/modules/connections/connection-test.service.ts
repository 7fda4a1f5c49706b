import { Injectable } from '@nestjs/common';
import { UpstreamError } from '../../mcp/upstream.js';
import type { Actor } from '../../platform/auth/actor.js';
import { Database } from '../../platform/database/transaction.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { AuditService } from '../audit/audit.service.js';
import { ConnectionChecksService, reasonOf, type Finding } from './connection-checks.service.js';
import { ConnectionsService } from './connections.service.js';
import type { TestResponse } from './connections.dto.js';

const LONGEST_SHOWN = 200;

/** Tries whether a connection works, with a fresh session. */
@Injectable()
export class ConnectionTestService {
  constructor(
    private readonly database: Database,
    private readonly connections: ConnectionsService,
    private readonly checks: ConnectionChecksService,
    private readonly audit: AuditService,
  ) {}

  async test(actor: Actor, id: string): Promise<TestResponse> {
    const { organizationId } = await this.connections.inspectable(actor, id);
    const finding = await this.checks.look(id);
    await this.database.transaction(async (transaction) => {
      await this.checks.record(transaction, id, finding, 'test');
      await this.audit.record(transaction, actor, {
        organizationId,
        action: 'connection.tested',
        object: { type: 'connection', id },
        after: 'error' in finding ? { success: false, reason: reasonOf(finding.error) } : { success: true },
      });
    });
    return toTestResponse(finding);
  }
}

function toTestResponse(finding: Finding): TestResponse {
  if ('error' in finding) return { success: false, ...describeFailure(finding.error) };
  const { serverInfo, serverTime, protocolVersion, latencyMs } = finding.server;
  return {
    success: true,
    message: 'Connection successful',
    details: {
      version: shown(serverInfo.version),
      ...(serverTime === undefined ? {} : { server_time: serverTime }),
      server_name: shown(serverInfo.name),
      protocol_version: protocolVersion,
      latency_ms: Math.round(latencyMs),
    },
  };
}

/** Whatever a server says of itself: short, and nothing that hides or turns what is around it. */
function shown(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '').slice(0, LONGEST_SHOWN);
}

function describeFailure(error: UpstreamError | DomainError): { message: string; details: Record<string, unknown> } {
  const { message } = error;
  if (error instanceof DomainError) return { message, details: { reason: error.code, ...error.details } };
  return {
    message,
    details: { reason: error.reason, ...(error.stderr === undefined ? {} : { stderr: error.stderr }) },
  };
}
