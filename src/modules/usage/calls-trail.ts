import { Injectable, OnModuleInit } from '@nestjs/common';
import { cappedCount } from '../../platform/database/capped-count.js';
import { Conditions } from '../../platform/database/conditions.js';
import { Database } from '../../platform/database/transaction.js';
import {
  AuditTrailService,
  type AuditTrail,
  type TrailFilter,
  type TrailLink,
  type TrailPage,
  type TrailRecord,
  type TrailScope,
} from '../audit/audit-trail.service.js';
import { addDays, CALL_FIELDS } from './call-rows.js';
import { digestOfAll, type CallOutcome, type ClosedCall } from './call.js';
import type { CallRow } from './calls.dto.js';
import { visibleRows, type HistoryScope } from './history-scope.js';

interface ChainedRow extends CallRow {
  finished_at: Date;
  outcome: CallOutcome;
  duration_us: number;
  bytes_received: number;
  cost: string;
  chain_seq: number;
  chain_hash: Buffer;
}

/** A batch has 500 rows at most: a page always holds a whole one. */
const ROWS_AT_ONCE = 2_000;

/** Calls as the audit trail shows them; a link of their chain stands for a batch that was closed in one transaction. */
@Injectable()
export class CallsTrail implements AuditTrail, OnModuleInit {
  readonly name = 'calls';

  constructor(
    private readonly database: Database,
    private readonly trails: AuditTrailService,
  ) {}

  onModuleInit(): void {
    this.trails.include(this);
  }

  async list(scope: TrailScope, filter: TrailFilter, { before, limit }: TrailPage): Promise<TrailRecord[]> {
    const where = conditions(scope, filter);
    if (before !== undefined) where.add('id < ?', before);
    const most = where.value(limit);
    const newest = (rows: string): string => `${rows} ORDER BY id DESC LIMIT ${most}`;
    const visible = visibleRows(historyScope(scope), where, (condition) =>
      newest(`SELECT ${CALL_FIELDS} FROM call_attempts WHERE ${where.text} AND ${condition}`),
    );
    const rows = await this.database.manager.query<CallRow[]>(newest(`SELECT * FROM (${visible}) v`), where.values);
    return rows.map(toRecord);
  }

  async count(scope: TrailScope, filter: TrailFilter, most: number): Promise<number> {
    const where = conditions(scope, filter);
    return cappedCount(this.database.manager, where, most, (limit) =>
      visibleRows(
        historyScope(scope),
        where,
        (condition) => `SELECT 1 FROM call_attempts WHERE ${where.text} AND ${condition} LIMIT ${limit}`,
      ),
    );
  }

  async links(organizationId: string, afterSeq: number): Promise<TrailLink[]> {
    const rows = await this.database.manager.query<ChainedRow[]>(
      `SELECT ${CALL_FIELDS}, chain_hash FROM calls WHERE organization_id = $1 AND chain_seq > $2
        ORDER BY calls.chain_seq, calls.id LIMIT ${ROWS_AT_ONCE}`,
      [organizationId, afterSeq],
    );
    const batches = new Map<number, ChainedRow[]>();
    for (const row of rows) batches.set(row.chain_seq, [...(batches.get(row.chain_seq) ?? []), row]);
    // The last one of a full page may be cut off: it is read again.
    if (rows.length === ROWS_AT_ONCE && batches.size > 1) batches.delete(rows.at(-1)?.chain_seq ?? 0);
    return [...batches].map(([seq, batch]) => ({
      seq,
      digest: digestOfAll(batch.map(toClosedCall)),
      hash: commonHash(batch),
      ids: batch.map(({ id }) => id),
    }));
  }
}

/** Every row of a batch carries the hash of the link: where they differ, none of them is believed. */
function commonHash(batch: readonly ChainedRow[]): Buffer {
  const [first] = batch;
  const isCommon = first !== undefined && batch.every(({ chain_hash: hash }) => hash.equals(first.chain_hash));
  return isCommon ? first.chain_hash : Buffer.alloc(0);
}

function historyScope({ organizations, own }: TrailScope): HistoryScope {
  return { organizations, workspaces: [], own };
}

function conditions(scope: TrailScope, filter: TrailFilter): Conditions {
  const where = new Conditions();
  if (scope.within !== undefined) where.add('organization_id = ?', scope.within);
  if (filter.action !== undefined) where.add('operation = ?', filter.action);
  if (filter.object_type !== undefined && filter.object_type !== OBJECT) where.add('false');
  if (filter.object_id !== undefined) addObject(where, filter.object_id);
  if (filter.actor !== undefined) where.add('COALESCE(token_id, user_id) = ?', filter.actor);
  if (filter.request_id !== undefined) where.add('request_id = ?', filter.request_id);
  addDays(where, filter);
  return where;
}

const OBJECT = 'resource';

function addObject(where: Conditions, id: string): void {
  if (/^\d{1,9}$/.test(id)) where.add('resource_id = ?', Number(id));
  else where.add('false');
}

function toClosedCall(row: ChainedRow): ClosedCall {
  return { ...row, started_at: row.started_at.toISOString(), finished_at: row.finished_at.toISOString() };
}

function toRecord(row: CallRow): TrailRecord {
  return {
    id: row.id,
    trail: 'calls',
    recorded_at: (row.finished_at ?? row.started_at).toISOString(),
    organization: row.organization_id,
    actor: { type: row.token_id === null ? 'user' : 'token', id: row.token_id ?? row.user_id, name: null },
    action: row.operation,
    object: { type: OBJECT, id: String(row.resource_id ?? '') },
    before: null,
    after: {
      outcome: row.outcome,
      reason: row.reason,
      workspace: row.workspace_id,
      workspace_access: row.workspace_access_id,
      connection: row.connection_id,
      tool: row.tool_id,
      door: row.door,
      arguments_hash: row.arguments_hash,
    },
    address: row.address,
    request_id: row.request_id,
    seq: row.chain_seq,
  };
}
