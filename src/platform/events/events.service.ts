import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { filter, Subject, type Subscription } from 'rxjs';
import type { EntityManager } from 'typeorm';

/** Ids only: a payload of NOTIFY holds at most 8,000 bytes, and whoever needs more reads it under its own rights. */
export interface DomainEvent {
  readonly type: string;
  readonly [id: string]: string | number | boolean | null;
}

/** Sent to every subscriber when events may have been missed: forget what was cached. */
export const RESYNC: DomainEvent = { type: 'resync' };

const CHANNEL = 'control_plane_events';
const RECONNECT_MS = { first: 100, longest: 5_000 };
/** A connection whose other end vanished says nothing: it is asked, and given up when no answer comes. */
const ALIVE_MS = { every: 2_000, answer: 2_000 };

/** Where LISTEN connects: not through a transaction pooler. */
export class EventsOptions {
  constructor(readonly listenUrl: string) {}
}

/**
 * Live events across replicas over LISTEN/NOTIFY. Losing one only makes a screen or a cache stale, which `RESYNC`
 * mends; whatever must not be lost is written in the transaction instead.
 */
@Injectable()
export class EventsService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('events');
  private readonly origin = randomUUID();
  private readonly subject = new Subject<DomainEvent>();
  private client: pg.Client | null = null;
  private stopped = false;
  private retry: NodeJS.Timeout | undefined;
  private pulse: NodeJS.Timeout | undefined;

  constructor(private readonly options: EventsOptions) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.listen(RECONNECT_MS.first);
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retry);
    clearInterval(this.pulse);
    await this.client?.end().catch(() => undefined);
    this.subject.complete();
  }

  /** Tells `handler` of events of these types, from this and every other replica, and of `resync`. */
  on(types: readonly string[], handler: (event: DomainEvent) => void): Subscription {
    return this.subject
      .pipe(filter((event) => event.type === RESYNC.type || types.includes(event.type)))
      .subscribe((event) => {
        try {
          handler(event);
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

  /** Queues the event for the other replicas; PostgreSQL sends it when the transaction commits. */
  async notify(manager: EntityManager, event: DomainEvent): Promise<void> {
    await manager.query('SELECT pg_notify($1, $2)', [CHANNEL, JSON.stringify({ origin: this.origin, event })]);
  }

  private async listen(delay: number): Promise<void> {
    if (this.stopped) return;
    const client = new pg.Client({
      connectionString: this.options.listenUrl,
      application_name: 'mcp-control-plane listen',
      keepAlive: true,
      connectionTimeoutMillis: ALIVE_MS.answer,
    });
    let lost = false;
    const lose = (error?: Error): void => {
      if (lost) return;
      lost = true;
      const wasListening = this.client === client;
      if (wasListening) this.client = null;
      clearInterval(this.pulse);
      if (this.stopped) return;
      this.logger.warn({ reason: error?.message }, 'the event connection was lost, connecting again');
      // It may have been deaf for a while.
      if (wasListening) this.dispatch(RESYNC);
      void client.end().catch(() => undefined);
      this.retry = setTimeout(() => void this.listen(Math.min(delay * 2, RECONNECT_MS.longest)), delay);
    };
    client.on('error', lose);
    client.on('end', () => lose());
    client.on('notification', ({ payload }) => this.receive(payload ?? ''));
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      this.client = client;
      this.pulse = setInterval(() => void ask(client).catch(lose), ALIVE_MS.every).unref();
      delay = RECONNECT_MS.first;
      // Whatever was sent while nobody listened is gone.
      this.dispatch(RESYNC);
    } catch (error) {
      lose(error as Error);
    }
  }

  private receive(payload: string): void {
    const { origin, event } = JSON.parse(payload) as { origin: string; event: DomainEvent };
    if (origin !== this.origin) this.dispatch(event);
  }
}

/** @throws when no answer comes in time */
async function ask(client: pg.Client): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), ALIVE_MS.answer);
  });
  try {
    await Promise.race([client.query('SELECT 1'), late]);
  } finally {
    clearTimeout(timer);
  }
}
