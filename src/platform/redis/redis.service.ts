import { Logger, OnApplicationShutdown } from '@nestjs/common';

/** Milliseconds. A connection whose other end vanished says nothing: it is asked, and given up when no answer comes. */
const CONNECT_MS = 2_000;
const ALIVE_MS = { every: 2_000, silence: 5_000 };
const RECONNECT_MS = { first: 100, longest: 5_000 };

type Library = typeof import('@redis/client');

function newClient({ createClient }: Library, url: string) {
  return createClient({
    url,
    name: 'mcp-control-plane',
    // Whoever asks while it is away does without, at once.
    disableOfflineQueue: true,
    pingInterval: ALIVE_MS.every,
    socket: {
      connectTimeout: CONNECT_MS,
      socketTimeout: ALIVE_MS.silence,
      reconnectStrategy: (retries) => Math.min(RECONNECT_MS.first * 2 ** retries, RECONNECT_MS.longest),
    },
  });
}

export type RedisClient = ReturnType<typeof newClient>;

/**
 * The Redis of `REDIS_URL`, for what replicas share and may lose: rate limits and live events. Nothing waits for it: the product
 * starts without it, does without it while it is away, and finds it again by itself.
 */
export class RedisService implements OnApplicationShutdown {
  private readonly logger = new Logger('redis');
  private readonly opened: RedisClient[] = [];

  private constructor(private readonly server: { url: string; library: Library } | null) {}

  /**
   * The library is only loaded where it is needed.
   * @param url undefined: there is none, and PostgreSQL does its work
   */
  static async at(url: string | undefined): Promise<RedisService> {
    return new RedisService(url === undefined ? null : { url, library: await import('@redis/client') });
  }

  /** A connection of its own, which is being made; null where there is no Redis. */
  open(): RedisClient | null {
    if (!this.server) return null;
    const client = newClient(this.server.library, this.server.url);
    let isLost = false;
    client.on('error', (error: Error) => {
      if (!isLost) this.logger.warn({ reason: error.message }, 'Redis is away, connecting again');
      isLost = true;
    });
    client.on('ready', () => {
      if (isLost) this.logger.log('Redis is back');
      isLost = false;
    });
    // It tries again by itself until it is destroyed.
    client.connect().catch(() => undefined);
    this.opened.push(client);
    return client;
  }

  onApplicationShutdown(): void {
    for (const client of this.opened) client.destroy();
  }
}
