import { DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { McpModule } from './mcp/mcp.module.js';
import { MODULES } from './modules/index.js';
import { AuthModule } from './platform/auth/auth.module.js';
import { AuthorizationGuard } from './platform/auth/authorization.guard.js';
import { ConfigModule } from './platform/config/config.module.js';
import type { Environment } from './platform/config/environment.js';
import { CryptoModule } from './platform/crypto/crypto.module.js';
import { DatabaseModule, type DatabaseAddresses } from './platform/database/database.module.js';
import { EgressModule } from './platform/egress/egress.module.js';
import { HealthModule } from './platform/health/health.module.js';
import { ErrorFilter } from './platform/http/error.filter.js';
import { IdempotencyInterceptor } from './platform/http/idempotency/idempotency.interceptor.js';
import { IdempotencyModule } from './platform/http/idempotency/idempotency.module.js';
import { PageInterceptor } from './platform/http/paging.js';
import { requestValidation } from './platform/http/validation.js';
import { JobsModule } from './platform/jobs/jobs.module.js';
import { ProcessesModule } from './platform/processes/processes.module.js';
import { RedisModule } from './platform/redis/redis.module.js';
import { SchemasModule } from './platform/schemas/schemas.module.js';
import { TelemetryModule } from './platform/telemetry/telemetry.module.js';
import { ThrottlingModule } from './platform/throttling/throttling.module.js';
import { ProvidersModule } from './providers/providers.module.js';

@Module({})
export class AppModule {
  static with(environment: Environment, database: DatabaseAddresses): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.with(environment),
        RedisModule,
        DatabaseModule.at(database),
        // Right after the database: global modules start in this order and stop in the opposite one, so that the process counts
        // as alive before any of its work begins, and until all of it has ended.
        ProcessesModule,
        AuthModule,
        CryptoModule,
        EgressModule,
        HealthModule,
        IdempotencyModule,
        JobsModule,
        McpModule,
        ProvidersModule,
        SchemasModule,
        TelemetryModule,
        ThrottlingModule,
        ...MODULES,
      ],
      providers: [
        // Before it, for every request and also for unknown paths: platform/http/request-hooks.ts signs in and counts.
        { provide: APP_GUARD, useClass: AuthorizationGuard },
        { provide: APP_PIPE, useFactory: requestValidation },
        // Outside of the other, so that what it keeps is the body as it is sent.
        { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
        { provide: APP_INTERCEPTOR, useClass: PageInterceptor },
        { provide: APP_FILTER, useClass: ErrorFilter },
      ],
    };
  }
}
