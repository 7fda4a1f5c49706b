import { Injectable, Logger, OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { DataSource } from 'typeorm';
import type { PostgresOptions } from '../../platform/database/data-source.js';
import { Database } from '../../platform/database/transaction.js';
import type { ClaimedKey } from '../../platform/http/idempotency/idempotency-keys.js';
import type { ReleasedKey, SealedAnswer } from '../../platform/http/idempotency/idempotency.service.js';
import type { Amount } from '../../platform/money/amount.js';
import { ProcessLease } from '../../platform/processes/process-lease.service.js';
import { MetricsService, type Distribution, type EventCounter } from '../../platform/telemetry/metrics.service.js';
import { AuditService } from '../audit/audit.service.js';
import { AuditHeadsService } from '../audit/audit-heads.service.js';
import type { CallFacts, ClosedCall } from './call.js';
import { toClosing } from './closing.js';
import { GroupCommit } from './group-commit.js';
import { LedgerConnection } from './ledger-connection.js';

export interface Opening {
  facts: CallFacts;
  /** The most it can cost: held against the budget of its grant until it is closed. */
  reservedCost: Amount;
  key: ClaimedKey | null;
}

/** Why a call must not go on although the policy allows it. */
export interface Refusal {
  refusal: 'key_lost' | 'requests' | 'cost';
  period: 'day' | 'week' | 'month';
  /** UTC day, `YYYY-MM-DD`. */
  resets_on: string;
  maximum: string;
}

export interface ClosingCall {
  call: ClosedCall;
  /** False for one that was refused and never opened. */
  wasOpened: boolean;
  answer: SealedAnswer | ReleasedKey | null;
}

/** A budget whose limit was reached by calls of a batch. */
interface ReachedBudget {
  workspace_access_id: number;
  period: string;
  window_start: string;
}

/** The row was closed by somebody else: this process was taken for dead. */
export class ClosedBefore extends Error {}

const MOST_IN_A_BATCH = 500;
const SIZES = [1, 2, 5, 10, 20, 50, 100, 200, MOST_IN_A_BATCH];
/** SQLSTATE of `ledger_close` (migrations/1796400000000-LedgerBatches.ts), and of transactions that only have to be tried again. */
const CLOSED_BEFORE = 'MC001';
const TRY_AGAIN = new Set(['40P01', '40001']);

const OPEN =
  "SELECT call_id, refusal, period, to_char(resets_on, 'YYYY-MM-DD') AS resets_on, maximum FROM ledger_open($1, $2, $3)";
const CLOSE =
  "SELECT workspace_access_id, period, to_char(window_start, 'YYYY-MM-DD') AS window_start FROM ledger_close($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
/** Of a call that was opened: its row says the rest. */
const ENDS = ['id', 'reason', 'bytes_sent', 'finished_at', 'outcome', 'duration_us', 'bytes_received', 'cost'] as const;
const ANSWER = 'SELECT idempotency_complete($1, $2, $3, $4, $5, $6)';

/**
 * Writes the ledger in group commits: one for calls that begin, one for calls that end. Whatever belongs to a call (totals,
 * budgets, `usage_count` of its grant, the answer kept for its idempotency key, the link of the audit chain) is in the same
 * transaction (docs/adr/0015-the-ledger.md).
 */
@Injectable()
export class LedgerWriter implements OnApplicationShutdown {
  private readonly logger = new Logger('ledger');
  private readonly opener = new GroupCommit<Opening, Refusal | null>(
    (batch) => this.write('open', batch, this.open),
    MOST_IN_A_BATCH,
  );
  private readonly closer = new GroupCommit<ClosingCall, null>(
    (batch) => this.write('close', batch, this.close),
    MOST_IN_A_BATCH,
  );
  private readonly opening: LedgerConnection;
  private readonly closing: LedgerConnection;
  private readonly sizes: Distribution;
  private readonly durations: Distribution;
  private readonly failures: EventCounter;

  constructor(
    dataSource: DataSource,
    private readonly lease: ProcessLease,
    private readonly heads: AuditHeadsService,
    private readonly audit: AuditService,
    private readonly database: Database,
    metrics: MetricsService,
  ) {
    const { url = '' } = dataSource.options as PostgresOptions;
    const lost = (error: Error): void => this.logger.warn({ err: error }, 'a connection of the ledger was lost');
    this.opening = new LedgerConnection(url, lost);
    this.closing = new LedgerConnection(url, lost);
    const batch = ['open', 'close'];
    this.sizes = metrics.histogram('ledger_batch_calls', 'Calls written in one commit', { batch }, SIZES);
    this.durations = metrics.histogram('ledger_commit_seconds', 'Time to write a batch, its commit included', {
      batch,
    });
    this.failures = metrics.counter('ledger_failed_batches_total', 'Batches that could not be written whole', {
      batch,
    });
    metrics.gauges('ledger_waiting_calls', 'Calls that wait for the next batch', 'batch', () => ({
      open: this.opener.size,
      close: this.closer.size,
    }));
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.opening.close(), this.closing.close()]);
  }

  /** Committed when it resolves with null; with a refusal nothing is left of it. */
  opened(opening: Opening): Promise<Refusal | null> {
    return this.opener.add(opening);
  }

  /** Committed when it resolves. @throws ClosedBefore */
  async closed(closing: ClosingCall): Promise<void> {
    await this.closer.add(closing);
  }

  /** Keeps the answer of a call that somebody else has closed. */
  async answered({ principal, key, request_id, process_id, status, answer }: SealedAnswer): Promise<void> {
    await this.database.manager.query(ANSWER, [principal, key, request_id, process_id, status, answer]);
  }

  /** What can't be written must not take along what was written in the same transaction. */
  private async write<Item, Result>(
    kind: 'open' | 'close',
    batch: Item[],
    write: (batch: Item[]) => Promise<(Result | Error)[]>,
  ): Promise<(Result | Error)[]> {
    const began = performance.now();
    try {
      const results = await write(batch);
      this.sizes.observe(batch.length, kind);
      this.durations.observe((performance.now() - began) / 1_000, kind);
      return results;
    } catch (error) {
      this.failures.inc(kind);
      if (batch.length === 1 || !(error instanceof pg.DatabaseError)) throw error;
      const results: (Result | Error)[] = [];
      for (const item of batch) results.push(...(await write([item]).catch((alone: unknown) => [alone as Error])));
      return results;
    }
  }

  private readonly open = async (batch: Opening[]): Promise<(Refusal | null)[]> => {
    const grants = new Map<string, { workspace_access_id: number; day: string }>();
    const rows = batch.map(({ facts, reservedCost }) => {
      const day = facts.started_at.slice(0, 10);
      const grant = facts.workspace_access_id;
      if (grant !== null) grants.set(`${grant} ${day}`, { workspace_access_id: grant, day });
      return { process_id: this.lease.id, reserved_cost: reservedCost, ...facts };
    });
    const keys = batch.flatMap(({ facts, key }) => (key ? [{ ...key, call_id: facts.id }] : []));
    const refused = await this.again(() =>
      this.opening.query<Refusal & { call_id: string }>(
        OPEN,
        [rows, [...grants.values()], keys].map(partOf),
        'ledger_open',
      ),
    );
    const byCall = new Map(refused.map((refusal) => [refusal.call_id, refusal]));
    return batch.map(({ facts }) => byCall.get(facts.id) ?? null);
  };

  private readonly close = async (batch: ClosingCall[]): Promise<(null | Error)[]> => {
    const lost = new Set<string>();
    for (let left = batch; left.length > 0;) {
      try {
        await this.closeAll(left);
        break;
      } catch (error) {
        if (!(error instanceof pg.DatabaseError) || error.code !== CLOSED_BEFORE) throw error;
        left = await this.notYetClosed(left, lost);
      }
    }
    return batch.map(({ call }) => (lost.has(call.id) ? new ClosedBefore('the call was closed before') : null));
  };

  private async closeAll(batch: readonly ClosingCall[]): Promise<void> {
    const { usage, tools, grants, links } = toClosing(batch.map(({ call }) => call));
    const opened = batch.filter(({ wasOpened }) => wasOpened).map(({ call }) => call);
    const refused = batch.filter(({ wasOpened }) => !wasOpened).map(({ call }) => call);
    const answers = batch.flatMap(({ answer }) => answer ?? []);
    const ends = ENDS.map((field) => opened.map((call) => call[field]));
    const parts = [refused, usage, tools, grants, answers, links].map(partOf);
    const reached = await this.again(() =>
      this.closing.query<ReachedBudget>(CLOSE, [...ends, ...parts], 'ledger_close'),
    );
    for (const budget of reached) this.tell(budget, batch);
    for (const { organization_id } of links) this.heads.advanced(organization_id);
  }

  /** People look at the trail, machines at the log. The call that reached it waits for neither. */
  private tell(budget: ReachedBudget, batch: readonly ClosingCall[]): void {
    this.logger.warn(budget, 'a budget is used up');
    const { workspace_access_id: id, ...after } = budget;
    const organizationId = batch.find(({ call }) => call.workspace_access_id === id)?.call.organization_id ?? null;
    const change = { organizationId, action: 'budget.reached', object: { type: 'workspace_access', id }, after };
    this.database
      .transaction((transaction) => this.audit.record(transaction, null, change))
      .catch((error: unknown) => this.logger.warn({ err: error }, 'that a budget is used up could not be recorded'));
  }

  /** Of a batch of which some were closed before: those still open; those that somebody else closed get into `lost`. */
  private async notYetClosed(batch: readonly ClosingCall[], lost: Set<string>): Promise<ClosingCall[]> {
    const ids = batch.map(({ call }) => call.id);
    const open = await this.closing.query<{ id: string }>('SELECT id FROM open_calls WHERE id = ANY($1)', [ids]);
    const closed = await this.closing.query<{ id: string; outcome: string; finished_at: Date }>(
      'SELECT id, outcome, finished_at FROM calls WHERE id = ANY($1)',
      [ids],
    );
    const isOpen = new Set(open.map(({ id }) => id));
    const ends = new Map(closed.map((row) => [row.id, `${row.outcome} ${row.finished_at.toISOString()}`]));
    return batch.filter(({ call, wasOpened }) => {
      if (!wasOpened || isOpen.has(call.id)) return true;
      // Written by this process, in a transaction whose commit it did not learn of.
      if (ends.get(call.id) !== `${call.outcome} ${call.finished_at}`) lost.add(call.id);
      return false;
    });
  }

  private async again<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof pg.DatabaseError) || !TRY_AGAIN.has(error.code ?? '') || tries === 5) throw error;
      }
    }
  }
}

/** A part of a batch for the functions of the database, which take nothing for NULL. */
function partOf(rows: readonly unknown[]): string | null {
  return rows.length === 0 ? null : JSON.stringify(rows);
}
