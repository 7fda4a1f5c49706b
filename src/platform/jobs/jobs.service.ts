import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Logger as WorkerLogger, run, type Runner, type TaskList, type WorkerEvents } from 'graphile-worker';
import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { EventsOptions } from '../events/events.service.js';
import { MetricsService } from '../telemetry/metrics.service.js';
import type { JobPayload } from './enqueue-job.js';
import { JobMetrics } from './job-metrics.js';
import { WorkerLiveness } from './worker-liveness.js';

export type JobHandler = (payload: JobPayload) => Promise<void>;

/** Work that takes minutes, or waits for somebody's webhook, has runners of its own, so that what is quick never waits for it. */
export type JobLane = 'short' | 'long' | 'outgoing';
const CONCURRENT_JOBS: Record<JobLane, number> = { short: 3, long: 6, outgoing: 6 };
/** Each lane listens on one; the others take and finish jobs, which work on the connections of the requests. */
const CONNECTIONS = 8;
const RESTART_MS = { first: 200, longest: 5_000 };

/**
 * Work that must not be lost: enqueued in the transaction that makes it necessary, run once by one of the replicas, and
 * tried again with growing pauses when it fails or its process dies (graphile-worker). Handlers must be safe to run twice.
 */
@Injectable()
export class JobsService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('jobs');
  private readonly tasks: Record<JobLane, TaskList> = { short: {}, long: {}, outgoing: {} };
  private readonly stopping = new AbortController();
  private readonly runners = new Set<Runner>();
  private running: Promise<unknown> = Promise.resolve();
  private readonly liveness: WorkerLiveness;
  private readonly pool: pg.Pool;
  private finished: JobMetrics | undefined;

  constructor(
    options: EventsOptions,
    private readonly metrics: MetricsService,
  ) {
    this.liveness = new WorkerLiveness(options.listenUrl);
    this.pool = new pg.Pool({
      connectionString: options.listenUrl,
      application_name: 'mcp-control-plane jobs',
      max: CONNECTIONS,
    });
    // Its runners see it too, and try again; between two of them nobody else would.
    this.pool.on('error', () => undefined);
  }

  /** For `onModuleInit`: the feature that knows the work names and handles it. */
  handle(name: string, handler: JobHandler, lane: JobLane = 'short'): void {
    if (Object.values(this.tasks).some((tasks) => Object.hasOwn(tasks, name)))
      throw new Error(`two handlers for the job ${name}`);
    this.tasks[lane][name] = (payload) => handler(payload as JobPayload);
  }

  onApplicationBootstrap(): void {
    // By now all features have said what they handle.
    this.finished = new JobMetrics(this.metrics, Object.values(this.tasks).flatMap(Object.keys));
    this.liveness.start();
    const lanes = (['short', 'long', 'outgoing'] as const).filter((lane) => Object.keys(this.tasks[lane]).length > 0);
    this.running = Promise.all(lanes.map((lane) => this.keepRunning(lane)));
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.stop();
    await this.running;
    await this.pool.end();
    await this.liveness.stop();
  }

  /** The runner gives up when the database is away for long; a new one takes its place. */
  private async keepRunning(lane: JobLane): Promise<void> {
    for (let pause = RESTART_MS.first; !this.stopping.signal.aborted; pause = Math.min(pause * 2, RESTART_MS.longest)) {
      let runner: Runner | null = null;
      try {
        runner = await run({
          pgPool: this.pool,
          concurrency: CONCURRENT_JOBS[lane],
          noHandleSignals: true,
          logger: this.workerLogger(),
          taskList: this.tasks[lane],
          events: this.workerEvents(),
        });
        this.runners.add(runner);
        pause = RESTART_MS.first;
        if (this.stopping.signal.aborted) await this.stop();
        await runner.promise;
      } catch (error) {
        this.logger.warn({ reason: (error as Error).message }, 'jobs are not being run, trying again');
      }
      if (runner) this.runners.delete(runner);
      await delay(pause, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  private async stop(): Promise<void> {
    // It throws when it is being stopped already.
    await Promise.all([...this.runners].map((runner) => runner.stop().catch(() => undefined)));
  }

  private workerEvents(): WorkerEvents {
    const events = new EventEmitter() as WorkerEvents;
    this.finished?.follow(events);
    events.on('worker:create', ({ worker }) => this.liveness.hold(worker.workerId));
    return events;
  }

  private workerLogger(): WorkerLogger {
    return new WorkerLogger(() => (level, message, meta) => {
      const severity: string = level;
      const error = meta?.error instanceof Error ? { err: meta.error } : {};
      if (severity === 'error') this.logger.error(error, message);
      else if (severity === 'warning') this.logger.warn(message);
    });
  }
}
