import { Injectable, Logger } from '@nestjs/common';
import { upstreamFailure } from '../../mcp/upstream-failure.js';
import { UpstreamPool } from '../../mcp/upstream-pool.js';
import { UpstreamError } from '../../mcp/upstream.js';
import { DomainError, invalid } from '../../platform/http/domain-error.js';
import { MetricsService } from '../../platform/telemetry/metrics.service.js';
import { ConnectionTargetsService } from '../connections/connection-targets.service.js';
import { ConnectionsService } from '../connections/connections.service.js';

/** Member of `error.data` in which a server of our own says which field of a reading it can't use. */
const REFUSED_FIELD = 'mcp-control-plane/field';
/** JSON-RPC 2.0, section 5.1. */
const INVALID_PARAMS = -32_602;

/** One request to an upstream, and on whose behalf. */
export interface Use {
  connectionId: string;
  /** Upstream sessions are kept apart by it. */
  principal: string;
  operation: 'tools/call' | 'resources/read';
  params: Record<string, unknown>;
  signal: AbortSignal;
}

/** The last step of the one path: what was allowed goes to the server, and its failures become ours. */
@Injectable()
export class UpstreamUseService {
  private readonly logger = new Logger('upstream-use');
  /** Connections whose circuit was seen open. */
  private readonly givenUp = new Set<string>();

  constructor(
    private readonly targets: ConnectionTargetsService,
    private readonly pool: UpstreamPool,
    private readonly metrics: MetricsService,
    private readonly connections: ConnectionsService,
  ) {}

  /** @throws DomainError `arguments_invalid` where the server is stricter than its schema, or what the upstream did */
  async send({ connectionId, principal, operation, params, signal }: Use): Promise<unknown> {
    try {
      const target = await this.targets.forCall(connectionId, principal);
      const result = await this.pool.request(target, operation, params, { signal });
      this.noteContact(connectionId, true);
      this.metrics.upstreamCalled(operation, 'ok');
      return result;
    } catch (error) {
      this.metrics.upstreamCalled(operation, error instanceof UpstreamError ? error.reason : 'failed');
      if (error instanceof UpstreamError && error.reason === 'circuit_open') this.noteContact(connectionId, false);
      // The server is stricter than the schema it published.
      if (error instanceof UpstreamError && error.rpc?.code === INVALID_PARAMS && operation === 'tools/call') {
        throw new DomainError('arguments_invalid', error.rpc.message, { reason: 'refused_by_server' });
      }
      const field = error instanceof UpstreamError ? refusedField(error) : null;
      if (field) throw invalid({ [field]: [(error as UpstreamError).message] });
      throw upstreamFailure(error);
    }
  }

  /** Told on the edges only: when a server is given up after repeated failures, and when it answers again. */
  private noteContact(connectionId: string, reached: boolean): void {
    if (reached ? !this.givenUp.delete(connectionId) : this.givenUp.has(connectionId)) return;
    if (!reached) this.givenUp.add(connectionId);
    this.connections
      .recordContact(connectionId, reached)
      .catch((error: unknown) => this.logger.warn({ err: error }, 'the state of a connection could not be noted'));
  }
}

/** Of those that a caller may give, see ReadResource. */
function refusedField({ rpc }: UpstreamError): 'since' | 'cursor' | null {
  const data = typeof rpc?.data === 'object' && rpc.data !== null ? (rpc.data as Record<string, unknown>) : {};
  const field = rpc?.code === INVALID_PARAMS ? data[REFUSED_FIELD] : undefined;
  return field === 'since' || field === 'cursor' ? field : null;
}
