import { Injectable } from '@nestjs/common';
import { MetricsService, type Distribution, type EventCounter } from '../../platform/telemetry/metrics.service.js';
import { COUNTS, DOORS, type CallFacts, type CallOutcome, type CallTimes } from './call.js';

const OPERATIONS = ['tools/call', 'resources/read', 'resources/subscribe', 'prompts/get', 'completion/complete'];

/** What the ledger writes down, as figures: a call counts when its end is committed, once, like its row. */
@Injectable()
export class CallMetrics {
  private readonly calls: EventCounter;
  private readonly whole: Distribution;
  private readonly upstream: Distribution;
  private readonly own: Distribution;

  constructor(metrics: MetricsService) {
    const operation = OPERATIONS;
    this.calls = metrics.counter('calls_total', 'Calls in the ledger, by outcome', {
      operation,
      door: DOORS,
      outcome: Object.keys(COUNTS),
    });
    const help = 'Time of calls that were allowed';
    this.whole = metrics.histogram('call_duration_seconds', `${help}, from policy to ledger`, { operation });
    this.upstream = metrics.histogram('call_upstream_seconds', `${help}: what the upstream took`, { operation });
    this.own = metrics.histogram('call_overhead_seconds', `${help}: what this product added`, { operation });
  }

  ended({ operation, door }: CallFacts, outcome: CallOutcome): void {
    this.calls.inc(operation, door, outcome);
  }

  timed({ operation }: CallFacts, { startedAt, upstreamMs }: CallTimes): void {
    const wholeMs = performance.now() - startedAt;
    this.whole.observe(wholeMs / 1_000, operation);
    this.upstream.observe(upstreamMs / 1_000, operation);
    this.own.observe(Math.max(0, wholeMs - upstreamMs) / 1_000, operation);
  }
}
