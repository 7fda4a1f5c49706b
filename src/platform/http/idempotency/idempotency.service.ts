import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { principalOf, type Actor } from '../../auth/actor.js';
import { KeyRing, UnsealError } from '../../crypto/key-ring.js';
import { Database, type Transaction } from '../../database/transaction.js';
import { RepeatedWork } from '../../jobs/repeated-work.js';
import { ProcessLease } from '../../processes/process-lease.service.js';
import { DomainError } from '../domain-error.js';
import {
  beginEffect,
  claimKey,
  completeKey,
  disownKey,
  NOBODY,
  releaseKey,
  removeExpiredKeys,
  takeOverKey,
  type ClaimedKey,
  type KnownKey,
} from './idempotency-keys.js';
import { UnsettledKeys } from './unsettled-keys.js';

/** An answer as it is kept: what the first request got and every repetition gets. */
export interface KeptAnswer {
  status: number;
  body: unknown;
  headers: Readonly<Record<string, string>>;
}

/** What the ledger writes in the transaction that closes a call. */
export interface SealedAnswer extends ClaimedKey {
  readonly status: number;
  readonly answer: string;
}

/** Of a key that is free again, as nothing was done. */
export interface ReleasedKey extends ClaimedKey {
  readonly status: null;
  readonly answer: null;
}

/** A request that this process works on under a key. */
interface Work {
  requestHash: string;
  /** Whether the key became its own; until then nobody knows what it is to wait for. */
  claimed: Promise<boolean>;
  /** Somebody else keeps its answer, in the transaction of the effect. */
  isHandedOver: boolean;
  hasBegun: boolean;
}

const SIGNED = 'idempotency key';
const CLEANUP_MS = { first: 60_000, spread: 600_000, every: 3_600_000 };
const RETRY_SECONDS = 1;
const PROMISED = { max: 10_000, ttl: 600_000 };
/** At a key that changes hands just now. */
const LOOKS = 3;

/**
 * Idempotency keys: what a client sends twice happens once. The interceptor claims, services keep the
 * answer in the transaction of what they did, and a key whose process died is free again unless something was begun with it.
 */
