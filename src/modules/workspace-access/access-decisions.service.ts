import { Injectable } from '@nestjs/common';
import { hasRole, type Actor } from '../../platform/auth/actor.js';
import { DomainError, notFound } from '../../platform/http/domain-error.js';
import type { MaybePromise } from '../../platform/maybe-promise.js';
import { WorkspacesService } from '../identity/workspaces.service.js';
import { PoliciesService, type Grant } from './policies.service.js';
import { decideCall, type Allowed, type CallDecision, type LookupNeeded } from './policy/decide-call.js';
import { decideCompletion, judgeCompletion, type CompletionTarget } from './policy/decide-completion.js';
import { decideRead, judgeRead, type ReadTarget } from './policy/decide-read.js';
import { judgeTool } from './policy/grant-policy.js';
import { lookedUpTuples } from './policy/looked-up.js';
import { denied, REASONS, type Denied, type Reason } from './policy/reasons.js';
import type { PolicyTool } from './policy/facts.js';
import type { Tuple } from './policy/tuples.js';

export { filterCompletion, type CompletionTarget } from './policy/decide-completion.js';
export { filterResourceResult, filterToolResult } from './policy/result-filter.js';
export { REASONS } from './policy/reasons.js';
export type { Allowed, LookupNeeded } from './policy/decide-call.js';

/** What is used, of which connection. */
export interface Used {
  connectionId: string;
  organizationId: string;
  /** The one grant that may allow it; whichever of the workspace does where left out. */
  grantId?: number;
}

/** By which right: an admin's own, or a grant of a workspace. */
export type Access = { kind: 'direct' } | { kind: 'granted'; workspaceId: string; grantId: number; decision: Allowed };

/** By which right, and what is asked: `toolId` is the read tool's. */
export type Lookup = LookupNeeded & { toolId: number; workspaceId: string; grantId: number };

/** Asks a read tool of the same server, as part of deciding. Null where it said nothing that could be read. */
export type LookUp = (lookup: Lookup) => Promise<unknown>;

/** A refusal: what the caller is told, and what the ledger writes down of it. */
export class Refused extends DomainError {
  constructor(
    told: DomainError,
    readonly reason: Reason | 'workspace_ambiguous',
    readonly workspaceId: string | null,
    readonly grantId: number | null,
    /** The caller is told that there is no such thing. */
    readonly isHidden = false,
  ) {
    super(told.code, told.message, told.details, told.retryAfterSeconds);
  }
}

/** What one grant says; `isSeen`: the caller may know that the object exists. */
interface Outcome {
  workspaceId: string;
  grantId: number;
  isSeen: boolean;
  decision: Allowed | Denied;
}

/** Who may use what: chooses the workspace, asks its grants, and says no in a way that helps and tells no secrets. */
@Injectable()
export class AccessDecisionsService {
  constructor(
    private readonly policies: PoliciesService,
    private readonly workspaces: WorkspacesService,
  ) {}

  /**
   * Organizations in which an actor may find something to use: that of the named workspace, else all of its own.
   * @throws DomainError 404 for a workspace that the actor does not see
   */
  async organizationsOf(actor: Actor, workspace: string | undefined): Promise<string[]> {
    if (workspace !== undefined) return [await this.workspaces.organizationOf(actor, workspace)];
    const worksIn = [...actor.workspaces.values()].map(({ organizationId }) => organizationId);
    return [...new Set([...actor.organizations.keys(), ...worksIn])];
  }

  /** Of several tools of one name those that the actor may know of, so that the others make nothing ambiguous. */
  async seen<T extends PolicyTool & Used>(
    actor: Actor,
    workspace: string | undefined,
    tools: readonly T[],
  ): Promise<T[]> {
    const seen: T[] = [];
    for (const tool of tools) {
      const workspaceIds = await this.candidates(actor, workspace, tool.organizationId);
      if (workspaceIds === 'direct') seen.push(tool);
      else {
        const grants = await Promise.all(
          workspaceIds.map(async (id) => this.policies.of(tool.organizationId, id, tool.connectionId)),
        );
        if (grants.flat().some(({ policy }) => judgeTool(policy, tool).isGranted)) seen.push(tool);
      }
    }
    return seen;
  }

  /** @throws DomainError 404, 403 `access_denied` with the reason of each grant, 409 `workspace_ambiguous` */
  async forCall(
    actor: Actor,
    workspace: string | undefined,
    tool: PolicyTool & Used,
    args: Record<string, unknown>,
    lookUp: LookUp,
  ): Promise<Access> {
    return this.decide(actor, workspace, tool, { type: 'tool', id: tool.publicId }, (grant) => ({
      isSeen: judgeTool(grant.policy, tool).isGranted,
      decision: withLookups(grant, tool, args, lookUp),
    }));
  }

  /** @throws as {@link forCall} */
  async forRead(
    actor: Actor,
    workspace: string | undefined,
    target: ReadTarget & Used & { named: string | number },
  ): Promise<Access> {
    // As the caller named it: the id of a row would tell that there is one.
    return this.decide(actor, workspace, target, { type: 'resource', id: target.named }, ({ policy }) => ({
      isSeen: judgeRead(policy, target).isGranted,
      decision: decideRead(policy, target),
    }));
  }

  /** @throws as {@link forCall} */
  async forCompletion(
    actor: Actor,
    workspace: string | undefined,
    target: CompletionTarget & Used & { named: string },
  ): Promise<Access> {
    return this.decide(actor, workspace, target, { type: 'resource', id: target.named }, ({ policy }) => ({
      isSeen: judgeCompletion(policy, target).isGranted,
      decision: decideCompletion(policy, target),
    }));
  }

