import { BeforeApplicationShutdown, Injectable, Logger, OnApplicationBootstrap } from '@nestjs/common';
import type { Subscription } from 'rxjs';
import type { Actor, Principal } from '../../platform/auth/actor.js';
import { HealthService } from '../../platform/health/health.service.js';
import { EventsService, RESYNC, type DomainEvent } from '../../platform/events/events.service.js';
import { MetricsService } from '../../platform/telemetry/metrics.service.js';
import { CONNECTION_CHANGED, CONNECTION_STATUS } from '../connections/connections.events.js';
import { DISCOVERY_FINISHED, DISCOVERY_PROGRESSED, TOOL_CHANGED } from '../discovery/discovery.events.js';
import { AuthenticationService } from '../identity/authentication.service.js';
import { MAPPING_SYNCED } from '../mappings/mappings.events.js';
import { LiveMessagesService, type Addressed } from './live-messages.service.js';
import { CLOSE, type Subscriber } from './subscriber.js';

const LOOK_MS = 1_000;
/** Whether those behind the sockets still may be, and whether they still listen, in looks. */
const LOOKS = { rights: 3, ping: 30 };

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
  /** One event after the other, so that messages come in their order. */
  private telling: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private looks = 0;

  constructor(
    events: EventsService,
    metrics: MetricsService,
    private readonly authentication: AuthenticationService,
    private readonly messages: LiveMessagesService,
    private readonly health: HealthService,
  ) {
    this.heard = events.on(HEARD, (event) => this.hear(event));
    metrics.gauge('websockets_open', 'Open WebSockets', () => this.count);
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
      others.delete(subscriber);
      if (others.size === 0 && this.byConnection.get(connectionId) === others) this.byConnection.delete(connectionId);
    });
    for (const { message } of await this.messages.status(connectionId)) subscriber.send(message);
  }

  private hear(event: DomainEvent): void {
    if (event.type === RESYNC.type) {
      for (const subscriber of this.all()) subscriber.send({ type: 'resync' });
      return;
    }
    // Nobody listens: nothing is read.
    if (this.byConnection.size === 0) return;
    this.telling = this.telling.then(() => this.tell(event)).catch((error: unknown) => this.warn(error));
  }

  private async tell(event: DomainEvent): Promise<void> {
    const connectionId = await this.messages.connectionOf(event);
    const subscribers = connectionId === null ? undefined : this.byConnection.get(connectionId);
    if (connectionId === null || !subscribers || subscribers.size === 0) return;
    const addressed = await this.messages.about(event, connectionId);
    if (addressed.length === 0) return;
    for (const subscriber of [...subscribers]) await this.tellOne(subscriber, addressed);
  }

  private async tellOne(subscriber: Subscriber, addressed: readonly Addressed[]): Promise<void> {
    const sees = await this.messages.sightOf(actorOf(subscriber.principal));
    for (const { message, about } of addressed) if (sees(about)) subscriber.send(message);
  }

  private async look(): Promise<void> {
    this.looks++;
    if (this.health.isDraining) return this.closeAll();
    const now = Date.now();
    for (const subscriber of this.all())
      if (subscriber.expiresAt <= now) subscriber.close(CLOSE.expired, 'the token has expired');
    if (this.looks % LOOKS.ping === 0) this.ping();
    if (this.looks % LOOKS.rights === 0) for (const subscriber of this.all()) await this.checkRights(subscriber);
  }

  private async checkRights(subscriber: Subscriber): Promise<void> {
    const principal = await this.authentication.authenticate(`Bearer ${subscriber.token}`);
    if (!principal) return subscriber.close(CLOSE.expired, 'the token is not valid any more');
    subscriber.principal = principal;
    if (!(await this.messages.mayHear(actorOf(principal), subscriber.connectionId)))
      subscriber.close(CLOSE.forbidden, 'the right to the connection was lost');
  }

  private ping(): void {
    for (const subscriber of this.all()) {
      if (!subscriber.isAlive) subscriber.socket.terminate();
      subscriber.isAlive = false;
      subscriber.socket.ping();
    }
  }

  private closeAll(): void {
    for (const subscriber of this.all()) subscriber.close(CLOSE.goingAway, 'the server is stopping');
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
  return { ...principal, origin: { requestId: '', address: '', idempotencyKey: null } };
}
