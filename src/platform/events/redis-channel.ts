import { Logger } from '@nestjs/common';
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisClient, RedisService } from '../redis/redis.service.js';
import type { ChannelListener, EventChannel } from './event-channel.js';

const CHANNEL = 'mcp-control-plane:events';
/** Tells everybody to forget what was cached. */
const MISSED = 'missed';
/** Milliseconds until it is tried again to subscribe where Redis refuses. */
const RETRY_MS = 2_000;
/** Milliseconds that an answer waits for Redis. */
const LONGEST_SEND_MS = 500;

/**
 * Redis: messages are published after the commit. A process that is killed between the two takes them with it, so caches also
 * expire by themselves.
 */
export class RedisChannel implements EventChannel {
  private readonly logger = new Logger('events');
  private publisher: RedisClient | null = null;
  private subscriber: RedisClient | null = null;
  /** Something could not be told, and the others don't know yet. */
  private owes = false;

  constructor(private readonly redis: RedisService) {}

  get isListening(): boolean {
    return this.subscriber?.isReady === true && this.subscriber.isPubSubActive;
  }

  async open(listener: ChannelListener): Promise<void> {
    this.publisher = this.redis.open();
    this.publisher?.on('ready', () => {
      if (this.owes) void this.send([]);
    });
    const subscriber = (this.subscriber = this.redis.open());
    subscriber?.on('ready', () => {
      // After a loss the client itself subscribes again. Whatever was sent while nobody listened is gone.
      if (subscriber.isPubSubActive) listener.missed();
      else void this.subscribe(subscriber, listener);
    });
    let isLost = false;
    // Once for each loss, however often it is tried to connect again.
    subscriber?.on('reconnecting', () => {
      if (!isLost) listener.missed();
      isLost = true;
    });
    subscriber?.on('ready', () => (isLost = false));
    // An application that is up should hear the others, where that is possible.
    for (let tries = 0; tries < 20 && subscriber?.isReady === false; tries++) await delay(25);
  }

  async close(): Promise<void> {
    // Its connections are RedisService's to close.
  }

  async stage(): Promise<void> {
    // What is published before the commit would be read too early.
  }

  async send(messages: readonly string[]): Promise<void> {
    const { publisher } = this;
    if (!publisher) return;
    try {
      const all = this.owes ? [MISSED, ...messages] : messages;
      const sending = Promise.all(all.map((message) => publisher.publish(CHANNEL, message)));
      const sent = await Promise.race([sending.then(() => true), delay(LONGEST_SEND_MS, false, { ref: false })]);
      if (!sent) throw new Error('it did not answer in time');
      this.owes = false;
    } catch (error) {
      if (!this.owes) this.logger.warn({ reason: (error as Error).message }, 'an event could not be sent');
      this.owes = true;
    }
  }

  private async subscribe(subscriber: RedisClient, listener: ChannelListener): Promise<void> {
    const receive = (message: string): void => (message === MISSED ? listener.missed() : listener.receive(message));
    while (subscriber.isReady && !subscriber.isPubSubActive) {
      try {
        await subscriber.subscribe(CHANNEL, receive);
        listener.missed();
      } catch (error) {
        this.logger.warn({ reason: (error as Error).message }, 'events can not be heard yet');
        await delay(RETRY_MS, undefined, { ref: false });
      }
    }
  }
}
