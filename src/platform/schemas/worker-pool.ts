import type { Worker } from 'node:worker_threads';
import type { WorkerMessage, WorkerReply, WorkerRequest } from './schema-worker.js';

export interface WorkerPoolOptions {
  size: number;
  start: () => Worker;
  /** Jobs that may wait; more are given up at once. */
  maxQueue: number;
  /** Milliseconds after which a worker without work is stopped; undefined = never. */
  idleMs?: number;
  /** Told when a worker ends by itself, which it should not. */
  warn?: (message: string) => void;
}

/**
 * Over a limit of its own, of a job with a key also whether that was in its preparation; or not done at all: no place to
 * wait, no worker to be had, pool closed, not cloneable.
 */
export type GivenUp = 'over limit' | 'not prepared' | 'not done';

export interface JobLimits {
  /** Milliseconds for the job itself; then its worker is ended. */
  runMs: number;
  /** Milliseconds for loading or compiling before that. */
  prepareMs: number;
  /** Milliseconds it may wait for a worker. */
  waitMs: number;
  /** Work with the same key on the same worker needs no preparation a second time. */
  key?: string;
  /** Jobs known to run into the limit never occupy more than one worker. */
  suspect?: boolean;
}

interface Job extends JobLimits {
  request: WorkerRequest;
  settle: (reply: WorkerReply | GivenUp) => void;
  timer: NodeJS.Timeout | undefined;
  isPreparing: boolean;
}

interface Slot {
  worker: Worker;
  ready: boolean;
  prepared: Set<string>;
  job: Job | null;
  idle: NodeJS.Timeout | undefined;
}

const MAX_KEYS = 10_000;

/**
 * A few worker threads for work whose time cannot be known beforehand. A job over its limit ends with its worker, which
 * is replaced at once; everybody else notices nothing but one worker less for the moment. The first job starts them.
 */
export class WorkerPool {
  private readonly slots = new Set<Slot>();
  private readonly queue: Job[] = [];
  private closed = false;

  constructor(private readonly options: WorkerPoolOptions) {}

  run(request: WorkerRequest, limits: JobLimits): Promise<WorkerReply | GivenUp> {
    if (this.closed || this.queue.length >= this.options.maxQueue) return Promise.resolve('not done');
    return new Promise((resolve) => {
      const job: Job = { ...limits, request, settle: resolve, timer: undefined, isPreparing: false };
      this.queue.push(job);
      this.assign();
      if (this.queue.includes(job)) job.timer = setTimeout(() => this.giveUp(job), limits.waitMs);
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const job of [...this.queue]) this.giveUp(job);
    await Promise.all([...this.slots].map((slot) => this.end(slot, 'not done')));
  }

  private assign(): void {
    // All at once, so that the second is warm when the first is lost to a hostile job.
    while (this.queue.length > 0 && this.slots.size < this.options.size && this.start());
    for (;;) {
      const at = this.queue.findIndex((job) => !job.suspect || this.hasPlaceForSuspect());
      const job = this.queue[at];
      if (!job) return;
      const free = [...this.slots].find((slot) => slot.ready && slot.job === null);
      if (!free) return;
      this.queue.splice(at, 1);
      this.give(free, job);
    }
  }

  /** A worker stays for the others, and it has to be there already, not just be starting. */
  private hasPlaceForSuspect(): boolean {
    const ready = [...this.slots].filter((slot) => slot.ready);
    return ready.length >= Math.min(2, this.options.size) && !ready.some((slot) => slot.job?.suspect === true);
  }

  private give(slot: Slot, job: Job): void {
    clearTimeout(slot.idle);
    slot.job = job;
    const isPrepared = job.key !== undefined && slot.prepared.has(job.key);
    job.isPreparing = job.key !== undefined && !isPrepared;
    this.limit(slot, job, isPrepared ? job.runMs : job.prepareMs);
    try {
      slot.worker.postMessage(job.request);
    } catch {
      // Not a JSON value: it cannot be cloned.
      this.finish(slot, 'not done');
    }
  }

  private limit(slot: Slot, job: Job, milliseconds: number): void {
    clearTimeout(job.timer);
    job.timer = setTimeout(() => {
      // If this thread was busy the answer may be there already; it is read before immediates run.
      setImmediate(() => {
        if (slot.job === job) void this.end(slot, overLimit(job));
      });
    }, milliseconds);
  }

  /** False when there is no thread to be had; who waits may still be served by a worker that is there. */
  private start(): boolean {
    try {
      const slot: Slot = {
        worker: this.options.start(),
        ready: false,
        prepared: new Set(),
        job: null,
        idle: undefined,
      };
      this.slots.add(slot);
      slot.worker.on('message', (message: WorkerMessage) => this.hear(slot, message));
      slot.worker.on('error', (error) => this.lose(slot, error.message));
      slot.worker.on('exit', () => this.lose(slot, 'it exited'));
      return true;
    } catch (error) {
      this.options.warn?.(`A schema worker did not start: ${error instanceof Error ? error.message : 'unknown error'}`);
      if (this.slots.size === 0) for (const job of [...this.queue]) this.giveUp(job);
      return false;
    }
  }

  private hear(slot: Slot, message: WorkerMessage): void {
    if (message === 'prepared') {
      const { job } = slot;
      if (job) {
        job.isPreparing = false;
        this.limit(slot, job, job.runMs);
      }
      if (job?.key !== undefined && slot.prepared.size < MAX_KEYS) slot.prepared.add(job.key);
      return;
    }
    if (message === 'ready') slot.ready = true;
    else this.finish(slot, message);
    this.assign();
  }

  private finish(slot: Slot, reply: WorkerReply | GivenUp): void {
    const { job } = slot;
    slot.job = null;
    clearTimeout(job?.timer);
    const { idleMs } = this.options;
    if (idleMs !== undefined && this.slots.has(slot))
      slot.idle = setTimeout(() => void this.end(slot, 'not done'), idleMs).unref();
    job?.settle(reply);
  }

  private giveUp(job: Job): void {
    const at = this.queue.indexOf(job);
    if (at < 0) return;
    this.queue.splice(at, 1);
    clearTimeout(job.timer);
    job.settle('not done');
  }

  /** Ends a worker on purpose. */
  private async end(slot: Slot, reply: GivenUp): Promise<void> {
    this.slots.delete(slot);
    clearTimeout(slot.idle);
    this.finish(slot, reply);
    if (!this.closed && reply !== 'not done') this.start();
    if (!this.closed) this.assign();
    await slot.worker.terminate();
  }

  /** A worker ended by itself: out of memory, or it could not be loaded; in that case nobody should wait for the next. */
  private lose(slot: Slot, reason: string): void {
    if (!this.slots.delete(slot)) return;
    this.options.warn?.(`A schema worker ended: ${reason}`);
    this.finish(slot, overLimit(slot.job));
    if (!slot.ready) for (const job of [...this.queue]) this.giveUp(job);
    else this.assign();
  }
}

function overLimit(job: Job | null): GivenUp {
  return job?.isPreparing === true ? 'not prepared' : 'over limit';
}
