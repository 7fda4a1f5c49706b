import { Injectable } from '@nestjs/common';
import { metaOfWindow, type ItemWindow } from '../../mcp/provider-meta.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import type { MaybePromise } from '../../platform/maybe-promise.js';
import type { CheckResult } from '../../platform/schemas/compiled-schema.js';
import { SchemaChecker } from '../../platform/schemas/schema-checker.js';
import type { PromptFacts } from '../discovery/prompt-catalog.service.js';
import type { ToolFacts } from '../discovery/tool-catalog.service.js';
import {
  AccessDecisionsService,
  filterCompletion,
  filterResourceResult,
  filterToolResult,
  type Allowed,
  type CompletionTarget,
  type Lookup,
} from '../workspace-access/access-decisions.service.js';
import { attemptOf, isNotThere, isServersOwn, requireReviewed, toolCall, withoutKey } from './attempt.js';
import { answered } from './call-end.js';
import { CallPathService } from './call-path.service.js';
import { onUpstream } from './call-times.js';
import type { Caller } from './caller.js';
import type { Carrying, Subscriber } from './upstream-use.service.js';

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

const LOOKUP = 'lookup';

/** What can be done with an upstream. Each of it goes the one path, see CallPathService. */
@Injectable()
export class InvocationService {
  constructor(
    private readonly decisions: AccessDecisionsService,
    private readonly schemas: SchemaChecker,
    private readonly path: CallPathService,
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
    // With what the policy puts in.
    let given: Allowed['arguments'] = args;
    const admitted = await this.path.admitted({
      attempt,
      toolName: tool.name,
      decide: () => this.decisions.forCall(caller.actor, caller.workspace, tool, args, lookUp),
      check: (access) => {
        requireReviewed(tool);
        if (access.kind === 'granted') given = access.decision.arguments;
        return this.checkArguments(tool, given);
      },
    });
    const request = toolCall(tool, tool.name, given, carrying);
    return this.path.use(admitted, { request, filter: filterToolResult, toAnswer });
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
    const decide = () => this.decisions.forRead(caller.actor, caller.workspace, resource);
    return this.path.use(await this.path.admitted({ attempt, toolName: null, decide }), {
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
    const decide = () => this.decisions.forRead(caller.actor, caller.workspace, resource);
    const admitted = await this.path.admitted({ attempt, toolName: null, decide });
    const request = { connectionId, operation, params, subscriber, ...carrying } as const;
    await this.path.use(admitted, { request, filter: (result) => result, toAnswer: () => null });
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
    const decide = () => this.decisions.forRead(caller.actor, caller.workspace, target);
    const admitted = await this.path.admitted({
      attempt,
      toolName: null,
      decide,
      check: () => requireReviewed(prompt),
    });
    const request = { connectionId, operation, params, ...carrying } as const;
    return this.path.use(admitted, { request, filter: (result) => result, toAnswer });
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
    const decide = () => this.decisions.forCompletion(caller.actor, caller.workspace, target);
    const admitted = await this.path.admitted({
      attempt,
      toolName: null,
      decide,
      check: () => requireReviewed(target),
    });
    const request = { connectionId, operation, params, ...carrying } as const;
    return this.path.use(admitted, { request, filter: filterCompletion, toAnswer });
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
    const request = toolCall(tool, lookup.tool, lookup.arguments, { signal });
    const price = await this.path.priceOf(attempt, lookup.tool);
    try {
      return await this.path.send({ attempt, price }, LOOKUP, request, (result) => ({
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

  private checkArguments(tool: ToolFacts, args: Readonly<Record<string, unknown>>): MaybePromise<void> {
    if (tool.schemaProblem !== null) {
      throw new DomainError(
        'arguments_undecided',
        `The server's schema for this tool can not be used: ${tool.schemaProblem}`,
      );
    }
    const result = this.schemas.check(tool.definition.inputSchema, args);
    return result instanceof Promise ? result.then(requireValid) : requireValid(result);
  }
}

/** @throws DomainError naming the fields */
function requireValid(result: CheckResult): void {
  if (result.valid) return;
  if ('undecided' in result) {
    throw new DomainError(
      'arguments_undecided',
      'The arguments could not be checked against the schema of the tool in time',
    );
  }
  const fields: Record<string, string[]> = {};
  for (const { path, message } of result.errors) (fields[`arguments${path.replaceAll('/', '.')}`] ??= []).push(message);
  throw new DomainError('arguments_invalid', 'The arguments do not fit the schema of the tool', { fields });
}
