import { Injectable } from '@nestjs/common';
import { Database } from '../database/transaction.js';
import { AskedFigures } from '../telemetry/asked-figures.js';
import { MetricsService } from '../telemetry/metrics.service.js';

interface WaitingJobs {
  due: number;
  scheduled: number;
  running: number;
  given_up: number;
  oldest_due_seconds: number;
}

/** Given up: graphile-worker keeps what failed for the last time, and nobody else tells of it. */
const WAITING = `
  SELECT count(*) FILTER (WHERE is_waiting AND run_at <= now())::int AS due,
         count(*) FILTER (WHERE is_waiting AND run_at > now())::int AS scheduled,
         count(*) FILTER (WHERE locked_at IS NOT NULL)::int AS running,
         count(*) FILTER (WHERE locked_at IS NULL AND NOT is_waiting)::int AS given_up,
         coalesce(extract(epoch FROM max(now() - run_at) FILTER (WHERE is_waiting AND run_at <= now())), 0)::float8
           AS oldest_due_seconds
    FROM (SELECT run_at, locked_at, locked_at IS NULL AND attempts < max_attempts AS is_waiting FROM graphile_worker.jobs) jobs`;

/** What the tables say, which is the same in all replicas. */
@Injectable()
export class WaitingJobsService {
  constructor(
    private readonly database: Database,
    metrics: MetricsService,
  ) {
    const asked = new AskedFigures(() => this.count());
    metrics.gauges('jobs', 'Jobs of all replicas', 'state', async () => {
      const figures = await asked.read();
      if (!figures) return undefined;
      const { due, scheduled, running, given_up } = figures;
      return { due, scheduled, running, given_up };
    });
    metrics.gauge('jobs_oldest_due_seconds', 'For how long the job that is due first has been waiting', async () => {
      return (await asked.read())?.oldest_due_seconds;
    });
  }

  private async count(): Promise<WaitingJobs> {
    const [figures] = await this.database.manager.query<[WaitingJobs]>(WAITING);
    return figures;
  }
}
