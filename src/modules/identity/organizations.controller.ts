import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample, NoContent } from '../../platform/http/openapi.js';
import { Page, PageQuery } from '../../platform/http/paging.js';
import { UuidParameter } from '../../platform/http/parameters.js';
import { OrganizationMembersService } from './organization-members.service.js';
import {
  AddMember,
  CreateOrganization,
  UpdateMember,
  UpdateOrganization,
  type MemberResponse,
  type OrganizationResponse,
} from './organizations.dto.js';
import { OrganizationsService } from './organizations.service.js';

const ORGANIZATION = {
  id: '123e4567-e89b-12d3-a456-426614174111',
  name: 'Acme Corp',
  created_at: '2023-07-01T12:00:00Z',
};
const MEMBER = {
  user: { id: '123e4567-e89b-12d3-a456-426614174222', username: 'john.doe' },
  role: 'owner',
  created_at: '2023-07-01T12:00:00Z',
};
const organizationId = new UuidParameter('organization');
const userId = new UuidParameter('user');

@ApiTags('Organizations')
@Requires('signed-in')
@Controller('api/v1/organizations')
export class OrganizationsController {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly members: OrganizationMembersService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List organizations: the own ones, for operators all' })
  @ApiExample(200, [ORGANIZATION])
  list(@CurrentActor() actor: Actor, @Query() page: PageQuery): Promise<Page<OrganizationResponse>> {
    return this.organizations.list(actor, page);
  }

  @Post()
  @Requires('operator')
  @ApiOperation({ summary: 'Create an organization' })
  @ApiExample(201, ORGANIZATION)
  @ApiErrors(400, 409)
  create(@CurrentActor() actor: Actor, @Body() body: CreateOrganization): Promise<OrganizationResponse> {
    return this.organizations.create(actor, body);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get an organization' })
  @ApiExample(200, ORGANIZATION)
  @ApiErrors(404)
  get(@CurrentActor() actor: Actor, @Param('id', organizationId) id: string): Promise<OrganizationResponse> {
    return this.organizations.get(actor, id);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Rename an organization (operators)' })
  @ApiExample(200, ORGANIZATION)
  @ApiErrors(400, 403, 404, 409)
  update(
    @CurrentActor() actor: Actor,
    @Param('id', organizationId) id: string,
    @Body() body: UpdateOrganization,
  ): Promise<OrganizationResponse> {
    return this.organizations.update(actor, id, body);
  }

  @Delete(':id')
  @NoContent()
  @ApiOperation({ summary: 'Delete an organization (operators)' })
  @ApiErrors(403, 404)
  remove(@CurrentActor() actor: Actor, @Param('id', organizationId) id: string): Promise<void> {
    return this.organizations.remove(actor, id);
  }

  @Get(':id/members')
  @ApiOperation({ summary: 'List the members of an organization' })
  @ApiExample(200, [MEMBER])
  @ApiErrors(403, 404)
  listMembers(
    @CurrentActor() actor: Actor,
    @Param('id', organizationId) id: string,
    @Query() page: PageQuery,
  ): Promise<Page<MemberResponse>> {
    return this.members.list(actor, id, page);
  }

  @Post(':id/members')
  @ApiOperation({ summary: 'Add a user to an organization' })
  @ApiExample(201, MEMBER)
  @ApiErrors(400, 403, 404, 409)
  addMember(
    @CurrentActor() actor: Actor,
    @Param('id', organizationId) id: string,
    @Body() body: AddMember,
  ): Promise<MemberResponse> {
    return this.members.add(actor, id, body);
  }

  @Patch(':id/members/:userId')
  @ApiOperation({ summary: "Change a member's role" })
  @ApiExample(200, MEMBER)
  @ApiErrors(400, 403, 404, 409)
  updateMember(
    @CurrentActor() actor: Actor,
    @Param('id', organizationId) id: string,
    @Param('userId', userId) user: string,
    @Body() body: UpdateMember,
  ): Promise<MemberResponse> {
    return this.members.update(actor, id, user, body);
  }

  @Delete(':id/members/:userId')
  @NoContent()
  @ApiOperation({ summary: 'Remove a member, also from the workspaces of the organization' })
  @ApiErrors(403, 404, 409)
  removeMember(
    @CurrentActor() actor: Actor,
    @Param('id', organizationId) id: string,
    @Param('userId', userId) user: string,
  ): Promise<void> {
    return this.members.remove(actor, id, user);
  }
}