@Injectable()
export class IdempotencyService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('idempotency');
  private readonly working = new Map<string, Work>();
  private readonly unsettled = new UnsettledKeys();
  /** Keys whose request failed while somebody else was to keep its answer: it may still come, when the database is back. */
  private readonly promised = new LRUCache<string, true>(PROMISED);
  private readonly cleanup = new RepeatedWork(
    () => this.removeExpired(),
    CLEANUP_MS.every,
    (error) => this.logger.warn({ err: error }, 'expired idempotency keys could not be removed'),
  );

  constructor(
    private readonly database: Database,
    private readonly keys: KeyRing,
    private readonly lease: ProcessLease,
  ) {}

  onApplicationBootstrap(): void {
    this.cleanup.start(CLEANUP_MS.first + Math.random() * CLEANUP_MS.spread);
  }

  async onApplicationShutdown(): Promise<void> {
    this.unsettled.close();
    await this.cleanup.stop();
  }

  /** The key that the request of this actor has claimed, for functions of the database; null where it claimed none. */
  keyOf(actor: Actor): ClaimedKey | null {
    const { idempotencyKey: key, requestId } = actor.origin;
    if (key === null) return null;
    return { principal: principalOf(actor), key, request_id: requestId, process_id: this.lease.id };
  }

  /**
   * Keeps the answer in the transaction of what it is about: the last step of whatever creates. `body` is what the client gets.
   * @throws DomainError 409 `outcome_unknown` when the key is no longer ours: the transaction must not commit
   */
  async answer({ manager }: Transaction, actor: Actor, body: unknown): Promise<void> {
    const key = this.keyOf(actor);
    if (!key) return;
    if (!(await completeKey(manager, key, null, this.seal(key, { body, headers: {} })))) throw outcomeUnknown();
    this.note(key, { isHandedOver: true });
  }

  /**
   * Says in the transaction that it cannot be repeated, where the answer is known only later. `effect`: id of what was created.
   * @throws as {@link answer}
   */
  async begin({ manager }: Transaction, actor: Actor, effect: string): Promise<void> {
    const key = this.keyOf(actor);
    if (!key) return;
    if (!(await beginEffect(manager, key, effect))) throw outcomeUnknown();
    this.note(key, { hasBegun: true });
  }

  /** The answer for `idempotency_complete`, of somebody who sees to it that it is written: also when it is an error. */
  sealed(actor: Actor, status: number, body: unknown): SealedAnswer | null {
    const key = this.keyOf(actor);
    if (!key) return null;
    this.note(key, { isHandedOver: true });
    return { ...key, status, answer: this.seal(key, { body, headers: {} }) };
  }

  /** For the ledger, of a call that never left. */
  released(actor: Actor): ReleasedKey | null {
    const key = this.keyOf(actor);
    return key && { ...key, status: null, answer: null };
  }

  /**
   * Claims the key of the actor's request; `finish` or `release` follow. Null when it is claimed, else the answer to give again.
   * @param content what makes two requests the same
   * @throws DomainError 422 for another request, 409 while one is under way or when nobody knows how it ended
   */
  async claim(actor: Actor, content: string, successStatus: number): Promise<KeptAnswer | null> {
    const key = this.keyOf(actor);
    if (!key) throw new Error('the request names no idempotency key');
    const name = nameOf(key);
    for (;;) {
      const other = this.working.get(name);
      if (other) {
        if ((await other.claimed) && this.working.get(name) === other)
          throw this.isSame(content, other.requestHash) ? inUse() : reused();
      } else if (this.unsettled.has(name)) {
        await this.unsettled.settle(name);
      } else {
        return this.claimNow(key, content, successStatus);
      }
    }
  }

  /** After the request did what it should: keeps its answer, unless a service did in its transaction. */
  async finish(actor: Actor, kept: KeptAnswer): Promise<void> {
    const key = this.keyOf(actor);
    if (!key) return;
    const name = nameOf(key);
    try {
      if (this.working.get(name)?.isHandedOver) return;
      const answer = this.seal(key, kept);
      await this.unsettled.write(name, async () => {
        await completeKey(this.database.manager, key, kept.status, answer);
      });
    } finally {
      this.working.delete(name);
    }
  }

  /** After the request failed: the key is free, unless something was begun. */
  async release(actor: Actor): Promise<void> {
    const key = this.keyOf(actor);
    if (!key) return;
    const name = nameOf(key);
    const work = this.working.get(name);
    if (work?.isHandedOver) this.promised.set(name, true);
    await this.unsettled.write(name, async () => {
      await releaseKey(this.database.manager, key);
      if (work?.hasBegun && !work.isHandedOver) await disownKey(this.database.manager, key);
    });
    this.working.delete(name);
  }

  /** Removes the keys of yesterday. */
  async removeExpired(): Promise<void> {
    await removeExpiredKeys(this.database.manager);
  }

  /** Its place in `working` is taken at once, so that no second request of this process gets between. */
  private claimNow(key: ClaimedKey, content: string, successStatus: number): Promise<KeptAnswer | null> {
    const name = nameOf(key);
    const requestHash = this.keys.sign(content, SIGNED);
    const claiming = this.claimOrReplay(key, content, requestHash, successStatus);
    const claimed = claiming
      .then(
        (kept) => kept === null,
        (error: unknown) => {
          // The database went away: it may have stored the claim all the same.
          if (!(error instanceof DomainError))
            void this.unsettled.write(name, () => releaseKey(this.database.manager, key));
          return false;
        },
      )
      .then((isClaimed) => {
        // Before whoever waits for it looks again.
        if (isClaimed) this.promised.delete(name);
        else this.working.delete(name);
        return isClaimed;
      });
    this.working.set(name, { requestHash, claimed, isHandedOver: false, hasBegun: false });
    return claiming;
  }

  private async claimOrReplay(
    key: ClaimedKey,
    content: string,
    requestHash: string,
    successStatus: number,
  ): Promise<KeptAnswer | null> {
    const { manager } = this.database;
    for (let look = 0; look < LOOKS; look++) {
      const known = await claimKey(manager, key, requestHash, successStatus);
      if (!known) return null;
      if (!known.isExpired) {
        if (!this.isSame(content, known.request_hash)) throw reused();
        if (known.status !== null && known.answer !== null) return this.opened(key, known.status, known.answer);
        if (!this.isLeft(key, known)) throw inUse();
        if (known.effect !== null) throw outcomeUnknown();
      }
      if (await takeOverKey(manager, key, known, requestHash, successStatus)) return null;
      // Somebody was faster, or is in the middle of something: the next look tells.
    }
    throw inUse();
  }

  /** Whether nobody works on it any more. What this process works on it knows, and this is not among it. */
  private isLeft(key: ClaimedKey, { process_id: owner, isDead }: KnownKey): boolean {
    if (owner === this.lease.id) return !this.promised.has(nameOf(key));
    return owner === NOBODY || (isDead && this.lease.mayJudge);
  }

  private isSame(content: string, requestHash: string): boolean {
    if (!this.keys.knowsKeyOf(requestHash)) throw outcomeUnknown();
    return this.keys.verify(content, SIGNED, requestHash);
  }

  private seal(key: ClaimedKey, { body, headers }: Omit<KeptAnswer, 'status'>): string {
    return this.keys.seal(JSON.stringify({ body, headers }), placeOf(key));
  }

  /** @throws DomainError 409 `outcome_unknown` when the key that sealed it is gone: it is not run again for that */
  private opened(key: ClaimedKey, status: number, answer: string): KeptAnswer {
    try {
      return { ...(JSON.parse(this.keys.open(answer, placeOf(key))) as Omit<KeptAnswer, 'status'>), status };
    } catch (error) {
      if (error instanceof UnsealError) throw outcomeUnknown();
      throw error;
    }
  }

  private note(key: ClaimedKey, what: Partial<Pick<Work, 'isHandedOver' | 'hasBegun'>>): void {
    const work = this.working.get(nameOf(key));
    if (work) Object.assign(work, what);
  }
}

/** Neither has spaces. */
function nameOf({ principal, key }: ClaimedKey): string {
  return `${principal} ${key}`;
}

function placeOf({ principal, key }: ClaimedKey): { principal: string; idempotencyKey: string } {
  return { principal, idempotencyKey: key };
}

function reused(): DomainError {
  return new DomainError('idempotency_key_reused', 'This Idempotency-Key was used for another request: take a new one');
}

function inUse(): DomainError {
  return new DomainError(
    'idempotency_key_in_use',
    'A request with this Idempotency-Key is under way: try again shortly',
    {},
    RETRY_SECONDS,
  );
}

function outcomeUnknown(): DomainError {
  return new DomainError(
    'outcome_unknown',
    'How the request with this Idempotency-Key ended is not known, and it is not run again: see what is there, then take a new key',
  );
}
