import { Global, Module } from '@nestjs/common';
import { JobsService } from './jobs.service.js';
import { WaitingJobsService } from './waiting-jobs.service.js';

/** `EventsOptions` comes from the database module, which knows the direct address. */
@Global()
@Module({ providers: [JobsService, WaitingJobsService], exports: [JobsService] })
export class JobsModule {}
