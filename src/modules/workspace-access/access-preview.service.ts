import { Injectable } from '@nestjs/common';
import { hasRole, type Actor } from '../../platform/auth/actor.js';
import { invalid, notFound } from '../../platform/http/domain-error.js';
import { LARGEST_INTEGER } from '../../platform/http/parameters.js';
import { ResourcesService } from '../discovery/resources.service.js';
import { PoliciesService, type ConnectionPolicy, type Grant } from './policies.service.js';
import { decideCall } from './policy/decide-call.js';
import { decideRead, judgeRead, type ReadTarget } from './policy/decide-read.js';
import type { PolicyResource, PolicyTool } from './policy/facts.js';
import { judgeTool, scopesOfTool, whyInactive } from './policy/grant-policy.js';
import { REASONS, type Denied } from './policy/reasons.js';
import {
  CheckAccess,
  type CheckResponse,
  type EffectiveResponse,
  type EffectiveTool,
  type NamedResource,
} from './workspace-access.dto.js';
import type { WorkspaceAccess } from './workspace-access.entity.js';
import { WorkspaceAccessService } from './workspace-access.service.js';

/** What a grant comes to, before anybody calls anything. */
@Injectable()
export class AccessPreviewService {
  constructor(
    private readonly access: WorkspaceAccessService,
    private readonly policies: PoliciesService,
    private readonly resources: ResourcesService,
  ) {}

  /** What an agent would see. */
  async effective(actor: Actor, id: number, limit: number): Promise<EffectiveResponse> {
    const { grant, connection } = await this.grantOf(await this.access.readable(actor, id));
    const visible = grant.resourceIds.flatMap((each) => connection.resources.get(each) ?? []);
    const ofKind = (kind: PolicyResource['kind']): PolicyResource[] => visible.filter((each) => each.kind === kind);
    const [resources, templates, prompts] = [ofKind('resource'), ofKind('resource_template'), ofKind('prompt')];
    return {
      workspace_access: id,
      permission_level: grant.policy.grant.level,
      inactive: whyInactive(grant.policy)?.reason ?? null,
      tools: grant.toolIds.slice(0, limit).flatMap((each) => effectiveTool(grant, connection, each)),
      resources: resources.slice(0, limit).map(toNamed),
      resource_templates: templates.slice(0, limit).map(toNamed),
      prompts: prompts.slice(0, limit).map(toNamed),
      totals: {
        tools: grant.toolIds.length,
        resources: resources.length,
        resource_templates: templates.length,
        prompts: prompts.length,
      },
    };
  }

  /** Whether a call or a reading would be allowed, and if not, what would have to change. */
  async check(actor: Actor, id: number, body: CheckAccess): Promise<CheckResponse> {
    if (body.tool !== undefined && body.resource !== undefined)
      throw invalid({ resource: ['must be left out where tool is given'] });
    const access = await this.access.readable(actor, id);
    const { grant, connection } = await this.grantOf(access);
    const seesAll = hasRole(actor, access.organizationId, 'admin');
    if (body.tool !== undefined) return checkTool(grant, connection, body.tool, body.arguments ?? {}, seesAll);
    const target = await this.readTarget(access, connection, body.resource);
    // Who may not see it does not learn that it is there.
    if (target === null || !(seesAll || judgeRead(grant.policy, target).isGranted))
      throw notFound('resource', body.resource ?? '');
    const decision = decideRead(grant.policy, target);
    return decision.allowed
      ? { allowed: true, reason: decision.reason, details: { rule: REASONS[decision.reason] } }
      : toCheck(decision);
  }

  private async grantOf(access: WorkspaceAccess): Promise<{ grant: Grant; connection: ConnectionPolicy }> {
    const [grants, connection] = await Promise.all([
      this.policies.of(access.organizationId, access.workspaceId, access.connectionId),
      this.policies.connection(access.connectionId),
    ]);
    const grant = grants.find(({ policy }) => policy.grant.id === access.id);
    if (!grant) throw notFound('workspace_access', access.id);
    return { grant, connection };
  }

  private async readTarget(
    access: WorkspaceAccess,
    connection: ConnectionPolicy,
    named: number | string | undefined,
  ): Promise<ReadTarget | null> {
    if (typeof named === 'number' && Number.isInteger(named) && named >= 0 && named <= LARGEST_INTEGER) {
      const resource = connection.resources.get(named);
      return resource ? { uri: resource.uri, resourceId: named } : null;
    }
    if (typeof named !== 'string' || named.length > 2_048 || named.includes('\0'))
      throw invalid({ resource: ['must be the id of a resource, or its URI'] });
    const offered = await this.resources.findByUri(access.connectionId, named);
    return offered ? { uri: named, resourceId: offered.resourceId } : null;
  }
}

function effectiveTool(grant: Grant, connection: ConnectionPolicy, id: number): EffectiveTool[] {
  const tool = connection.outlines.get(id);
  if (!tool) return [];
  const scopes = scopesOfTool(grant.policy, tool).map(({ scope }) => scope.name);
  return [
    {
      id: tool.publicId,
      name: tool.title,
      effect: tool.effect,
      scopes,
      unscoped: scopes.length === 0,
      blocked: tool.blocked,
    },
  ];
}

function checkTool(
  grant: Grant,
  connection: ConnectionPolicy,
  named: string,
  args: Record<string, unknown>,
  seesAll: boolean,
): CheckResponse {
  const outlines = [...connection.outlines.values()];
  const outline = outlines.find((tool) => tool.publicId === named) ?? outlines.find((tool) => tool.name === named);
  const tool: PolicyTool | undefined = outline && connection.tools.get(outline.id);
  if (!outline || !tool || !(seesAll || judgeTool(grant.policy, tool).isGranted)) throw notFound('tool', named);
  const decision = decideCall(grant.policy, tool, args);
  if (decision.allowed === 'lookup') {
    return {
      allowed: false,
      reason: 'lookup_needed',
      details: {
        object: { type: 'tool', id: decision.tool },
        rule: REASONS.lookup_needed,
        change: 'Nothing has to change: whether it is allowed depends on what the server says then',
      },
    };
  }
  if (!decision.allowed) return toCheck(decision);
  if (outline.blocked !== null) {
    return {
      allowed: false,
      reason: outline.blocked,
      details: {
        object: { type: 'tool', id: tool.publicId },
        rule: REASONS[outline.blocked],
        change: 'Let an admin of the organization review the definition of the tool',
      },
    };
  }
  return { allowed: true, reason: decision.reason, details: { rule: REASONS[decision.reason] } };
}

function toCheck({ reason, object, rule, change }: Denied): CheckResponse {
  return { allowed: false, reason, details: { object, rule, change } };
}

function toNamed(resource: PolicyResource): NamedResource & { resource_uri: string } {
  return { id: resource.id, resource_uri: resource.uri, resource_name: resource.name, resource_type: resource.type };
}
