import { Controller, Get } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '../../platform/auth/decorators.js';
import { Environment } from '../../platform/config/environment.js';
import { asyncApiDocument } from './asyncapi.js';

@ApiExcludeController()
@Controller('docs')
export class AsyncApiController {
  constructor(private readonly environment: Environment) {}

  @Public()
  @Get('asyncapi.json')
  document(): Record<string, unknown> {
    return asyncApiDocument(this.environment.PUBLIC_URL);
  }
}
