import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ApiErrors, ApiExample, NoContent } from '../../platform/http/openapi.js';
import { Page } from '../../platform/http/paging.js';
import { UuidParameter } from '../../platform/http/parameters.js';
import { mappingId } from './mappings.controller.js';
import {
  ListDeliveries,
  SetWebhook,
  type DeliveryResponse,
  type NewWebhookResponse,
  type WebhookResponse,
} from './webhooks.dto.js';
import { WebhooksService } from './webhooks.service.js';

const WEBHOOK = { url: 'https://hooks.acme.example/issues', created_at: '2023-07-01T13:00:00Z' };
const DELIVERY = {
  id: '123e4567-e89b-12d3-a456-426614174666',
  status: 'dead',
  upserted: 3,
  deleted: 0,
  attempts: 11,
  last_status: 500,
  last_error: 'answered 500',
  created_at: '2023-07-14T11:30:00Z',
  delivered_at: null,
};
const deliveryId = new UuidParameter('delivery');

@ApiTags('Resource Mappings')
@Requires('signed-in')
@Controller('api/v1/mcp/mappings/:id')
export class WebhooksController {
  constructor(private readonly webhooks: WebhooksService) {}

  @Get('webhook')
  @ApiOperation({ summary: 'Get where changed items are delivered to' })
  @ApiExample(200, WEBHOOK)
  @ApiErrors(404)
  get(@CurrentActor() actor: Actor, @Param('id', mappingId) id: number): Promise<WebhookResponse> {
    return this.webhooks.get(actor, id);
  }

  @Put('webhook')
  @ApiOperation({ summary: 'Deliver changed items to a webhook; its secret is shown once' })
  @ApiExample(200, { ...WEBHOOK, secret: 'whsec_...' })
  @ApiErrors(400, 403, 404)
  set(
    @CurrentActor() actor: Actor,
    @Param('id', mappingId) id: number,
    @Body() body: SetWebhook,
  ): Promise<NewWebhookResponse> {
    return this.webhooks.set(actor, id, body.url);
  }

  @Delete('webhook')
  @NoContent()
  @ApiOperation({ summary: 'Deliver nothing any more' })
  @ApiErrors(403, 404)
  remove(@CurrentActor() actor: Actor, @Param('id', mappingId) id: number): Promise<void> {
    return this.webhooks.remove(actor, id);
  }

  @Get('deliveries')
  @ApiOperation({ summary: 'List deliveries; with status=dead those that were given up' })
  @ApiExample(200, [DELIVERY])
  @ApiErrors(400, 404)
  deliveries(
    @CurrentActor() actor: Actor,
    @Param('id', mappingId) id: number,
    @Query() query: ListDeliveries,
  ): Promise<Page<DeliveryResponse>> {
    return this.webhooks.deliveries(actor, id, query);
  }

  @Post('deliveries/:delivery/resend')
  @HttpCode(200)
  @ApiOperation({ summary: 'Deliver a batch again' })
  @ApiExample(200, { success: true, message: 'It is delivered again' })
  @ApiErrors(403, 404, 409)
  resend(
    @CurrentActor() actor: Actor,
    @Param('id', mappingId) id: number,
    @Param('delivery', deliveryId) delivery: string,
  ): Promise<{ success: true; message: string }> {
    return this.webhooks.resend(actor, id, delivery);
  }
}
