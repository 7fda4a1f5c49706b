import { Injectable } from '@nestjs/common';
import { hasRole, type Actor } from '../../platform/auth/actor.js';
import { DomainError } from '../../platform/http/domain-error.js';
import type { Page } from '../../platform/http/paging.js';
import { ToolCatalogService, type ToolFacts } from '../discovery/tool-catalog.service.js';
import { toToolAnswer, type ToolAnswer } from './contents.js';
import { InvocationService } from './invocation.service.js';
import { canBeAnId, candidateOrganizations, theOnly } from './organization-choice.js';
import { ExecuteTool, ListTools, toToolResponse, type ToolResponse } from './tools.dto.js';

/** Tools as people and programs use them over REST. Owners and admins see those of their organizations. */
@Injectable()
export class ToolsService {
  constructor(
    private readonly catalog: ToolCatalogService,
    private readonly invocation: InvocationService,
  ) {}

  async list(actor: Actor, query: ListTools): Promise<Page<ToolResponse>> {
    return (await this.catalog.list(this.visibleOrganizations(actor, query.organization), query)).map(toToolResponse);
  }

  async get(actor: Actor, id: string, organization: string | undefined): Promise<ToolResponse> {
    return toToolResponse(await this.find(actor, id, organization));
  }

  async execute(
    actor: Actor,
    id: string,
    organization: string | undefined,
    body: ExecuteTool,
    signal: AbortSignal,
  ): Promise<ToolAnswer> {
    const tool = await this.find(actor, id, organization);
    const answer = toToolAnswer(await this.invocation.callTool(actor, tool, body.arguments ?? {}, signal));
    if (!answer)
      throw new DomainError('upstream_error', 'The server answered with something that is no tool result', {
        reason: 'protocol_error',
      });
    return answer;
  }

  private async find(actor: Actor, id: string, organization: string | undefined): Promise<ToolFacts> {
    const organizations = canBeAnId(id) ? this.visibleOrganizations(actor, organization) : [];
    return theOnly(await this.catalog.find(organizations, id), 'tool', id.slice(0, 200));
  }

  private visibleOrganizations(actor: Actor, named: string | undefined): string[] {
    return candidateOrganizations(actor, named).filter((id) => hasRole(actor, id, 'admin'));
  }
}
