import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import type { Page } from '../../platform/http/paging.js';
import { UuidParameter } from '../../platform/http/parameters.js';
import { ListCalls, type CallResponse } from './calls.dto.js';
import { CallsService } from './calls.service.js';

const CALL = {
  id: '01895f0e-7a2b-7c3d-9e4f-5a6b7c8d9e0f',
  organization: '123e4567-e89b-12d3-a456-426614174111',
  workspace: '123e4567-e89b-12d3-a456-426614174333',
  workspace_access: 1,
  connection: { id: '123e4567-e89b-12d3-a456-426614174000', connection_name: 'Acme Jira' },
  resource: { id: 1, resource_name: 'Project Issues', resource_type: 'issue' },
  tool: { id: 7, name: 'search_issues' },
  actor: { type: 'user', id: '123e4567-e89b-12d3-a456-426614174222' },
  door: 'rest',
  operation: 'tools/call',
  started_at: '2023-07-14T11:00:00.000Z',
  finished_at: '2023-07-14T11:00:00.450Z',
  outcome: 'ok',
  reason: 'granted',
  duration: 0.448,
  bytes_sent: 48,
  bytes_received: 2000,
  cost: 0.05,
  request_id: '0f5f1c8e-3a2a-4a39-8f2e-0d6b1f0a7c11',
  arguments_hash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
};
const callId = new UuidParameter('call');

@ApiTags('Usage')
@Requires('signed-in')
@Controller('api/v1/mcp/calls')
export class CallsController {
  constructor(private readonly calls: CallsService) {}

  @Get()
  @ApiOperation({ summary: 'List calls, denied ones and those under way too, newest first' })
  @ApiExample(200, [CALL])
  @ApiErrors(400)
  list(@CurrentActor() actor: Actor, @Query() query: ListCalls): Promise<Page<CallResponse>> {
    return this.calls.list(actor, query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Get a call' })
  @ApiExample(200, CALL)
  @ApiErrors(404)
  get(@CurrentActor() actor: Actor, @Param('id', callId) id: string): Promise<CallResponse> {
    return this.calls.get(actor, id);
  }
}
