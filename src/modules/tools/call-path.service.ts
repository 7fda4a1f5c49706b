import { Injectable } from '@nestjs/common';
import { principalOf } from '../../platform/auth/actor.js';
import { DomainError } from '../../platform/http/domain-error.js';
import type { MaybePromise } from '../../platform/maybe-promise.js';
import { RequestLimits } from '../../platform/throttling/request-limits.js';
import { ConnectionTargetsService } from '../connections/connection-targets.service.js';
import type { Price } from '../registry/registry.service.js';
import { REASONS, Refused, type Access, type Allowed } from '../workspace-access/access-decisions.service.js';
import { LedgerService, type Attempt } from '../usage/ledger.service.js';
import { bytesOf, chargedTo, isServersOwn, principalIn, signalOf, uncheckedError, type Outgoing } from './attempt.js';
import { answered, failed, reasonOf, withheld } from './call-end.js';
import { onUpstream } from './call-times.js';
import { UpstreamUseService } from './upstream-use.service.js';

/** What is wanted of an upstream, and all that may speak against it before anything leaves. */
export interface Wanted {
  attempt: Attempt;
  /** The name of the tool at the server, which may have a price of its own. */
  toolName: string | null;
  decide: () => Promise<Access>;
  /** Of what is allowed. @throws DomainError */
  check?: (access: Access) => MaybePromise<void>;
}

/** What nothing speaks against: by which right, what it is charged to, and at which price. */
export interface Admitted {
  access: Access;
  attempt: Attempt;
  price: Price;
}

/** What goes out, and what becomes of the result. */
export interface Carried<Answer> {
  request: Outgoing;
  filter: (result: unknown, decision: Allowed) => unknown;
  /** What the client is answered. @throws DomainError where the result is none */
  toAnswer: (result: unknown) => Answer;
  /** What the client is told of an error. */
  toError?: (error: unknown) => unknown;
}

/** By which right something is done directly: an admin's own. */
const DIRECT = 'direct';

/**
 * The one path of every use of an upstream: grant and policy on the arguments, definition, schema, ledger row opened, session,
 * upstream, policy on the result, ledger row closed. Whatever is decided, counted or written about calls belongs here and
 * nowhere else.
 */
@Injectable()
export class CallPathService {
  constructor(
    private readonly targets: ConnectionTargetsService,
    private readonly ledger: LedgerService,
    private readonly upstream: UpstreamUseService,
    private readonly limits: RequestLimits,
  ) {}

  /** Up to where nothing speaks against it any more. What is refused is an attempt all the same. */
  async admitted({ attempt, toolName, decide, check }: Wanted): Promise<Admitted> {
    let charged = attempt;
    try {
      const access = await decide();
      charged = chargedTo(attempt, access);
      // Agents have a limit for each grant.
      if (attempt.door === 'agent' && access.kind === 'granted')
        await this.limits.requireAgents(`grant:${access.grantId}`);
      await check?.(access);
      return { access, attempt: charged, price: await this.targets.priceOf(attempt.connectionId, toolName) };
    } catch (error) {
      await this.noteRefusal(charged, error);
      throw error;
    }
  }

  /** Of what is only asked in order to decide. */
  async priceOf(attempt: Attempt, toolName: string): Promise<Price> {
    try {
      return await this.targets.priceOf(attempt.connectionId, toolName);
    } catch (error) {
      await this.noteRefusal(attempt, error);
      throw error;
    }
  }

  /** From the decision to the answer. */
  use<Answer>(admitted: Admitted, carried: Carried<Answer>): Promise<Answer> {
    const { access, attempt } = admitted;
    const { request, filter, toAnswer, toError } = carried;
    if (access.kind === 'direct') {
      const finish = (result: unknown) => finished(result, result, toAnswer);
      return this.send(admitted, DIRECT, request, finish, toError);
    }
    const { decision } = access;
    // Where the result was to decide, the text of an error is one that nobody could check.
    const told = (error: unknown) => {
      if (!decision.decidedBefore && isServersOwn(error)) return uncheckedError();
      return toError ? toError(error) : error;
    };
    const finish = (result: unknown) => {
      const filtered = filter(result, decision);
      if (filtered !== null) return finished(result, filtered, toAnswer);
      const error = new DomainError('access_denied', REASONS.result_withheld, { reason: 'result_withheld' });
      return { error, end: withheld(attempt.actor, error), bytesShown: 0 };
    };
    return this.send(admitted, decision.reason, request, finish, told);
  }

  /**
   * Between the two commits of the ledger: nothing leaves before the first, no answer is given before the second.
   * @param finish from the result to what becomes of it
   * @param toError what is thrown for an error of the upstream
   */
  async send<Answer>(
    { attempt, price }: Pick<Admitted, 'attempt' | 'price'>,
    reason: string,
    request: Outgoing,
    finish: (result: unknown) => Finished<Answer>,
    toError: (error: unknown) => unknown = (error) => error,
  ): Promise<Answer> {
    const { params, operation } = request;
    const sent = bytesOf(operation === 'tools/call' ? params.arguments : params);
    const call = await this.ledger.open(attempt, reason, price, sent);
    const started = performance.now();
    let outcome: Finished<Answer>;
    try {
      const { trace } = attempt.actor.origin;
      const sent = { principal: principalIn(attempt), trace, ...request, signal: signalOf(attempt, request) };
      const result = await onUpstream(attempt.times, () => this.upstream.send(sent));
      outcome = finish(result);
    } catch (error) {
      const told = toError(error);
      outcome = { error: told, end: failed(error, attempt.actor, told), bytesShown: 0 };
    }
    const durationUs = (performance.now() - started) * 1_000;
    await this.ledger.close(call, { durationUs, bytesReceived: outcome.bytesShown, ...outcome.end });
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** Written down, where it was decided and did not just fail. @throws DomainError 429, 503 */
  private async noteRefusal(attempt: Attempt, error: unknown): Promise<void> {
    if (!(error instanceof DomainError) || error.code === 'unavailable') return;
    // Where no grant counts it, the agent does: each refusal is written down.
    if (attempt.door === 'agent' && attempt.workspaceAccessId === null)
      await this.limits.requireAgents(principalOf(attempt.actor));
    if (error instanceof Refused) {
      const { workspaceId, grantId, reason, isHidden } = error;
      await this.ledger.refuse({ ...attempt, workspaceId, workspaceAccessId: grantId, isHidden }, reason);
    } else await this.ledger.refuse(attempt, reasonOf(error));
  }
}

/** What becomes of a result, and how the ledger closes the call. */
type Finished<Answer> = ({ value: Answer } | { error: unknown }) & {
  end: ReturnType<typeof answered>;
  /** Of what the caller may see: the size of the rest would tell of it. */
  bytesShown: number;
};

function finished<Answer>(result: unknown, shown: unknown, toAnswer: (result: unknown) => Answer): Finished<Answer> {
  const value = toAnswer(shown);
  return { value, end: answered(result, value), bytesShown: bytesOf(shown) };
}
