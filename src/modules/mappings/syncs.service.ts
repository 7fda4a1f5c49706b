import { Injectable } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import type { SelectQueryBuilder } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import type { Actor } from '../../platform/auth/actor.js';
import { toAbortSignal, type CancelSignal } from '../../platform/cancellation.js';
import { Database, type Transaction } from '../../platform/database/transaction.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { Page, PageQuery, readPage } from '../../platform/http/paging.js';
import { enqueueJob } from '../../platform/jobs/enqueue-job.js';
import { AuditService } from '../audit/audit.service.js';
import { MappingSync, type SyncStatus, type SyncTrigger } from './mapping-sync.entity.js';
import { SyncRequest, toSyncResponse, type SyncedResponse, type SyncResponse, type SyncRow } from './mappings.dto.js';
import { MappingsService } from './mappings.service.js';
import { MAPPING_SYNC_JOB } from './sync-runner.service.js';

/** How long somebody who asks for a sync waits for its end. */
const PATIENCE_MS = 20_000;
const LOOK_MS = { first: 30, longest: 500 };

export interface EndedSync {
  mapping_id: number;
  status: SyncStatus;
  items_synced: number;
  items_failed: number;
  organization_id: string;
  workspace_id: string;
  connection_id: string;
}

/** Syncs that people ask for, and what became of all. */
@Injectable()
export class SyncsService {
  constructor(
    private readonly database: Database,
    private readonly mappings: MappingsService,
    private readonly audit: AuditService,
  ) {}

  /** @returns the sync as it is after 20 s at the latest; @throws DomainError 409 `sync_running`, or what made it fail */
  async sync(actor: Actor, mappingId: number, request: SyncRequest, signal: CancelSignal): Promise<SyncResponse> {
    return this.untilEnded(await this.start(actor, mappingId, request), signal);
  }

  /** Answers at once: it is run by itself. */
  async start(actor: Actor, mappingId: number, request: SyncRequest): Promise<SyncResponse> {
    const mapping = await this.mappings.editable(actor, mappingId);
    if (!mapping.is_active) throw new DomainError('conflict', 'The mapping is switched off', { mapping_id: mappingId });
    return this.database.transaction(async (transaction) => {
      const id = await enqueueSync(transaction, mappingId, 'manual', request);
      if (id === null) throw await this.running(mappingId);
      await this.audit.record(transaction, actor, {
        organizationId: mapping.organization_id,
        action: 'mapping.sync_requested',
        object: { type: 'mapping', id: mappingId },
        after: { sync_id: id, ...request },
      });
      return this.row(mappingId, id, transaction.manager);
    });
  }

  /** Newest first. */
  async list(actor: Actor, mappingId: number, page: PageQuery): Promise<Page<SyncResponse>> {
    await this.mappings.readable(actor, mappingId);
    const rows = this.rows(mappingId);
    return (await readPage<SyncRow, MappingSync>(rows, 's.id', page, 'uuid', 'newest')).map(toSyncResponse);
  }

  async get(actor: Actor, mappingId: number, id: string): Promise<SyncResponse> {
    await this.mappings.readable(actor, mappingId);
    return this.row(mappingId, id);
  }

  /** What those who watch are told of a sync; undefined while it is under way, and for none. */
  async ended(id: string): Promise<EndedSync | undefined> {
    const [row] = await this.database.manager.query<EndedSync[]>(
      `SELECT s.mapping_id, s.status, s.items_synced, s.items_failed, m.organization_id, a.workspace_id, a.connection_id
         FROM mapping_syncs s JOIN mappings m ON m.id = s.mapping_id JOIN workspace_access a ON a.id = m.workspace_access_id
        WHERE s.id = $1 AND s.finished_at IS NOT NULL`,
      [id],
    );
    return row;
  }

