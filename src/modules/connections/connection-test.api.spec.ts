import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Answer, ApiClient } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError } from '../../../test/support/contract.js';
import { jiraType, processType } from '../../../test/support/server-types.js';
import { newMember, newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startHostile } from '../../../test/support/upstreams/hostile.js';
import { startModernEra } from '../../../test/support/upstreams/modern-era.js';
import { startOldEra, startOldSse } from '../../../test/support/upstreams/old-era.js';
import { memoryProgram } from '../../../test/support/upstreams/programs.js';

const CONNECTIONS = '/api/v1/mcp/connections/';
const DEAD_PORT = 'http://127.0.0.1:1/mcp';
const HOSTILE_PROGRAM = join(process.cwd(), 'test/support/upstreams/hostile-program.mjs');

describe('testing a connection', () => {
  let app: TestApp;
  let acme: Tenant;
  const closing: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    app = await startApp({ STDIO_ENABLED: 'true' });
    acme = await newTenant(app);
    const { username } = (await app.admin.get('/api/v1/auth/me')).body;
    await acme.owner.post(`/api/v1/organizations/${acme.organization}/members/`, { username, role: 'admin' });
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  afterAll(() => app.close());

  const running = async <T extends { close: () => Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const upstream = await starting;
    closing.push(upstream.close);
    return upstream;
  };
  const create = (auth_data: object, more: object = {}, client: ApiClient = acme.owner): Promise<Answer> =>
    client.post(CONNECTIONS, {
      server: 3,
      organization: acme.organization,
      connection_name: `Server ${randomUUID()}`,
      auth_data,
      ...more,
    });
  const created = async (...args: Parameters<typeof create>): Promise<string> => {
    const answer = await create(...args);
    expect(answer.status).toBe(201);
    return answer.body.id;
  };
  const test = (id: string, client: ApiClient = acme.owner): Promise<Answer> =>
    client.post(`${CONNECTIONS}${id}/test/`);

  describe('that works', () => {
    it.each([
      ['a server of 2026-07-28', () => startModernEra({ token: 'good' }), 3, '2026-07-28'],
      ['a server of 2025-11-25 and older', () => startOldEra({ token: 'good' }), 3, '2025-11-25'],
      ['an old server on SSE', () => startOldSse({ token: 'good' }), 4, '2025-11-25'],
    ])('says version, time and protocol of %s', async (_what, start, server, protocol) => {
      const upstream = await running(start());
      const id = await created({ base_url: upstream.url, api_token: 'good' }, { server });
      const answer = await test(id);
      expect([answer.status, answer.body]).toEqual([
        200,
        {
          success: true,
          message: 'Connection successful',
          details: {
            version: expect.stringMatching(/^\d+\.\d+/),
            server_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/),
            server_name: expect.any(String),
            protocol_version: protocol,
            latency_ms: expect.any(Number),
          },
        },
      ]);
      expect(Math.abs(Date.parse(answer.body.details.server_time) - Date.now())).toBeLessThan(5_000);
      const after = (await acme.owner.get(`${CONNECTIONS}${id}/`)).body;
      expect([after.status, Date.parse(after.last_connected) > Date.now() - 60_000]).toEqual(['connected', true]);
    });

    it('sends the other header that a type has room for, and no token where none was given', async () => {
      const upstream = await running(startModernEra());
      const id = await created({ base_url: upstream.url, header_name: 'X-API-Key', header_value: 'abc' });
      expect((await test(id)).body.success).toBe(true);
      expect(upstream.journal[0]?.headers).toMatchObject({ 'x-api-key': 'abc' });
      expect(upstream.journal[0]?.headers).not.toHaveProperty('authorization');
    });

    it('works while the connection is switched off, and does not switch it on', async () => {
      const upstream = await running(startModernEra());
      const id = await created({ base_url: upstream.url });
      await acme.owner.patch(`${CONNECTIONS}${id}/`, { is_active: false });
      expect((await test(id)).body.success).toBe(true);
      expect((await acme.owner.get(`${CONNECTIONS}${id}/`)).body.is_active).toBe(false);
    });

    it('uses the credentials of this moment', async () => {
      const upstream = await running(startOldEra({ token: 'second' }));
      const id = await created({ base_url: upstream.url, api_token: 'first' });
      expect((await test(id)).body.details.reason).toBe('unauthorized');
      await acme.owner.put(`${CONNECTIONS}${id}/credentials/`, {
        auth_data: { base_url: upstream.url, api_token: 'second' },
      });
      expect((await test(id)).body.success).toBe(true);
    });
  });

  describe('that fails', () => {
    const failure = async (
      auth: object,
      more: object = {},
    ): Promise<{ reason: string; message: string; ms: number }> => {
      const id = await created({ api_token: 'S3CR3T', ...auth }, more);
      const began = performance.now();
      const answer = await test(id);
      expect([answer.status, answer.body.success]).toEqual([200, false]);
      expect(answer.text).not.toMatch(/S3CR3T/);
      const after = (await acme.owner.get(`${CONNECTIONS}${id}/`)).body;
      expect([after.status, after.last_connected]).toEqual(['error', null]);
      const { reason } = answer.body.details;
      return { reason, message: answer.body.message, ms: performance.now() - began };
    };

    it('says that nobody listens on the port', async () => {
      const { reason, message } = await failure({ base_url: DEAD_PORT });
      expect([reason, message]).toEqual(['connection_refused', expect.stringMatching(/refused the connection/)]);
    });

    it('says that there is no trusted TLS', async () => {
      const { url } = await running(startModernEra());
      const { reason, message } = await failure({ base_url: url.replace('http:', 'https:') });
      expect([reason, message]).toEqual(['tls', expect.stringMatching(/certificate and the scheme/)]);
    });

    it('says that the credentials are refused', async () => {
      const { url } = await running(startOldEra({ token: 'another' }));
      const { reason, message } = await failure({ base_url: url });
      expect([reason, message]).toEqual(['unauthorized', expect.stringMatching(/credential|401|token/i)]);
    });

    it('says that a web page is not MCP', async () => {
      const { url } = await running(startHostile({ handshake: 'html' }));
      const { reason, message } = await failure({ base_url: url });
      expect([reason, message]).toEqual(['not_mcp', expect.stringMatching(/MCP/)]);
    });

    it('says that the address is wrong', async () => {
      const { url } = await running(startHostile({ handshake: 'status-404' }));
      expect((await failure({ base_url: url })).reason).toBe('not_mcp');
    });

    it.each(['hang', 'hang-midway', 'sse-hang'])('stops waiting for a server that does %s', async (handshake) => {
      const { url } = await running(startHostile({ handshake }));
      const { reason, ms } = await failure({ base_url: url }, { config_options: { timeout: 1 } });
      expect(reason).toBe('timeout');
      expect(ms).toBeLessThan(3_000);
    });

    it('says that a name does not resolve', async () => {
      const { reason, message } = await failure({ base_url: `https://${randomUUID()}.invalid/mcp` });
      expect([reason, message]).toEqual(['address_refused', expect.stringMatching(/does not resolve/)]);
    });

    it.each(['bomb', 'huge', 'not-json', 'wrong-id', 'redirect', 'reset', 'status-500', 'status-429', 'proto'])(
      'has a reason for a server that answers with %s',
      async (handshake) => {
        const { url } = await running(startHostile({ handshake }));
        const { reason, message } = await failure({ base_url: url }, { config_options: { timeout: 5 } });
        expect(reason).toMatch(/^[a-z_]+$/);
        expect(message.length).toBeGreaterThan(10);
      },
    );

    it('keeps the time of the last success', async () => {
      const upstream = await startModernEra();
      const id = await created({ base_url: upstream.url });
      await test(id);
      const before = (await acme.owner.get(`${CONNECTIONS}${id}/`)).body.last_connected;
      await upstream.close();
      expect((await test(id)).body.success).toBe(false);
      const after = (await acme.owner.get(`${CONNECTIONS}${id}/`)).body;
      expect([after.status, after.last_connected]).toEqual(['error', before]);
    });
  });

  describe('of a process', () => {
    const TOKEN = 'tok-0123456789abcdef';
    const generic = (args: string[]): object => ({
      server: 5,
      config_options: { command: process.execPath, args, timeout: 10 },
    });

    it('works for an operator', async () => {
      const { command, args } = memoryProgram();
      const id = await created({}, { server: 5, config_options: { command, args, timeout: 20 } }, app.admin);
      const answer = await test(id, app.admin);
      expect(answer.body).toMatchObject({ success: true, details: { version: expect.stringMatching(/^\d/) } });
      expect(answer.body.details).not.toHaveProperty('server_time');
    });

    it('shows its last words without the secrets that it was given', async () => {
      const auth = { environment: { API_TOKEN: TOKEN } };
      const id = await created(auth, generic([HOSTILE_PROGRAM, '--dies']), app.admin);
      const { body, text } = await test(id, app.admin);
      expect(body.details).toEqual({ reason: 'process_failed', stderr: 'cannot start with ***' });
      expect(text).not.toContain(TOKEN);
    });

    it('says that there is no such program', async () => {
      const id = await created({}, { server: 5, config_options: { command: '/no/such/program' } }, app.admin);
      expect((await test(id, app.admin)).body).toMatchObject({ success: false, details: { reason: 'process_failed' } });
    });

    it.each<[string, object, object, string]>([
      ['a NUL in the command', {}, { command: 'a\0b' }, 'config_options.command'],
      ['a NUL in a variable', { environment: { A: 'a\0b' } }, { command: 'x' }, 'auth_data.environment.A'],
      ['a variable of a strange name', { environment: { 'A=B': 'c' } }, { command: 'x' }, 'auth_data.environment.A=B'],
      ['a command that is missing', {}, {}, 'config_options.command'],
    ])('refuses %s', async (_what, auth, config_options, field) => {
      const answer = await create(auth, { server: 5, config_options }, app.admin);
      expectError(answer, 400, 'validation_failed');
      expect(Object.keys(answer.body.details.fields)).toContain(field);
    });

    it('is for operators only, whatever the type and the route', async () => {
      const type = {
        ...processType('acme/memory', process.execPath, [HOSTILE_PROGRAM]),
        organization: acme.organization,
      };
      const fixed = (await app.admin.post('/api/v1/mcp/registry/', type)).body.id;
      for (const [auth, more] of [
        [{}, generic([HOSTILE_PROGRAM])],
        [{ token: TOKEN }, { server: fixed }],
      ] as [object, { config_options?: object }][]) {
        expectError(await create(auth, more), 403, 'forbidden');
        const id = await created(auth, more, app.admin);
        const path = `${CONNECTIONS}${id}/`;
        expectError(await test(id), 403, 'forbidden');
        expectError(await acme.owner.put(`${path}credentials/`, { auth_data: auth }), 403, 'forbidden');
        expectError(await acme.owner.patch(path, { auth_data: auth }), 403, 'forbidden');
        expectError(await acme.owner.patch(path, { config_options: more.config_options ?? {} }), 403, 'forbidden');
        expectError(await acme.owner.patch(path, { is_active: true }), 403, 'forbidden');
        expect((await acme.owner.patch(path, { connection_name: randomUUID(), is_active: false })).status).toBe(200);
        expect((await test(id, app.admin)).body.success).toBe(true);
        expect((await acme.owner.delete(path)).status).toBe(204);
      }
    });

    // Until DiscoveryService asks `connections.inspectable` instead of `required(..., 'admin')`; then plain `it`.
    it('is for operators only when it is discovered, too', async () => {
      const id = await created({}, generic([HOSTILE_PROGRAM]), app.admin);
      const path = `${CONNECTIONS}${id}/discover/`;
      expectError(await acme.owner.post(path, {}), 403, 'forbidden');
      expectError(await acme.owner.post(path, {}, { prefer: 'respond-async' }), 403, 'forbidden');
    });

    it('stops where STDIO_ENABLED is taken away', async () => {
      const id = await created({}, generic([HOSTILE_PROGRAM]), app.admin);
      const later = await startApp({}, app);
      closing.push(later.close);
      expectError(await later.admin.post(`${CONNECTIONS}${id}/test/`), 403, 'forbidden');
      expect((await later.admin.post(`${CONNECTIONS}${id}/discover/`, {})).status).toBe(403);
      expect((await later.admin.get(`${CONNECTIONS}${id}/`)).status).toBe(200);
      expect((await later.admin.delete(`${CONNECTIONS}${id}/`)).status).toBe(204);
    });
  });

  it('is for admins only', async () => {
    const id = await created({ base_url: DEAD_PORT });
    const member = await newMember(app, acme, 'member');
    expectError(await test(id, member.client), 403, 'forbidden');
  });

  it('deleted in the middle answers 404 or as if it had been tested before', async () => {
    const { url } = await running(startHostile({ handshake: 'hang' }));
    const id = await created({ base_url: url }, { config_options: { timeout: 2 } });
    const testing = test(id);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await acme.owner.delete(`${CONNECTIONS}${id}/`);
    expect([200, 404]).toContain((await testing).status);
    expect(await app.query('SELECT status, sealed_auth FROM connections WHERE id = $1', [id])).toEqual([
      { status: 'disconnected', sealed_auth: '' },
    ]);
  });
});

