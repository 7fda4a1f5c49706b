import { Injectable, OnApplicationShutdown } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { MaybePromise } from '../maybe-promise.js';
import { useEventLoopLag } from './event-loop-lag.js';
import { Series, type Labels } from './series.js';
import { VERSION } from './version.js';

/** Seconds, for what may take a millisecond or the longest a call may. */
const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];
/** Others exist, and Node's parser lets three dozen of them through to an unknown route. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Counts one, or so many, of the series with these label values, in the order in which the labels were declared. */
export interface EventCounter {
  inc(...values: string[]): void;
  add(count: number, ...values: string[]): void;
}

export interface Distribution {
  /** @param value in the unit that the metric's name ends in */
  observe(value: number, ...values: string[]): void;
}

/**
 * Prometheus metrics. Who knows what happened registers the metric for it here, with all values that its labels can have:
 * outcomes, reasons and states, never ids, addresses or names of anybody's (docs/adr/0023-metrics.md).
 */
@Injectable()
export class MetricsService implements OnApplicationShutdown {
  readonly registry = new Registry();

  /** Routes are patterns; there is one for all that nobody serves. */
  private readonly requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to answer HTTP requests',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: [0.005, 0.02, 0.05, 0.1, 0.3, 1, 3, 10, 30],
    registers: [this.registry],
  });

  private readonly stopLag: () => void;

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    const lag = this.histogram('event_loop_lag_seconds', 'How late timers fire, twenty times a second');
    this.stopLag = useEventLoopLag(this.registry, (seconds) => lag.observe(seconds));
    this.gauges('control_plane_build_info', 'The version of the product, which is always 1', 'version', () => ({
      [VERSION]: 1,
    }));
  }

  onApplicationShutdown(): void {
    this.stopLag();
  }

  requestAnswered(method: string, route: string, status: number, seconds: number): void {
    this.requests.observe({ method: METHODS.has(method) ? method : 'other', route, status }, seconds);
  }

  /** @param name ends in `_total` */
  counter(name: string, help: string, labels: Labels = {}): EventCounter {
    const counter = new Counter({ name, help, labelNames: Object.keys(labels), registers: [this.registry] });
    const series = new Series(labels);
    for (const values of series.all) counter.inc(values, 0);
    return {
      inc: (...values) => counter.inc(series.of(values), 1),
      add: (count, ...values) => counter.inc(series.of(values), count),
    };
  }

  /**
   * @param name ends in its unit
   * @param buckets upper bounds; those of durations unless told
   */
  histogram(name: string, help: string, labels: Labels = {}, buckets: number[] = SECONDS): Distribution {
    const labelNames = Object.keys(labels);
    const histogram = new Histogram({ name, help, labelNames, buckets, registers: [this.registry] });
    const series = new Series(labels);
    for (const values of series.all) histogram.zero(values);
    return { observe: (value, ...values) => histogram.observe(series.of(values), value) };
  }

  /** A figure that is read when it is asked for; where it can't be read there is none, and the others are told all the same. */
  gauge(name: string, help: string, read: () => MaybePromise<number | undefined>): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      async collect() {
        const value = await readable(read);
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  }

  /** The same for one figure a value of `label`, of which there are only a few. */
  gauges(
    name: string,
    help: string,
    label: string,
    read: () => MaybePromise<Readonly<Record<string, number>> | undefined>,
  ): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      async collect() {
        const values = await readable(read);
        this.reset();
        for (const [value, figure] of Object.entries(values ?? {})) this.set({ [label]: value }, figure);
      },
    });
  }
}

async function readable<T>(read: () => MaybePromise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch {
    return undefined;
  }
}