  private async untilEnded(sync: SyncResponse, signal: CancelSignal): Promise<SyncResponse> {
    const until = Date.now() + PATIENCE_MS;
    const gone = toAbortSignal(signal);
    let latest = sync;
    for (
      let pause = LOOK_MS.first;
      isUnderWay(latest) && Date.now() < until;
      pause = Math.min(pause * 2, LOOK_MS.longest)
    ) {
      await delay(pause, undefined, { signal: gone }).catch(() => undefined);
      if (signal.aborted) return latest;
      latest = await this.row(sync.mapping, sync.id);
    }
    if (latest.status !== 'failed') return latest;
    const { problem } = await this.rawRow(sync.mapping, sync.id);
    if (!problem) return latest;
    throw new DomainError(problem.code, problem.message, { ...problem.details, sync_id: sync.id });
  }

  private async running(mappingId: number): Promise<DomainError> {
    const [row] = await this.database.manager.query<{ id: string }[]>(
      "SELECT id FROM mapping_syncs WHERE mapping_id = $1 AND status IN ('queued', 'running')",
      [mappingId],
    );
    return new DomainError('sync_running', 'A sync of this mapping is under way', { sync_id: row?.id ?? null });
  }

  private async row(mappingId: number, id: string, manager = this.database.manager): Promise<SyncResponse> {
    return toSyncResponse(await this.rawRow(mappingId, id, manager));
  }

  private async rawRow(mappingId: number, id: string, manager = this.database.manager): Promise<SyncRow> {
    const row = await this.rows(mappingId, manager).andWhere('s.id = :id', { id }).getRawOne<SyncRow>();
    if (!row) throw notFound('sync', id);
    return row;
  }

  private rows(mappingId: number, manager = this.database.manager): SelectQueryBuilder<MappingSync> {
    return manager
      .createQueryBuilder(MappingSync, 's')
      .where('s.mapping_id = :mappingId', { mappingId })
      .select([
        's.id AS id',
        's.mapping_id AS mapping_id',
        's.status AS status',
        's.trigger AS trigger',
        's.mode AS mode',
      ])
      .addSelect(['s.items_synced AS items_synced', 's.items_written AS items_written'])
      .addSelect(['s.items_failed AS items_failed', 's.items_deleted AS items_deleted'])
      .addSelect(['s.failures AS failures', 's.problem AS problem', 's.created_at AS created_at'])
      .addSelect(['s.started_at AS started_at', 's.finished_at AS finished_at']);
  }
}

export function isUnderWay({ status }: SyncResponse): boolean {
  return status === 'queued' || status === 'running';
}

export function toSyncedResponse(sync: SyncResponse): SyncedResponse {
  const isRefused = sync.status === 'needs_confirmation';
  return {
    success: !isRefused,
    message: isRefused
      ? 'More than half of the items are gone: sync again with confirm_deletions to delete them'
      : 'Synchronization triggered',
    sync_id: sync.id,
    items_synced: sync.items_synced,
    items_failed: sync.items_failed,
    items_written: sync.items_written,
    items_deleted: sync.items_deleted,
    status: sync.status,
  };
}

/** @returns null where one of the mapping is under way */
export async function enqueueSync(
  transaction: Transaction,
  mappingId: number,
  trigger: SyncTrigger,
  { complete = false, confirm_deletions = false }: SyncRequest = {},
): Promise<string | null> {
  const id = uuidv7();
  const [inserted] = await transaction.manager.query<{ organization_id: string }[]>(
    `INSERT INTO mapping_syncs (id, mapping_id, trigger, reads_all, may_delete) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING RETURNING (SELECT organization_id FROM mappings WHERE id = $2) AS organization_id`,
    [id, mappingId, trigger, complete || confirm_deletions, confirm_deletions],
  );
  if (!inserted) return null;
  // Two at once for an organization, so that its long lists keep nobody else waiting.
  const queue = `${MAPPING_SYNC_JOB}:${inserted.organization_id}:${mappingId % 2}`;
  await enqueueJob(transaction, MAPPING_SYNC_JOB, { sync_id: id }, { key: `${MAPPING_SYNC_JOB}:${id}`, queue });
  return id;
}
