import { Logger } from '@nestjs/common';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { EventsService } from './events.service.js';
import { MetricsService } from '../telemetry/metrics.service.js';
import { PostgresChannel } from './postgres-channel.js';

/** A network between the product and PostgreSQL that can go silent without closing anything. */
class Network {
  silent = false;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  constructor(target: URL) {
    this.server = createServer((near) => {
      const far = connect(Number(target.port || 5432), target.hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(from);
        from.on('data', (chunk) => void (this.silent || to.write(chunk)));
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
      }
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.sockets.forEach((socket) => socket.destroy());
    this.server.close();
  }
}

describe('events', () => {
  let database: TestDatabase;
  let network: Network;
  let events: EventsService;
  const heard: unknown[] = [];
  const metrics = new MetricsService();

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await createTestDatabase();
    const url = new URL(database.url);
    network = new Network(new URL(database.url));
    url.host = `127.0.0.1:${await network.listen()}`;
    events = new EventsService(new PostgresChannel(url.toString()), metrics);
    events.on(['changed'], (event) => void heard.push(event.type));
    await events.onApplicationBootstrap();
  });
  afterAll(async () => {
    const stopping = events.onApplicationShutdown();
    network.close();
    await stopping;
    await database.drop();
  });

  async function notify(payload?: string): Promise<void> {
    const client = new pg.Client(database.url);
    await client.connect();
    const message = payload ?? JSON.stringify({ origin: 'another replica', event: { type: 'changed' } });
    await client.query("SELECT pg_notify('control_plane_events', $1)", [message]);
    await client.end();
  }
  async function until(count: number): Promise<void> {
    for (let tries = 0; heard.length < count && tries < 1_000; tries++) await sleep(10);
  }

  it('come from other replicas, and begin with a resync', async () => {
    await notify();
    await until(2);
    expect(heard).toEqual(['resync', 'changed']);
  });

  it.each([
    '',
    'junk',
    'null',
    '[]',
    '{"origin":"x"}',
    '{"event":null}',
    '{"event":[]}',
    '{"event":{"type":1}}',
    '{"event":{"type":"changed","id":{}}}',
  ])('are not what anybody else sends there, as %p', async (payload) => {
    heard.length = 0;
    await notify(payload);
    await notify();
    await until(1);
    expect(heard).toEqual(['changed']);
  });

  it('are known to be missing within seconds when the network falls silent, and come again afterwards', async () => {
    heard.length = 0;
    const began = performance.now();
    network.silent = true;
    await notify();
    await until(1);
    expect(heard).toEqual(['resync']);
    expect(await metrics.registry.metrics()).toContain('events_listening 0\n');
    expect(performance.now() - began).toBeLessThan(6_000);
    network.silent = false;
    for (let tries = 0; !heard.includes('changed') && tries < 100; tries++) {
      await notify();
      await sleep(100);
    }
    expect(heard.slice(0, 3)).toEqual(['resync', 'resync', 'changed']);
    const text = await metrics.registry.metrics();
    expect([text.includes('events_listening 1\n'), text.includes('events_resyncs_total 3\n')]).toEqual([true, true]);
  });
});
