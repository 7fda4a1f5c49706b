import { Injectable } from '@nestjs/common';
import { principalOf } from '../../platform/auth/actor.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { SchemaChecker } from '../../platform/schemas/schema-checker.js';
import type { ToolFacts } from '../discovery/tool-catalog.service.js';
import {
  AccessDecisionsService,
  filterResourceResult,
  filterToolResult,
  REASONS,
  type Access,
  type Allowed,
  type LookupNeeded,
} from '../workspace-access/access-decisions.service.js';
import { GrantUseService } from '../workspace-access/grant-use.service.js';
import type { Caller } from './caller.js';
import { UpstreamUseService, type Use } from './upstream-use.service.js';

/** What is read: a listed resource, or (without an id) the expansion of a listed template. */
export interface ReadableResource {
  connectionId: string;
  organizationId: string;
  uri: string;
  resourceId: number | null;
  /** By its id or its URI. */
  named: string | number;
}

type Request = Omit<Use, 'principal' | 'signal'>;

/**
 * The one path of every use of an upstream: grant and policy on the arguments, definition, schema, session, upstream, policy
 * on the result. Whatever is decided, counted or written about calls belongs here and nowhere else.
 */
@Injectable()
export class InvocationService {
  constructor(
    private readonly decisions: AccessDecisionsService,
    private readonly schemas: SchemaChecker,
    private readonly upstream: UpstreamUseService,
    private readonly uses: GrantUseService,
  ) {}

  /** @throws DomainError 404, `access_denied`, `workspace_ambiguous`, `arguments_invalid` naming the fields, or what the upstream did */
  async callTool(
    caller: Caller,
    tool: ToolFacts,
    args: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { actor, workspace } = caller;
    const access = await this.decisions.forCall(actor, workspace, tool, args, (workspaceId, lookup) =>
      this.lookUp(caller, workspaceId, tool, lookup, signal),
    );
    requireReviewed(tool);
    const given = access.kind === 'granted' ? access.decision.arguments : args;
    await this.checkArguments(tool, given);
    return this.use(caller, access, { ...toolCall(tool, tool.name, given), signal }, filterToolResult);
  }

  /** @throws as {@link callTool} */
  async readResource(caller: Caller, resource: ReadableResource, signal: AbortSignal): Promise<unknown> {
    const access = await this.decisions.forRead(caller.actor, caller.workspace, resource);
    const { connectionId, uri } = resource;
    return this.use(
      caller,
      access,
      { connectionId, operation: 'resources/read', params: { uri }, signal },
      filterResourceResult,
    );
  }

  /** What a call touches, asked of the server. Null where it said nothing that could be read. */
  private async lookUp(
    caller: Caller,
    workspaceId: string,
    tool: ToolFacts,
    lookup: LookupNeeded,
    signal: AbortSignal,
  ): Promise<unknown> {
    // Nothing leaves for a call that would be refused anyway.
    requireReviewed(tool);
    await this.checkArguments(tool, lookup.call);
    const principal = principalIn(caller, workspaceId);
    try {
      return await this.upstream.send({ ...toolCall(tool, lookup.tool, lookup.arguments), principal, signal });
    } catch (error) {
      // What the server says instead of an answer is for nobody: it may speak of what is not granted.
      if (isServersOwn(error)) return null;
      throw error;
    }
  }

  private async use(
    caller: Caller,
    access: Access,
    request: Request & { signal: AbortSignal },
    filter: (result: unknown, decision: Allowed) => unknown,
  ): Promise<unknown> {
    if (access.kind === 'direct') return this.upstream.send({ ...request, principal: principalOf(caller.actor) });
    let result: unknown;
    try {
      result = await this.upstream.send({ ...request, principal: principalIn(caller, access.workspaceId) });
    } catch (error) {
      // Where the result was to decide, this text is one that nobody could check.
      if (access.decision.decidedBefore || !isServersOwn(error)) throw error;
      throw new DomainError(
        'upstream_error',
        'The server reported an error; its text could not be checked and is withheld',
        {
          reason: 'result_withheld',
        },
      );
    } finally {
      await this.uses.record(access.grantId);
    }
    const filtered = filter(result, access.decision);
    if (filtered === null)
      throw new DomainError('access_denied', REASONS.result_withheld, { reason: 'result_withheld' });
    return filtered;
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

function toolCall({ connectionId }: ToolFacts, name: string, args: object): Request {
  return { connectionId, operation: 'tools/call', params: { name, arguments: args } };
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

/** One person in two workspaces is two principals: what a server remembers of one does not reach the other. */
function principalIn({ actor }: Caller, workspaceId: string): string {
  return `${principalOf(actor)} workspace:${workspaceId}`;
}
