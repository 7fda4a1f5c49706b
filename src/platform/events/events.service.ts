import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { Subject, type Subscription } from 'rxjs';
import type { EntityManager } from 'typeorm';
import type { EventCounter, MetricsService } from '../telemetry/metrics.service.js';
import type { EventChannel } from './event-channel.js';

/** Ids only: a payload of NOTIFY holds at most 8,000 bytes, and whoever needs more reads it under its own rights. */
export interface DomainEvent {
  readonly type: string;
  readonly [id: string]: string | number | boolean | null;
}

/** Sent to every subscriber when events may have been missed: forget what was cached. */
export const RESYNC: DomainEvent = { type: 'resync' };

/** Where LISTEN connects: not through a transaction pooler. */
export class EventsOptions {
  constructor(readonly listenUrl: string) {}
}

/**
 * Live events across replicas. Losing one only makes a screen or a cache stale, which `RESYNC` mends; whatever must not be lost is
 * written in the transaction instead.
 */
@Injectable()
export class EventsService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('events');
  private readonly origin = randomUUID();
  private readonly subject = new Subject<DomainEvent>();

  private readonly resyncs: EventCounter;

  constructor(
    private readonly channel: EventChannel,
    metrics: MetricsService,
  ) {
    const help = 'How often events of other replicas may have been missed, the first time included';
    this.resyncs = metrics.counter('events_resyncs_total', help);
    metrics.gauge('events_listening', 'Whether events of other replicas are heard', () => Number(channel.isListening));
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.channel.open({
      receive: (message) => this.receive(message),
      missed: () => {
        this.resyncs.inc();
        this.dispatch(RESYNC);
      },
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.channel.close();
    this.subject.complete();
  }

  /** Tells `handler` of events of these types, from this and every other replica, and of `resync`. */
  on(types: readonly string[], handler: (event: DomainEvent) => void): Subscription {
    return this.subject.subscribe((event) => {
      try {
        if (event.type === RESYNC.type || types.includes(event.type)) handler(event);
      } catch (error) {
        // rxjs would throw it into nowhere, which ends the process.
        this.logger.error({ err: error, event: event.type }, 'an event handler failed');
      }
    });
  }

  /** Hands an event to the subscribers of this process. */
  dispatch(event: DomainEvent): void {
    this.subject.next(event);
  }

  /** In a transaction: the event leaves if and only if it commits, and `committed` is called then. */
  stage(manager: EntityManager, event: DomainEvent): Promise<void> {
    return this.channel.stage(manager, this.messageOf(event));
  }

  /** After the commit: to the subscribers of this process, then to the others. */
  async committed(events: readonly DomainEvent[]): Promise<void> {
    if (events.length === 0) return;
    for (const event of events) this.dispatch(event);
    await this.channel.send(events.map((event) => this.messageOf(event)));
  }

  private messageOf(event: DomainEvent): string {
    return JSON.stringify({ origin: this.origin, event });
  }

  private receive(message: string): void {
    try {
      const { origin, event } = JSON.parse(message) as { origin?: unknown; event?: unknown };
      if (!isEvent(event)) throw new Error('it is no event');
      if (origin !== this.origin) this.dispatch(event);
    } catch (error) {
      this.logger.warn({ err: error }, 'something else was sent where events are');
    }
  }
}

/** Others may write there, too. */
function isEvent(value: unknown): value is DomainEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const isPlain = Object.values(value).every((id) => id === null || typeof id !== 'object');
  return isPlain && typeof (value as Record<string, unknown>).type === 'string';
}
