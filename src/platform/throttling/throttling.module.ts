import { Global, Logger, Module } from '@nestjs/common';
import { RateLimiterPostgres } from 'rate-limiter-flexible';
import { DataSource } from 'typeorm';
import { Environment } from '../config/environment.js';
import { LeaseLimiter } from './lease-limiter.js';
import { RequestLimits } from './request-limits.js';

const WINDOW_SECONDS = 60;

/** Windows are shared by the replicas in the table `rate_limits`. */
function limiter(dataSource: DataSource, keyPrefix: string, limit: number): LeaseLimiter {
  const logger = new Logger('throttling');
  const store = new RateLimiterPostgres({
    storeClient: dataSource,
    storeType: 'typeorm',
    tableName: 'rate_limits',
    tableCreated: true,
    keyPrefix,
    points: limit,
    duration: WINDOW_SECONDS,
  });
  return new LeaseLimiter({ limit, windowSeconds: WINDOW_SECONDS, store, warn: (message) => logger.warn(message) });
}

@Global()
@Module({
  providers: [
    {
      provide: RequestLimits,
      inject: [Environment, DataSource],
      useFactory: (environment: Environment, dataSource: DataSource) =>
        new RequestLimits(
          limiter(dataSource, 'signed-in', environment.THROTTLE_AUTHENTICATED),
          limiter(dataSource, 'anonymous', environment.THROTTLE_ANONYMOUS),
        ),
    },
  ],
  exports: [RequestLimits],
})
export class ThrottlingModule {}
