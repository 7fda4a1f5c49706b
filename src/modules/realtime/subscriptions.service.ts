import { BeforeApplicationShutdown, Injectable, Logger, OnApplicationBootstrap } from '@nestjs/common';
import type { Subscription } from 'rxjs';
import type { Actor, Principal } from '../../platform/auth/actor.js';
import { HealthService } from '../../platform/health/health.service.js';
import { EventsService, RESYNC, type DomainEvent } from '../../platform/events/events.service.js';
import { MetricsService, type EventCounter } from '../../platform/telemetry/metrics.service.js';
import { traceOfRequest } from '../../platform/telemetry/trace-context.js';
import { CONNECTION_CHANGED, CONNECTION_STATUS } from '../connections/connections.events.js';
import { DISCOVERY_FINISHED, DISCOVERY_PROGRESSED, TOOL_CHANGED } from '../discovery/discovery.events.js';
import { AuthenticationService } from '../identity/authentication.service.js';
import { MAPPING_SYNCED } from '../mappings/mappings.events.js';
import { LiveMessagesService, type Addressed } from './live-messages.service.js';
import type { Message } from './messages.js';
import type { Closing, Subscriber } from './subscriber.js';

const LOOK_MS = 1_000;
/** Whether those behind the sockets still may be, and whether they still listen, in looks. */
const LOOKS = { rights: 3, ping: 30 };

/** As metrics name it; what is not closed from here was closed by the client, or by what lies between. */
const CLOSED: Record<Closing, string> = {
  goingAway: 'going_away',
  policy: 'too_many_frames',
  tryLater: 'too_slow',
  expired: 'token_expired',
  forbidden: 'right_lost',
};
const BY_CLIENT = 'client';

const HEARD = [
  CONNECTION_CHANGED,
  CONNECTION_STATUS,
  DISCOVERY_FINISHED,
  DISCOVERY_PROGRESSED,
  TOOL_CHANGED,
  MAPPING_SYNCED,
];

/** Who is subscribed to which connection in this process, and what they are told. */
@Injectable()
export class SubscriptionsService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('realtime');
  private readonly byConnection = new Map<string, Set<Subscriber>>();
  private readonly heard: Subscription;
  /** Of each connection one event after the other, so that messages come in their order; connections do not wait for each other. */
  private readonly telling = new Map<string, Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private looks = 0;
  private readonly sent: EventCounter;
  private readonly closed: EventCounter;

  constructor(
    events: EventsService,
    metrics: MetricsService,
    private readonly authentication: AuthenticationService,
    private readonly messages: LiveMessagesService,
    private readonly health: HealthService,
  ) {
    this.heard = events.on(HEARD, (event) => this.hear(event));
    metrics.gauge('websockets_open', 'Open WebSockets', () => this.count);
    this.sent = metrics.counter('websocket_messages_total', 'Messages sent over WebSockets');
    const reason = [...Object.values(CLOSED), BY_CLIENT];
    this.closed = metrics.counter('websockets_closed_total', 'WebSockets that were closed, by who or what did it', {
      reason,
    });
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.look().catch((error: unknown) => this.warn(error)), LOOK_MS).unref();
  }

  /** Before the HTTP server, which waits for its connections. */
  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
    this.heard.unsubscribe();
    this.closeAll();
  }

  get count(): number {
    return this.all().length;
  }

  ofPrincipal(is: (principal: Principal) => boolean): number {
    return this.all().filter(({ principal }) => is(principal)).length;
  }

  async add(subscriber: Subscriber): Promise<void> {
    const { connectionId, socket } = subscriber;
    const others = this.byConnection.get(connectionId) ?? new Set();
    this.byConnection.set(connectionId, others.add(subscriber));
    socket.on('close', () => {
      this.closed.inc(subscriber.closing ? CLOSED[subscriber.closing] : BY_CLIENT);
      others.delete(subscriber);
      if (others.size === 0 && this.byConnection.get(connectionId) === others) this.byConnection.delete(connectionId);
    });
    for (const { message } of await this.messages.status(connectionId)) this.send(subscriber, message);
  }

  private hear(event: DomainEvent): void {
    if (event.type === RESYNC.type) {
      for (const subscriber of this.all()) this.send(subscriber, { type: 'resync' });
      return;
    }
    // Nobody listens: nothing is read.
    if (this.byConnection.size === 0) return;
    this.messages.connectionOf(event).then(
      (connectionId) => {
        if (connectionId !== null && this.byConnection.has(connectionId)) this.tellInTurn(connectionId, event);
      },
      (error: unknown) => this.warn(error),
    );
  }

  private tellInTurn(connectionId: string, event: DomainEvent): void {
    const before = this.telling.get(connectionId) ?? Promise.resolve();
    const telling = before
      .then(() => this.tell(event, connectionId))
      .catch((error: unknown) => this.warn(error))
      .finally(() => {
        if (this.telling.get(connectionId) === telling) this.telling.delete(connectionId);
      });
    this.telling.set(connectionId, telling);
  }

  private async tell(event: DomainEvent, connectionId: string): Promise<void> {
    const addressed = await this.messages.about(event, connectionId);
    if (addressed.length === 0) return;
    const subscribers = this.byConnection.get(connectionId) ?? [];
    await Promise.all([...subscribers].map((subscriber) => this.tellOne(subscriber, addressed)));
  }

  private async tellOne(subscriber: Subscriber, addressed: readonly Addressed[]): Promise<void> {
    const sees = await this.messages.sightOf(actorOf(subscriber.principal));
    for (const { message, about } of addressed) if (sees(about)) this.send(subscriber, message);
  }

  private send(subscriber: Subscriber, message: Message): void {
    if (subscriber.send(message)) this.sent.inc();
  }

  private async look(): Promise<void> {
    this.looks++;
    if (this.health.isDraining) return this.closeAll();
    const now = Date.now();
    for (const subscriber of this.all())
      if (subscriber.expiresAt <= now) subscriber.close('expired', 'the token has expired');
    if (this.looks % LOOKS.ping === 0) this.ping();
    if (this.looks % LOOKS.rights === 0) for (const subscriber of this.all()) await this.checkRights(subscriber);
  }

  private async checkRights(subscriber: Subscriber): Promise<void> {
    const principal = await this.authentication.authenticate(`Bearer ${subscriber.token}`);
    if (!principal) return subscriber.close('expired', 'the token is not valid any more');
    subscriber.principal = principal;
    if (!(await this.messages.mayHear(actorOf(principal), subscriber.connectionId)))
      subscriber.close('forbidden', 'the right to the connection was lost');
  }

  private ping(): void {
    for (const subscriber of this.all()) {
      if (!subscriber.isAlive) subscriber.socket.terminate();
      subscriber.isAlive = false;
      subscriber.socket.ping();
    }
  }

  private closeAll(): void {
    for (const subscriber of this.all()) subscriber.close('goingAway', 'the server is stopping');
  }

  private all(): Subscriber[] {
    return [...this.byConnection.values()].flatMap((subscribers) => [...subscribers]);
  }

  private warn(error: unknown): void {
    this.logger.warn({ err: error }, 'subscribers could not be told');
  }
}

/** What follows from an event is done by nobody's request. */
export function actorOf(principal: Principal): Actor {
  return {
    ...principal,
    origin: { requestId: '', address: '', idempotencyKey: null, trace: traceOfRequest(undefined, '') },
  };
}
