import { Global, Module, OnApplicationShutdown } from '@nestjs/common';
import { EgressClient } from '../platform/egress/egress-client.js';
import { EventsService } from '../platform/events/events.service.js';
import { MetricsService } from '../platform/telemetry/metrics.service.js';
import { BUILTIN_SERVERS, type BuiltinServers } from './builtin-server.js';
import { UpstreamPool } from './upstream-pool.js';
import { upstreamListChanged } from './upstream.events.js';

/** How we introduce ourselves to upstream servers. */
const CLIENT_INFO = { name: 'mcp-control-plane', version: '0.1.0' };

@Global()
@Module({
  providers: [
    {
      provide: UpstreamPool,
      inject: [EgressClient, EventsService, BUILTIN_SERVERS],
      useFactory: (egress: EgressClient, events: EventsService, builtins: BuiltinServers) =>
        new UpstreamPool({
          egress,
          builtins,
          clientInfo: CLIENT_INFO,
          onListChanged: (connectionId) => events.dispatch(upstreamListChanged(connectionId)),
        }),
    },
  ],
  exports: [UpstreamPool],
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
    metrics.gauge(
      'upstream_circuits_open',
      'Connections that are left alone after failures',
      () => pool.statistics().circuits.open,
    );
  }

  async onApplicationShutdown(): Promise<void> {
    await this.pool.close();
  }
}
