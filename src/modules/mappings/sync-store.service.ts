import { Injectable } from '@nestjs/common';
import { createHash, randomUUID } from 'node:crypto';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { canonicalJson, storableJson } from '../../platform/json/canonical-json.js';
import { ProcessLease } from '../../platform/processes/process-lease.service.js';
import { AuditService } from '../audit/audit.service.js';
import type { MappingConfig } from './mapping-config.js';
import { mappingSynced } from './mappings.events.js';
import { enqueueDeliveries } from './outbox.js';
import { CLAIM, COUNT_GONE, DELETE_GONE, TIDY_FAILURES, WRITE_ITEMS } from './sync-statements.js';
import type { ItemFailure, SyncMode, SyncProblem } from './mapping-sync.entity.js';

/** A sync that this process runs, with what it needs of its mapping. */
export interface ClaimedSync {
  id: string;
  mapping_id: number;
  organization_id: string;
  workspace_id: string;
  workspace_access_id: number;
  connection_id: string;
  resource_id: number;
  config: MappingConfig;
  checkpoint: string | null;
  mode: SyncMode;
  may_delete: boolean;
  run_id: string;
  /** Of the mapping, when it began. */
  version: number;
  attempts: number;
}

/** A record after rendering; `error` where that failed. */
export interface RenderedItem {
  external_id: string | null;
  rendered: Record<string, unknown> | null;
  error: string | null;
  source: unknown;
}

/** Somebody else runs it, or nobody: what was read must not be written. */
export class SyncTakenOver extends Error {}

/** The shape was changed while it was read: it has to begin anew. */
export class ShapeChanged extends Error {}

/** Failures that a sync shows; all failed items are at `items/?status=failed`. */
const MOST_FAILURES = 50;
const LONGEST_REASON = 300;
/** Whatever kills a process again and again must not go on to the next one. */
const MOST_ATTEMPTS = 5;
const LONGEST_BACKOFF = 21_600;
const KEPT_SYNCS = 1_000;
/** Of deliveries, as they ended. */
const KEPT = { delivered: '7 days', dead: '30 days' };

interface PageCounts {
  /** Of the items those that this sync had not met before. */
  met: number;
  synced: number;
  failed: number;
  written: number;
  /** External ids. */
  changed: string[];
}

/** What a sync writes: each page with its checkpoint in one transaction, and only as long as the sync is this process's. */
@Injectable()
export class SyncStoreService {
  constructor(
    private readonly database: Database,
    private readonly lease: ProcessLease,
    private readonly audit: AuditService,
  ) {}

  /**
   * Makes a sync this process's, from its beginning. Whoever ran it before may only have been paused: it finds that out with its
   * next page, and writes nothing.
   * @returns null where there is nothing to do
   */
  claim(id: string): Promise<ClaimedSync | null> {
    return this.database.transaction(async ({ manager }) => {
      const values = [id, this.lease.id, randomUUID()];
      const [[claimed]] = await manager.query<[ClaimedSync[], number]>(CLAIM, values);
      if (claimed) await manager.query('DELETE FROM mapping_sync_items WHERE sync_id = $1', [id]);
      return claimed ?? null;
    });
  }

  /** Whether it was begun so often that it is better given up. */
  isHopeless({ attempts }: ClaimedSync): boolean {
    return attempts > MOST_ATTEMPTS;
  }

  /** Items that failed before and did not change since: templates may have, or the grammar. */
  async failedItems(mappingId: number, afterId: number, limit: number): Promise<{ id: number; source: unknown }[]> {
    return this.database.manager.query(
      "SELECT id, source FROM mapping_items WHERE mapping_id = $1 AND status = 'failed' AND id > $2 ORDER BY id LIMIT $3",
      [mappingId, afterId, limit],
    );
  }

