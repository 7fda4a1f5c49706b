import { Controller, Headers, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Requires } from '../../platform/auth/decorators.js';
import { ShowsSecret } from '../../platform/http/idempotency/idempotent-operations.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import { TicketsService, type TicketResponse } from './tickets.service.js';

@ApiTags('Live events')
@Requires('signed-in')
@Controller('api/v1/mcp/ws-tickets')
export class TicketsController {
  constructor(private readonly tickets: TicketsService) {}

  @Post()
  @HttpCode(201)
  @ShowsSecret()
  @ApiOperation({
    summary: 'Get a ticket to open one WebSocket with, for clients that can not set headers',
    description: '`/ws/mcp/resources/{connection_id}/?ticket=...`; its messages are in /docs/asyncapi.json',
  })
  @ApiExample(201, { ticket: '...', expires_in: 60 })
  @ApiErrors(401)
  create(@Headers('authorization') authorization: string): Promise<TicketResponse> {
    return this.tickets.create(authorization.replace(/^Bearer +/i, ''));
  }
}
