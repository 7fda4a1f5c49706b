import { Global, Module } from '@nestjs/common';
import { ProcessLease } from './process-lease.service.js';

@Global()
@Module({ providers: [ProcessLease], exports: [ProcessLease] })
export class ProcessesModule {}
