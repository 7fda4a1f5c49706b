import type { Job, WorkerEvents } from 'graphile-worker';
import type { Distribution, EventCounter, MetricsService } from '../telemetry/metrics.service.js';

/** Seconds: what is quick, and syncs of minutes. */
const BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800];

/** Of the jobs that this process has run. */
export class JobMetrics {
  private readonly jobs: EventCounter;
  private readonly durations: Distribution;
  private readonly started = new WeakMap<Job, number>();

  constructor(metrics: MetricsService, tasks: readonly string[]) {
    this.jobs = metrics.counter('jobs_total', 'Jobs run: ok, to be tried again, or given up', {
      task: tasks,
      outcome: ['ok', 'retry', 'given_up'],
    });
    this.durations = metrics.histogram(
      'job_duration_seconds',
      'Time to run jobs, whatever became of them',
      { task: tasks },
      BUCKETS,
    );
  }

  follow(events: WorkerEvents): void {
    events.on('job:start', ({ job }) => this.started.set(job, performance.now()));
    events.on('job:success', ({ job }) => this.ended(job, 'ok'));
    // Emitted for each failure, before `job:failed` where it was the last one.
    events.on('job:error', ({ job }) => {
      if (job.attempts < job.max_attempts) this.ended(job, 'retry');
    });
    events.on('job:failed', ({ job }) => this.ended(job, 'given_up'));
  }

  private ended(job: Job, outcome: 'ok' | 'retry' | 'given_up'): void {
    const seconds = (performance.now() - (this.started.get(job) ?? performance.now())) / 1_000;
    this.jobs.inc(job.task_identifier, outcome);
    this.durations.observe(seconds, job.task_identifier);
  }
}
