import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { Database } from '../../platform/database/transaction.js';
import { enqueueJob } from '../../platform/jobs/enqueue-job.js';
import { RepeatedWork } from '../../platform/jobs/repeated-work.js';
import { ProcessLease } from '../../platform/processes/process-lease.service.js';
import { MAPPING_SYNC_JOB } from './sync-runner.service.js';
import { enqueueSync } from './syncs.service.js';

const EVERY_MS = 2_000;
const AT_ONCE = 50;

/** Whoever looks first takes them; a mapping waits while its grant or connection is off, and then runs once. */
const DUE = `
  SELECT m.id FROM mappings m
    JOIN workspace_access a ON a.id = m.workspace_access_id AND a.is_active AND a.deleted_at IS NULL
    JOIN connections c ON c.id = a.connection_id AND c.is_active AND c.deleted_at IS NULL
   WHERE m.next_sync_at <= now() AND m.is_active AND m.sync_frequency > 0
   ORDER BY m.next_sync_at LIMIT ${AT_ONCE} FOR NO KEY UPDATE OF m SKIP LOCKED`;
/** A tenth earlier or later, so that mappings of one moment spread. */
const MOVE = `
  UPDATE mappings SET next_sync_at = now() + sync_frequency * (0.9 + 0.2 * random()) * interval '1 s' WHERE id = ANY($1)`;
/** Begun by a process that is dead, or taken long ago by one that is paused and has not even begun. */
const LEFT_BEHIND = `
  SELECT id FROM mapping_syncs WHERE status = 'running' AND process_is_dead(process_id, $1)
  UNION
  SELECT s.id FROM mapping_syncs s JOIN graphile_worker.jobs j ON j.key = '${MAPPING_SYNC_JOB}:' || s.id
   WHERE s.status = 'queued' AND j.locked_at < now() - interval '30 s'
  ORDER BY id LIMIT ${AT_ONCE}`;

/** Begins the syncs that are due, once for all replicas, and those that a dead process left. */
@Injectable()
export class SyncScheduleService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('mappings');
  private readonly looks = new RepeatedWork(
    () => this.look(),
    EVERY_MS,
    (error) => this.logger.warn({ err: error }, 'syncs that are due could not be begun'),
  );

  constructor(
    private readonly database: Database,
    private readonly lease: ProcessLease,
  ) {}

  onApplicationBootstrap(): void {
    this.looks.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.looks.stop();
  }

  private async look(): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const due = await transaction.manager.query<{ id: number }[]>(DUE);
      if (due.length === 0) return;
      await transaction.manager.query(MOVE, [due.map(({ id }) => id)]);
      for (const { id } of due) await enqueueSync(transaction, id, 'schedule');
    });
    if (!this.lease.mayJudge) return;
    await this.database.transaction(async (transaction) => {
      const left = await transaction.manager.query<{ id: string }[]>(LEFT_BEHIND, [this.lease.id]);
      // In no queue: a process that is only paused still holds the one it was in.
      for (const { id } of left)
        await enqueueJob(transaction, MAPPING_SYNC_JOB, { sync_id: id }, { key: `${MAPPING_SYNC_JOB}:${id}` });
    });
  }
}
