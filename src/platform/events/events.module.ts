import { Global, Module } from '@nestjs/common';
import { Environment } from '../config/environment.js';
import { RedisService } from '../redis/redis.service.js';
import { MetricsService } from '../telemetry/metrics.service.js';
import { EventsOptions, EventsService } from './events.service.js';
import { PostgresChannel } from './postgres-channel.js';
import { RedisChannel } from './redis-channel.js';

/** `EventsOptions` comes from the database module, which knows the address. */
@Global()
@Module({
  providers: [
    {
      provide: EventsService,
      inject: [Environment, RedisService, EventsOptions, MetricsService],
      useFactory: (
        { REDIS_URL }: Environment,
        redis: RedisService,
        { listenUrl }: EventsOptions,
        metrics: MetricsService,
      ) => {
        const channel = REDIS_URL === undefined ? new PostgresChannel(listenUrl) : new RedisChannel(redis);
        return new EventsService(channel, metrics);
      },
    },
  ],
  exports: [EventsService],
})
export class EventsModule {}
