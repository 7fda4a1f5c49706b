import { Global, Module, OnApplicationShutdown } from '@nestjs/common';
import { EgressClient } from '../platform/egress/egress-client.js';
import { EventsService } from '../platform/events/events.service.js';
import { MetricsService } from '../platform/telemetry/metrics.service.js';
import { VERSION } from '../platform/telemetry/version.js';
import { BUILTIN_SERVERS, type BuiltinServers } from './builtin-server.js';
import { UpstreamMetrics } from './upstream-metrics.js';
import { UpstreamPool } from './upstream-pool.js';
import { upstreamListChanged } from './upstream.events.js';

/** How we introduce ourselves to upstream servers. */
const CLIENT_INFO = { name: 'mcp-control-plane', version: VERSION };

@Global()
@Module({
  providers: [
    UpstreamMetrics,
    {
      provide: UpstreamPool,
      inject: [EgressClient, EventsService, BUILTIN_SERVERS, MetricsService],
      useFactory: (egress: EgressClient, events: EventsService, builtins: BuiltinServers, metrics: MetricsService) =>
        new UpstreamPool({
          egress,
          builtins,
          clientInfo: CLIENT_INFO,
          queued: metrics.histogram(
            'upstream_queue_seconds',
            'How long requests waited for their turn, where they had to',
          ),
          onListChanged: (connectionId) => events.dispatch(upstreamListChanged(connectionId)),
        }),
    },
  ],
  exports: [UpstreamMetrics, UpstreamPool],
})
export class McpModule implements OnApplicationShutdown {
  constructor(
    private readonly pool: UpstreamPool,
    metrics: MetricsService,
  ) {
    metrics.gauge('upstream_sessions', 'Open sessions with upstream servers', () => pool.statistics().sessions);
    metrics.gauge(
      'upstream_requests_in_flight',
      'Requests that upstream servers work on',
      () => pool.statistics().inFlight,
    );
    metrics.gauge('upstream_requests_queued', 'Requests that wait for their turn', () => pool.statistics().queued);
    metrics.gauges(
      'upstream_circuits',
      'Connections in use, by the state of their circuit: those that are open are left alone after failures',
      'state',
      () => pool.statistics().circuits,
    );
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.close();
  }
}
