import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Requires, TakesWorkspace } from '../../platform/auth/decorators.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { ClientGone } from '../../platform/http/client-gone.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import { Page } from '../../platform/http/paging.js';
import { EmptyBodyAsObject, IntegerParameter } from '../../platform/http/parameters.js';
import { ListResources, ResourcesService, type ResourceResponse } from '../discovery/resources.service.js';
import { VisibilityService } from '../workspace-access/visibility.service.js';
import { CurrentCaller, type Caller } from './caller.js';
import type { ResourceAnswer } from './contents.js';
import { ReadResource } from './resources.dto.js';
import { ResourceReadingService } from './resource-reading.service.js';

const RESOURCE = {
  id: 1,
  connection: '123e4567-e89b-12d3-a456-426614174000',
  resource_uri: 'jira://PROJ/issues',
  resource_name: 'Project Issues',
  resource_type: 'issue',
  description: 'Issues in the PROJ project',
  schema: { properties: { key: { type: 'string' }, summary: { type: 'string' } } },
  operations: ['read', 'create', 'update'],
  external_id: '10000',
  parent_resource: 2,
  discovered_at: '2023-07-14T10:40:00Z',
  last_verified: '2023-07-14T10:40:00Z',
  is_available: true,
};
const resourceId = new IntegerParameter('resource');

@ApiTags('Resource Discovery')
@Requires('signed-in')
@TakesWorkspace()
@Controller('api/v1/mcp/resources')
export class ResourcesController {
  constructor(
    private readonly resources: ResourcesService,
    private readonly visibility: VisibilityService,
    private readonly reading: ResourceReadingService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List discovered resources: those one may use' })
  @ApiExample(200, [RESOURCE])
  @ApiErrors(400)
  async list(
    @CurrentCaller() { actor, workspace }: Caller,
    @Query() query: ListResources,
  ): Promise<Page<ResourceResponse>> {
    return this.resources.list((await this.visibility.of(actor, workspace)).resources, query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a discovered resource' })
  @ApiExample(200, RESOURCE)
  @ApiErrors(404)
  async get(
    @CurrentCaller() { actor, workspace }: Caller,
    @Param('id', resourceId) id: number,
  ): Promise<ResourceResponse> {
    return this.resources.get((await this.visibility.of(actor, workspace)).resources, id);
  }

  @Post(':id/read')
  @HttpCode(200)
  @ApiOperation({ summary: 'Read a discovered resource' })
  @ApiExample(200, {
    content: '[{"id":"10001","title":"Fix login","status":"To Do","updated_at":"2026-11-25T08:00:00Z"}]',
    mime_type: 'application/json',
    checkpoint: '2026-11-25T08:00:00Z',
  })
  @ApiErrors(400, 403, 404, 409, 502, 503, 504)
  read(
    @CurrentCaller() caller: Caller,
    @Param('id', resourceId) id: number,
    @Body(EmptyBodyAsObject) window: ReadResource,
    @ClientGone() signal: CancelSignal,
  ): Promise<ResourceAnswer> {
    return this.reading.readById(caller, id, window, signal);
  }
}
