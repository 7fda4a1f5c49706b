import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { ClientGone } from '../../platform/http/client-gone.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import { Page, PageQuery } from '../../platform/http/paging.js';
import { EmptyBodyAsObject, UuidParameter } from '../../platform/http/parameters.js';
import { mappingId } from './mappings.controller.js';
import { SyncRequest, type SyncedResponse, type SyncResponse } from './mappings.dto.js';
import { isUnderWay, SyncsService, toSyncedResponse } from './syncs.service.js';

const ID = '123e4567-e89b-12d3-a456-426614174555';
const SYNCED = {
  success: true,
  message: 'Synchronization triggered',
  sync_id: ID,
  items_synced: 15,
  items_failed: 0,
  items_written: 3,
  items_deleted: 1,
  status: 'completed',
};
const SYNC = {
  id: ID,
  mapping: 1,
  status: 'completed',
  trigger: 'manual',
  mode: 'incremental',
  items_synced: 15,
  items_written: 3,
  items_failed: 0,
  items_deleted: 0,
  failures: [],
  error: null,
  created_at: '2023-07-14T11:29:58Z',
  started_at: '2023-07-14T11:29:58Z',
  finished_at: '2023-07-14T11:30:00Z',
};
const syncId = new UuidParameter('sync');

@ApiTags('Resource Mappings')
@Requires('signed-in')
@Controller('api/v1/mcp/mappings/:id')
export class SyncsController {
  constructor(private readonly syncs: SyncsService) {}

  @Post('sync')
  @HttpCode(200)
  @ApiOperation({ summary: 'Sync resource mapping' })
  @ApiHeader({
    name: 'Prefer',
    required: false,
    description:
      '`respond-async` answers 202 with the address of the sync at once (RFC 7240); else after 20 s at the latest',
  })
  @ApiExample(200, SYNCED)
  @ApiExample(202, SYNC, 'It goes on; its address is in the Location header')
  @ApiErrors(400, 403, 404, 409, 502, 503, 504)
  async sync(
    @CurrentActor() actor: Actor,
    @Param('id', mappingId) id: number,
    @Body(EmptyBodyAsObject) body: SyncRequest,
    @Headers('prefer') prefer: string | undefined,
    @ClientGone() signal: CancelSignal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SyncedResponse | SyncResponse> {
    const isAsync = /\brespond-async\b/i.test(prefer ?? '');
    const sync = isAsync ? await this.syncs.start(actor, id, body) : await this.syncs.sync(actor, id, body, signal);
    if (!isUnderWay(sync)) return toSyncedResponse(sync);
    if (isAsync) void reply.header('preference-applied', 'respond-async');
    void reply.status(202).header('location', `/api/v1/mcp/mappings/${id}/syncs/${sync.id}/`);
    return sync;
  }

  @Get('syncs')
  @ApiOperation({ summary: 'List the syncs of a mapping' })
  @ApiExample(200, [SYNC])
  @ApiErrors(400, 404)
  list(
    @CurrentActor() actor: Actor,
    @Param('id', mappingId) id: number,
    @Query() page: PageQuery,
  ): Promise<Page<SyncResponse>> {
    return this.syncs.list(actor, id, page);
  }

  @Get('syncs/:sync')
  @ApiOperation({ summary: 'Get a sync, also while it is under way' })
  @ApiExample(200, SYNC)
  @ApiErrors(404)
  get(
    @CurrentActor() actor: Actor,
    @Param('id', mappingId) id: number,
    @Param('sync', syncId) sync: string,
  ): Promise<SyncResponse> {
    return this.syncs.get(actor, id, sync);
  }
}
