import { Logger } from '@nestjs/common';
import pg from 'pg';
import type { EntityManager } from 'typeorm';
import type { ChannelListener, EventChannel } from './event-channel.js';

const CHANNEL = 'control_plane_events';
const RECONNECT_MS = { first: 100, longest: 5_000 };
/** A connection whose other end vanished says nothing: it is asked, and given up when no answer comes. */
const ALIVE_MS = { every: 2_000, answer: 2_000 };

/** LISTEN/NOTIFY: PostgreSQL itself sends what was staged when the transaction commits, and nothing of one that does not. */
export class PostgresChannel implements EventChannel {
  private readonly logger = new Logger('events');
  private client: pg.Client | null = null;
  private stopped = false;
  private retry: NodeJS.Timeout | undefined;
  private pulse: NodeJS.Timeout | undefined;

  /** @param url direct: LISTEN does not pass through a transaction pooler */
  constructor(private readonly url: string) {}

  get isListening(): boolean {
    return this.client !== null;
  }

  open(listener: ChannelListener): Promise<void> {
    return this.listen(listener, RECONNECT_MS.first);
  }

  async close(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retry);
    clearInterval(this.pulse);
    await this.client?.end().catch(() => undefined);
  }

  async stage(manager: EntityManager, message: string): Promise<void> {
    await manager.query('SELECT pg_notify($1, $2)', [CHANNEL, message]);
  }

  async send(): Promise<void> {
    // The commit has sent it.
  }

  private async listen(listener: ChannelListener, delay: number): Promise<void> {
    if (this.stopped) return;
    const client = new pg.Client({
      connectionString: this.url,
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
      if (wasListening) listener.missed();
      void client.end().catch(() => undefined);
      this.retry = setTimeout(() => void this.listen(listener, Math.min(delay * 2, RECONNECT_MS.longest)), delay);
    };
    client.on('error', lose);
    client.on('end', () => lose());
    client.on('notification', ({ payload }) => listener.receive(payload ?? ''));
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      this.client = client;
      this.pulse = setInterval(() => void ask(client).catch(lose), ALIVE_MS.every).unref();
      delay = RECONNECT_MS.first;
      // Whatever was sent while nobody listened is gone.
      listener.missed();
    } catch (error) {
      lose(error as Error);
    }
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
