import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample, NoContent } from '../../platform/http/openapi.js';
import { Page, PageQuery } from '../../platform/http/paging.js';
import { UuidParameter } from '../../platform/http/parameters.js';
import type { MemberResponse } from './organizations.dto.js';
import { WorkspaceMembersService } from './workspace-members.service.js';
import {
  AddWorkspaceMember,
  CreateWorkspace,
  ListWorkspaces,
  UpdateWorkspace,
  UpdateWorkspaceMember,
  type WorkspaceResponse,
} from './workspaces.dto.js';
import { WorkspacesService } from './workspaces.service.js';

const WORKSPACE = {
  id: '123e4567-e89b-12d3-a456-426614174333',
  organization: { id: '123e4567-e89b-12d3-a456-426614174111', name: 'Acme Corp' },
  name: 'Product Development',
  description: '',
  created_at: '2023-07-01T12:00:00Z',
};
const MEMBER = {
  user: { id: '123e4567-e89b-12d3-a456-426614174222', username: 'john.doe' },
  role: 'manager',
  created_at: '2023-07-01T12:00:00Z',
};
const workspaceId = new UuidParameter('workspace');
const userId = new UuidParameter('user');

@ApiTags('Workspaces')
@Requires('signed-in')
@Controller('api/v1/workspaces')
export class WorkspacesController {
  constructor(
    private readonly workspaces: WorkspacesService,
    private readonly members: WorkspaceMembersService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List workspaces: those one works in, for admins all of the organization' })
  @ApiExample(200, [WORKSPACE])
  list(@CurrentActor() actor: Actor, @Query() query: ListWorkspaces): Promise<Page<WorkspaceResponse>> {
    return this.workspaces.list(actor, query);
  }

  @Post()
  @ApiOperation({ summary: 'Create a workspace' })
  @ApiExample(201, WORKSPACE)
  @ApiErrors(400, 403, 409)
  create(@CurrentActor() actor: Actor, @Body() body: CreateWorkspace): Promise<WorkspaceResponse> {
    return this.workspaces.create(actor, body);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a workspace' })
  @ApiExample(200, WORKSPACE)
  @ApiErrors(404)
  get(@CurrentActor() actor: Actor, @Param('id', workspaceId) id: string): Promise<WorkspaceResponse> {
    return this.workspaces.get(actor, id);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change a workspace' })
  @ApiExample(200, WORKSPACE)
  @ApiErrors(400, 403, 404, 409)
  update(
    @CurrentActor() actor: Actor,
    @Param('id', workspaceId) id: string,
    @Body() body: UpdateWorkspace,
  ): Promise<WorkspaceResponse> {
    return this.workspaces.update(actor, id, body);
  }

  @Delete(':id')
  @NoContent()
  @ApiOperation({ summary: 'Delete a workspace' })
  @ApiErrors(403, 404)
  remove(@CurrentActor() actor: Actor, @Param('id', workspaceId) id: string): Promise<void> {
    return this.workspaces.remove(actor, id);
  }

  @Get(':id/members')
  @ApiOperation({ summary: 'List the members of a workspace' })
  @ApiExample(200, [MEMBER])
  @ApiErrors(404)
  listMembers(
    @CurrentActor() actor: Actor,
    @Param('id', workspaceId) id: string,
    @Query() page: PageQuery,
  ): Promise<Page<MemberResponse>> {
    return this.members.list(actor, id, page);
  }

  @Post(':id/members')
  @ApiOperation({ summary: 'Add a member of the organization to a workspace' })
  @ApiExample(201, MEMBER)
  @ApiErrors(400, 403, 404, 409)
  addMember(
    @CurrentActor() actor: Actor,
    @Param('id', workspaceId) id: string,
    @Body() body: AddWorkspaceMember,
  ): Promise<MemberResponse> {
    return this.members.add(actor, id, body);
  }

  @Patch(':id/members/:userId')
  @ApiOperation({ summary: "Change a member's role" })
  @ApiExample(200, MEMBER)
  @ApiErrors(400, 403, 404)
  updateMember(
    @CurrentActor() actor: Actor,
    @Param('id', workspaceId) id: string,
    @Param('userId', userId) user: string,
    @Body() body: UpdateWorkspaceMember,
  ): Promise<MemberResponse> {
    return this.members.update(actor, id, user, body);
  }

  @Delete(':id/members/:userId')
  @NoContent()
  @ApiOperation({ summary: 'Remove a member from a workspace' })
  @ApiErrors(403, 404)
  removeMember(
    @CurrentActor() actor: Actor,
    @Param('id', workspaceId) id: string,
    @Param('userId', userId) user: string,
  ): Promise<void> {
    return this.members.remove(actor, id, user);
  }
}
