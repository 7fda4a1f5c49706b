import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { UpstreamPool } from '../../mcp/upstream-pool.js';
import { UpstreamError, type UpstreamTarget } from '../../mcp/upstream.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { enqueueJob } from '../../platform/jobs/enqueue-job.js';
import { MetricsService } from '../../platform/telemetry/metrics.service.js';
import { ConnectionTargetsService } from '../connections/connection-targets.service.js';
import {
  ConnectionsService,
  discoveredOn,
  type DiscoveredOn,
  type NewConnection,
} from '../connections/connections.service.js';
import { collect, EVERYTHING, type Collected, type DiscoveryScope } from './discovery-collector.js';
import { DiscoveryRun } from './discovery-run.entity.js';
import { DISCOVERY_STORED_JOB, discoveryFinished, toolChanged } from './discovery.events.js';
import { DiscoveryStoreService, type Stored } from './discovery-store.service.js';

/** How often a running discovery says how far it is. */
const PROGRESS_MS = 1_000;

export interface RunOutcome extends Stored {
  runId: string;
  complete: boolean;
  problems: string[];
}

/** What a server offers, before it is connected. */
export interface FirstLook {
  place: DiscoveredOn;
  collected: Collected;
}

/** One discovery from beginning to end: ask the server, write what it offers in one transaction. */
@Injectable()
export class DiscoveryRunnerService {
  constructor(
    private readonly database: Database,
    private readonly targets: ConnectionTargetsService,
    private readonly connections: ConnectionsService,
    private readonly pool: UpstreamPool,
    private readonly rows: DiscoveryStoreService,
    private readonly metrics: MetricsService,
  ) {}

  /** Announces a run, so that it has an address before it begins. */
  async announce(connectionId: string): Promise<string> {
    const id = uuidv7();
    await this.database.manager.insert(DiscoveryRun, { id, connectionId });
    return id;
  }

  /** @throws UpstreamError or DomainError; the run's row says so too */
  async run(runId: string, connectionId: string, scope: DiscoveryScope, signal?: AbortSignal): Promise<RunOutcome> {
    const progress = this.progressOf(runId);
    try {
      const place = await this.connections.discoveredOn(connectionId);
      const target = await this.targets.forInspection(connectionId);
      const collected = await collect(this.pool, target, place, scope, {
        onProgress: progress.report,
        signal,
      });
      progress.report('storing', collected.items.length);
      await progress.stop();
      const outcome = await this.database.transaction((transaction) =>
        this.write(transaction, runId, place, collected, scope),
      );
      await this.connections.recordContact(connectionId, true);
      this.metrics.upstreamCalled('discover', outcome.complete ? 'ok' : 'partial');
      return outcome;
    } catch (error) {
      await progress.stop();
      this.metrics.upstreamCalled('discover', 'failed');
      await this.fail(runId, connectionId, error);
      throw error;
    }
  }

  /** What a server offers that is not connected yet. @throws UpstreamError */
  async lookAround(target: UpstreamTarget, connection: NewConnection): Promise<FirstLook> {
    const place = discoveredOn({ ...connection, slug: connection.slug ?? '' }, connection.type);
    return { place, collected: await collect(this.pool, target, place, EVERYTHING) };
  }

  /** Writes it in the transaction that connects the server. */
  async writeFirst(transaction: Transaction, look: FirstLook): Promise<void> {
    const runId = uuidv7();
    await transaction.manager.insert(DiscoveryRun, { id: runId, connectionId: look.place.connectionId });
    await this.write(transaction, runId, look.place, look.collected, EVERYTHING);
  }

  private async write(
    transaction: Transaction,
    runId: string,
    place: DiscoveredOn,
    collected: Collected,
    scope: DiscoveryScope,
  ): Promise<RunOutcome> {
    const { manager } = transaction;
    const { connectionId, organizationId } = place;
    // Runs on one connection write one after the other; one whose connection was deleted meanwhile writes nothing.
    const [connection] = await manager.query<{ trust: boolean }[]>(
      "SELECT tool_review = 'trust' AS trust FROM connections WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE",
      [connectionId],
    );
    if (!connection) throw notFound('connection', connectionId);
    const stored = await this.rows.store(manager, place, collected, scope, connection.trust);
    await manager.update(
      DiscoveryRun,
      { id: runId },
      {
        status: collected.problems.length === 0 ? 'completed' : 'partial',
        stage: null,
        baselineKinds: stored.baselineKinds,
        problems: collected.problems,
        resourcesFound: stored.found,
        resourcesCreated: stored.created,
        resourcesUpdated: stored.updated,
        resourcesVanished: stored.vanished,
        finishedAt: new Date(),
      },
    );
    // One for all: a server may change everything at once.
    if (stored.newlyPending > 0) await transaction.publish(toolChanged(connectionId, organizationId, 0));
    const order = { queue: `connection:${connectionId}`, key: `${DISCOVERY_STORED_JOB}:${connectionId}` };
    await enqueueJob(transaction, DISCOVERY_STORED_JOB, { connection_id: connectionId }, order);
    await transaction.publish(discoveryFinished(connectionId, organizationId, runId));
    return { ...stored, runId, complete: collected.problems.length === 0, problems: collected.problems };
  }

  private async fail(runId: string, connectionId: string, error: unknown): Promise<void> {
    // Of other errors the text is ours alone: they are logged where they end up.
    const known = error instanceof UpstreamError || error instanceof DomainError;
    await this.database.manager.update(
      DiscoveryRun,
      { id: runId },
      {
        status: 'failed',
        stage: null,
        problems: [known ? error.message.slice(0, 1_000) : 'unexpected error'],
        finishedAt: new Date(),
      },
    );
    if (error instanceof UpstreamError) await this.connections.recordContact(connectionId, false);
  }

  /** Written on a timer, whatever the pages bring: it is also the sign of life. */
  private progressOf(runId: string): { report: (stage: string, found: number) => void; stop: () => Promise<void> } {
    let latest: { stage: string; resourcesFound: number } | null = null;
    let writing: Promise<unknown> = Promise.resolve();
    const timer = setInterval(() => {
      const values = { ...latest, seenAt: new Date() };
      writing = writing
        .then(() => this.database.manager.update(DiscoveryRun, { id: runId, status: 'running' }, values))
        .catch(() => undefined);
    }, PROGRESS_MS);
    return {
      report: (stage, resourcesFound) => {
        latest = { stage, resourcesFound };
      },
      stop: async () => {
        clearInterval(timer);
        await writing;
      },
    };
  }
}
