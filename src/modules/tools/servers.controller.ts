import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires, TakesWorkspace } from '../../platform/auth/decorators.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { ClientGone } from '../../platform/http/client-gone.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import { Page } from '../../platform/http/paging.js';
import { AddServerService } from './add-server.service.js';
import { CurrentCaller, type Caller } from './caller.js';
import type { ResourceAnswer } from './contents.js';
import { ResourceReadingService } from './resource-reading.service.js';
import {
  AddServer,
  ListServerResources,
  ListServers,
  type ServerResourceResponse,
  type ServerResponse,
} from './servers.dto.js';
import { ServersService } from './servers.service.js';
import { OrganizationQuery } from './tools.dto.js';

const SERVER = {
  server_id: 'example',
  server_name: 'Example Server',
  server_url: 'http://localhost:8080',
  is_connected: true,
  tool_count: 4,
  resource_count: 2,
};

@ApiTags('MCP servers')
@Requires('signed-in')
@Controller('mcp/servers')
export class ServersController {
  constructor(
    private readonly servers: ServersService,
    private readonly adding: AddServerService,
    private readonly reading: ResourceReadingService,
  ) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({ summary: 'Add and connect to an MCP server' })
  @ApiExample(200, SERVER)
  @ApiErrors(400, 403, 404, 409)
  add(@CurrentActor() actor: Actor, @Body() body: AddServer): Promise<ServerResponse> {
    return this.adding.add(actor, body);
  }

  @Get()
  @ApiOperation({ summary: 'List all connected MCP servers' })
  @ApiExample(200, [SERVER])
  @ApiErrors(400)
  list(@CurrentActor() actor: Actor, @Query() query: ListServers): Promise<Page<ServerResponse>> {
    return this.servers.list(actor, query);
  }

  @Delete(':serverId')
  @ApiOperation({ summary: 'Remove an MCP server connection' })
  @ApiExample(200, { message: 'MCP server example removed successfully' })
  @ApiErrors(403, 404, 409)
  remove(
    @CurrentActor() actor: Actor,
    @Param('serverId') serverId: string,
    @Query() query: OrganizationQuery,
  ): Promise<{ message: string }> {
    return this.servers.remove(actor, serverId, query.organization);
  }

  @Get(':serverId/resources')
  @TakesWorkspace()
  @ApiOperation({ summary: 'List resources from an MCP server' })
  @ApiExample(200, [{ uri: 'resource1', type: 'json', description: 'Sample resource', name: 'resource1' }])
  @ApiErrors(404, 409)
  listResources(
    @CurrentCaller() caller: Caller,
    @Param('serverId') serverId: string,
    @Query() query: ListServerResources,
  ): Promise<Page<ServerResourceResponse>> {
    return this.servers.listResources(caller, serverId, query.organization, query);
  }

  @Post(':serverId/resources/:uri/read')
  @TakesWorkspace()
  @HttpCode(200)
  @ApiOperation({ summary: 'Read a resource from an MCP server; its URI percent-encoded' })
  @ApiExample(200, { content: '...', mime_type: 'text/plain' })
  @ApiErrors(403, 404, 409, 502, 503, 504)
  read(
    @CurrentCaller() caller: Caller,
    @Param('serverId') serverId: string,
    @Param('uri') uri: string,
    @Query() query: OrganizationQuery,
    @ClientGone() signal: CancelSignal,
  ): Promise<ResourceAnswer> {
    return this.reading.readByUri(caller, serverId, uri, query.organization, signal);
  }
}
