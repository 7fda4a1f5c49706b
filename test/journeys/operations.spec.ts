import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import pg from 'pg';
import { setTimeout as delay } from 'node:timers/promises';
import { DataSource } from 'typeorm';
import { openApiDocument } from '../../src/bootstrap.js';
import { startApp, type TestApp } from '../support/app.js';
import { expectError } from '../support/contract.js';
import type { Upstream } from '../support/upstreams/http-server.js';
import { startOldEra } from '../support/upstreams/old-era.js';

describe('running the product', () => {
  let app: TestApp;
  let upstream: Upstream;
  beforeAll(async () => {
    app = await startApp({ CORS_ORIGINS: 'https://app.example.com' });
    upstream = await startOldEra();
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  it('says that it lives and is ready, and counts what it does, without a token', async () => {
    expect((await app.anonymous.get('/health/live')).body).toEqual({ status: 'live' });
    expect((await app.anonymous.get('/health/ready')).body).toEqual({ status: 'ready' });
    const metrics = await app.anonymous.get('/metrics');
    expect(metrics.headers.get('content-type')).toContain('text/plain');
    expect(metrics.text).toMatch(
      /http_request_duration_seconds_count\{method="POST",route="\/api\/v1\/auth\/login",status="200"\} \d+/,
    );
    expect(metrics.text).toContain(`control_plane_build_info{version="${versionOfPackage()}"} 1`);
  });

  it('has the same series whatever comes in, and names nobody', async () => {
    const server = { server_id: 'acme-secret', server_name: 'Acme secret', server_url: upstream.url };
    expect((await app.admin.post('/mcp/servers', server)).status).toBe(200);
    await ordinaryAndHostile(app, 'quokka');
    const before = await seriesOf(app);
    for (const salt of ['numbat', 'wombat']) await ordinaryAndHostile(app, salt);
    const after = await seriesOf(app);
    expect(after.filter((series) => !before.includes(series))).toEqual([]);
    expect(after).toContain('http_request_duration_seconds_count{method="other",route="unknown",status="404"}');
    expect(after.length).toBeLessThan(3_000);
    expect((await app.anonymous.get('/metrics')).text).not.toMatch(
      /[0-9a-f]{8}-[0-9a-f]{4}-|Default|admin|acme|echo|127\.0\.0\.1|quokka|numbat|wombat/i,
    );
  });

  it('counts a call as the ledger does, and says whose time it took', async () => {
    const server = { server_id: 'timed', server_name: 'Timed', server_url: upstream.url };
    expect((await app.admin.post('/mcp/servers', server)).status).toBe(200);
    const before = await figuresOf(app);
    const execute = (tool: string, args: object) =>
      app.admin.post(`/mcp/tools/timed_${tool}/execute`, { arguments: args });
    expect((await execute('wait', { ms: 300 })).status).toBe(200);
    expect((await execute('fail', {})).status).toBe(200);
    expect((await execute('wait', { ms: 'long' })).status).toBe(400);
    const after = await figuresOf(app);
    const grew = (series: string) => (after.get(series) ?? 0) - (before.get(series) ?? 0);
    const calls = (outcome: string) => grew(`calls_total{operation="tools/call",door="rest",outcome="${outcome}"}`);
    expect([calls('ok'), calls('tool_error'), calls('denied'), calls('upstream_error')]).toEqual([1, 1, 1, 0]);
    expect(grew('upstream_calls_total{operation="tools/call",outcome="ok"}')).toBe(2);
    const seconds = (name: string) => grew(`${name}_sum{operation="tools/call"}`);
    expect(grew('call_duration_seconds_count{operation="tools/call"}')).toBe(2);
    expect(seconds('call_upstream_seconds')).toBeGreaterThan(0.299);
    expect(seconds('call_overhead_seconds')).toBeLessThan(0.299);
    const parts = seconds('call_upstream_seconds') + seconds('call_overhead_seconds');
    expect(parts).toBeCloseTo(seconds('call_duration_seconds'), 6);
    expect(grew('ledger_batch_calls_sum{batch="open"}')).toBe(2);
    expect(grew('ledger_batch_calls_sum{batch="close"}')).toBe(3);
  });

  it('tells its metrics also while the database does not answer', async () => {
    const database = app.app.get(DataSource);
    const pool = (database.driver as unknown as { master: pg.Pool }).master;
    const taken = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
    const waiting = app.admin.get('/api/v1/workspaces/');
    try {
      while (pool.waitingCount === 0) await delay(5);
      const figures = await figuresOf(app);
      expect(figures.get('database_waiting')).toBeGreaterThan(0);
      expect(figures.get('database_connections{state="in_use"}')).toBe(pool.options.max);
      expect(figures.get('events_listening')).toBe(1);
    } finally {
      for (const client of taken) client.release();
    }
    expect((await waiting).status).toBe(200);
  });

  it('survives the loss of its database connections', async () => {
    const database = new pg.Client({ connectionString: app.databaseUrl });
    await database.connect();
    await database.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await database.end();
    const statuses: number[] = [];
    for (let tries = 0; tries < 5; tries++) statuses.push((await app.admin.get('/api/v1/workspaces/')).status);
    for (const status of statuses) expect([200, 503]).toContain(status);
    expect(statuses.at(-1)).toBe(200);
  });

  it('opens itself to the named browser origins only', async () => {
    const preflight = (origin: string) =>
      app.anonymous.send('OPTIONS', '/api/v1/auth/me', undefined, {
        origin,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization',
      });
    const allowed = await preflight('https://app.example.com');
    expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'https://app.example.com',
    ]);
    expect((await preflight('https://evil.example.com')).headers.get('access-control-allow-origin')).toBeNull();
    expect((await preflight('null')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('answers unknown paths and methods, malformed paths and odd characters with the one error body', async () => {
    expectError(await app.admin.get('/api/v1/nothing'), 404, 'route_not_found');
    expectError(await app.admin.send('PUT', '/mcp/tools'), 404, 'route_not_found');
    for (const path of [
      '/mcp/tools/%00',
      '/mcp/tools/a%00b',
      `/mcp/tools/${'x'.repeat(5_000)}`,
      '/mcp/servers/%F0%9F%98%80/resources',
    ]) {
      expectError(await app.admin.get(path), 404, 'resource_not_found');
    }
    expectError(await app.admin.get('/mcp/tools?search=%00'), 400, 'validation_failed');
    expectError(await app.admin.post('/api/v1/users/', { username: 'a\u0000b' }), 400, 'validation_failed');
    expectError(
      await app.admin.post('/api/v1/workspaces/', { organization: app.organization, name: 'a\u0000b' }),
      400,
      'validation_failed',
    );
  });

  it('writes one JSON line a request, with its id and without secrets', async () => {
    const answer = await app.anonymous.post(
      '/api/v1/auth/login',
      { username: 'admin', password: 'a password that is wrong' },
      { 'x-request-id': 'named-by-the-client' },
    );
    expect(answer.headers.get('x-request-id')).toBe('named-by-the-client');
    const odd = await app.anonymous.get('/', { 'x-request-id': 'odd {}"' });
    expect(odd.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    const lines = app.log.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toContainEqual(
      expect.objectContaining({
        request_id: 'named-by-the-client',
        method: 'POST',
        route: '/api/v1/auth/login',
        status: 401,
        msg: 'request',
      }),
    );
    expect(app.log.join('')).not.toContain('a password that is wrong');
    expect(app.log.join('')).not.toContain(app.admin.token);
  });

  it('documents every operation with an example answer, and serves the documentation', async () => {
    const document = openApiDocument(app.app);
    const undocumented: string[] = [];
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(
        operations as Record<
          string,
          { summary?: string; responses: Record<string, { content?: Record<string, { example?: unknown }> }> }
        >,
      )) {
        const success = Object.entries(operation.responses).find(([status]) => status.startsWith('2'));
        const isDocumented =
          operation.summary !== undefined &&
          (success?.[0] === '204' ||
            Object.values(success?.[1].content ?? {}).some(({ example }) => example !== undefined));
        if (!isDocumented) undocumented.push(`${method} ${path}`);
      }
    }
    expect(undocumented).toEqual([]);
    expect((await app.anonymous.get('/docs')).text).toContain('swagger-ui');
    expect(Object.keys((await app.anonymous.get('/docs-json')).body.paths)).toEqual(Object.keys(document.paths));
  });
});

function versionOfPackage(): string {
  return (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version;
}

async function figuresOf(app: TestApp): Promise<Map<string, number>> {
  const { status, text } = await app.anonymous.get('/metrics');
  expect(status).toBe(200);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

/** But for what Node.js says of the handles that happen to be open. */
async function seriesOf(app: TestApp): Promise<string[]> {
  return [...(await figuresOf(app)).keys()].filter((series) => !/^nodejs_active_/.test(series)).sort();
}

async function ordinaryAndHostile(app: TestApp, salt: string): Promise<void> {
  await app.admin.post('/mcp/tools/acme-secret_echo/execute', { arguments: { message: salt } });
  for (let turn = 0; turn < 10; turn++) {
    await app.admin.get(`/${salt}/${turn}`);
    await app.admin.get(`/mcp/tools/${salt}-${turn}`);
    await app.admin.post(`/mcp/tools/${salt}-${turn}/execute`, { arguments: {} });
    await app.admin.get(`/api/v1/mcp/connections/${randomUUID()}/`);
    await app.anonymous.withToken(salt).get('/mcp/tools', { 'x-workspace-id': randomUUID(), 'user-agent': salt });
  }
  for (const method of ['PROPFIND', 'MKCOL', 'TRACE', 'REPORT', 'SEARCH', 'QUERY', salt.toUpperCase()])
    await spoken(app, `${method} /${salt} HTTP/1.1\r\nhost: ${salt}\r\nconnection: close\r\n\r\n`);
}

/** What fetch would not say. */
async function spoken({ url }: TestApp, text: string): Promise<void> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.end(text);
  socket.resume();
  await once(socket, 'close');
}

describe('an external OpenID provider', () => {
  const ISSUER = 'https://id.example.com';
  let app: TestApp;
  let sign: (claims: Record<string, unknown>, header?: Record<string, unknown>) => Promise<string>;
  let close: () => void;
  beforeAll(async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }] });
    const server = createServer(
      (_request, response) => void response.setHeader('content-type', 'application/json').end(jwks),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    close = () => void server.close();
    app = await startApp({
      JWT_JWKS_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
      JWT_ISSUER: ISSUER,
      JWT_AUDIENCE: 'control-plane',
      JWT_USERNAME_CLAIM: 'preferred_username',
      JWT_AUTO_PROVISION: 'true',
    });
    sign = (claims, header = {}) =>
      new SignJWT({ sub: 'subject-1', iss: ISSUER, aud: 'control-plane', ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'one', ...header })
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(privateKey);
  });
  afterAll(async () => {
    await app.close();
    close();
  });
  const me = async (token: string) => app.anonymous.withToken(token).get('/api/v1/auth/me');

  it('signs people in by the claim that names them, and makes a user for new ones', async () => {
    expect((await me(await sign({ preferred_username: 'admin' }))).body).toMatchObject({
      username: 'admin',
      is_operator: true,
    });
    const tokens = await Promise.all([1, 2, 3].map(() => sign({ preferred_username: 'newcomer@example.com' })));
    const answers = await Promise.all(tokens.map(me));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
    expect(answers[0]?.body).toMatchObject({ username: 'newcomer@example.com', is_operator: false, organizations: [] });
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
  });

  it('still signs in with a password, under an issuer of our own', async () => {
    expect((await app.admin.get('/api/v1/auth/me')).status).toBe(200);
  });

  it('is believed about its own tokens only', async () => {
    const forged = [
      await sign({ preferred_username: 'admin', iss: 'https://evil.example.com' }),
      await sign({ preferred_username: 'admin', aud: 'somebody-else' }),
      await sign({ preferred_username: 'admin' }, { kid: 'unknown' }),
      await sign({}),
      `${(await sign({ preferred_username: 'admin' })).split('.').slice(0, 2).join('.')}.`,
    ];
    for (const token of forged) expect((await me(token)).status).toBe(401);
  });

  it('can not lift somebody whom an operator disabled', async () => {
    const token = await sign({ preferred_username: 'leaver' });
    const { body } = await me(token);
    await app.admin.patch(`/api/v1/users/${body.id}/`, { is_active: false });
    expect((await me(token)).status).toBe(401);
  });
});
