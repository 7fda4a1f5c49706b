import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample, NoContent } from '../../platform/http/openapi.js';
import { Page } from '../../platform/http/paging.js';
import { IntegerParameter } from '../../platform/http/parameters.js';
import { AccessChangesService } from './access-changes.service.js';
import { AccessPreviewService } from './access-preview.service.js';
import { GrantChangesService } from './grant-changes.service.js';
import {
  CheckAccess,
  CreateWorkspaceAccess,
  EffectiveQuery,
  ListAccessResources,
  ListWorkspaceAccess,
  ResourceChoice,
  UpdateWorkspaceAccess,
  type AccessResourceResponse,
  type CheckResponse,
  type EffectiveResponse,
  type NamedResource,
  type WorkspaceAccessResponse,
} from './workspace-access.dto.js';
import { WorkspaceAccessService } from './workspace-access.service.js';

const ACCESS = {
  id: 1,
  workspace: { id: '123e4567-e89b-12d3-a456-426614174333', name: 'Product Development' },
  connection: { id: '123e4567-e89b-12d3-a456-426614174000', connection_name: 'Acme Jira' },
  access_name: 'Jira Development Access',
  description: 'Access to development projects in Jira',
  allowed_resources: [{ id: 2, resource_name: 'DEV Project', resource_type: 'project', automatic: false }],
  allowed_resources_total: 1,
  resource_filters: { project_keys: ['DEV', 'QA'], issue_types: ['bug', 'task', 'story'] },
  permission_level: 'write',
  is_active: true,
  auto_sync: true,
  last_used: '2023-07-14T11:00:00Z',
  usage_count: 42,
  created_at: '2023-07-01T12:30:00Z',
  created_by: { id: '123e4567-e89b-12d3-a456-426614174222', username: 'john.doe' },
};
const RESOURCE = { id: 3, resource_name: 'QA Project', resource_type: 'project' };
const EFFECTIVE = {
  workspace_access: 1,
  permission_level: 'write',
  inactive: null,
  tools: [
    {
      id: 'acme-jira_get_issue',
      name: 'Get Issue',
      effect: 'read',
      scopes: ['project'],
      unscoped: false,
      blocked: null,
    },
  ],
  resources: [{ ...RESOURCE, resource_uri: 'jira://QA' }],
  resource_templates: [],
  prompts: [],
  totals: { tools: 1, resources: 1, resource_templates: 0, prompts: 0 },
};
const CHECK = {
  allowed: false,
  reason: 'scope_not_granted',
  details: {
    object: { type: 'argument', id: '/issue_key', value: 'OPS' },
    rule: 'This project is not granted',
    change: 'Add the resource of this project to the grant',
  },
};
const accessId = new IntegerParameter('workspace_access');

@ApiTags('Workspace Access')
@Requires('signed-in')
@Controller('api/v1/mcp/workspace-access')
export class WorkspaceAccessController {
  constructor(
    private readonly access: WorkspaceAccessService,
    private readonly grants: GrantChangesService,
    private readonly changes: AccessChangesService,
    private readonly preview: AccessPreviewService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List workspace access configurations' })
  @ApiExample(200, [ACCESS])
  @ApiErrors(400)
  list(@CurrentActor() actor: Actor, @Query() query: ListWorkspaceAccess): Promise<Page<WorkspaceAccessResponse>> {
    return this.access.list(actor, query);
  }

  @Post()
  @ApiOperation({ summary: 'Give a workspace access to resources of a connection' })
  @ApiExample(201, ACCESS)
  @ApiErrors(400, 403, 404, 409)
  create(@CurrentActor() actor: Actor, @Body() body: CreateWorkspaceAccess): Promise<WorkspaceAccessResponse> {
    return this.grants.create(actor, body);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a workspace access configuration' })
  @ApiExample(200, ACCESS)
  @ApiErrors(404)
  get(@CurrentActor() actor: Actor, @Param('id', accessId) id: number): Promise<WorkspaceAccessResponse> {
    return this.access.get(actor, id);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change a workspace access configuration' })
  @ApiExample(200, ACCESS)
  @ApiErrors(400, 403, 404, 409)
  update(
    @CurrentActor() actor: Actor,
    @Param('id', accessId) id: number,
    @Body() body: UpdateWorkspaceAccess,
  ): Promise<WorkspaceAccessResponse> {
    return this.grants.update(actor, id, body);
  }

  @Delete(':id')
  @NoContent()
  @ApiOperation({ summary: 'Take the access away' })
  @ApiErrors(403, 404)
  remove(@CurrentActor() actor: Actor, @Param('id', accessId) id: number): Promise<void> {
    return this.grants.remove(actor, id);
  }

  @Post(':id/add-resource')
  @HttpCode(200)
  @ApiOperation({ summary: 'Add resource to workspace access' })
  @ApiExample(200, { success: true, message: 'Resource added to workspace access', resource: RESOURCE })
  @ApiErrors(400, 403, 404)
  addResource(
    @CurrentActor() actor: Actor,
    @Param('id', accessId) id: number,
    @Body() body: ResourceChoice,
  ): Promise<{ success: true; message: string; resource: NamedResource }> {
    return this.changes.add(actor, id, body.resource_id);
  }

  @Post(':id/remove-resource')
  @HttpCode(200)
  @ApiOperation({ summary: 'Remove resource from workspace access' })
  @ApiExample(200, { success: true, message: 'Resource removed from workspace access' })
  @ApiErrors(400, 403, 404)
  removeResource(
    @CurrentActor() actor: Actor,
    @Param('id', accessId) id: number,
    @Body() body: ResourceChoice,
  ): Promise<{ success: true; message: string }> {
    return this.changes.remove(actor, id, body.resource_id);
  }

  @Get(':id/resources')
  @ApiOperation({
    summary: 'List every resource that is marked in the grant: added, taken in by auto-sync, or excluded',
  })
  @ApiExample(200, [{ ...RESOURCE, resource_uri: 'jira://QA', state: 'explicit', is_available: true }])
  @ApiErrors(400, 404)
  listResources(
    @CurrentActor() actor: Actor,
    @Param('id', accessId) id: number,
    @Query() query: ListAccessResources,
  ): Promise<Page<AccessResourceResponse>> {
    return this.changes.list(actor, id, query);
  }

  @Get(':id/effective')
  @ApiOperation({ summary: 'What an agent of the workspace would see through this grant' })
  @ApiExample(200, EFFECTIVE)
  @ApiErrors(400, 404)
  effective(
    @CurrentActor() actor: Actor,
    @Param('id', accessId) id: number,
    @Query() query: EffectiveQuery,
  ): Promise<EffectiveResponse> {
    return this.preview.effective(actor, id, query.limit);
  }

  @Post(':id/check')
  @HttpCode(200)
  @ApiOperation({ summary: 'Would this call be allowed, and if not, what would have to change?' })
  @ApiExample(200, CHECK)
  @ApiErrors(400, 404)
  check(
    @CurrentActor() actor: Actor,
    @Param('id', accessId) id: number,
    @Body() body: CheckAccess,
  ): Promise<CheckResponse> {
    return this.preview.check(actor, id, body);
  }
}
