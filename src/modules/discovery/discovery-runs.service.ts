import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { UpstreamError } from '../../mcp/upstream.js';
import type { Actor } from '../../platform/auth/actor.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { enqueueJob } from '../../platform/jobs/enqueue-job.js';
import { AuditService, type Change } from '../audit/audit.service.js';
import type { DiscoveredOn } from '../connections/connections.service.js';
import { EVERYTHING, type Collected, type DiscoveryScope } from './discovery-collector.js';
import { DiscoveryRun } from './discovery-run.entity.js';
import { DISCOVERY_STORED_JOB, discoveryFinished, discoveryProgressed, toolChanged } from './discovery.events.js';
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

/** The rows of discovery runs: announced, on their way, and finished with everything that was found. */
@Injectable()
export class DiscoveryRunsService {
  constructor(
    private readonly database: Database,
    private readonly rows: DiscoveryStoreService,
    private readonly audit: AuditService,
  ) {}

  /** Announces a run, so that it has an address before it begins. */
  async announce(connectionId: string): Promise<string> {
    const id = uuidv7();
    await this.database.manager.insert(DiscoveryRun, { id, connectionId });
    return id;
  }

  find(connectionId: string, id: string): Promise<DiscoveryRun | null> {
    return this.database.manager.findOneBy(DiscoveryRun, { id, connectionId });
  }

  /** @param actor null where the server itself said that something changed */
  finish(
    actor: Actor | null,
    runId: string,
    place: DiscoveredOn,
    collected: Collected,
    scope: DiscoveryScope,
  ): Promise<RunOutcome> {
    return this.database.transaction(async (transaction) => {
      const outcome = await this.write(transaction, runId, place, collected, scope);
      await this.audit.record(transaction, actor, changeOf(place, outcome));
      return outcome;
    });
  }

  /** In the transaction that connects the server. @returns what it changed, for the audit trail */
  async writeFirst(transaction: Transaction, { place, collected }: FirstLook): Promise<Change> {
    const runId = uuidv7();
    await transaction.manager.insert(DiscoveryRun, { id: runId, connectionId: place.connectionId });
    return changeOf(place, await this.write(transaction, runId, place, collected, EVERYTHING));
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
    const stored = await this.rows.store(manager, runId, place, collected, scope, connection.trust);
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

  async fail(actor: Actor | null, runId: string, error: unknown): Promise<void> {
    // Of other errors the text is ours alone: they are logged where they end up.
    const isKnown = error instanceof UpstreamError || error instanceof DomainError;
    const problems = [isKnown ? error.message.slice(0, 1_000) : 'unexpected error'];
    await this.database.transaction(async (transaction) => {
      const [[run]] = await transaction.manager.query<
        [({ connectionId: string; organizationId: string } | undefined)[], number]
      >(
        `UPDATE discovery_runs r SET status = 'failed', stage = NULL, problems = $2, finished_at = now()
           FROM connections c WHERE r.id = $1 AND c.id = r.connection_id
         RETURNING c.id AS "connectionId", c.organization_id AS "organizationId"`,
        [runId, problems],
      );
      if (!run) return;
      await this.audit.record(transaction, actor, {
        organizationId: run.organizationId,
        action: 'discovery.finished',
        object: { type: 'discovery', id: runId },
        after: { connection: run.connectionId, status: 'failed' },
      });
    });
  }

  /** Written on a timer, whatever the pages bring: it is also the sign of life. */
  progressOf(
    connectionId: string,
    runId: string,
  ): { report: (stage: string, found: number) => void; stop: () => Promise<void> } {
    let latest: { stage: string; resourcesFound: number } | null = null;
    let writing: Promise<unknown> = Promise.resolve();
    const timer = setInterval(() => {
      const values = { ...latest, seenAt: new Date() };
      writing = writing
        .then(() =>
          this.database.transaction(async (transaction) => {
            const { affected } = await transaction.manager.update(
              DiscoveryRun,
              { id: runId, status: 'running' },
              values,
            );
            if (affected !== 0) await transaction.publish(discoveryProgressed(connectionId, runId));
          }),
        )
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

function changeOf({ connectionId, organizationId }: DiscoveredOn, outcome: RunOutcome): Change {
  return {
    organizationId,
    action: 'discovery.finished',
    object: { type: 'discovery', id: outcome.runId },
    after: {
      connection: connectionId,
      status: outcome.complete ? 'completed' : 'partial',
      resources_found: outcome.found,
      resources_created: outcome.created,
      resources_updated: outcome.updated,
      resources_vanished: outcome.vanished,
      definitions_pending: outcome.newlyPending,
    },
  };
}
