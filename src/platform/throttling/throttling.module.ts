import { Global, Logger, Module } from '@nestjs/common';
import { RateLimiterPostgres, RateLimiterRedis } from 'rate-limiter-flexible';
import { DataSource } from 'typeorm';
import { Environment } from '../config/environment.js';
import { RedisService, type RedisClient } from '../redis/redis.service.js';
import { MetricsService } from '../telemetry/metrics.service.js';
import { LeaseLimiter } from './lease-limiter.js';
import { RequestLimits } from './request-limits.js';

const WINDOW_SECONDS = 60;

/** Windows are shared by the replicas: in Redis where there is one, else in the table `rate_limits`. */
function limiter(dataSource: DataSource, redis: RedisClient | null, keyPrefix: string, limit: number): LeaseLimiter {
  const logger = new Logger('throttling');
  const window = { points: limit, duration: WINDOW_SECONDS };
  const store = redis
    ? new RateLimiterRedis({
        ...window,
        storeClient: redis,
        useRedisPackage: true,
        keyPrefix: `mcp-control-plane:${keyPrefix}`,
      })
    : new RateLimiterPostgres({
        ...window,
        storeClient: dataSource,
        storeType: 'typeorm',
        tableName: 'rate_limits',
        tableCreated: true,
        keyPrefix,
      });
  return new LeaseLimiter({ limit, windowSeconds: WINDOW_SECONDS, store, warn: (message) => logger.warn(message) });
}

@Global()
@Module({
  providers: [
    {
      provide: RequestLimits,
      inject: [Environment, DataSource, RedisService, MetricsService],
      useFactory: (
        environment: Environment,
        dataSource: DataSource,
        redisService: RedisService,
        metrics: MetricsService,
      ) => {
        const redis = redisService.open();
        return new RequestLimits(
          limiter(dataSource, redis, 'signed-in', environment.THROTTLE_AUTHENTICATED),
          limiter(dataSource, redis, 'anonymous', environment.THROTTLE_ANONYMOUS),
          limiter(dataSource, redis, 'agents', environment.AGENT_CALLS_PER_MINUTE),
          metrics,
        );
      },
    },
  ],
  exports: [RequestLimits],
})
export class ThrottlingModule {}
