import { setTimeout as sleep } from 'node:timers/promises';
import { connectAll, newAgent, type Agent, type Events } from '../../../test/support/agents.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startModernEra, type ModernEraUpstream } from '../../../test/support/upstreams/modern-era.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';
import { until } from '../../../test/support/upstreams/pool-harness.js';

const [ONE, TWO] = ['memo://one', 'memo://two'];
const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
const UPDATED = 'notifications/resources/updated';
/** Longer than changes are gathered. */
const QUIET_MS = 600;

describe('subscriptions to resources', () => {
  let app: TestApp;
  let acme: Tenant;
  let other: Tenant;
  let old: OldEraUpstream;
  let modern: ModernEraUpstream;
  let plain: OldEraUpstream;
  let agent: Agent;
  const open: Events[] = [];

  beforeAll(async () => {
    [app, old, modern, plain] = await Promise.all([
      startApp(),
      startOldEra({ subscriptions: true }),
      startModernEra({ subscriptions: true }),
      startOldEra(),
    ]);
    [acme, other] = await Promise.all([newTenant(app), newTenant(app)]);
    await connectAll(acme, 'old', old.url);
    await connectAll(acme, 'modern', modern.url);
    await connectAll(acme, 'plain', plain.url);
    const { connection, grant, resources } = await connectAll(other, 'old', old.url);
    expect(connection).not.toBe('');
    const only = resources.filter(({ resource_uri: uri }) => uri === ONE).map(({ id }) => id);
    await other.owner.patch(`/api/v1/mcp/workspace-access/${grant}/`, { allowed_resources: only });
    agent = await newAgent(app, acme);
  });
  afterEach(async () => {
    for (const events of open.splice(0)) await events.close();
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([old.close(), modern.close(), plain.close()]);
  });

  const at = (server: string, uri: string): string =>
    server === 'old' ? uri : `mcp://${server}/${encodeURIComponent(uri)}`;
  const upstreams = () => ({ old, modern }) as Record<string, Pick<OldEraUpstream, 'updateResource'>>;
  async function listening(opened: Promise<Events>): Promise<Events> {
    const events = await opened;
    open.push(events);
    return events;
  }
  /** A workspace of its own with a grant on both memos of `old`. */
  async function newPlace(): Promise<{ place: Tenant; grant: number; agent: Agent; one: number }> {
    const body = { organization: acme.organization, name: `Place ${Math.random()}` };
    const workspace = (await acme.owner.post('/api/v1/workspaces/', body)).body.id as string;
    const place = { ...acme, workspace };
    const { grant, resources } = await connectAll(place, 'old', old.url);
    const memos = [ONE, TWO].map((memo) => resources.find(({ resource_uri: uri }) => uri === memo)?.id ?? 0);
    await acme.owner.patch(`/api/v1/mcp/workspace-access/${grant}/`, { allowed_resources: memos });
    return { place, grant, agent: await newAgent(app, place), one: memos[0] ?? 0 };
  }

  describe.each(['old', 'modern'])('of a server of the %s era', (server) => {
    it('are told to a client of the old era', async () => {
      const session = await agent.session();
      const uri = at(server, ONE);
      expect((await session.ask('resources/subscribe', { uri })).body.result).toEqual({});
      await upstreams()[server]?.updateResource(ONE);
      // It was not listening yet: what it missed was kept for it.
      const events = await listening(session.listen());
      await upstreams()[server]?.updateResource(ONE);
      expect(await events.next()).toEqual({ jsonrpc: '2.0', method: UPDATED, params: { uri } });
      await sleep(QUIET_MS);
      expect((await session.ask('resources/unsubscribe', { uri })).body.result).toEqual({});
      await sleep(QUIET_MS);
      await upstreams()[server]?.updateResource(ONE);
      await expect(events.next(QUIET_MS)).rejects.toThrow('nothing was said');
      await session.end();
    });

    it('are acknowledged and told to a client of the new era', async () => {
      const [uri, nothing] = [at(server, ONE), 'memo:nothing'];
      const events = await listening(agent.listen({ resourceSubscriptions: [uri, nothing], toolsListChanged: true }));
      const { method, params } = await events.next();
      const meta = { 'io.modelcontextprotocol/subscriptionId': expect.any(Number) };
      const notifications = { resourceSubscriptions: [uri], toolsListChanged: true };
      expect([method, params]).toEqual([ACKNOWLEDGED, { notifications, _meta: meta }]);
      await upstreams()[server]?.updateResource(TWO);
      await upstreams()[server]?.updateResource(ONE);
      expect(await events.next()).toMatchObject({ method: UPDATED, params: { uri, _meta: meta } });
    });
  });

  it('are declared', async () => {
    const { body } = await agent.ask('server/discover');
    expect(body.result.capabilities.resources).toEqual({ listChanged: true, subscribe: true });
  });

  it('are asked for once for all sessions of an agent, and given up with the last', async () => {
    const { agent: mine } = await newPlace();
    const before = old.subscriptions().length;
    const [one, two] = [await mine.session(), await mine.session()];
    for (const session of [one, two, one]) await session.ask('resources/subscribe', { uri: ONE });
    expect(old.subscriptions()).toHaveLength(before + 1);
    await one.end();
    const events = await listening(two.listen());
    await old.updateResource(ONE);
    expect(await events.next()).toMatchObject({ method: UPDATED });
    await two.end();
    await until(() => old.subscriptions().length === before);
  });

  it('end with the stream of a client of the new era', async () => {
    const { agent: mine } = await newPlace();
    const before = old.subscriptions().length;
    const events = await mine.listen({ resourceSubscriptions: [ONE, TWO] });
    await events.next();
    expect(old.subscriptions()).toHaveLength(before + 2);
    await events.close();
    await until(() => old.subscriptions().length === before);
  });

  it('are refused where the server does not tell, and left out in the new era', async () => {
    const session = await agent.session();
    const uri = at('plain', ONE);
    const { body } = await session.ask('resources/subscribe', { uri });
    expect(body.error).toEqual({ code: -32_601, message: 'The server does not tell when this resource changes.' });
    const events = await listening(agent.listen({ resourceSubscriptions: [uri] }));
    expect((await events.next()).params?.notifications).toEqual({ resourceSubscriptions: [] });
    expect(plain.journal.some(({ method }) => method === 'resources/subscribe')).toBe(false);
  });

  it('are refused to what is not granted, before anything leaves', async () => {
    const stranger = await newAgent(app, other);
    const session = await stranger.session();
    const before = old.journal.filter(({ method }) => method === 'resources/subscribe').length;
    for (const uri of [TWO, at('modern', ONE), 'memo://three', 7, 'x'.repeat(3_000), `${ONE}\0`, undefined])
      expect((await session.ask('resources/subscribe', { uri })).body.error.code).toBe(-32_602);
    const events = await listening(stranger.listen({ resourceSubscriptions: [TWO, 'x'.repeat(3_000)] }));
    expect((await events.next()).params?.notifications).toEqual({ resourceSubscriptions: [] });
    expect(old.journal.filter(({ method }) => method === 'resources/subscribe')).toHaveLength(before);
    const [foreign] = await Promise.all([(await newAgent(app, acme)).session()]);
    const intruder = app.anonymous.withToken(stranger.token);
    const headers = { accept: 'application/json, text/event-stream', 'mcp-session-id': foreign.id };
    const asked = { jsonrpc: '2.0', id: 1, method: 'resources/subscribe', params: { uri: ONE } };
    expect((await intruder.post(stranger.door, asked, headers)).status).toBe(404);
  });

  it.each([
    ['no list', 'memo://one'],
    ['no texts', [7]],
    ['too many', Array.from({ length: 1_001 }, (_, index) => `memo://${index}`)],
  ])('are no subscriptions where they are %s', async (_, resourceSubscriptions) => {
    const answer = await agent.ask('subscriptions/listen', { notifications: { resourceSubscriptions } });
    expect([answer.status, answer.body.error.code]).toEqual([400, -32_602]);
  });

  it('end when the right is lost, on whichever replica, and the server is told', async () => {
    const { grant, agent: mine, one } = await newPlace();
    const replica = await startApp({}, app);
    try {
      const before = old.subscriptions().length;
      const session = await mine.session();
      for (const uri of [ONE, TWO]) await session.ask('resources/subscribe', { uri });
      const events = await listening(session.listen());
      const path = `/api/v1/mcp/workspace-access/${grant}/remove-resource/`;
      const owner = acme.owner.at(replica.url);
      expect((await owner.post(path, { resource_id: one })).status).toBe(200);
      await until(() => old.subscriptions().length === before + 1);
      await old.updateResource(ONE);
      await old.updateResource(TWO);
      const heard: unknown[] = [];
      while (heard.at(-1) !== null) heard.push(await events.next(QUIET_MS).catch(() => null));
      expect(heard).toContainEqual({ jsonrpc: '2.0', method: UPDATED, params: { uri: TWO } });
      expect(heard).not.toContainEqual({ jsonrpc: '2.0', method: UPDATED, params: { uri: ONE } });
      // Whoever may again asks again.
      await acme.owner.post(`/api/v1/mcp/workspace-access/${grant}/add-resource/`, { resource_id: one });
      let again = await session.ask('resources/subscribe', { uri: ONE });
      for (let tries = 0; again.body.error && tries < 20; tries++) {
        await sleep(100);
        again = await session.ask('resources/subscribe', { uri: ONE });
      }
      expect(old.subscriptions()).toHaveLength(before + 2);
      await session.end();
    } finally {
      await replica.close();
    }
  });

  it('are bounded for each agent', async () => {
    const mine = await newAgent(app, acme);
    const many = Array.from({ length: 1_000 }, (_, index) => at('modern', `memo://n${index}`));
    const events = await listening(mine.listen({ resourceSubscriptions: many }));
    const acknowledged = (await events.next(60_000)).params?.notifications as { resourceSubscriptions: string[] };
    expect(acknowledged.resourceSubscriptions).toHaveLength(1_000);
    const session = await mine.session();
    const refused = await session.ask('resources/subscribe', { uri: ONE });
    expect([refused.status, refused.body.error.data.code]).toEqual([429, 'rate_limit_exceeded']);
    const others = await agent.session();
    expect((await others.ask('resources/subscribe', { uri: ONE })).body.result).toEqual({});
    await others.end();
  });

  it('are calls in the ledger, as refused ones are', async () => {
    const { agent: mine, place } = await newPlace();
    const session = await mine.session();
    await session.ask('resources/subscribe', { uri: ONE });
    const calls = (await acme.owner.get(`/api/v1/mcp/calls/?workspace=${place.workspace}`)).body;
    expect(calls).toMatchObject([{ operation: 'resources/subscribe', outcome: 'ok', door: 'agent' }]);
    await session.end();
  });
});