describe('where no private address is allowed', () => {
  let app: TestApp;
  let acme: Tenant;
  let type: string;
  beforeAll(async () => {
    app = await startApp({ EGRESS_ALLOW: '192.0.2.1' });
    acme = await newTenant(app);
    const body = jiraType({
      organization: acme.organization,
      config_schema: {
        auth: { type: 'object', properties: { api_token: { type: 'string' }, base_url: { type: 'string' } } },
        options: {},
      },
    });
    type = (await acme.owner.post('/api/v1/mcp/registry/', body)).body.id;
  });
  afterAll(() => app.close());

  const body = (base_url: string): object => ({
    server: type,
    organization: acme.organization,
    connection_name: `Server ${randomUUID()}`,
    auth_data: { base_url, api_token: 'S3CR3T' },
  });

  const REFUSED = [
    'http://127.0.0.1/mcp',
    'http://127.1/mcp',
    'http://2130706433/mcp',
    'http://0x7f000001/mcp',
    'http://0177.0.0.1/mcp',
    'http://127.0.0.1.:3000/mcp',
    'http://１２７.0.0.1/mcp',
    'http://0/mcp',
    'http://localhost/mcp',
    'http://LOCALHOST./mcp',
    'http://api.localhost/mcp',
    'http://[::1]/mcp',
    'http://[::]/mcp',
    'http://[::ffff:127.0.0.1]/mcp',
    'http://[::ffff:7f00:1]/mcp',
    'http://[::127.0.0.1]/mcp',
    'http://[64:ff9b::7f00:1]/mcp',
    'http://[fd00::1]/mcp',
    'http://[fe80::1]/mcp',
    'http://10.0.0.1/mcp',
    'http://172.16.0.1/mcp',
    'http://192.168.0.1/mcp',
    'http://100.64.0.1/mcp',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/latest/meta-data/',
    'http://224.0.0.1/mcp',
    'http://255.255.255.255/mcp',
    'http://user:S3CR3T@mcp.example/mcp',
    'ftp://mcp.example/mcp',
    'file:///etc/passwd',
    'http://169.254.169.\n254/mcp',
  ];

  it.each(REFUSED)('refuses %s on create, update and new credentials, and stores nothing', async (address) => {
    const answer = await acme.owner.post('/api/v1/mcp/connections/', body(address));
    expectError(answer, 400, 'address_refused');
    expect(answer.text).not.toMatch(/S3CR3T/);
    const { id } = (await acme.owner.post('/api/v1/mcp/connections/', body('https://mcp.example/mcp'))).body;
    const path = `/api/v1/mcp/connections/${id}/`;
    const before = await app.query('SELECT * FROM connections');
    const auth_data = { base_url: address, api_token: 'S3CR3T' };
    expectError(await acme.owner.put(`${path}credentials/`, { auth_data }), 400, 'address_refused');
    expectError(await acme.owner.patch(path, { auth_data }), 400, 'address_refused');
    expect(await app.query('SELECT * FROM connections')).toEqual(before);
  });

  it('tells a refused address that was stored before like a name that does not resolve', async () => {
    const earlier = await startApp({}, app);
    const { id } = (
      await (
        await owner(earlier)
      ).post('/api/v1/mcp/connections/', {
        ...body('http://127.0.0.1:1/mcp'),
        organization: earlier.organization,
        server: 3,
      })
    ).body;
    await earlier.close();
    const unresolved = (
      await app.admin.post('/api/v1/mcp/connections/', {
        ...body('https://nobody.invalid/mcp'),
        organization: app.organization,
        server: 3,
      })
    ).body;
    const [refused, unknown] = [
      await app.admin.post(`/api/v1/mcp/connections/${id}/test/`),
      await app.admin.post(`/api/v1/mcp/connections/${unresolved.id}/test/`),
    ];
    expect([refused.status, refused.body]).toEqual([200, unknown.body]);
    expect(refused.body).toMatchObject({ success: false, details: { reason: 'address_refused' } });
  });

  const owner = async (of: TestApp): Promise<ApiClient> => of.admin;
});
