import { Injectable, Logger, OnApplicationShutdown } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import type { Actor } from '../../platform/auth/actor.js';
import { DomainError, ERROR_STATUS } from '../../platform/http/domain-error.js';
import { errorBody } from '../../platform/http/error.filter.js';
import { IdempotencyService } from '../../platform/http/idempotency/idempotency.service.js';
import { MetricsService } from '../../platform/telemetry/metrics.service.js';
import { costOf, type Price } from '../registry/registry.service.js';
import {
  closedCall,
  COUNTS,
  NOTHING_DONE,
  toFacts,
  type Attempt,
  type CallFacts,
  type CallOutcome,
  type CallTimes,
} from './call.js';
import { CallMetrics } from './call-metrics.js';
import { ClosedBefore, LedgerWriter, type ClosingCall, type Refusal } from './ledger-writer.service.js';

export type { Attempt, CallOutcome, CallTimes, Door } from './call.js';

/** A call that is under way: its row is committed. */
export interface OpenCall {
  readonly facts: CallFacts;
  readonly price: Price;
  readonly actor: Actor;
  readonly times: CallTimes;
}

export interface CallEnd {
  outcome: CallOutcome;
  /** Instead of the reason why it was allowed. */
  reason?: string;
  /** Microseconds that the upstream took. */
  durationUs: number;
  bytesReceived: number;
  /** What the client is answered, kept for its `Idempotency-Key`; null where nothing left, so that the key is free again. */
  answer: { status: number; body: unknown } | null;
}

/** The largest answer of an upstream that is let in, see platform/egress: the worst case of a price per megabyte. */
const LARGEST_ANSWER = 10_485_760;
/** How long a caller waits for its call to be closed while the database is away; it is closed all the same. */
const PATIENCE_MS = 10_000;
const RETRY_MS = { first: 50, longest: 3_000 };
const RETRY_SECONDS = 2;

/** What every call did and what it cost. A call that can not be written down is not made, and its answer is not given. */
@Injectable()
export class LedgerService implements OnApplicationShutdown {
  private readonly logger = new Logger('ledger');
  /** Ids of calls that this process works on: rows of its own that are not among them were left behind. */
  private readonly underWay = new Set<string>();
  private readonly stopping = new AbortController();

  constructor(
    private readonly writer: LedgerWriter,
    private readonly idempotency: IdempotencyService,
    metrics: MetricsService,
    private readonly calls: CallMetrics,
  ) {
    metrics.gauge('ledger_open_calls', 'Calls of this process that are under way', () => this.underWay.size);
  }

  onApplicationShutdown(): void {
    this.stopping.abort();
  }

  isUnderWay(id: string): boolean {
    return this.underWay.has(id);
  }

  /**
   * Opens the row of a call: nothing may leave for the upstream before this resolves.
   * @param sent bytes of the arguments as JSON
   * @throws DomainError 429 `budget_exhausted`, 409 `outcome_unknown`, 503 `unavailable`
   */
  async open(attempt: Attempt, reason: string, price: Price, sent: number): Promise<OpenCall> {
    const facts = toFacts(uuidv7(), attempt, reason, sent);
    this.underWay.add(facts.id);
    try {
      const key = this.idempotency.keyOf(attempt.actor);
      const reservedCost = costOf(price, sent + LARGEST_ANSWER);
      const refusal = await this.writer.opened({ facts, reservedCost, key }).catch(unavailable);
      if (refusal) throw await this.refused(attempt, refusal);
      return { facts, price, actor: attempt.actor, times: attempt.times };
    } catch (error) {
      this.underWay.delete(facts.id);
      throw error;
    }
  }

  /** One that is refused before it leaves. @throws DomainError 503 `unavailable` */
  async refuse(attempt: Attempt, reason: string): Promise<void> {
    const facts = toFacts(uuidv7(), attempt, reason, 0);
    const call = closedCall(facts, reason, 'denied', NOTHING_DONE);
    await this.writer.closed({ call, wasOpened: false, answer: null }).catch(unavailable);
    this.calls.ended(facts, 'denied');
  }