  /**
   * @param checkpoint where an incremental sync goes on after these; null leaves it where it is
   * @returns how many of the items this sync had not met before
   */
  writePage(sync: ClaimedSync, items: readonly RenderedItem[], checkpoint: string | null): Promise<number> {
    return this.database.transaction(async (transaction) => {
      await this.hold(transaction, sync);
      const known = items.filter((item) => item.external_id !== null);
      // A page may have an item twice: the later one counts.
      const rows = [...new Map(known.map((item) => [item.external_id, toRow(item)])).values()];
      const [counts] = await transaction.manager.query<PageCounts[]>(WRITE_ITEMS, [
        sync.mapping_id,
        storableJson(rows),
        sync.id,
      ]);
      const failures = items.filter((item) => item.error !== null);
      await transaction.manager.query(
        `UPDATE mapping_syncs SET items_synced = items_synced + $2, items_written = items_written + $3, items_failed = items_failed + $4,
                failures = (SELECT COALESCE(json_agg(value), '[]') FROM (
                  SELECT value FROM json_array_elements(failures) UNION ALL SELECT value FROM json_array_elements($5::json)
                   LIMIT ${MOST_FAILURES}) kept)
          WHERE id = $1`,
        [
          sync.id,
          counts?.synced ?? 0,
          counts?.written ?? 0,
          (counts?.failed ?? 0) + (items.length - known.length),
          storableJson(failures.slice(0, MOST_FAILURES).map(toFailure)),
        ],
      );
      await enqueueDeliveries(transaction, {
        mappingId: sync.mapping_id,
        syncId: sync.id,
        upserted: changedItems(known, new Set(counts?.changed)),
        deleted: [],
      });
      if (checkpoint !== null)
        await transaction.manager.query('UPDATE mappings SET checkpoint = $2 WHERE id = $1', [
          sync.mapping_id,
          checkpoint,
        ]);
      return (counts?.met ?? 0) + (items.length - known.length);
    });
  }

