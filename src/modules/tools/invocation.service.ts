import { Injectable } from '@nestjs/common';
import { metaOfWindow, type ItemWindow } from '../../mcp/provider-meta.js';
import { principalOf } from '../../platform/auth/actor.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import { SchemaChecker } from '../../platform/schemas/schema-checker.js';
import { ConnectionTargetsService } from '../connections/connection-targets.service.js';
import type { ToolFacts } from '../discovery/tool-catalog.service.js';
import {
  AccessDecisionsService,
  filterResourceResult,
  filterToolResult,
  REASONS,
  Refused,
  type Access,
  type Allowed,
  type Lookup,
} from '../workspace-access/access-decisions.service.js';
import { LedgerService, type Attempt } from '../usage/ledger.service.js';
import { answered, failed, reasonOf, withheld } from './call-end.js';
import type { Caller } from './caller.js';
import { UpstreamUseService, type Use } from './upstream-use.service.js';

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

/** One use of an upstream on the path: what the ledger says of it, and what goes out. */
interface Call<Answer> {
  attempt: Attempt;
  /** The name of the tool at the server, which may have a price of its own. */
  toolName: string | null;
  request: Omit<Use, 'principal'>;
  filter: (result: unknown, decision: Allowed) => unknown;
  /** What the client is answered. @throws DomainError where the result is none */
  toAnswer: (result: unknown) => Answer;
  /** What the client is told of an error. */
  toError?: (error: unknown) => unknown;
}

/** By which right something is done directly: an admin's own. */
const DIRECT = 'direct';
const LOOKUP = 'lookup';
/** MCP 2025-11-25, Resources, Error Handling; 2026-07-28 uses Invalid params for the same. */
const UPSTREAM_NOT_FOUND: ReadonlySet<unknown> = new Set([-32_002, -32_602]);

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
    signal: AbortSignal,
    toAnswer: (result: unknown) => Answer,
  ): Promise<Answer> {
    const attempt = attemptOf(caller, tool, tool.id, args);
    const lookUp = (lookup: Lookup): Promise<unknown> => this.lookUp(caller, tool, lookup, signal);
    const access = await this.recorded(attempt, () =>
      this.decisions.forCall(caller.actor, caller.workspace, tool, args, lookUp),
    );
    const given = access.kind === 'granted' ? access.decision.arguments : args;
    await this.recorded(chargedTo(attempt, access), async () => {
      requireReviewed(tool);
      await this.checkArguments(tool, given);
    });
    const request = { ...toolCall(tool, tool.name, given), signal };
    return this.use(access, { attempt, toolName: tool.name, request, filter: filterToolResult, toAnswer });
  }

  /** @throws as {@link callTool} */
  async readResource<Answer>(
    caller: Caller,
    resource: ReadableResource,
    signal: AbortSignal,
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
    return this.use(access, {
      attempt,
      toolName: null,
      request: { connectionId, operation, params, signal },
      filter: filterResourceResult,
      toAnswer,
      toError: (error) => (isNotThere(error) ? notFound('resource', uri) : error),
    });
  }

  /** What a call touches, asked of the server. Null where it said nothing that could be read. */
  private async lookUp(caller: Caller, tool: ToolFacts, lookup: Lookup, signal: AbortSignal): Promise<unknown> {
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
    request: Omit<Use, 'principal'>,
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
      const result = await this.upstream.send({
        ...request,
        principal: principalIn(attempt),
        signal: signalOf(attempt, request),
      });
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

  /** What is refused is an attempt all the same. */
  private async recorded<T>(attempt: Attempt, decide: () => Promise<T>): Promise<T> {
    try {
      return await decide();
    } catch (error) {
      if (!(error instanceof DomainError) || error.code === 'unavailable') throw error;
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

function attemptOf(
  { actor, door }: Caller,
  { connectionId, organizationId }: { connectionId: string; organizationId: string },
  toolId: number | null,
  args: unknown,
): Attempt {
  return {
    actor,
    door,
    organizationId,
    connectionId,
    workspaceId: null,
    workspaceAccessId: null,
    resourceId: toolId,
    toolId,
    operation: 'tools/call',
    arguments: args,
    isHidden: false,
  };
}

/** A client with a key comes back for its answer: what it began is brought to an end, also when it hangs up meanwhile. */
function signalOf({ actor }: Attempt, { signal }: { signal: AbortSignal }): AbortSignal {
  return actor.origin.idempotencyKey === null ? signal : new AbortController().signal;
}

/** What is only asked may be asked again: the key of the request is for the call itself. */
function withoutKey(caller: Caller): Caller {
  const { actor } = caller;
  return { ...caller, actor: { ...actor, origin: { ...actor.origin, idempotencyKey: null } } };
}

/** A call counts on the one resource that its scopes resolved to, else on the tool or resource itself. */
function chargedTo(attempt: Attempt, access: Access): Attempt {
  if (access.kind === 'direct') return attempt;
  const { workspaceId, grantId, decision } = access;
  return {
    ...attempt,
    workspaceId,
    workspaceAccessId: grantId,
    resourceId: decision.resourceId ?? attempt.resourceId,
  };
}

function toolCall({ connectionId }: ToolFacts, name: string, args: object): Omit<Use, 'principal' | 'signal'> {
  return { connectionId, operation: 'tools/call', params: { name, arguments: args } };
}

function bytesOf(value: unknown): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
}

/** @throws DomainError 403 while the definition waits for a review, or was rejected */
function requireReviewed({ blocked }: ToolFacts): void {
  if (blocked === null) return;
  throw new DomainError('access_denied', `${REASONS[blocked]}: an admin has to review it`, { reason: blocked });
}

/** Whether an error carries text of the server, and not only ours about it. */
function isServersOwn(error: unknown): boolean {
  if (!(error instanceof DomainError)) return false;
  return error.details.upstream !== undefined || error.details.reason === 'refused_by_server';
}

function isNotThere(error: unknown): boolean {
  const upstream =
    error instanceof DomainError ? (error.details.upstream as { code?: unknown } | undefined) : undefined;
  return upstream !== undefined && UPSTREAM_NOT_FOUND.has(upstream.code);
}

function uncheckedError(): DomainError {
  return new DomainError(
    'upstream_error',
    'The server reported an error; its text could not be checked and is withheld',
    {
      reason: 'result_withheld',
    },
  );
}

/** One person in two workspaces is two principals: what a server remembers of one does not reach the other. */
function principalIn({ actor, workspaceId }: Attempt): string {
  return workspaceId === null ? principalOf(actor) : `${principalOf(actor)} workspace:${workspaceId}`;
}