  /**
   * Closes a call: its answer may be given only after this resolves.
   * @throws DomainError 409 `outcome_unknown` where it was taken for lost meanwhile, 503 `unavailable`
   */
  async close({ facts, price, actor, times }: OpenCall, end: CallEnd): Promise<void> {
    const bytes = Math.min(end.bytesReceived, LARGEST_ANSWER);
    const cost = COUNTS[end.outcome].isCharged ? costOf(price, facts.bytes_sent + bytes) : '0';
    const call = closedCall(facts, end.reason ?? facts.reason, end.outcome, {
      duration_us: Math.round(end.durationUs),
      bytes_received: bytes,
      cost,
    });
    const answer = end.answer
      ? this.idempotency.sealed(actor, end.answer.status, end.answer.body)
      : this.idempotency.released(actor);
    try {
      await this.closed({ call, wasOpened: true, answer }, actor);
    } finally {
      this.calls.timed(facts, times);
    }
  }

  /** Closes what a process that is gone left open. False where it is closed already. */
  async closeLost(facts: CallFacts, outcome: 'unknown' | 'denied', reason: string): Promise<boolean> {
    try {
      const call = closedCall(facts, reason, outcome, NOTHING_DONE);
      await this.writer.closed({ call, wasOpened: true, answer: null });
      this.calls.ended(facts, outcome);
      return true;
    } catch (error) {
      if (error instanceof ClosedBefore) return false;
      throw error;
    }
  }

  /** Whoever waits too long hears so; it is written down all the same as soon as it can be. */
  private closed(closing: ClosingCall, actor: Actor): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = (): void =>
        reject(new DomainError('unavailable', 'What the call did could not be written down yet', {}, RETRY_SECONDS));
      const timer = setTimeout(late, PATIENCE_MS).unref();
      const settled = (): void => {
        clearTimeout(timer);
        this.underWay.delete(closing.call.id);
      };
      this.untilClosed(closing)
        .catch((error: unknown) => this.takenForLost(error, actor))
        .then(resolve, reject)
        .finally(settled);
    });
  }

  /** Its key gets that for an answer, as it would wait for one as long as this process lives. */
  private async takenForLost(error: unknown, actor: Actor): Promise<never> {
    if (!(error instanceof ClosedBefore)) throw error;
    const unknown = new DomainError(
      'outcome_unknown',
      'This process was away for too long: the call was recorded as unknown',
    );
    const body = errorBody(unknown, actor.origin.requestId);
    const answer = this.idempotency.sealed(actor, ERROR_STATUS[unknown.code], body);
    if (answer) {
      await this.writer.answered(answer).catch((reason: unknown) => {
        this.logger.warn({ err: reason }, 'the answer of a call that was taken for lost could not be kept');
      });
    }
    throw unknown;
  }

  /** What an upstream did is known here and nowhere else: it is tried until it is written, or until the process ends. */
  private async untilClosed(closing: ClosingCall): Promise<void> {
    for (let pause = RETRY_MS.first; ; pause = Math.min(pause * 2, RETRY_MS.longest)) {
      try {
        await this.writer.closed(closing);
        this.calls.ended(closing.call, closing.call.outcome);
        return;
      } catch (error) {
        if (error instanceof ClosedBefore || this.stopping.signal.aborted) throw error;
        if (pause === RETRY_MS.first) this.logger.warn({ err: error }, 'a call could not be closed, trying again');
      }
      await delay(pause, undefined, { ref: false });
    }
  }

  private async refused(attempt: Attempt, { refusal, period, resets_on, maximum }: Refusal): Promise<DomainError> {
    if (refusal === 'key_lost') {
      await this.refuse(attempt, 'outcome_unknown');
      return new DomainError('outcome_unknown', 'The Idempotency-Key was taken over while this process was away');
    }
    await this.refuse(attempt, 'budget_exhausted');
    const resetsAt = new Date(`${resets_on}T00:00:00Z`);
    return new DomainError(
      'budget_exhausted',
      `The budget of the grant allows ${refusal === 'cost' ? `a cost of ${maximum}` : `${maximum} requests`} a ${period}`,
      {
        workspace_access: attempt.workspaceAccessId,
        limit: refusal,
        period,
        maximum: Number(maximum),
        resets_at: resetsAt.toISOString().replace('.000Z', 'Z'),
      },
      Math.max(1, (resetsAt.getTime() - Date.now()) / 1_000),
    );
  }
}

function unavailable(error: unknown): never {
  if (error instanceof DomainError) throw error;
  throw new DomainError('unavailable', 'The call could not be written down, so it was not made', {}, RETRY_SECONDS);
}
