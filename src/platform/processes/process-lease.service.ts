import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { PostgresOptions } from '../database/data-source.js';
import { Database } from '../database/transaction.js';

const LEASE_MS = 15_000;
const BEAT_MS = { every: 3_000, answer: 3_000, again: 1_000 };
/** Longest time between two beats in which no lease of another process, renewed as often, can have run out. */
const STEADY_MS = 9_000;
const SWEEP_MS = 3_600_000;
/** Beats that may be without an answer at once: while the database hangs, more would only fill the pool. */
const MOST_UNANSWERED = 2;

const BEAT = `
  WITH mine AS (
    SELECT held_until > now() + interval '${LEASE_MS - STEADY_MS} milliseconds' AS steady FROM process_leases WHERE id = $1)
  INSERT INTO process_leases (id, held_until) VALUES ($1, now() + interval '${LEASE_MS} milliseconds')
  ON CONFLICT (id) DO UPDATE SET held_until = EXCLUDED.held_until
  RETURNING COALESCE((SELECT steady FROM mine), false) AS steady`;

/**
 * This process among the replicas: it is alive as long as it renews its lease, by the clock of the database. What a process
 * leaves unfinished carries its `id`; whoever finds it asks `process_is_dead(owner, own id)`, see migrations.
 */
@Injectable()
export class ProcessLease implements OnApplicationBootstrap, OnApplicationShutdown {
  /** A new one at every start. */
  readonly id = uuidv7();
  private readonly logger = new Logger('processes');
  /** Since when the lease has been renewed without a break; milliseconds of a clock that never jumps. */
  private heldSince: number | null = null;
  private renewedAt = 0;
  private sweptAt = 0;
  private unanswered = 0;
  private failing = false;
  private stopped = false;
  private timer: NodeJS.Timeout | undefined;
  private beating: Promise<void> = Promise.resolve();

  constructor(
    private readonly database: Database,
    private readonly dataSource: DataSource,
  ) {}

  /**
   * Whether this process may call others dead. After a pause of this process or of the database all leases look expired, and
   * the others need time to renew theirs: only who has held its own for a whole lease knows better.
   */
  get mayJudge(): boolean {
    const now = performance.now();
    return this.heldSince !== null && now - this.heldSince >= LEASE_MS && now - this.renewedAt <= STEADY_MS;
  }

  /** Before anything is listened to and, as the module comes early, before any job runs. */
  async onApplicationBootstrap(): Promise<void> {
    await this.beat();
    this.later(BEAT_MS.every);
  }

  /** After everything that was under way, see the place of the module in app.module.ts: what it leaves is free at once. */
  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.beating;
    // A beat that is still to come would bring the row back; the lease runs out by itself.
    if (this.unanswered === 0) await this.leave().catch(() => undefined);
  }

  /** Renews the lease. @throws what the database answers, or that it does not answer in time */
  async beat(): Promise<void> {
    const sentAt = performance.now();
    try {
      const steady = await inTime(this.renew());
      if (!steady || this.heldSince === null) this.heldSince = performance.now();
      this.renewedAt = sentAt;
    } catch (error) {
      this.heldSince = null;
      throw error;
    }
  }

  private later(ms: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.beating = this.keepAlive();
    }, ms).unref();
  }

  private async keepAlive(): Promise<void> {
    try {
      if (this.unanswered >= MOST_UNANSWERED) return this.later(BEAT_MS.again);
      await this.beat();
      await this.sweep();
      if (this.failing) this.logger.log('the lease of this process is renewed again');
      this.failing = false;
      this.later(BEAT_MS.every);
    } catch (error) {
      if (!this.failing) {
        this.logger.warn(
          { reason: (error as Error).message },
          'the lease of this process could not be renewed, trying again',
        );
      }
      this.failing = true;
      this.later(BEAT_MS.again);
    }
  }

  private async renew(): Promise<boolean> {
    this.unanswered++;
    try {
      const [row] = await this.database.manager.query<{ steady: boolean }[]>(BEAT, [this.id]);
      return row?.steady === true;
    } finally {
      this.unanswered--;
    }
  }

  /** By a connection of its own: Nest closes those of TypeORM before other global modules have ended their work. */
  private async leave(): Promise<void> {
    const client = new pg.Client({
      connectionString: (this.dataSource.options as PostgresOptions).url,
      application_name: 'mcp-control-plane',
      connectionTimeoutMillis: BEAT_MS.answer,
      query_timeout: BEAT_MS.answer,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('DELETE FROM process_leases WHERE id = $1', [this.id]);
    } finally {
      await client.end();
    }
  }

  /** Processes that were killed leave their rows. A day, so that people can see who was there. */
  private async sweep(): Promise<void> {
    if (this.sweptAt !== 0 && performance.now() - this.sweptAt < SWEEP_MS) return;
    await inTime(this.database.manager.query(`DELETE FROM process_leases WHERE held_until < now() - interval '1 day'`));
    this.sweptAt = performance.now();
  }
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('the database did not answer in time')), BEAT_MS.answer).unref();
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