  /**
   * The end of a sync that read everything it wanted. Of a complete one, what it did not meet is deleted, unless that is more
   * than half and nobody confirmed it.
   * @param checkpoint of a complete sync
   * @param knowsAll false where items had no usable id: what was not met may be among them
   */
  finish(sync: ClaimedSync, checkpoint: string | null, knowsAll: boolean): Promise<void> {
    return this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      await this.hold(transaction, sync);
      let deleted = 0;
      let isRefused = false;
      if (sync.mode === 'complete' && knowsAll) {
        const [{ kept, gone } = { kept: 0, gone: 0 }] = await manager.query<{ kept: number; gone: number }[]>(
          COUNT_GONE,
          [sync.mapping_id, sync.id],
        );
        isRefused = gone * 2 > kept && !sync.may_delete;
        if (gone > 0 && !isRefused) deleted = await this.deleteGone(transaction, sync);
      }
      await this.end(transaction, sync, isRefused ? 'needs_confirmation' : 'completed', deleted, null);
      const isComplete = sync.mode === 'complete' && !isRefused;
      await manager.query(
        `UPDATE mappings SET last_synced = now(), failures = 0, checkpoint = CASE WHEN $2 THEN $3 ELSE checkpoint END,
                completed_at = CASE WHEN $2 THEN now() ELSE completed_at END
          WHERE id = $1`,
        [sync.mapping_id, isComplete, checkpoint],
      );
      const after = { sync_id: sync.id, mode: sync.mode, items_deleted: deleted, needs_confirmation: isRefused };
      await this.record(transaction, sync, 'mapping.synced', after);
    });
  }

  /** In parts, so that memory stays flat. */
  private async deleteGone(transaction: Transaction, sync: ClaimedSync): Promise<number> {
    let deleted = 0;
    for (let after = 0; ;) {
      const [rows] = await transaction.manager.query<[{ id: number; external_id: string }[], number]>(DELETE_GONE, [
        sync.mapping_id,
        sync.id,
        after,
      ]);
      if (rows.length === 0) return deleted;
      deleted += rows.length;
      after = Math.max(...rows.map(({ id }) => id));
      await enqueueDeliveries(transaction, {
        mappingId: sync.mapping_id,
        syncId: sync.id,
        upserted: [],
        deleted: rows.map(({ external_id }) => external_id),
      });
    }
  }

  fail(sync: ClaimedSync, problem: SyncProblem): Promise<void> {
    return this.database.transaction(async (transaction) => {
      await this.hold(transaction, sync);
      await this.end(transaction, sync, 'failed', 0, problem);
      // Later each time, so that an upstream in trouble is left alone.
      await transaction.manager.query(
        `UPDATE mappings SET failures = failures + 1,
                next_sync_at = CASE WHEN sync_frequency > 0 THEN greatest(next_sync_at,
                  now() + least(sync_frequency * power(2, least(failures, 20)), greatest(sync_frequency, ${LONGEST_BACKOFF})) * interval '1 s') END
          WHERE id = $1`,
        [sync.mapping_id],
      );
      await this.record(transaction, sync, 'mapping.sync_failed', { sync_id: sync.id, reason: problem.code });
    });
  }

  /** Gives it back, to be begun anew; that is no attempt. */
  async release({ id, run_id: runId }: ClaimedSync): Promise<void> {
    await this.database.manager.query(
      `UPDATE mapping_syncs SET status = 'queued', process_id = NULL, run_id = NULL, attempts = attempts - 1
        WHERE id = $1 AND status = 'running' AND run_id = $2`,
      [id, runId],
    );
  }

  /** @throws SyncTakenOver, ShapeChanged */
  private async hold({ manager }: Transaction, sync: ClaimedSync): Promise<void> {
    // The mapping first, as whoever changes or removes it does.
    const [mapping] = await manager.query<{ version: number }[]>(
      'SELECT version FROM mappings WHERE id = $1 FOR NO KEY UPDATE',
      [sync.mapping_id],
    );
    const held = await manager.query<unknown[]>(
      "SELECT 1 FROM mapping_syncs WHERE id = $1 AND status = 'running' AND run_id = $2 FOR NO KEY UPDATE",
      [sync.id, sync.run_id],
    );
    if (held.length === 0) throw new SyncTakenOver('the sync is run by somebody else, or its mapping is gone');
    if (mapping?.version !== sync.version) throw new ShapeChanged('the mapping was changed while it was synced');
  }

  private async end(
    transaction: Transaction,
    sync: ClaimedSync,
    status: 'completed' | 'needs_confirmation' | 'failed',
    deleted: number,
    problem: SyncProblem | null,
  ): Promise<void> {
    const { manager } = transaction;
    await manager.query(TIDY_FAILURES, [sync.id]);
    await manager.query(
      'UPDATE mapping_syncs SET status = $2, items_deleted = $3, problem = $4, finished_at = now() WHERE id = $1',
      [sync.id, status, deleted, problem && storableJson(problem)],
    );
    await manager.query('DELETE FROM mapping_sync_items WHERE sync_id = $1', [sync.id]);
    await manager.query(
      `DELETE FROM mapping_syncs WHERE mapping_id = $1 AND id < (
         SELECT id FROM mapping_syncs WHERE mapping_id = $1 ORDER BY id DESC OFFSET ${KEPT_SYNCS - 1} LIMIT 1)`,
      [sync.mapping_id],
    );
    await manager.query(
      `DELETE FROM mapping_deliveries WHERE mapping_id = $1
          AND (delivered_at < now() - interval '${KEPT.delivered}' OR (status = 'dead' AND created_at < now() - interval '${KEPT.dead}'))`,
      [sync.mapping_id],
    );
    await transaction.publish(mappingSynced(sync.mapping_id, sync.id, sync.workspace_access_id));
  }

  private record(
    transaction: Transaction,
    { organization_id: organizationId, mapping_id: id }: ClaimedSync,
    action: string,
    after: Record<string, unknown>,
  ): Promise<void> {
    return this.audit.record(transaction, null, { organizationId, action, object: { type: 'mapping', id }, after });
  }
}

function changedItems(
  items: readonly RenderedItem[],
  changed: ReadonlySet<string>,
): { external_id: string; data: Record<string, unknown> | null }[] {
  const last = new Map(items.map((item) => [item.external_id, item]));
  return [...last.values()].flatMap(({ external_id, rendered, error }) =>
    external_id !== null && error === null && changed.has(external_id) ? [{ external_id, data: rendered }] : [],
  );
}

/** SHA-256 over what is stored of an item. */
function contentHash(row: unknown): string {
  return createHash('sha256').update(canonicalJson(row)).digest('hex');
}

export function toRow({
  external_id,
  rendered,
  error,
  source,
}: RenderedItem): Record<string, unknown> & { content_hash: string } {
  const row =
    error === null
      ? { external_id, status: 'synced', rendered, error: null, source: null }
      : { external_id, status: 'failed', rendered: null, error, source };
  return { ...row, content_hash: contentHash(row) };
}

function toFailure({ external_id, error }: RenderedItem): ItemFailure {
  return { external_id: external_id?.slice(0, LONGEST_REASON) ?? null, reason: (error ?? '').slice(0, LONGEST_REASON) };
}
