import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { ApiClient } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { newMember, newTenant, type Tenant, type TestUser } from '../../../test/support/tenants.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';
import { asyncApiDocument } from './asyncapi.js';

type Frame = Record<string, unknown> & { type: string };

/** A client that keeps everything it is sent. */
class Listener {
  readonly frames: Frame[] = [];
  closed: number | null = null;

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.frames.push(JSON.parse(data.toString()) as Frame));
    socket.on('close', (code) => (this.closed = code));
    socket.on('error', () => undefined);
  }

  /** @returns the status of the refusal where there is one */
  static open(url: string, protocols: string[] = [], headers: Record<string, string> = {}): Promise<Listener | number> {
    return new Promise((resolve) => {
      const socket = new WebSocket(url.replace('http', 'ws'), protocols, { headers });
      const listener = new Listener(socket);
      socket.once('open', () => resolve(listener));
      socket.once('unexpected-response', (_request, answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
    });
  }

  of(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  async until(is: () => boolean, ms = 6_000): Promise<void> {
    for (const end = Date.now() + ms; !is() && Date.now() < end;) await sleep(20);
    if (!is()) throw new Error(`not so after ${ms} ms: ${this.closed} ${JSON.stringify(this.frames).slice(0, 1_000)}`);
  }
}

describe('the WebSocket of a connection', () => {
  let app: TestApp;
  let upstream: OldEraUpstream;
  let acme: Tenant;
  let other: Tenant;
  /** Of the organization and in no workspace; in the workspace; its agent. */
  let member: TestUser;
  let worker: TestUser;
  let agent: string;
  let connection: string;
  const open: Listener[] = [];

  beforeAll(async () => {
    [app, upstream] = await Promise.all([startApp(), startOldEra()]);
    [acme, other] = [await newTenant(app), await newTenant(app)];
    [member, worker] = [await newMember(app, acme, 'member'), await newMember(app, acme, 'member')];
    await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/members/`, {
      username: worker.username,
      role: 'member',
    });
    await acme.owner.post('/mcp/servers', { server_id: 'memos', server_name: 'Memos', server_url: upstream.url });
    connection = (await acme.owner.get('/api/v1/mcp/connections/')).body[0].id;
    const [one] = (await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}&search=First`)).body;
    await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection,
      access_name: 'One memo',
      allowed_resources: [one.id],
    });
    agent = (await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: 'Agent' })).body.token;
  });
  afterEach(() => {
    for (const { socket } of open.splice(0)) socket.terminate();
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  const address = (id = connection): string => `${app.url}/ws/mcp/resources/${id}/`;
  async function listen(client: ApiClient, url = address()): Promise<Listener> {
    const opened = await Listener.open(url, [], { authorization: `Bearer ${client.token}` });
    if (typeof opened === 'number') throw new Error(`refused with ${opened}`);
    open.push(opened);
    return opened;
  }
  const status = async (url: string, protocols: string[] = [], token?: string): Promise<unknown> => {
    const opened = await Listener.open(url, protocols, token === undefined ? {} : { authorization: `Bearer ${token}` });
    if (typeof opened === 'number') return opened;
    open.push(opened);
    return opened.socket.protocol;
  };
  const ticket = async (client: ApiClient): Promise<string> =>
    (await client.post('/api/v1/mcp/ws-tickets/')).body.ticket as string;

  it('opens by header, by subprotocol and by a ticket that is good once', async () => {
    const token = acme.owner.token ?? '';
    expect(await status(address(), [], token)).toBe('');
    expect(await status(address().slice(0, -1), [], token)).toBe('');
    expect(await status(address(), ['mcp.v1', `bearer.${token}`])).toBe('mcp.v1');
    const good = await ticket(acme.owner);
    expect(await status(`${address()}?ticket=${good}`)).toBe('');
    expect(await status(`${address()}?ticket=${good}`)).toBe(401);
    const late = await ticket(acme.owner);
    await app.query("UPDATE ws_tickets SET expires_at = now() - interval '1 second'");
    expect(await status(`${address()}?ticket=${late}`)).toBe(401);
    const answer = await acme.owner.post('/api/v1/mcp/ws-tickets/');
    expect([answer.status, answer.body]).toEqual([201, { ticket: expect.any(String), expires_in: 60 }]);
    const stored = JSON.stringify(await app.query('SELECT * FROM ws_tickets'));
    expect([stored.includes(token), stored.includes(answer.body.ticket)]).toEqual([false, false]);
  });

  it('refuses before the upgrade: 401 without a valid token, 404 for what is not there or not theirs', async () => {
    for (const protocols of [[], ['mcp.v1'], ['mcp.v1', 'bearer.wrong']])
      expect(await status(address(), protocols)).toBe(401);
    expect(await status(`${address()}?ticket=wrong`)).toBe(401);
    expect(await status(address(), [], 'wrong')).toBe(401);
    for (const id of ['no-id', '00000000-0000-7000-8000-000000000000', `${connection}x`])
      expect(await status(address(id), [], acme.owner.token ?? '')).toBe(404);
    expect(await status(address(), [], other.owner.token ?? '')).toBe(404);
    expect(await status(`${app.url}/ws/mcp/other/`, [], acme.owner.token ?? '')).toBe(404);
    const refused = await fetch(address(), { headers: { authorization: `Bearer ${acme.owner.token}` } });
    expect(refused.status).toBe(404);
  });

  it('says on connect how the connection is, as the specification shows it', async () => {
    for (const client of [acme.owner, member.client, worker.client, app.anonymous.withToken(agent)]) {
      const listener = await listen(client);
      await listener.until(() => listener.frames.length > 0);
      expect(listener.frames[0]).toEqual({
        type: 'connection_status',
        connection_id: connection,
        status: 'connected',
        timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      });
    }
  });

  it('tells of resources that changed, each only to those who may see it', async () => {
    const [owner, seer] = [await listen(acme.owner), await listen(worker.client)];
    await app.query("UPDATE resources SET content_digest = 'old' WHERE connection_id = $1 AND kind = 'resource'", [
      connection,
    ]);
    await acme.owner.post(`/api/v1/mcp/connections/${connection}/discover/`);
    await owner.until(() => owner.of('resource_updated').length === 3);
    await seer.until(() => seer.of('resource_updated').length === 1);
    await sleep(200);
    expect(seer.of('resource_updated')).toEqual([
      {
        type: 'resource_updated',
        resource: {
          id: expect.any(Number),
          resource_name: 'First memo',
          resource_type: 'resource',
          is_available: true,
        },
      },
    ]);
    await acme.owner.post(`/api/v1/mcp/connections/${connection}/discover/`);
    await sleep(300);
    expect(owner.of('resource_updated')).toHaveLength(3);
  });

  it('tells when the server is lost and when it is back, once each', async () => {
    const listener = await listen(acme.owner);
    const broken = { auth_data: { base_url: 'http://127.0.0.1:9/mcp' } };
    const test = `/api/v1/mcp/connections/${connection}/test/`;
    await acme.owner.put(`/api/v1/mcp/connections/${connection}/credentials/`, broken);
    for (let times = 0; times < 2; times++) await acme.owner.post(test);
    await listener.until(() => listener.of('connection_status').at(-1)?.status === 'error');
    await acme.owner.put(`/api/v1/mcp/connections/${connection}/credentials/`, {
      auth_data: { base_url: upstream.url },
    });
    for (let times = 0; times < 2; times++) await acme.owner.post(test);
    await listener.until(() => listener.of('connection_status').at(-1)?.status === 'connected');
    await acme.owner.patch(`/api/v1/mcp/connections/${connection}/`, { is_active: false });
    await listener.until(() => listener.of('connection_status').at(-1)?.status === 'disconnected');
    await acme.owner.patch(`/api/v1/mcp/connections/${connection}/`, { is_active: true });
    await listener.until(() => listener.of('connection_status').at(-1)?.status === 'connected');
  });

  it('tells of tools that changed and of syncs that ended', async () => {
    const [owner, seer] = [await listen(acme.owner), await listen(member.client)];
    await acme.owner.patch('/mcp/tools/memos_echo', { effect: 'read' });
    await owner.until(() => owner.of('tool_changed').length === 1);
    expect(owner.of('tool_changed')[0]).toMatchObject({ tool: { id: 'memos_echo' }, connection_id: connection });
    const tool = (owner.of('tool_changed')[0]?.tool as { resource_id: number }).resource_id;
    const grant = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection,
      access_name: 'Echo',
      allowed_resources: [tool],
    });
    const mapping = await acme.owner.post('/api/v1/mcp/mappings/', {
      workspace_access: grant.body.id,
      resource: tool,
      component_type: 'agent',
      component_id: 'live',
      mapping_config: { field_mappings: { id: '{{context.id}}' }, arguments: { message: '[{"id": 1}]' } },
    });
    const synced = await acme.owner.post(`/api/v1/mcp/mappings/${mapping.body.id}/sync/`);
    await owner.until(() => owner.of('mapping_synced').length === 1);
    expect(owner.of('mapping_synced')).toEqual([
      {
        type: 'mapping_synced',
        mapping_id: mapping.body.id,
        sync_id: synced.body.sync_id,
        status: 'completed',
        items_synced: 1,
        items_failed: 0,
      },
    ]);
    await sleep(200);
    expect([seer.of('mapping_synced'), seer.of('tool_changed')]).toEqual([[], []]);
  });

  it('closes within five seconds when a token is revoked, a session ends or the right is lost', async () => {
    const created = await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: 'Short' });
    const byToken = await listen(app.anonymous.withToken(created.body.token as string));
    const [leaver, loggedOut] = [await newMember(app, acme, 'member'), await newMember(app, acme, 'member')];
    const [bySession, byRight, stays] = [
      await listen(loggedOut.client),
      await listen(leaver.client),
      await listen(worker.client),
    ];
    await loggedOut.client.post('/api/v1/auth/logout');
    await acme.owner.delete(`/api/v1/workspaces/${acme.workspace}/tokens/${created.body.id}/`);
    await acme.owner.delete(`/api/v1/organizations/${acme.organization}/members/${leaver.id}/`);
    await byToken.until(() => byToken.closed !== null, 5_000);
    await byRight.until(() => byRight.closed !== null, 5_000);
    await bySession.until(() => bySession.closed !== null, 5_000);
    expect([byToken.closed, byRight.closed, bySession.closed, stays.closed]).toEqual([4401, 4403, 4401, null]);
  });

  it('closes those who send too much or too large frames, and nobody else', async () => {
    const [neighbour, flooder, large] = [await listen(acme.owner), await listen(acme.owner), await listen(acme.owner)];
    for (let frame = 0; frame < 60; frame++) flooder.socket.send('hello');
    large.socket.send('x'.repeat(5_000));
    await flooder.until(() => flooder.closed !== null);
    await large.until(() => large.closed !== null);
    expect([flooder.closed, large.closed, neighbour.closed]).toEqual([1008, 1009, null]);
    const { text } = await app.anonymous.get('/metrics');
    expect(text).toContain('websockets_closed_total{reason="too_many_frames"} 1\n');
    expect(text).toMatch(/websockets_closed_total\{reason="right_lost"\} 1\n/);
    expect(text).toMatch(/websocket_messages_total [1-9]/);
    await acme.owner.patch('/mcp/tools/memos_echo', { effect: 'write' });
    await neighbour.until(() => neighbour.of('tool_changed').length > 0);
  });

  it('tells subscribers of every replica', async () => {
    const beside = await startApp({}, app);
    const listener = await listen(acme.owner, `${beside.url}/ws/mcp/resources/${connection}/`);
    const byTicket = await Listener.open(
      `${beside.url}/ws/mcp/resources/${connection}/?ticket=${await ticket(acme.owner)}`,
    );
    expect(typeof byTicket).toBe('object');
    await acme.owner.patch('/mcp/tools/memos_add', { effect: 'read' });
    await listener.until(() => listener.of('tool_changed').length === 1);
    await beside.close();
    await listener.until(() => listener.closed === 1001);
  });

  it('has every message in its description', async () => {
    const { status: code, body } = await app.anonymous.get('/docs/asyncapi.json');
    expect([code, body.asyncapi]).toEqual([200, '3.0.0']);
    expect(body).toEqual(asyncApiDocument('http://127.0.0.1:3000'));
    expect(Object.keys(body.components.messages).sort()).toEqual([
      'connection_status',
      'discovery_progress',
      'mapping_synced',
      'resource_updated',
      'resync',
      'tool_changed',
    ]);
    expect((await app.anonymous.get('/docs-json')).body.info.description).toContain('/docs/asyncapi.json');
  });
});
