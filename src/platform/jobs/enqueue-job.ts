import type { Transaction } from '../database/transaction.js';

/** Ids only: the handler reads the rows anew, and may find that there is nothing left to do. */
export type JobPayload = Readonly<Record<string, string | number>>;
export interface JobOrder {
  /** Jobs of one queue run one after the other, in the order in which they were enqueued. */
  queue?: string;
  /** A job with the same key that has not begun yet is replaced: many causes, one run. */
  key?: string;
  /** Not before; at once where left out. */
  runAt?: Date;
}

/** Enqueues a job that exists if and only if the transaction commits. JobsService says who does it. */
export async function enqueueJob(
  { manager }: Transaction,
  name: string,
  payload: JobPayload,
  order: JobOrder = {},
): Promise<void> {
  await manager.query('SELECT graphile_worker.add_job($1, $2::json, queue_name => $3, job_key => $4, run_at => $5)', [
    name,
    JSON.stringify(payload),
    order.queue ?? null,
    order.key ?? null,
    order.runAt ?? null,
  ]);
}
