import type { CancelSignal } from '../../platform/cancellation.js';
import { Injectable } from '@nestjs/common';
import { metaOfWindow, type ItemWindow } from '../../mcp/provider-meta.js';
import { principalOf } from '../../platform/auth/actor.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { SchemaChecker } from '../../platform/schemas/schema-checker.js';
import { RequestLimits } from '../../platform/throttling/request-limits.js';
import { ConnectionTargetsService } from '../connections/connection-targets.service.js';
import type { PromptFacts } from '../discovery/prompt-catalog.service.js';
import type { ToolFacts } from '../discovery/tool-catalog.service.js';
import {
  AccessDecisionsService,
  filterCompletion,
  filterResourceResult,
  filterToolResult,
  REASONS,
  Refused,
  type Access,
  type Allowed,
  type CompletionTarget,
  type Lookup,
} from '../workspace-access/access-decisions.service.js';
import { LedgerService, type Attempt } from '../usage/ledger.service.js';
import { answered, failed, reasonOf, withheld } from './call-end.js';
import { onUpstream } from './call-times.js';
import {
  attemptOf,
  bytesOf,
  chargedTo,
  isNotThere,
  isServersOwn,
  principalIn,
  requireReviewed,
  signalOf,
  toolCall,
  uncheckedError,
  withoutKey,
  type Outgoing,
} from './attempt.js';
import type { Caller } from './caller.js';
import { UpstreamUseService, type Carrying, type Subscriber } from './upstream-use.service.js';

export type { Caller } from './caller.js';
export type { Carrying } from './upstream-use.service.js';

/** What is read: a listed resource, or (without an id) the expansion of a listed template. */
export interface ReadableResource {
  connectionId: string;
  organizationId: string;
  uri: string;
  resourceId: number | null;
  /** The row that the call counts on: its own, or that of the template. */
  listedAs: number;
  /** By its id or its URI. */
  named: string | number;
  /** Which of its items; all it has where left out. */
  window?: ItemWindow;
  /** The one grant that may allow it. */
  grantId?: number;
}

/** Whose argument is completed. */
export interface Completable extends Pick<PromptFacts, 'connectionId' | 'organizationId' | 'blocked'> {
  /** As the caller named it. */
  named: string;
}

/** One use of an upstream on the path: what the ledger says of it, and what goes out. */
interface Call<Answer> {
  attempt: Attempt;
  /** The name of the tool at the server, which may have a price of its own. */
  toolName: string | null;
  request: Outgoing;
  filter: (result: unknown, decision: Allowed) => unknown;
  /** What the client is answered. @throws DomainError where the result is none */
  toAnswer: (result: unknown) => Answer;
  /** What the client is told of an error. */
  toError?: (error: unknown) => unknown;
}

/** By which right something is done directly: an admin's own. */
const DIRECT = 'direct';
const LOOKUP = 'lookup';

/**
 * The one path of every use of an upstream: grant and policy on the arguments, definition, schema, ledger row opened, session,
 * upstream, policy on the result, ledger row closed. Whatever is decided, counted or written about calls belongs here and
 * nowhere else.
 */
@Injectable()
export class InvocationService {
  constructor(
    private readonly decisions: AccessDecisionsService,
    private readonly schemas: SchemaChecker,
    private readonly targets: ConnectionTargetsService,
    private readonly ledger: LedgerService,
    private readonly upstream: UpstreamUseService,
    private readonly limits: RequestLimits,
  ) {}

  /**
   * @param toAnswer from the result to what the client is answered
   * @throws DomainError 404, `access_denied`, `workspace_ambiguous`, `arguments_invalid` naming the fields, `budget_exhausted`,
   *   or what the upstream did
   */
  async callTool<Answer>(
    caller: Caller,
    tool: ToolFacts & { grantId?: number },
    args: Record<string, unknown>,
    carrying: Carrying,
    toAnswer: (result: unknown) => Answer,
  ): Promise<Answer> {
    const attempt = attemptOf(caller, tool, tool.id, args);
    const lookUp = (lookup: Lookup) =>
      onUpstream(attempt.times, () => this.lookUp(caller, tool, lookup, carrying.signal));
    const access = await this.recorded(attempt, () =>
      this.decisions.forCall(caller.actor, caller.workspace, tool, args, lookUp),
    );
    await this.limit(attempt, access);
    const given = access.kind === 'granted' ? access.decision.arguments : args;
    await this.recorded(chargedTo(attempt, access), async () => {
      requireReviewed(tool);
      await this.checkArguments(tool, given);
    });
    const request = { ...toolCall(tool, tool.name, given), ...carrying };
    return this.use(access, { attempt, toolName: tool.name, request, filter: filterToolResult, toAnswer });
  }

