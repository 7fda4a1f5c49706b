import { Logger } from '@nestjs/common';
import pg from 'pg';

const SWEEP_MS = 5_000;
const RECONNECT_MS = 1_000;
/** A worker that has just begun may not hold its lock yet. */
const YOUNG = '2 seconds';
/** The first key of the advisory locks, any number that nobody else uses; the second is a hash of the worker's id. */
const LOCK_SPACE = 7_203;

/**
 * A worker that is killed leaves its jobs and their queues locked, and graphile-worker frees them after four hours. Here each
 * worker holds an advisory lock of a session: the session ends with its process, not with a pause of it, so whoever gets the lock
 * of a worker knows that it is dead, and frees what it held. Losing the session means that a job may run twice at once, which
 * handlers allow.
 */
export class WorkerLiveness {
  private readonly logger = new Logger('jobs');
  private readonly workers = new Set<string>();
  private session: Promise<pg.Client> | null = null;
  private timer: NodeJS.Timeout | undefined;
  private working: Promise<void> = Promise.resolve();
  private stopped = false;

  /** @param url direct: locks of a session do not pass through a transaction pooler */
  constructor(private readonly url: string) {}

  start(): void {
    this.later(0);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.working;
    await this.session?.then((client) => client.end()).catch(() => undefined);
  }

  /** Says that this worker lives in this process. Called before it takes its first job. */
  hold(workerId: string): void {
    this.workers.add(workerId);
    this.working = this.working.then(() => this.lock([workerId])).catch(() => undefined);
  }

  private later(ms: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.working = this.working
        .then(() => this.sweep())
        .then(
          () => this.later(SWEEP_MS),
          () => this.later(RECONNECT_MS),
        );
    }, ms).unref();
  }

  private async sweep(): Promise<void> {
    const client = await this.connected();
    const { rows } = await client.query<{ worker: string }>(
      `SELECT DISTINCT locked_by AS worker FROM graphile_worker._private_jobs
        WHERE NOT locked_by = ANY($1) AND locked_at < now() - $2::interval
       UNION SELECT locked_by FROM graphile_worker._private_job_queues
        WHERE NOT locked_by = ANY($1) AND locked_at < now() - $2::interval`,
      [[...this.workers], YOUNG],
    );
    for (const { worker } of rows) {
      // For the transaction: it is nobody's lock to keep.
      const { rowCount } = await client.query(
        `WITH free AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS got)
         SELECT graphile_worker.force_unlock_workers(ARRAY[$2]) FROM free WHERE got`,
        [LOCK_SPACE, worker],
      );
      if (rowCount === 1) this.logger.warn({ worker }, 'freed the jobs of a worker that is gone');
    }
  }

  private async lock(workerIds: readonly string[], known?: pg.Client): Promise<void> {
    const client = known ?? (await this.connected());
    await client.query('SELECT pg_advisory_lock($1, hashtext(id)) FROM unnest($2::text[]) AS id', [
      LOCK_SPACE,
      workerIds,
    ]);
  }

  private connected(): Promise<pg.Client> {
    this.session ??= this.connect().catch((error: unknown) => {
      this.session = null;
      throw error;
    });
    return this.session;
  }

  private async connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'mcp-control-plane workers',
      keepAlive: true,
    });
    const forget = (): void => {
      this.session = null;
    };
    client.on('error', forget);
    client.on('end', forget);
    await client.connect();
    // After a loss: the locks went with the session.
    if (this.workers.size > 0) await this.lock([...this.workers], client);
    return client;
  }
}
