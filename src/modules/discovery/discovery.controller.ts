import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import { Page, PageQuery } from '../../platform/http/paging.js';
import { EmptyBodyAsObject, UuidParameter } from '../../platform/http/parameters.js';
import { DiscoverRequest, type DiscoverResponse, type DiscoveryRunResponse } from './discovery.dto.js';
import { DiscoveryService } from './discovery.service.js';

const DISCOVERED = {
  success: true,
  message: 'Resource discovery completed',
  resources_found: 42,
  resources_created: 35,
  resources_updated: 7,
  resources_vanished: 0,
  complete: true,
  problems: [],
  run_id: '01890f5e-7c3a-7cc4-9c2e-3a1f0f3b9d11',
};
const RUN = {
  id: '01890f5e-7c3a-7cc4-9c2e-3a1f0f3b9d11',
  connection: '123e4567-e89b-12d3-a456-426614174000',
  status: 'running',
  stage: 'tools/list',
  resources_found: 20,
  resources_created: 0,
  resources_updated: 0,
  resources_vanished: 0,
  problems: [],
  started_at: '2023-07-14T10:40:00Z',
  finished_at: null,
};
const connectionId = new UuidParameter('connection');
const runIdParameter = new UuidParameter('run');

@ApiTags('Server Connections')
@Requires('signed-in')
@Controller('api/v1/mcp/connections')
export class DiscoveryController {
  constructor(private readonly discovery: DiscoveryService) {}

  @Post(':id/discover')
  @HttpCode(200)
  @ApiOperation({ summary: 'Discover resources' })
  @ApiHeader({
    name: 'Prefer',
    required: false,
    description: '`respond-async` answers 202 with the address of the run (RFC 7240)',
  })
  @ApiExample(200, DISCOVERED)
  @ApiExample(202, RUN, 'Started; its address is in the Location header')
  @ApiErrors(400, 403, 404, 502, 503, 504)
  async discover(
    @CurrentActor() actor: Actor,
    @Param('id', connectionId) id: string,
    @Body(EmptyBodyAsObject) body: DiscoverRequest,
    @Headers('prefer') prefer: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<DiscoverResponse | DiscoveryRunResponse> {
    if (!/\brespond-async\b/i.test(prefer ?? '')) return this.discovery.discover(actor, id, body);
    const run = await this.discovery.discoverInBackground(actor, id, body);
    void reply
      .status(202)
      .header('preference-applied', 'respond-async')
      .header('location', `/api/v1/mcp/connections/${id}/discoveries/${run.id}/`);
    return run;
  }

  @Get(':id/discoveries')
  @ApiOperation({ summary: 'List the discovery runs of a connection' })
  @ApiExample(200, [RUN])
  @ApiErrors(403, 404)
  list(
    @CurrentActor() actor: Actor,
    @Param('id', connectionId) id: string,
    @Query() page: PageQuery,
  ): Promise<Page<DiscoveryRunResponse>> {
    return this.discovery.listRuns(actor, id, page);
  }

  @Get(':id/discoveries/:runId')
  @ApiOperation({ summary: 'How far a discovery is' })
  @ApiExample(200, RUN)
  @ApiErrors(403, 404)
  get(
    @CurrentActor() actor: Actor,
    @Param('id', connectionId) id: string,
    @Param('runId', runIdParameter) runId: string,
  ): Promise<DiscoveryRunResponse> {
    return this.discovery.getRun(actor, id, runId);
  }
}
