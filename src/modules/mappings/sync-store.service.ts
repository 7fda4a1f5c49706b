import { Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { canonicalJson, storableJson } from '../../platform/json/canonical-json.js';
import { ProcessLease } from '../../platform/processes/process-lease.service.js';
import { AuditService } from '../audit/audit.service.js';
import type { MappingConfig } from './mapping-config.js';
import { mappingSynced } from './mappings.events.js';
import { enqueueDeliveries } from './outbox.js';
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

/** Everything is read at least this often, so that deletions show where only changes are read. */
const COMPLETE_EVERY = '1 day';
/** Failures that a sync shows; all failed items are at `items/?status=failed`. */
const MOST_FAILURES = 100;
const LONGEST_BACKOFF = 21_600;
const KEPT_SYNCS = 1_000;
const KEPT_DELIVERIES = '7 days';

const CLAIM = `
  UPDATE mapping_syncs s SET status = 'running', process_id = $2, started_at = now(), items_synced = 0, items_written = 0,
         items_failed = 0, items_deleted = 0, failures = '[]',
         mode = CASE WHEN m.checkpoint IS NULL OR s.reads_all OR m.completed_at IS NULL
                       OR m.completed_at < now() - interval '${COMPLETE_EVERY}' THEN 'complete' ELSE 'incremental' END
    FROM mappings m JOIN workspace_access a ON a.id = m.workspace_access_id
   WHERE s.id = $1 AND m.id = s.mapping_id AND a.deleted_at IS NULL
     AND s.status IN ('queued', 'running')
  RETURNING s.id, s.mapping_id, m.organization_id, a.workspace_id, m.workspace_access_id, a.connection_id, m.resource_id,
            m.config, m.checkpoint, s.mode, s.may_delete`;

/** New, or with another content: what did not change is not written. */
const UPSERT = `
  WITH given AS (
    SELECT * FROM json_to_recordset($2::json)
      AS g(external_id text, status text, rendered json, error text, source json, content_hash text)),
  met AS (
    INSERT INTO mapping_sync_items (sync_id, external_id) SELECT $3, external_id FROM given
    ON CONFLICT DO NOTHING RETURNING external_id),
  written AS (
    INSERT INTO mapping_items AS i (mapping_id, external_id, status, rendered, error, source, content_hash)
    SELECT $1, external_id, status, rendered, error, source, decode(content_hash, 'hex') FROM given ORDER BY external_id
    ON CONFLICT (mapping_id, external_id) DO UPDATE
      SET status = EXCLUDED.status, error = EXCLUDED.error, source = EXCLUDED.source, content_hash = EXCLUDED.content_hash,
          rendered = CASE WHEN EXCLUDED.status = 'failed' THEN i.rendered ELSE EXCLUDED.rendered END, synced_at = now()
      WHERE i.content_hash <> EXCLUDED.content_hash
    RETURNING i.external_id)
  SELECT count(*) FILTER (WHERE g.status = 'synced')::int AS synced, count(*) FILTER (WHERE g.status = 'failed')::int AS failed,
         count(w.external_id) FILTER (WHERE g.status = 'synced')::int AS written,
         (SELECT COALESCE(json_agg(external_id), '[]') FROM written) AS changed
    FROM given g JOIN met USING (external_id) LEFT JOIN written w USING (external_id)`;

const GONE = `
  SELECT count(*)::int AS kept, count(*) FILTER (WHERE NOT EXISTS (
           SELECT FROM mapping_sync_items s WHERE s.sync_id = $2 AND s.external_id = i.external_id))::int AS gone
    FROM mapping_items i WHERE i.mapping_id = $1`;
const DELETE_GONE = `
  DELETE FROM mapping_items WHERE id IN (
    SELECT i.id FROM mapping_items i WHERE i.mapping_id = $1
       AND NOT EXISTS (SELECT FROM mapping_sync_items s WHERE s.sync_id = $2 AND s.external_id = i.external_id)
     ORDER BY i.id LIMIT 1000)
  RETURNING external_id`;

interface PageCounts {
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
      const [[claimed]] = await manager.query<[ClaimedSync[], number]>(CLAIM, [id, this.lease.id]);
      if (claimed) await manager.query('DELETE FROM mapping_sync_items WHERE sync_id = $1', [id]);
      return claimed ?? null;
    });
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
      const [counts] = await transaction.manager.query<PageCounts[]>(UPSERT, [
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
      return (counts?.synced ?? 0) + (counts?.failed ?? 0) + (items.length - known.length);
    });
  }

  /**
   * The end of a sync that read everything it wanted. Of a complete one, what it did not meet is deleted, unless that is more
   * than half and nobody confirmed it.
   * @param checkpoint of a complete sync
   */
  finish(sync: ClaimedSync, checkpoint: string | null): Promise<void> {
    return this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      await this.hold(transaction, sync);
      let deleted = 0;
      let isRefused = false;
      if (sync.mode === 'complete') {
        const [{ kept, gone } = { kept: 0, gone: 0 }] = await manager.query<{ kept: number; gone: number }[]>(GONE, [
          sync.mapping_id,
          sync.id,
        ]);
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
    for (let deleted = 0; ;) {
      const [rows] = await transaction.manager.query<[{ external_id: string }[], number]>(DELETE_GONE, [
        sync.mapping_id,
        sync.id,
      ]);
      if (rows.length === 0) return deleted;
      deleted += rows.length;
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

  /** Gives it back, for another process to begin it anew. */
  async release(id: string): Promise<void> {
    await this.database.manager.query(
      "UPDATE mapping_syncs SET status = 'queued', process_id = NULL WHERE id = $1 AND status = 'running' AND process_id = $2",
      [id, this.lease.id],
    );
  }

  /** @throws SyncTakenOver */
  private async hold({ manager }: Transaction, { id, mapping_id: mappingId }: ClaimedSync): Promise<void> {
    // The mapping first, as whoever changes or removes it does.
    await manager.query('SELECT 1 FROM mappings WHERE id = $1 FOR NO KEY UPDATE', [mappingId]);
    const held = await manager.query<unknown[]>(
      "SELECT 1 FROM mapping_syncs WHERE id = $1 AND status = 'running' AND process_id = $2 FOR NO KEY UPDATE",
      [id, this.lease.id],
    );
    if (held.length === 0) throw new SyncTakenOver('the sync is run by somebody else, or its mapping is gone');
  }

  private async end(
    transaction: Transaction,
    sync: ClaimedSync,
    status: 'completed' | 'needs_confirmation' | 'failed',
    deleted: number,
    problem: SyncProblem | null,
  ): Promise<void> {
    const { manager } = transaction;
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
      `DELETE FROM mapping_deliveries WHERE mapping_id = $1 AND status = 'delivered' AND delivered_at < now() - interval '${KEPT_DELIVERIES}'`,
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
  return { external_id, reason: error ?? '' };
}