  private async decide(
    actor: Actor,
    named: string | undefined,
    used: Used,
    object: Denied['object'],
    ask: (grant: Grant) => { isSeen: boolean; decision: MaybePromise<Allowed | Denied> },
  ): Promise<Access> {
    const workspaceIds = await this.candidates(actor, named, used.organizationId);
    if (workspaceIds === 'direct') return { kind: 'direct' };
    const outcomes: Outcome[] = [];
    for (const workspaceId of workspaceIds) {
      for (const grant of await this.policies.of(used.organizationId, workspaceId, used.connectionId)) {
        if (used.grantId !== undefined && used.grantId !== grant.policy.grant.id) continue;
        const { isSeen, decision: asked } = ask(grant);
        const decision = asked instanceof Promise ? await asked : asked;
        outcomes.push({ workspaceId, grantId: grant.policy.grant.id, isSeen, decision });
        // The oldest that allows is charged; the others of the workspace are not asked.
        if (decision.allowed) break;
      }
    }
    const allowing = outcomes.flatMap(({ workspaceId, grantId, decision }) =>
      decision.allowed ? [{ kind: 'granted' as const, workspaceId, grantId, decision }] : [],
    );
    const [first, ...others] = allowing;
    if (first && others.length === 0) return first;
    if (first) {
      const told = await this.ambiguous(allowing.map(({ workspaceId }) => workspaceId));
      throw new Refused(told, 'workspace_ambiguous', null, null);
    }
    throw refusal(actor, used, object, outcomes);
  }

  /** The workspaces whose grants are asked, or `direct` for an admin who acts for no workspace. */
  private candidates(
    actor: Actor,
    named: string | undefined,
    organizationId: string,
  ): MaybePromise<string[] | 'direct'> {
    if (named !== undefined) {
      const itsOwn = this.workspaces.organizationOf(actor, named);
      const ifThere = (id: string): string[] => (id === organizationId ? [named] : []);
      return itsOwn instanceof Promise ? itsOwn.then(ifThere) : ifThere(itsOwn);
    }
    if (hasRole(actor, organizationId, 'admin')) return 'direct';
    return [...actor.workspaces].filter(([, place]) => place.organizationId === organizationId).map(([id]) => id);
  }

  private async ambiguous(ids: readonly string[]): Promise<DomainError> {
    return new DomainError('workspace_ambiguous', 'Several of your workspaces allow this: name one in X-Workspace-Id', {
      workspaces: await this.workspaces.names(ids),
    });
  }
}

/** 404 where the caller may not know that it exists; else 403 with what each grant says. Written down for the oldest grant. */
function refusal(actor: Actor, used: Used, object: Denied['object'], outcomes: readonly Outcome[]): Refused {
  const seen = outcomes.filter(({ isSeen }) => isSeen);
  const [oldest] = seen.length > 0 ? seen : outcomes;
  const reason = oldest && !oldest.decision.allowed ? oldest.decision.reason : 'no_grant';
  // Nor must the totals of a workspace tell its people that it exists.
  if (!isTold(actor, used, seen)) return new Refused(notFound(object.type, object.id), reason, null, null, true);
  const told = explained(object, seen.length > 0 ? seen : outcomes);
  return new Refused(told, reason, oldest?.workspaceId ?? null, oldest?.grantId ?? null);
}

function isTold(actor: Actor, used: Used, seen: readonly Outcome[]): boolean {
  return seen.length > 0 || hasRole(actor, used.organizationId, 'admin');
}

function explained(object: Denied['object'], outcomes: readonly Outcome[]): DomainError {
  const denials = outcomes.flatMap(({ workspaceId, grantId, decision }) =>
    decision.allowed ? [] : [{ workspace: workspaceId, workspace_access: grantId, ...details(decision) }],
  );
  const first = denials[0] ?? details(denied('no_grant', object, 'Give the workspace a grant on the connection'));
  return new DomainError('access_denied', `${REASONS[first.reason]}. ${first.change}`, {
    reason: first.reason,
    object: first.object,
    rule: first.rule,
    change: first.change,
    denials,
  });
}

function details({ reason, object, rule, change }: Denied): Pick<Denied, 'reason' | 'object' | 'rule' | 'change'> {
  return { reason, object, rule, change };
}

/** Asks the server what the arguments leave open, once for each scope that needs it. */
function withLookups(
  grant: Grant,
  tool: PolicyTool,
  args: Record<string, unknown>,
  lookUp: LookUp,
): MaybePromise<Allowed | Denied> {
  const decision = decideCall(grant.policy, tool, args);
  return decision.allowed === 'lookup' ? afterLookups(grant, tool, args, lookUp, decision) : decision;
}

async function afterLookups(
  { policy, workspaceId, lookupTools }: Grant,
  tool: PolicyTool,
  args: Record<string, unknown>,
  lookUp: LookUp,
  first: LookupNeeded,
): Promise<Allowed | Denied> {
  const lookups = new Map<string, readonly Tuple[]>();
  for (let decision: CallDecision = first; ; decision = decideCall(policy, tool, args, lookups)) {
    if (decision.allowed !== 'lookup') return decision;
    // A tool that was raised above read, or waits for a review, is not asked: then nothing is known.
    const toolId = lookupTools.get(decision.tool);
    const asked = toolId !== undefined && { ...decision, toolId, workspaceId, grantId: policy.grant.id };
    const answer = asked ? await lookUp(asked) : null;
    lookups.set(decision.scope, lookedUpTuples(decision.result, answer));
  }
}
