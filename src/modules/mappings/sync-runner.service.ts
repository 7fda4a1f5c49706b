import { BeforeApplicationShutdown, Injectable, Logger, OnModuleInit } from '@nestjs/common';
import { isDatabaseUnavailable } from '../../platform/database/database-errors.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { JobsService } from '../../platform/jobs/jobs.service.js';
import { ItemReaderService } from './item-reader.service.js';
import { ShapeChanged, SyncStoreService, SyncTakenOver, type ClaimedSync } from './sync-store.service.js';

/** One sync; the row of it says what is wanted. */
export const MAPPING_SYNC_JOB = 'mapping_sync';

const RETRIED_AT_ONCE = 200;
/** A list that goes on for so long without an end has none. */
const MOST_STALE_PAGES = 25;
const LONGEST_SYNC_MS = 3_600_000;

/** Runs syncs, on whichever replica takes the job: from the beginning, so that it may be killed at any moment and run again. */
@Injectable()
export class SyncRunnerService implements OnModuleInit, BeforeApplicationShutdown {
  private readonly logger = new Logger('mappings');
  private readonly stopping = new AbortController();

  constructor(
    private readonly jobs: JobsService,
    private readonly store: SyncStoreService,
    private readonly reader: ItemReaderService,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(MAPPING_SYNC_JOB, ({ sync_id: id }) => this.run(String(id)), 'long');
  }

  beforeApplicationShutdown(): void {
    this.stopping.abort();
  }

  /** @throws where it has to be tried again: the database was away, or this process stops */
  private async run(id: string): Promise<void> {
    const sync = await this.store.claim(id);
    if (sync === null) return;
    try {
      if (this.store.isHopeless(sync)) throw hopeless();
      await this.sync(sync);
    } catch (error) {
      if (error instanceof SyncTakenOver) return this.logger.warn({ sync: id }, error.message);
      if (this.stopping.signal.aborted || error instanceof ShapeChanged) {
        await this.store.release(sync);
        throw error;
      }
      if (isDatabaseUnavailable(error) || (error instanceof DomainError && error.code === 'unavailable')) throw error;
      await this.fail(sync, error);
    }
  }

  private async sync(sync: ClaimedSync): Promise<void> {
    const isComplete = sync.mode === 'complete';
    const since = isComplete ? null : sync.checkpoint;
    let checkpoint: string | null = null;
    if (!isComplete) await this.retryFailed(sync);
    const until = Date.now() + LONGEST_SYNC_MS;
    let stale = 0;
    let knowsAll = true;
    for await (const page of this.reader.pages(sync, sync.id, since, this.stopping.signal)) {
      checkpoint = page.checkpoint ?? checkpoint;
      // A complete sync that is cut short has read nothing for good: deletions would be missed.
      const met = await this.store.writePage(sync, page.items, isComplete ? null : checkpoint);
      // What the policy took out leaves pages without items, which says nothing.
      stale = met === 0 && page.items.length > 0 ? stale + 1 : 0;
      if (stale === MOST_STALE_PAGES) throw endless(`${MOST_STALE_PAGES} pages in a row had nothing new`);
      if (Date.now() > until) throw endless('It took more than an hour');
      knowsAll &&= page.items.every((item) => item.external_id !== null);
    }
    await this.store.finish(sync, checkpoint, knowsAll);
  }

  /** What failed before is not among what changed: it is rendered again from what was kept of it. */
  private async retryFailed(sync: ClaimedSync): Promise<void> {
    for (let after = 0; ;) {
      const failed = await this.store.failedItems(sync.mapping_id, after, RETRIED_AT_ONCE);
      const last = failed.at(-1);
      if (!last) return;
      const items = this.reader.rendered(
        sync.config,
        failed.map(({ source }) => source),
      );
      await this.store.writePage(sync, items, null);
      after = last.id;
    }
  }

  private async fail(sync: ClaimedSync, error: unknown): Promise<void> {
    const isKnown = error instanceof DomainError;
    if (!isKnown) this.logger.error({ err: error, sync: sync.id }, 'a sync failed');
    const problem = isKnown
      ? { code: error.code, message: error.message, details: error.details }
      : { code: 'internal_error' as const, message: 'Something unexpected happened', details: {} };
    await this.store.fail(sync, problem).catch((reason: unknown) => {
      if (reason instanceof ShapeChanged) return this.store.release(sync);
      if (!(reason instanceof SyncTakenOver)) throw reason;
    });
  }
}

function endless(message: string): DomainError {
  return new DomainError('upstream_error', `The list of the server has no end: ${message}`, { reason: 'pages' });
}

function hopeless(): DomainError {
  return new DomainError('upstream_error', 'It was begun again and again, and never ended', { reason: 'given_up' });
}
