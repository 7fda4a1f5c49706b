import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { DocumentedKeys } from './documented-keys.js';
import { IdempotencyService } from './idempotency.service.js';

@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [DocumentedKeys, IdempotencyService],
  exports: [IdempotencyService],
})
export class IdempotencyModule {}
