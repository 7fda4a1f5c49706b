import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ShowsSecret } from '../../platform/http/idempotency/idempotent-operations.js';
import { ApiErrors, ApiExample, NoContent } from '../../platform/http/openapi.js';
import { Page, PageQuery } from '../../platform/http/paging.js';
import { UuidParameter } from '../../platform/http/parameters.js';
import {
  CreateWorkspaceToken,
  type CreatedWorkspaceTokenResponse,
  type WorkspaceTokenResponse,
} from './workspace-tokens.dto.js';
import { WorkspaceTokensService } from './workspace-tokens.service.js';

const TOKEN = {
  id: '123e4567-e89b-12d3-a456-426614174666',
  workspace_id: '123e4567-e89b-12d3-a456-426614174333',
  name: 'Release agent',
  expires_at: '2023-10-12T12:00:00Z',
  last_used: null,
  created_at: '2023-07-14T12:00:00Z',
  created_by: { id: '123e4567-e89b-12d3-a456-426614174222', username: 'john.doe' },
};
const workspaceId = new UuidParameter('workspace');
const tokenId = new UuidParameter('token');

@ApiTags('Workspaces')
@Requires('signed-in')
@Controller('api/v1/workspaces/:id/tokens')
export class WorkspaceTokensController {
  constructor(private readonly tokens: WorkspaceTokensService) {}

  @Get()
  @ApiOperation({ summary: 'List the tokens of a workspace, without the tokens themselves' })
  @ApiExample(200, [TOKEN])
  @ApiErrors(400, 403, 404)
  list(
    @CurrentActor() actor: Actor,
    @Param('id', workspaceId) workspace: string,
    @Query() page: PageQuery,
  ): Promise<Page<WorkspaceTokenResponse>> {
    return this.tokens.list(actor, workspace, page);
  }

  @Post()
  @ShowsSecret()
  @ApiOperation({ summary: 'Make a token for an agent; it is shown this once' })
  @ApiExample(201, { ...TOKEN, token: 'eyJhbGciOiJIUzI1NiJ9...' })
  @ApiErrors(400, 403, 404)
  create(
    @CurrentActor() actor: Actor,
    @Param('id', workspaceId) workspace: string,
    @Body() body: CreateWorkspaceToken,
  ): Promise<CreatedWorkspaceTokenResponse> {
    return this.tokens.create(actor, workspace, body);
  }

  @Delete(':tokenId')
  @NoContent()
  @ApiOperation({ summary: 'Revoke a token, at once' })
  @ApiErrors(403, 404)
  revoke(
    @CurrentActor() actor: Actor,
    @Param('id', workspaceId) workspace: string,
    @Param('tokenId', tokenId) token: string,
  ): Promise<void> {
    return this.tokens.revoke(actor, workspace, token);
  }
}
