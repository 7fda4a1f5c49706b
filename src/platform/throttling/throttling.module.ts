import { Global, Module } from '@nestjs/common';
import { Environment } from '../config/environment.js';
import { LeaseLimiter } from './lease-limiter.js';
import { RequestLimits } from './request-limits.js';

const WINDOW_SECONDS = 60;

@Global()
@Module({
  providers: [
    {
      provide: RequestLimits,
      inject: [Environment],
      useFactory: (environment: Environment) => {
        const limiter = (limit: number) => new LeaseLimiter({ limit, windowSeconds: WINDOW_SECONDS, store: null });
        return new RequestLimits(
          limiter(environment.THROTTLE_AUTHENTICATED),
          limiter(environment.THROTTLE_ANONYMOUS),
        );
      },
    },
  ],
  exports: [RequestLimits],
})
export class ThrottlingModule {}
