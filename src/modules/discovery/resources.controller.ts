import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import { Page } from '../../platform/http/paging.js';
import { IntegerParameter } from '../../platform/http/parameters.js';
import { ListResources, type ResourceResponse } from './resources.dto.js';
import { ResourcesService } from './resources.service.js';

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
@Controller('api/v1/mcp/resources')
export class ResourcesController {
  constructor(private readonly resources: ResourcesService) {}

  @Get()
  @ApiOperation({ summary: 'List discovered resources' })
  @ApiExample(200, [RESOURCE])
  @ApiErrors(400)
  list(@CurrentActor() actor: Actor, @Query() query: ListResources): Promise<Page<ResourceResponse>> {
    return this.resources.list(actor, query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a discovered resource' })
  @ApiExample(200, RESOURCE)
  @ApiErrors(404)
  get(@CurrentActor() actor: Actor, @Param('id', resourceId) id: number): Promise<ResourceResponse> {
    return this.resources.get(actor, id);
  }
}
