import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import type { Subscription } from 'rxjs';
import { isServerTrouble } from '../../mcp/circuit.js';
import { UpstreamMetrics } from '../../mcp/upstream-metrics.js';
import { UpstreamPool } from '../../mcp/upstream-pool.js';
import { Database } from '../../platform/database/transaction.js';
import { EventsService } from '../../platform/events/events.service.js';
import { RepeatedWork } from '../../platform/jobs/repeated-work.js';
import { ConnectionChecksService, reasonOf, type Finding } from './connection-checks.service.js';
import { CONNECTION_SILENT, connectionSilent } from './connections.events.js';

const EVERY_MS = 2_000;
const AT_ONCE = 64;
/** A server that takes longer to introduce itself is in trouble. */
const LONGEST_MS = 10_000;
/** Once is no trouble: what failed is looked at again before anybody is told. */
const AGAIN_MS = 2_000;
/** Replicas that look for themselves do so one after the other, more or less. */
const SPREAD_MS = 500;

/**
 * Whoever looks first takes them, so each is checked by one replica; organizations take turns, so that many servers of one that
 * hang keep nobody else's waiting. Should this process die, the next check comes after the interval.
 */
const CLAIM = `
  WITH ranked AS (
    SELECT id, row_number() OVER (PARTITION BY organization_id ORDER BY next_check_at) AS turn FROM connections
     WHERE next_check_at <= now() AND health_check_interval > 0 AND is_active AND deleted_at IS NULL
  ), due AS (
    SELECT c.id FROM connections c JOIN ranked r ON r.id = c.id
     WHERE c.next_check_at <= now() AND c.health_check_interval > 0 AND c.is_active AND c.deleted_at IS NULL
       AND c.id <> ALL($2::uuid[])
     ORDER BY r.turn, c.next_check_at LIMIT $1 FOR NO KEY UPDATE OF c SKIP LOCKED
  )
  UPDATE connections c SET next_check_at = now() + c.health_check_interval * interval '1 s'
    FROM due WHERE c.id = due.id RETURNING c.id, now() AS claimed_at`;

interface Claim {
  id: string;
  claimed_at: Date;
}

/** Looks at each connection again and again, as often as it says. */
@Injectable()
export class HealthChecksService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('connections');
  private readonly stopping = new AbortController();
  /** Connections that are being looked at. */
  private readonly running = new Map<string, Promise<void>>();
  private readonly looks = new RepeatedWork(
    () => this.begin(),
    EVERY_MS,
    (error) => this.logger.warn({ err: error }, 'connections that are due could not be checked'),
  );
  private readonly news: Subscription;

  constructor(
    private readonly database: Database,
    private readonly checks: ConnectionChecksService,
    private readonly pool: UpstreamPool,
    private readonly metrics: UpstreamMetrics,
    events: EventsService,
  ) {
    this.news = events.on([CONNECTION_SILENT], (event) => {
      if (event.type === CONNECTION_SILENT) this.start(String(event.connection_id), (id) => this.confirm(id));
    });
  }

  onApplicationBootstrap(): void {
    this.looks.start();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    this.news.unsubscribe();
    await this.looks.stop();
    await Promise.all(this.running.values());
  }

  private async begin(): Promise<void> {
    const free = AT_ONCE - this.running.size;
    if (free <= 0) return;
    const [claimed] = await this.database.manager.query<[Claim[], number]>(CLAIM, [free, [...this.running.keys()]]);
    for (const { id, claimed_at: since } of claimed) this.start(id, () => this.check(id, since));
  }

  private start(id: string, look: (id: string) => Promise<void>): void {
    if (this.running.has(id) || this.running.size >= 2 * AT_ONCE || this.stopping.signal.aborted) return;
    const looking = look(id)
      .catch((error: unknown) => this.logger.warn({ err: error, connection: id }, 'a check failed'))
      .finally(() => this.running.delete(id));
    this.running.set(id, looking);
  }

  private async check(id: string, since: Date): Promise<void> {
    let finding = await this.look(id);
    if ('error' in finding) {
      await delay(AGAIN_MS, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      if (!this.stopping.signal.aborted) finding = await this.look(id);
    }
    // What was cut short says nothing.
    if (this.stopping.signal.aborted) return;
    if ('error' in finding) this.metrics.failed('check', finding.error);
    else this.metrics.succeeded('check');
    this.openCircuit(id, finding);
    await this.database.transaction(async (own) => {
      if (await this.checks.record(own, id, finding, 'schedule', since)) await own.publish(connectionSilent(id));
    });
  }

  /** Another replica got no answer, which may be its own trouble: this one looks for itself before it gives the server up. */
  private async confirm(id: string): Promise<void> {
    if (await this.checks.isProcess(id)) return;
    await delay(Math.random() * SPREAD_MS, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    if (!this.stopping.signal.aborted) this.openCircuit(id, await this.look(id));
  }

  private openCircuit(id: string, finding: Finding): void {
    if ('error' in finding && isServerTrouble(reasonOf(finding.error))) this.pool.hear(id, false);
  }

  private look(id: string): Promise<Finding> {
    return this.checks.look(id, LONGEST_MS, this.stopping.signal);
  }
}
