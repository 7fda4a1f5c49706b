import { Injectable, Logger, OnApplicationShutdown } from '@nestjs/common';
import type { Subscription } from 'rxjs';
import type { SelectQueryBuilder } from 'typeorm';
import { upstreamFailure } from '../../mcp/upstream-failure.js';
import { UPSTREAM_LIST_CHANGED } from '../../mcp/upstream.events.js';
import type { Actor } from '../../platform/auth/actor.js';
import { Database } from '../../platform/database/transaction.js';
import { EventsService } from '../../platform/events/events.service.js';
import { notFound } from '../../platform/http/domain-error.js';
import { Page, PageQuery, readPage } from '../../platform/http/paging.js';
import { ConnectionsService } from '../connections/connections.service.js';
import { EVERYTHING, type DiscoveryScope } from './discovery-collector.js';
import { DiscoveryRunnerService } from './discovery-runner.service.js';
import { DiscoveryRunsService } from './discovery-runs.service.js';
import { DiscoveryRun } from './discovery-run.entity.js';
import {
  DiscoverRequest,
  INTERRUPTED_AFTER_SECONDS,
  toDiscoverResponse,
  toDiscoveryRunResponse,
  type DiscoverResponse,
  type DiscoveryRunResponse,
  type DiscoveryRunRow,
} from './discovery.dto.js';

/** Changes that a server announces within this time are looked at together. */
const GATHER_MS = 1_000;

/** Discoveries that people ask for, and those that a server's own `list_changed` asks for. */
@Injectable()
export class DiscoveryService implements OnApplicationShutdown {
  private readonly logger = new Logger('discovery');
  private readonly listChanges: Subscription;
  private readonly background = new Set<Promise<unknown>>();
  private readonly shutdown = new AbortController();
  /** Connections that are about to be looked at because their server announced a change. */
  private readonly following = new Map<string, NodeJS.Timeout>();

  constructor(
    private readonly database: Database,
    private readonly connections: ConnectionsService,
    private readonly runner: DiscoveryRunnerService,
    private readonly announced: DiscoveryRunsService,
    events: EventsService,
  ) {
    this.listChanges = events.on([UPSTREAM_LIST_CHANGED], (event) => this.followChange(event.connection_id));
  }

  async onApplicationShutdown(): Promise<void> {
    this.listChanges.unsubscribe();
    this.following.forEach((timer) => clearTimeout(timer));
    this.shutdown.abort();
    await Promise.allSettled(this.background);
  }

  async discover(actor: Actor, connectionId: string, request: DiscoverRequest): Promise<DiscoverResponse> {
    await this.connections.inspectable(actor, connectionId);
    const runId = await this.announced.announce(connectionId);
    try {
      return toDiscoverResponse(await this.runner.run(actor, runId, connectionId, scopeOf(request)));
    } catch (error) {
      throw upstreamFailure(error);
    }
  }

  /** Answers at once with the run, which goes on by itself. */
  async discoverInBackground(
    actor: Actor,
    connectionId: string,
    request: DiscoverRequest,
  ): Promise<DiscoveryRunResponse> {
    await this.connections.inspectable(actor, connectionId);
    return this.getRun(actor, connectionId, await this.runInBackground(actor, connectionId, scopeOf(request)));
  }

  async listRuns(actor: Actor, connectionId: string, page: PageQuery): Promise<Page<DiscoveryRunResponse>> {
    await this.connections.required(actor, connectionId, 'member');
    return (await readPage<DiscoveryRunRow, DiscoveryRun>(this.runs(connectionId), 'r.id', page, 'uuid')).map(
      toDiscoveryRunResponse,
    );
  }

  async getRun(actor: Actor, connectionId: string, runId: string): Promise<DiscoveryRunResponse> {
    await this.connections.required(actor, connectionId, 'member');
    const row = await this.runs(connectionId).andWhere('r.id = :runId', { runId }).getRawOne<DiscoveryRunRow>();
    if (!row) throw notFound('run', runId);
    return toDiscoveryRunResponse(row);
  }

  /** One discovery for all that is announced within a moment, and never two at once of the same server. */
  private followChange(connectionId: unknown): void {
    if (typeof connectionId !== 'string' || this.following.has(connectionId)) return;
    const timer = setTimeout(() => {
      this.runInBackground(null, connectionId, EVERYTHING, () => this.following.delete(connectionId)).catch(
        (error: Error) => {
          this.following.delete(connectionId);
          this.logger.warn({ connection: connectionId, reason: error.message }, 'a discovery could not be announced');
        },
      );
    }, GATHER_MS);
    this.following.set(connectionId, timer);
  }

  private async runInBackground(
    actor: Actor | null,
    connectionId: string,
    scope: DiscoveryScope,
    onEnd: () => void = () => undefined,
  ): Promise<string> {
    const runId = await this.announced.announce(connectionId);
    const running = this.runner
      .run(actor, runId, connectionId, scope, this.shutdown.signal)
      .catch((error: Error) =>
        this.logger.warn({ connection: connectionId, run: runId, reason: error.message }, 'a discovery failed'),
      )
      .finally(() => {
        this.background.delete(running);
        onEnd();
      });
    this.background.add(running);
    return runId;
  }

  private runs(connectionId: string): SelectQueryBuilder<DiscoveryRun> {
    return this.database.manager
      .createQueryBuilder(DiscoveryRun, 'r')
      .select([
        'r.id AS id',
        'r.connection_id AS connection_id',
        `CASE WHEN r.status = 'running' AND r.seen_at < now() - interval '${INTERRUPTED_AFTER_SECONDS} seconds' THEN 'interrupted' ELSE r.status END AS status`,
        'r.stage AS stage',
        'r.resources_found AS resources_found',
        'r.resources_created AS resources_created',
        'r.resources_updated AS resources_updated',
        'r.resources_vanished AS resources_vanished',
        'r.problems AS problems',
        'r.started_at AS started_at',
        'r.finished_at AS finished_at',
      ])
      .where('r.connection_id = :connectionId', { connectionId });
  }
}

function scopeOf(request: DiscoverRequest): DiscoveryScope {
  return { resourceTypes: request.resource_types ?? null, maxResults: request.max_results ?? null };
}
