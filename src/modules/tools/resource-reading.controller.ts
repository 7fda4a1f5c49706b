import { Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Actor } from '../../platform/auth/actor.js';
import { CurrentActor, Requires } from '../../platform/auth/decorators.js';
import { ClientGone } from '../../platform/http/client-gone.js';
import { ApiErrors, ApiExample } from '../../platform/http/openapi.js';
import { IntegerParameter } from '../../platform/http/parameters.js';
import type { ResourceAnswer } from './contents.js';
import { ResourceReadingService } from './resource-reading.service.js';

const resourceId = new IntegerParameter('resource');

@ApiTags('Resource Discovery')
@Requires('signed-in')
@Controller('api/v1/mcp/resources')
export class ResourceReadingController {
  constructor(private readonly reading: ResourceReadingService) {}

  @Post(':id/read')
  @HttpCode(200)
  @ApiOperation({ summary: 'Read a discovered resource' })
  @ApiExample(200, { content: '...', mime_type: 'text/plain' })
  @ApiErrors(403, 404, 502, 503, 504)
  read(
    @CurrentActor() actor: Actor,
    @Param('id', resourceId) id: number,
    @ClientGone() signal: AbortSignal,
  ): Promise<ResourceAnswer> {
    return this.reading.readById(actor, id, signal);
  }
}
