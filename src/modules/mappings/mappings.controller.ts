import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { ClientGone } from '../../platform/http/client-gone.js';
import { ApiErrors, ApiExample, NoContent } from '../../platform/http/openapi.js';
import { Page } from '../../platform/http/paging.js';
import { IntegerParameter } from '../../platform/http/parameters.js';
import { MappingChangesService } from './mapping-changes.service.js';
import { MappingPreviewService } from './mapping-preview.service.js';
import {
  CreateMapping,
  ListItems,
  ListMappings,
  PushItem,
  UpdateMapping,
  type ItemResponse,
  type MappingResponse,
  type PreviewedItem,
} from './mappings.dto.js';
import { MappingsService } from './mappings.service.js';
import { PushService, type PushedResponse } from './push.service.js';

const MAPPING = {
  id: 1,
  workspace_access: 1,
  resource: { id: 1, resource_name: 'Project Issues', resource_type: 'issue' },
  component_type: 'workflow',
  component_id: '123e4567-e89b-12d3-a456-426614174444',
  mapping_config: { field_mappings: { issue_key: '{{context.issue_id}}', summary: '{{context.title}}' } },
  last_synced: '2023-07-14T11:30:00Z',
  sync_frequency: 3600,
  is_active: true,
  created_at: '2023-07-01T13:00:00Z',
};
const DATA = { issue_key: 'DEV-1', summary: 'Fix login' };
const ITEM = {
  id: 1,
  external_id: '10001',
  status: 'synced',
  data: DATA,
  error: null,
  synced_at: '2023-07-14T11:30:00Z',
};
export const mappingId = new IntegerParameter('mapping');

@ApiTags('Resource Mappings')
@Requires('signed-in')
@Controller('api/v1/mcp/mappings')
export class MappingsController {
  constructor(
    private readonly mappings: MappingsService,
    private readonly changes: MappingChangesService,
    private readonly previews: MappingPreviewService,
    private readonly pushes: PushService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List resource mappings' })
  @ApiExample(200, [MAPPING])
  @ApiErrors(400)
  list(@CurrentActor() actor: Actor, @Query() query: ListMappings): Promise<Page<MappingResponse>> {
    return this.mappings.list(actor, query);
  }

  @Post()
  @ApiOperation({ summary: 'Map the records of a resource to a component' })
  @ApiExample(201, MAPPING)
  @ApiErrors(400, 403, 404, 409)
  create(@CurrentActor() actor: Actor, @Body() body: CreateMapping): Promise<MappingResponse> {
    return this.changes.create(actor, body);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a resource mapping' })
  @ApiExample(200, MAPPING)
  @ApiErrors(404)
  get(@CurrentActor() actor: Actor, @Param('id', mappingId) id: number): Promise<MappingResponse> {
    return this.mappings.get(actor, id);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change a resource mapping; another shape is applied to all records with the next sync' })
  @ApiExample(200, MAPPING)
  @ApiErrors(400, 403, 404, 409)
  update(
    @CurrentActor() actor: Actor,
    @Param('id', mappingId) id: number,
    @Body() body: UpdateMapping,
  ): Promise<MappingResponse> {
    return this.changes.update(actor, id, body);
  }

  @Delete(':id')
  @NoContent()
  @ApiOperation({ summary: 'Remove a resource mapping and its items' })
  @ApiErrors(403, 404)
  remove(@CurrentActor() actor: Actor, @Param('id', mappingId) id: number): Promise<void> {
    return this.changes.remove(actor, id);
  }

  @Get(':id/items')
  @ApiOperation({ summary: 'List the records of a mapping in the shape of the component' })
  @ApiExample(200, [ITEM])
  @ApiErrors(400, 404)
  items(
    @CurrentActor() actor: Actor,
    @Param('id', mappingId) id: number,
    @Query() query: ListItems,
  ): Promise<Page<ItemResponse>> {
    return this.mappings.items(actor, id, query);
  }

  @Post(':id/items/:external/push')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take a changed item back to the server, unless it changed there since the last sync' })
  @ApiExample(200, { success: true, message: 'The item was pushed', external_id: '10001' })
  @ApiErrors(400, 403, 404, 409, 429, 502, 503, 504)
  push(
    @CurrentActor() actor: Actor,
    @Param('id', mappingId) id: number,
    @Param('external') external: string,
    @Body() body: PushItem,
    @ClientGone() signal: CancelSignal,
  ): Promise<PushedResponse> {
    return this.pushes.push(actor, id, external, body.data, signal);
  }

  @Post(':id/preview')
  @HttpCode(200)
  @ApiOperation({ summary: 'Read the first records and show what they would become; nothing is written' })
  @ApiExample(200, { items: [{ external_id: '10001', data: DATA, error: null }] })
  @ApiErrors(403, 404, 502, 503, 504)
  preview(
    @CurrentActor() actor: Actor,
    @Param('id', mappingId) id: number,
    @ClientGone() signal: CancelSignal,
  ): Promise<{ items: PreviewedItem[] }> {
    return this.previews.preview(actor, id, signal);
  }
}
