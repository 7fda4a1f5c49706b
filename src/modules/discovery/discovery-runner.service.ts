import { Injectable } from '@nestjs/common';
import { UpstreamMetrics } from '../../mcp/upstream-metrics.js';
import { UpstreamPool } from '../../mcp/upstream-pool.js';
import { UpstreamError, type UpstreamTarget } from '../../mcp/upstream.js';
import type { Actor } from '../../platform/auth/actor.js';
import type { Transaction } from '../../platform/database/transaction.js';
import type { Change } from '../audit/audit.service.js';
import { ConnectionTargetsService } from '../connections/connection-targets.service.js';
import { ConnectionsService, discoveredOn } from '../connections/connections.service.js';
import type { NewConnection } from '../connections/new-connections.service.js';
import { collect, EVERYTHING, type DiscoveryScope } from './discovery-collector.js';
import { DiscoveryRunsService, type FirstLook, type RunOutcome } from './discovery-runs.service.js';

export type { FirstLook } from './discovery-runs.service.js';

/** One discovery from beginning to end: ask the server, write what it offers in one transaction. */
@Injectable()
export class DiscoveryRunnerService {
  constructor(
    private readonly targets: ConnectionTargetsService,
    private readonly connections: ConnectionsService,
    private readonly pool: UpstreamPool,
    private readonly runs: DiscoveryRunsService,
    private readonly metrics: UpstreamMetrics,
  ) {}

  /**
   * @param actor null where the server itself said that something changed
   * @throws UpstreamError or DomainError; the run's row says so too
   */
  async run(
    actor: Actor | null,
    runId: string,
    connectionId: string,
    scope: DiscoveryScope,
    signal?: AbortSignal,
  ): Promise<RunOutcome> {
    const progress = this.runs.progressOf(connectionId, runId);
    try {
      const place = await this.connections.discoveredOn(connectionId);
      const target = await this.targets.forInspection(connectionId);
      const collected = await collect(this.pool, target, place, scope, {
        onProgress: progress.report,
        signal,
      });
      progress.report('storing', collected.items.length);
      await progress.stop();
      const outcome = await this.runs.finish(actor, runId, place, collected, scope);
      await this.connections.recordContact(connectionId, true);
      this.metrics.succeeded('discover', outcome.complete ? 'ok' : 'partial');
      return outcome;
    } catch (error) {
      await progress.stop();
      this.metrics.failed('discover', error);
      await this.runs.fail(actor, runId, error);
      if (error instanceof UpstreamError) await this.connections.recordContact(connectionId, false);
      throw error;
    }
  }

  /** What a server offers that is not connected yet. @throws UpstreamError */
  async lookAround(target: UpstreamTarget, connection: NewConnection): Promise<FirstLook> {
    const place = discoveredOn({ ...connection, slug: connection.slug ?? '' }, connection.type);
    return { place, collected: await collect(this.pool, target, place, EVERYTHING) };
  }

  /** Writes it in the transaction that connects the server. @returns what it changed, for the audit trail */
  writeFirst(transaction: Transaction, look: FirstLook): Promise<Change> {
    return this.runs.writeFirst(transaction, look);
  }
}
