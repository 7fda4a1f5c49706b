import { Global, Module } from '@nestjs/common';
import { EventsService } from './events.service.js';

/** `EventsOptions` comes from the database module, which knows the address. */
@Global()
@Module({ providers: [EventsService], exports: [EventsService] })
export class EventsModule {}
