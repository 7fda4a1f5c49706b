import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Requires, TakesWorkspace } from '../../platform/auth/decorators.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { ClientGone } from '../../platform/http/client-gone.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import { Page } from '../../platform/http/paging.js';
import { EmptyBodyAsObject } from '../../platform/http/parameters.js';
import { CurrentCaller, type Caller } from './caller.js';
import type { ToolAnswer } from './contents.js';
import { ExecuteTool, ListTools, OrganizationQuery, type ToolResponse } from './tools.dto.js';
import { ToolsService } from './tools.service.js';

const TOOL = {
  id: 'example_get_weather',
  name: 'Get Weather',
  description: 'Get weather information for a location',
  category: 'utility',
  server_name: 'Example Server',
  parameters: [{ name: 'location', type: 'string', required: true }],
  server_id: 'example',
  effect: 'write',
  review: 'approved',
  blocked: null,
};
const RESULT = {
  result: 'The weather in Berlin is sunny and 25°C.',
  content: [{ type: 'text', text: 'The weather in Berlin is sunny and 25°C.' }],
  is_error: false,
};

@ApiTags('MCP tools')
@Requires('signed-in')
@TakesWorkspace()
@Controller('mcp/tools')
export class ToolsController {
  constructor(private readonly tools: ToolsService) {}

  @Get()
  @ApiOperation({ summary: 'List all available MCP tools' })
  @ApiExample(200, [TOOL])
  @ApiErrors(400)
  list(@CurrentCaller() caller: Caller, @Query() query: ListTools): Promise<Page<ToolResponse>> {
    return this.tools.list(caller, query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get details for a specific MCP tool' })
  @ApiExample(200, TOOL)
  @ApiErrors(404, 409)
  get(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() query: OrganizationQuery,
  ): Promise<ToolResponse> {
    return this.tools.get(caller, id, query.organization);
  }

  @Post(':id/execute')
  @HttpCode(200)
  @ApiOperation({ summary: 'Execute an MCP tool' })
  @ApiExample(200, RESULT)
  @ApiErrors(400, 403, 404, 409, 502, 503, 504)
  execute(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() query: OrganizationQuery,
    @Body(EmptyBodyAsObject) body: ExecuteTool,
    @ClientGone() signal: CancelSignal,
  ): Promise<ToolAnswer> {
    return this.tools.execute(caller, id, query.organization, body, signal);
  }
}
