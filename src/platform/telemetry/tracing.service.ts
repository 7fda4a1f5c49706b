import { Logger, OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { Tracer } from '@opentelemetry/api';
import type { TracerProvider } from '@opentelemetry/sdk-trace';
import type { TraceContext } from './trace-context.js';
import { VERSION } from './version.js';

/** A piece of work that has ended. */
export interface EndedSpan {
  /** Few different ones: routes and methods, no ids. */
  name: string;
  kind: 'server' | 'client';
  trace: TraceContext;
  /** Milliseconds of {@link now}. */
  startedAt: number;
  attributes: Record<string, string | number>;
  /** Why it failed, if it did: a code, `error.type` of OpenTelemetry. */
  failure?: string | undefined;
}

const SERVICE = { 'service.name': 'mcp-control-plane', 'service.version': VERSION };
/** Milliseconds that the end of the process waits for what is still to be sent. */
const LAST_FLUSH_MS = 2_000;

/**
 * Sends traces by OTLP over HTTP to the collector of `OTEL_EXPORTER_OTLP_ENDPOINT`. Spans are made when they end, with the ids that
 * were handed on meanwhile, so that nothing is held for a call under way; and without a collector nothing is loaded or made at all.
 * https://opentelemetry.io/docs/specs/otlp/#otlphttp
 */
export class TracingService implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('tracing');
  private sdk: { api: typeof import('@opentelemetry/api'); provider: TracerProvider; tracer: Tracer } | null = null;
  private making: TraceContext | null = null;

  constructor(private readonly endpoint: string | undefined) {}

  async onModuleInit(): Promise<void> {
    if (this.endpoint === undefined) return;
    const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ]);
    const tell = (message: string): void => this.logger.warn({ reason: message }, 'traces could not be sent');
    api.diag.setLogger(
      { error: tell, warn: tell, info: () => undefined, debug: () => undefined, verbose: () => undefined },
      api.DiagLogLevel.ERROR,
    );
    const exporter = new OTLPTraceExporter({ url: `${this.endpoint.replace(/\/+$/, '')}/v1/traces` });
    const provider = new sdk.TracerProvider({
      resource: resourceFromAttributes(SERVICE),
      sampler: new sdk.ParentBasedSampler({ root: new sdk.AlwaysOnSampler() }),
      idGenerator: {
        generateTraceId: () => this.making?.traceId ?? '',
        generateSpanId: () => this.making?.spanId ?? '',
      },
      spanProcessors: [new sdk.BatchSpanProcessor({ exporter })],
    });
    this.sdk = { api, provider, tracer: provider.getTracer('mcp-control-plane') };
  }

  async onApplicationShutdown(): Promise<void> {
    const flushed = this.sdk?.provider.shutdown().catch(() => undefined);
    await Promise.race([flushed, new Promise((resolve) => setTimeout(resolve, LAST_FLUSH_MS).unref())]);
  }

  /** Milliseconds since 1970 that never go back, for `startedAt`. */
  now(): number {
    return performance.timeOrigin + performance.now();
  }

  ended({ name, kind, trace, startedAt, attributes, failure }: EndedSpan): void {
    if (!this.sdk) return;
    const { api, tracer } = this.sdk;
    this.making = trace;
    const span = tracer.startSpan(
      name,
      { kind: api.SpanKind[kind === 'server' ? 'SERVER' : 'CLIENT'], startTime: startedAt, attributes },
      this.parentOf(trace),
    );
    if (failure !== undefined) {
      span.setAttribute('error.type', failure);
      span.setStatus({ code: api.SpanStatusCode.ERROR });
    }
    span.end(this.now());
  }

  private parentOf({ traceId, parentId, isSampled }: TraceContext) {
    const { api } = this.sdk ?? {};
    if (!api || parentId === null) return api?.ROOT_CONTEXT;
    const traceFlags = isSampled ? api.TraceFlags.SAMPLED : api.TraceFlags.NONE;
    return api.trace.setSpanContext(api.ROOT_CONTEXT, { traceId, spanId: parentId, traceFlags, isRemote: true });
  }
}