  /** @throws as {@link callTool} */
  async readResource<Answer>(
    caller: Caller,
    resource: ReadableResource,
    carrying: Carrying,
    toAnswer: (result: unknown) => Answer,
  ): Promise<Answer> {
    const { connectionId, uri, window } = resource;
    const operation = 'resources/read';
    const isWindow = window?.since !== undefined || window?.cursor !== undefined;
    const params = isWindow ? { uri, _meta: metaOfWindow(window) } : { uri };
    const attempt = {
      ...attemptOf(caller, resource, null, params),
      resourceId: resource.listedAs,
      operation,
    };
    const access = await this.recorded(attempt, () => this.decisions.forRead(caller.actor, caller.workspace, resource));
    await this.limit(attempt, access);
    return this.use(access, {
      attempt,
      toolName: null,
      request: { connectionId, operation, params, ...carrying },
      filter: filterResourceResult,
      toAnswer,
      toError: (error) => (isNotThere(error) ? notFound('resource', uri) : error),
    });
  }

  /**
   * Has its server tell when a resource changes, for as long as somebody wants to hear it.
   * @throws as {@link callTool}
   */
  async subscribe(
    caller: Caller,
    resource: ReadableResource,
    carrying: Carrying,
    subscriber: Subscriber,
  ): Promise<void> {
    const { connectionId, uri } = resource;
    const operation = 'resources/subscribe';
    const params = { uri };
    const attempt = { ...attemptOf(caller, resource, null, params), resourceId: resource.listedAs, operation };
    const access = await this.recorded(attempt, () => this.decisions.forRead(caller.actor, caller.workspace, resource));
    await this.limit(attempt, access);
    const request = { connectionId, operation, params, subscriber, ...carrying } as const;
    await this.use(access, { attempt, toolName: null, request, filter: (result) => result, toAnswer: () => null });
  }

  /**
   * @param named as the caller named it
   * @throws as {@link callTool}
   */
  async getPrompt<Answer>(
    caller: Caller,
    prompt: PromptFacts & { named: string },
    args: Record<string, unknown> | undefined,
    carrying: Carrying,
    toAnswer: (result: unknown) => Answer,
  ): Promise<Answer> {
    const { id, uri, connectionId, organizationId, definition, named } = prompt;
    const operation = 'prompts/get';
    const params = args === undefined ? { name: definition.name } : { name: definition.name, arguments: args };
    const attempt = { ...attemptOf(caller, prompt, null, params), resourceId: id, operation };
    const target = { uri, resourceId: id, connectionId, organizationId, named };
    const access = await this.recorded(attempt, () => this.decisions.forRead(caller.actor, caller.workspace, target));
    await this.limit(attempt, access);
    await this.recorded(chargedTo(attempt, access), async () => requireReviewed(prompt));
    const request = { connectionId, operation, params, ...carrying } as const;
    return this.use(access, { attempt, toolName: null, request, filter: (result) => result, toAnswer });
  }

  /**
   * Completes an argument of a prompt, or a variable of a resource template.
   * @param params as they leave: by the server's own names
   * @throws as {@link callTool}
   */
  async complete<Answer>(
    caller: Caller,
    target: CompletionTarget & Completable,
    params: Record<string, unknown>,
    carrying: Carrying,
    toAnswer: (result: unknown) => Answer,
  ): Promise<Answer> {
    const { connectionId, resourceId } = target;
    const operation = 'completion/complete';
    const attempt = { ...attemptOf(caller, target, null, params), resourceId, operation };
    const access = await this.recorded(attempt, () =>
      this.decisions.forCompletion(caller.actor, caller.workspace, target),
    );
    await this.limit(attempt, access);
    await this.recorded(chargedTo(attempt, access), async () => requireReviewed(target));
    const request = { connectionId, operation, params, ...carrying } as const;
    return this.use(access, { attempt, toolName: null, request, filter: filterCompletion, toAnswer });
  }

