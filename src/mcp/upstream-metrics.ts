import { Injectable } from '@nestjs/common';
import { MetricsService, type EventCounter } from '../platform/telemetry/metrics.service.js';
import { UPSTREAM_REASONS, UpstreamError } from './upstream.js';

const OPERATIONS = [
  'tools/call',
  'resources/read',
  'resources/subscribe',
  'prompts/get',
  'completion/complete',
  'discover',
  'check',
] as const;
export type UpstreamOperation = (typeof OPERATIONS)[number];

/** Counts uses of upstream servers. Whoever uses one says how it ended. */
@Injectable()
export class UpstreamMetrics {
  private readonly uses: EventCounter;

  constructor(metrics: MetricsService) {
    this.uses = metrics.counter('upstream_calls_total', 'Uses of upstream servers, by outcome: ok, or why not', {
      operation: OPERATIONS,
      // `partial`: a discovery that met a limit; `failed`: for a reason of ours.
      outcome: ['ok', 'partial', 'failed', ...UPSTREAM_REASONS],
    });
  }

  succeeded(operation: UpstreamOperation, outcome: 'ok' | 'partial' = 'ok'): void {
    this.uses.inc(operation, outcome);
  }

  failed(operation: UpstreamOperation, error: unknown): void {
    this.uses.inc(operation, error instanceof UpstreamError ? error.reason : 'failed');
  }
}
