import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { ApiClient } from '../support/api-client.js';
import { startApp, type TestApp } from '../support/app.js';
import { hasRedis, TestRedis } from '../support/redis.js';
import { newMember, newTenant, newUser, type Tenant } from '../support/tenants.js';
import { startOldEra, type OldEraUpstream } from '../support/upstreams/old-era.js';

/** What is changed at one replica is known at the others after this long at the latest. */
const AT_ONCE_MS = 1_000;
const USER_LIMIT = 60;

// Where Redis is not installed, the product without it is all that can be looked at.
const KINDS = hasRedis ? ['PostgreSQL', 'Redis'] : ['PostgreSQL'];

describe.each(KINDS)('two replicas that hear of each other by %s', (kind) => {
  let redis: TestRedis | null = null;
  let one: TestApp;
  let two: TestApp;
  let acme: Tenant;
  let upstream: OldEraUpstream;
  let connection: string;
  let grant: number;
  let agent: string;

  beforeAll(async () => {
    if (kind === 'Redis') redis = await TestRedis.start();
    const variables: Record<string, string> = redis ? { REDIS_URL: redis.url } : {};
    one = await startApp(variables);
    [two, upstream] = await Promise.all([startApp(variables, one), startOldEra()]);
    acme = await newTenant(one);
    await acme.owner.post('/mcp/servers', { server_id: 'shop', server_name: 'Shop', server_url: upstream.url });
    connection = (await acme.owner.get('/api/v1/mcp/connections/')).body[0].id;
    const [echo] = (await acme.owner.get('/api/v1/mcp/resources/?resource_type=tool&search=echo')).body;
    const granted = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection,
      access_name: 'Echo',
      permission_level: 'admin',
      allowed_resources: [echo.id],
    });
    grant = granted.body.id;
    agent = await newAgent();
  });
  afterAll(async () => {
    await Promise.all([one.close(), two.close()]);
    await Promise.all([upstream.close(), redis?.close()]);
  });

  const newAgent = async (): Promise<string> =>
    (await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: 'Agent' })).body.token as string;
  const at = (replica: TestApp, token: string | null): ApiClient => replica.anonymous.withToken(token ?? '');
  const call = async (client: ApiClient): Promise<number> =>
    (await client.post('/mcp/tools/shop_echo/execute', { arguments: { message: 'hello' } })).status;

  /** Asked again and again, so that whatever may be cached is. */
  async function within(ms: number, is: () => Promise<boolean>): Promise<number> {
    const began = performance.now();
    while (!(await is())) {
      if (performance.now() - began > ms) throw new Error(`not so after ${ms} ms`);
      await sleep(10);
    }
    return performance.now() - began;
  }

  it('forget what they cached within a second of a change at the other one', async () => {
    const other = at(two, agent);
    expect(await call(other)).toBe(200);
    const grantPath = `/api/v1/mcp/workspace-access/${grant}/`;
    const connectionPath = `/api/v1/mcp/connections/${connection}/`;
    for (const [path, off, on, refused] of [
      [grantPath, { is_active: false }, { is_active: true }, 404],
      [connectionPath, { is_active: false }, { is_active: true }, 403],
    ] as const) {
      expect((await acme.owner.patch(path, off)).status).toBe(200);
      await within(AT_ONCE_MS, async () => [refused, 403, 404].includes(await call(other)));
      expect((await acme.owner.patch(path, on)).status).toBe(200);
      await within(AT_ONCE_MS, async () => (await call(other)) === 200);
    }
  });

  it('refuse a token, a member and a user within a second of the end of their rights', async () => {
    const token = await newAgent();
    const other = at(two, token);
    expect(await call(other)).toBe(200);
    const [{ id }] = (await acme.owner.get(`/api/v1/workspaces/${acme.workspace}/tokens/`)).body.slice(-1);
    await acme.owner.delete(`/api/v1/workspaces/${acme.workspace}/tokens/${id}/`);
    await within(AT_ONCE_MS, async () => (await call(other)) === 401);

    const member = await newMember(one, acme, 'member');
    const there = at(two, member.client.token);
    const connections = async (): Promise<number> =>
      (await there.get('/api/v1/mcp/connections/')).body.length as number;
    expect(await connections()).toBe(1);
    await acme.owner.delete(`/api/v1/organizations/${acme.organization}/members/${member.id}/`);
    await within(AT_ONCE_MS, async () => (await connections()) === 0);
    await one.admin.patch(`/api/v1/users/${member.id}/`, { is_active: false });
    await within(AT_ONCE_MS, async () => (await there.get('/api/v1/auth/me')).status === 401);
  });

  it('tell subscribers of each other what happened', async () => {
    const url = `${two.url.replace('http', 'ws')}/ws/mcp/resources/${connection}/`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${acme.owner.token}` } });
    const heard: { type: string; status?: string }[] = [];
    socket.on('message', (data: Buffer) => heard.push(JSON.parse(data.toString()) as { type: string }));
    await within(5_000, async () => heard.length > 0);
    await acme.owner.patch(`/api/v1/mcp/connections/${connection}/`, { is_active: false });
    await within(AT_ONCE_MS, async () => heard.at(-1)?.status === 'disconnected');
    await acme.owner.patch(`/api/v1/mcp/connections/${connection}/`, { is_active: true });
    await within(AT_ONCE_MS, async () => heard.at(-1)?.status === 'connected');
    socket.terminate();
  });

  if (kind !== 'Redis') return;

  it('work without Redis while it is away, however it went, and hear of each other again once it is back', async () => {
    const toggled = async (): Promise<void> => {
      for (const [is_active, status] of [
        [false, [403, 404]],
        [true, [200]],
      ] as const) {
        await acme.owner.patch(`/api/v1/mcp/workspace-access/${grant}/`, { is_active });
        await within(AT_ONCE_MS, async () => (status as readonly number[]).includes(await call(at(two, agent))));
      }
    };
    for (const [lose, restore] of [
      [() => redis?.kill(), () => redis?.start()],
      [() => redis?.signal('SIGSTOP'), () => redis?.signal('SIGCONT')],
    ] as const) {
      await lose();
      const began = performance.now();
      expect((await acme.owner.patch(`/api/v1/mcp/workspace-access/${grant}/`, { is_active: false })).status).toBe(200);
      expect([performance.now() - began < 2_000, (await two.anonymous.get('/health/ready')).status]).toEqual([
        true,
        200,
      ]);
      // Nothing was heard there, so that what is cached may be used for as long as it keeps.
      expect([200, 403, 404]).toContain(await call(at(two, agent)));
      await restore();
      await within(15_000, async () => (await call(at(two, agent))) !== 200);
      expect((await acme.owner.patch(`/api/v1/mcp/workspace-access/${grant}/`, { is_active: true })).status).toBe(200);
      await within(15_000, async () => (await call(at(two, agent))) === 200);
      await toggled();
    }
    expect([...one.log, ...two.log].filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
  });
});

// By themselves: four products at once take more connections than many a PostgreSQL has.
describe.each(KINDS)('two replicas that count by %s', (kind) => {
  it('share the limit of a user, within a tenth', async () => {
    const limited: Record<string, string> = { THROTTLE_AUTHENTICATED: String(USER_LIMIT) };
    const own = kind === 'Redis' ? await TestRedis.start() : null;
    if (own) limited.REDIS_URL = own.url;
    const first = await startApp(limited);
    const second = await startApp(limited, first);
    try {
      const { client } = await newUser(first);
      let allowed = 0;
      for (let round = 0; round < USER_LIMIT; round++) {
        const answers = await Promise.all(
          [first, second].map((each) => each.anonymous.withToken(client.token ?? '').get('/api/v1/auth/me')),
        );
        allowed += answers.filter(({ status }) => status === 200).length;
      }
      expect(allowed).toBeLessThanOrEqual(USER_LIMIT);
      expect(allowed).toBeGreaterThanOrEqual(USER_LIMIT * 0.9);
    } finally {
      await second.close();
      await first.close();
      await own?.close();
    }
  });
});
