import { Injectable, Logger } from '@nestjs/common';
import { UpstreamPool } from '../../mcp/upstream-pool.js';
import { upstreamFailure } from '../../mcp/upstream-failure.js';
import { UpstreamError } from '../../mcp/upstream.js';
import { hasRole, type Actor } from '../../platform/auth/actor.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { SchemaChecker } from '../../platform/schemas/schema-checker.js';
import { MetricsService } from '../../platform/telemetry/metrics.service.js';
import { ConnectionTargetsService } from '../connections/connection-targets.service.js';
import { ConnectionsService } from '../connections/connections.service.js';
import type { ToolFacts } from '../discovery/tool-catalog.service.js';

/** JSON-RPC 2.0, section 5.1. */
const INVALID_PARAMS = -32_602;

/** What is used, of which connection. */
export interface Use {
  connectionId: string;
  organizationId: string;
  operation: 'tools/call' | 'resources/read';
  params: Record<string, unknown>;
}

/**
 * The one path of every use of an upstream: right, arguments, session, upstream. Whatever is decided, counted or
 * written about calls belongs here and nowhere else.
 */
@Injectable()
export class InvocationService {
  private readonly logger = new Logger('invocation');
  /** Connections whose circuit was seen open. */
  private readonly givenUp = new Set<string>();

  constructor(
    private readonly targets: ConnectionTargetsService,
    private readonly pool: UpstreamPool,
    private readonly schemas: SchemaChecker,
    private readonly metrics: MetricsService,
    private readonly connections: ConnectionsService,
  ) {}

  /** @throws DomainError `arguments_invalid` naming the fields, `access_denied`, or what the upstream did */
  async callTool(actor: Actor, tool: ToolFacts, args: Record<string, unknown>, signal: AbortSignal): Promise<unknown> {
    this.requireRight(actor, tool.organizationId);
    await this.checkArguments(tool, args);
    return this.use(actor, { ...tool, operation: 'tools/call', params: { name: tool.name, arguments: args } }, signal);
  }

  async readResource(
    actor: Actor,
    resource: { connectionId: string; organizationId: string; uri: string },
    signal: AbortSignal,
  ): Promise<unknown> {
    this.requireRight(actor, resource.organizationId);
    return this.use(actor, { ...resource, operation: 'resources/read', params: { uri: resource.uri } }, signal);
  }

  /** Owners and admins use what their organization is connected to directly; others come with a workspace's grant. */
  private requireRight(actor: Actor, organizationId: string): void {
    if (hasRole(actor, organizationId, 'admin')) return;
    throw new DomainError('access_denied', 'No workspace of yours grants this', { reason: 'no_grant' });
  }

  private async checkArguments(tool: ToolFacts, args: Record<string, unknown>): Promise<void> {
    if (tool.schemaProblem !== null) {
      throw new DomainError(
        'arguments_undecided',
        `The server's schema for this tool can not be used: ${tool.schemaProblem}`,
      );
    }
    const result = await this.schemas.check(tool.definition.inputSchema, args);
    if (result.valid) return;
    if ('undecided' in result) {
      throw new DomainError(
        'arguments_undecided',
        'The arguments could not be checked against the schema of the tool in time',
      );
    }
    const fields: Record<string, string[]> = {};
    for (const { path, message } of result.errors)
      (fields[`arguments${path.replaceAll('/', '.')}`] ??= []).push(message);
    throw new DomainError('arguments_invalid', 'The arguments do not fit the schema of the tool', { fields });
  }

  /** Told on the edges only: when a server is given up after repeated failures, and when it answers again. */
  private noteContact(connectionId: string, reached: boolean): void {
    if (reached ? !this.givenUp.delete(connectionId) : this.givenUp.has(connectionId)) return;
    if (!reached) this.givenUp.add(connectionId);
    this.connections
      .recordContact(connectionId, reached)
      .catch((error: unknown) => this.logger.warn({ err: error }, 'the state of a connection could not be noted'));
  }

  private async use(actor: Actor, use: Use, signal: AbortSignal): Promise<unknown> {
    try {
      const target = await this.targets.forCall(use.connectionId, `user:${actor.userId}`);
      const result = await this.pool.request(target, use.operation, use.params, { signal });
      this.noteContact(use.connectionId, true);
      this.metrics.upstreamCalled(use.operation, 'ok');
      return result;
    } catch (error) {
      this.metrics.upstreamCalled(use.operation, error instanceof UpstreamError ? error.reason : 'failed');
      if (error instanceof UpstreamError && error.reason === 'circuit_open') this.noteContact(use.connectionId, false);
      // The server is stricter than the schema it published.
      if (error instanceof UpstreamError && error.rpc?.code === INVALID_PARAMS && use.operation === 'tools/call') {
        throw new DomainError('arguments_invalid', error.rpc.message, { reason: 'refused_by_server' });
      }
      throw upstreamFailure(error);
    }
  }
}
