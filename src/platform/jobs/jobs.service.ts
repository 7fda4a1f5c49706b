import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Logger as WorkerLogger, run, type Runner, type TaskList, type WorkerEvents } from 'graphile-worker';
import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { EventsOptions } from '../events/events.service.js';
import type { JobPayload } from './enqueue-job.js';
import { WorkerLiveness } from './worker-liveness.js';

export type JobHandler = (payload: JobPayload) => Promise<void>;

const CONCURRENT_JOBS = 3;
const RESTART_MS = { first: 200, longest: 5_000 };

/**
 * Work that must not be lost: enqueued in the transaction that makes it necessary, run once by one of the replicas, and
 * tried again with growing pauses when it fails or its process dies (graphile-worker). Handlers must be safe to run twice.
 */
@Injectable()
export class JobsService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('jobs');
  private readonly tasks: TaskList = {};
  private readonly stopping = new AbortController();
  private runner: Runner | null = null;
  private running: Promise<void> = Promise.resolve();
  private readonly liveness: WorkerLiveness;

  constructor(private readonly options: EventsOptions) {
    this.liveness = new WorkerLiveness(options.listenUrl);
  }

  /** For `onModuleInit`: the feature that knows the work names and handles it. */
  handle(name: string, handler: JobHandler): void {
    if (Object.hasOwn(this.tasks, name)) throw new Error(`two handlers for the job ${name}`);
    this.tasks[name] = (payload) => handler(payload as JobPayload);
  }

  onApplicationBootstrap(): void {
    this.liveness.start();
    this.running = this.keepRunning();
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.stop();
    await this.running;
    await this.liveness.stop();
  }

  /** The runner gives up when the database is away for long; a new one takes its place. */
  private async keepRunning(): Promise<void> {
    for (let pause = RESTART_MS.first; !this.stopping.signal.aborted; pause = Math.min(pause * 2, RESTART_MS.longest)) {
      try {
        const runner = await run({
          connectionString: this.options.listenUrl,
          concurrency: CONCURRENT_JOBS,
          maxPoolSize: CONCURRENT_JOBS + 1,
          noHandleSignals: true,
          logger: this.workerLogger(),
          taskList: this.tasks,
          events: this.workerEvents(),
        });
        this.runner = runner;
        pause = RESTART_MS.first;
        if (this.stopping.signal.aborted) await this.stop();
        await runner.promise;
      } catch (error) {
        this.logger.warn({ reason: (error as Error).message }, 'jobs are not being run, trying again');
      }
      this.runner = null;
      await delay(pause, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  private async stop(): Promise<void> {
    // It throws when it is being stopped already.
    await this.runner?.stop().catch(() => undefined);
  }

  private workerEvents(): WorkerEvents {
    const events = new EventEmitter() as WorkerEvents;
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