  /** What a call touches, asked of the server. Null where it said nothing that could be read. */
  private async lookUp(caller: Caller, tool: ToolFacts, lookup: Lookup, signal: CancelSignal): Promise<unknown> {
    // Nothing leaves for a call that would be refused anyway.
    requireReviewed(tool);
    await this.checkArguments(tool, lookup.call);
    const attempt = {
      ...attemptOf(withoutKey(caller), tool, lookup.toolId, lookup.arguments),
      workspaceId: lookup.workspaceId,
      workspaceAccessId: lookup.grantId,
    };
    const request = { ...toolCall(tool, lookup.tool, lookup.arguments), signal };
    try {
      return await this.send(attempt, LOOKUP, lookup.tool, request, (result) => ({
        value: result,
        end: answered(result, null),
        bytesShown: 0,
      }));
    } catch (error) {
      // What the server says instead of an answer is for nobody: it may speak of what is not granted.
      if (isServersOwn(error)) return null;
      throw error;
    }
  }

  /** From the decision to the answer. */
  private use<Answer>(access: Access, call: Call<Answer>): Promise<Answer> {
    const { toolName, request, filter, toAnswer, toError } = call;
    const { actor } = call.attempt;
    if (access.kind === 'direct') {
      const finish = (result: unknown) => finished(result, result, toAnswer);
      return this.send(call.attempt, DIRECT, toolName, request, finish, toError);
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
      return { error, end: withheld(actor, error), bytesShown: 0 };
    };
    return this.send(chargedTo(call.attempt, access), decision.reason, toolName, request, finish, told);
  }

  /**
   * Between the two commits of the ledger: nothing leaves before the first, no answer is given before the second.
   * @param finish from the result to what becomes of it
   * @param toError what is thrown for an error of the upstream
   */
  private async send<Answer>(
    attempt: Attempt,
    reason: string,
    toolName: string | null,
    request: Outgoing,
    finish: (result: unknown) => Finished<Answer>,
    toError: (error: unknown) => unknown = (error) => error,
  ): Promise<Answer> {
    const price = await this.recorded(attempt, () => this.targets.priceOf(attempt.connectionId, toolName));
    const { params, operation } = request;
    const sent = bytesOf(operation === 'tools/call' ? params.arguments : params);
    const call = await this.ledger.open(attempt, reason, price, sent);
    const started = performance.now();
    let outcome: Finished<Answer>;
    try {
      const { trace } = attempt.actor.origin;
      const sent = { ...request, principal: principalIn(attempt), trace, signal: signalOf(attempt, request) };
      const result = await onUpstream(attempt.times, () => this.upstream.send(sent));
      outcome = finish(result);
    } catch (error) {
      const told = toError(error);
      outcome = { error: told, end: failed(error, attempt.actor, told), bytesShown: 0 };
    }
    const durationUs = (performance.now() - started) * 1_000;
    await this.ledger.close(call, { ...outcome.end, durationUs, bytesReceived: outcome.bytesShown });
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** Agents have a limit for each grant. @throws DomainError 429 */
  private async limit(attempt: Attempt, access: Access): Promise<void> {
    if (attempt.door !== 'agent' || access.kind !== 'granted') return;
    await this.recorded(chargedTo(attempt, access), () => this.limits.requireAgents(`grant:${access.grantId}`));
  }

  /** What is refused is an attempt all the same. */
  private async recorded<T>(attempt: Attempt, decide: () => Promise<T>): Promise<T> {
    try {
      return await decide();
    } catch (error) {
      if (!(error instanceof DomainError) || error.code === 'unavailable') throw error;
      // Where no grant counts it, the agent does: each refusal is written down.
      if (attempt.door === 'agent' && attempt.workspaceAccessId === null)
        await this.limits.requireAgents(principalOf(attempt.actor));
      if (error instanceof Refused) {
        const { workspaceId, grantId, reason, isHidden } = error;
        await this.ledger.refuse({ ...attempt, workspaceId, workspaceAccessId: grantId, isHidden }, reason);
      } else await this.ledger.refuse(attempt, reasonOf(error));
      throw error;
    }
  }

  private async checkArguments(tool: ToolFacts, args: Readonly<Record<string, unknown>>): Promise<void> {
    if (tool.schemaProblem !== null) {
      throw new DomainError(
        'arguments_undecided',
        `The server's schema for this tool can not be used: ${tool.schemaProblem}`,
      );
    }
    const result = await this.schemas.check(tool.definition.inputSchema, args);
    if (result.valid) return;
    if ('undecided' in result) {
      throw new DomainError(
        'arguments_undecided',
        'The arguments could not be checked against the schema of the tool in time',
      );
    }
    const fields: Record<string, string[]> = {};
    for (const { path, message } of result.errors)
      (fields[`arguments${path.replaceAll('/', '.')}`] ??= []).push(message);
    throw new DomainError('arguments_invalid', 'The arguments do not fit the schema of the tool', { fields });
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
