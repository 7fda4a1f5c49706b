import { Controller, Get } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../auth/decorators.js';
import { ApiErrors, ApiExample } from '../http/openapi.js';
import { HealthService } from './health.service.js';

@ApiTags('Operations')
@Public()
@Controller('health')
export class HealthController {
  constructor(private readonly health: HealthService) {}

  @Get('live')
  @ApiOperation({ summary: 'Is the process alive' })
  @ApiExample(200, { status: 'live' })
  live(): { status: 'live' } {
    return { status: 'live' };
  }

  @Get('ready')
  @ApiOperation({ summary: 'Should it get traffic: database reachable, not shutting down' })
  @ApiExample(200, { status: 'ready' })
  @ApiErrors(503)
  ready(): Promise<{ status: 'ready' }> {
    return this.health.assertReady();
  }
}
