import { Global, Module } from '@nestjs/common';
import { Environment } from '../config/environment.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsService } from './metrics.service.js';
import { TracingService } from './tracing.service.js';

@Global()
@Module({
  controllers: [MetricsController],
  providers: [
    MetricsService,
    {
      provide: TracingService,
      inject: [Environment],
      useFactory: ({ OTEL_EXPORTER_OTLP_ENDPOINT }: Environment) => new TracingService(OTEL_EXPORTER_OTLP_ENDPOINT),
    },
  ],
  exports: [MetricsService, TracingService],
})
export class TelemetryModule {}
