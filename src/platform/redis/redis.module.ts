import { Global, Module } from '@nestjs/common';
import { Environment } from '../config/environment.js';
import { RedisService } from './redis.service.js';

@Global()
@Module({
  providers: [
    {
      provide: RedisService,
      inject: [Environment],
      useFactory: ({ REDIS_URL }: Environment) => RedisService.at(REDIS_URL),
    },
  ],
  exports: [RedisService],
})
export class RedisModule {}
