import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample, NoContent } from '../../platform/http/openapi.js';
import { Page, PageQuery } from '../../platform/http/paging.js';
import { UuidParameter } from '../../platform/http/parameters.js';
import { ConnectionChangesService } from './connection-changes.service.js';
import { ConnectionChecksService } from './connection-checks.service.js';
import { ConnectionTestService } from './connection-test.service.js';
import {
  CreateConnection,
  ListConnections,
  ReplaceCredentials,
  UpdateConnection,
  type CheckResponse,
  type ConnectionResponse,
  type TestResponse,
} from './connections.dto.js';
import { ConnectionsService } from './connections.service.js';
import { NewConnectionsService } from './new-connections.service.js';

const CONNECTION = {
  id: '123e4567-e89b-12d3-a456-426614174000',
  server: { id: '1', qualified_name: 'jira/mcp-server', display_name: 'Jira Server' },
  organization: { id: '123e4567-e89b-12d3-a456-426614174111', name: 'Acme Corp' },
  connection_name: 'Acme Jira',
  description: 'Jira connection for Acme Corp',
  is_active: true,
  last_connected: '2023-07-14T10:30:00Z',
  created_at: '2023-07-01T12:00:00Z',
  created_by: { id: '123e4567-e89b-12d3-a456-426614174222', username: 'john.doe' },
  server_id: 'acme-jira',
  status: 'connected',
  config_options: { timeout: 60 },
  tool_review: 'review',
  trust_annotations: false,
  price_book: null,
  health_check_interval: 60,
};
const CHECK = {
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  checked_at: '2023-07-14T10:30:00Z',
  trigger: 'schedule',
  status: 'connected',
  reason: null,
  latency_ms: 42,
};
const TESTED = {
  success: true,
  message: 'Connection successful',
  details: { version: '8.20.0', server_time: '2023-07-14T10:35:00Z' },
};
const connectionId = new UuidParameter('connection');

@ApiTags('Server Connections')
@Requires('signed-in')
@Controller('api/v1/mcp/connections')
export class ConnectionsController {
  constructor(
    private readonly connections: ConnectionsService,
    private readonly creation: NewConnectionsService,
    private readonly changes: ConnectionChangesService,
    private readonly tests: ConnectionTestService,
    private readonly checks: ConnectionChecksService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List server connections' })
  @ApiExample(200, [CONNECTION])
  @ApiErrors(400)
  list(@CurrentActor() actor: Actor, @Query() query: ListConnections): Promise<Page<ConnectionResponse>> {
    return this.connections.list(actor, query);
  }

  @Post()
  @ApiOperation({ summary: 'Create server connection' })
  @ApiExample(201, CONNECTION)
  @ApiErrors(400, 403, 404, 409)
  create(@CurrentActor() actor: Actor, @Body() body: CreateConnection): Promise<ConnectionResponse> {
    return this.creation.create(actor, body);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a server connection' })
  @ApiExample(200, CONNECTION)
  @ApiErrors(404)
  get(@CurrentActor() actor: Actor, @Param('id', connectionId) id: string): Promise<ConnectionResponse> {
    return this.connections.get(actor, id);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change a server connection' })
  @ApiExample(200, CONNECTION)
  @ApiErrors(400, 403, 404, 409)
  update(
    @CurrentActor() actor: Actor,
    @Param('id', connectionId) id: string,
    @Body() body: UpdateConnection,
  ): Promise<ConnectionResponse> {
    return this.changes.update(actor, id, body);
  }

  @Delete(':id')
  @NoContent()
  @ApiOperation({ summary: 'Delete a server connection' })
  @ApiErrors(403, 404)
  remove(@CurrentActor() actor: Actor, @Param('id', connectionId) id: string): Promise<void> {
    return this.changes.remove(actor, id);
  }

  @Put(':id/credentials')
  @ApiOperation({ summary: 'Replace the credentials, and with them the address' })
  @ApiExample(200, CONNECTION)
  @ApiErrors(400, 403, 404)
  replaceCredentials(
    @CurrentActor() actor: Actor,
    @Param('id', connectionId) id: string,
    @Body() body: ReplaceCredentials,
  ): Promise<ConnectionResponse> {
    return this.changes.replaceCredentials(actor, id, body);
  }

  @Get(':id/health')
  @ApiOperation({
    summary: 'List the latest checks of a connection, newest first',
    description:
      '`latency_ms` is how long the server took to introduce itself; `reason` says why it could not be used, null where it could',
  })
  @ApiExample(200, [CHECK])
  @ApiErrors(400, 404)
  health(
    @CurrentActor() actor: Actor,
    @Param('id', connectionId) id: string,
    @Query() page: PageQuery,
  ): Promise<Page<CheckResponse>> {
    return this.checks.list(actor, id, page);
  }

  @Post(':id/test')
  @HttpCode(200)
  @ApiOperation({ summary: 'Test connection' })
  @ApiExample(200, TESTED)
  @ApiErrors(403, 404)
  test(@CurrentActor() actor: Actor, @Param('id', connectionId) id: string): Promise<TestResponse> {
    return this.tests.test(actor, id);
  }
}
