import { Injectable } from '@nestjs/common';
import { canBeAnId, theOnly } from '../../platform/auth/organization-choice.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { notFound } from '../../platform/http/domain-error.js';
import type { Page } from '../../platform/http/paging.js';
import { ToolCatalogService, type ToolFacts } from '../discovery/tool-catalog.service.js';
import { AccessDecisionsService } from '../workspace-access/access-decisions.service.js';
import { VisibilityService } from '../workspace-access/visibility.service.js';
import type { Caller } from './caller.js';
import { toToolAnswer, type ToolAnswer } from './contents.js';
import { InvocationService } from './invocation.service.js';
import { ExecuteTool, ListTools, toToolResponse, type ToolResponse } from './tools.dto.js';

/** Tools as people and programs use them over REST. Lists show what could be used; see VisibilityService. */
@Injectable()
export class ToolsService {
  constructor(
    private readonly catalog: ToolCatalogService,
    private readonly visibility: VisibilityService,
    private readonly decisions: AccessDecisionsService,
    private readonly invocation: InvocationService,
  ) {}

  async list({ actor, workspace }: Caller, query: ListTools): Promise<Page<ToolResponse>> {
    const { tools } = await this.visibility.of(actor, workspace, query.organization);
    return (await this.catalog.list(tools, query)).map(toToolResponse);
  }

  async get(caller: Caller, id: string, organization: string | undefined): Promise<ToolResponse> {
    const { tools } = await this.visibility.of(caller.actor, caller.workspace, organization);
    const found = (await this.named(caller, id, organization)).filter(
      (tool) => tools.organizations.includes(tool.organizationId) || tools.resourceIds.includes(tool.id),
    );
    return toToolResponse(theOnly(found, 'tool', id.slice(0, 200)));
  }

  async execute(
    caller: Caller,
    id: string,
    organization: string | undefined,
    body: ExecuteTool,
    signal: CancelSignal,
  ): Promise<ToolAnswer> {
    const tool = await this.find(caller, id, organization);
    return this.invocation.callTool(caller, tool, body.arguments ?? {}, { signal }, toToolAnswer);
  }

  private async find(caller: Caller, id: string, organization: string | undefined): Promise<ToolFacts> {
    const named = await this.named(caller, id, organization);
    // Whether a single one may be used is decided on the path of the call.
    const found = named.length > 1 ? await this.decisions.seen(caller.actor, caller.workspace, named) : named;
    if (found.length === 0) throw notFound('tool', id.slice(0, 200));
    return theOnly(found, 'tool', id.slice(0, 200));
  }

  private async named(
    { actor, workspace }: Caller,
    id: string,
    organization: string | undefined,
  ): Promise<ToolFacts[]> {
    const organizations = await this.decisions.organizationsOf(actor, workspace);
    const meant = organization === undefined ? organizations : organizations.filter((each) => each === organization);
    return canBeAnId(id) ? this.catalog.find(meant, id) : [];
  }
}
