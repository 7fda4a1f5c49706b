import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import type { Principal } from '../../platform/auth/actor.js';
import { Subscriber } from './subscriber.js';

const NOBODY: Principal = {
  userId: null,
  tokenId: null,
  username: 'nobody',
  isOperator: false,
  sessionId: null,
  organizations: new Map(),
  workspaces: new Map(),
};

describe('a subscriber', () => {
  let server: WebSocketServer;
  beforeAll(async () => {
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
  });
  afterAll(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });

  async function connected(): Promise<{ client: WebSocket; subscriber: Subscriber }> {
    const arrived = once(server, 'connection') as Promise<[WebSocket]>;
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await once(client, 'open');
    const [socket] = await arrived;
    return { client, subscriber: new Subscriber(socket, 'one', 'token', NOBODY, Infinity) };
  }

  it('that does not keep up is closed, and holds no more than a few megabytes until then', async () => {
    const { client, subscriber } = await connected();
    const closed = once(subscriber.socket, 'close');
    client.pause();
    let most = 0;
    for (let sent = 0; subscriber.socket.readyState === WebSocket.OPEN && sent < 200_000; sent++) {
      const name = 'x'.repeat(1_000);
      const resource = { id: sent, resource_name: name, resource_type: 'issue', is_available: true };
      subscriber.send({ type: 'resource_updated', resource });
      most = Math.max(most, subscriber.socket.bufferedAmount);
    }
    await closed;
    expect(most).toBeLessThan(6 * 1024 * 1024);
    client.terminate();
  });

  it('that reads gets everything in order', async () => {
    const { client, subscriber } = await connected();
    const ids: number[] = [];
    client.on('message', (data: Buffer) =>
      ids.push((JSON.parse(data.toString()) as { mapping_id: number }).mapping_id),
    );
    const ended = { sync_id: 'a', status: 'completed', items_synced: 0, items_failed: 0 };
    for (let id = 0; id < 1_000; id++) subscriber.send({ type: 'mapping_synced', mapping_id: id, ...ended });
    while (ids.length < 1_000) await once(client, 'message');
    expect(ids).toEqual(Array.from({ length: 1_000 }, (_, id) => id));
    client.terminate();
  });
});
