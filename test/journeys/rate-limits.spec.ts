import { startApp, type TestApp } from '../support/app.js';
import { expectError } from '../support/contract.js';

describe('rate limits', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp({ THROTTLE_AUTHENTICATED: '100', THROTTLE_ANONYMOUS: '5', TRUSTED_PROXIES: '127.0.0.1' });
  });
  afterAll(() => app.close());

  // Each test is another client: its address is what the trusted proxy says.
  const from = (address: string) => ({ 'x-forwarded-for': address });

  it('lets 5 requests a minute through without a token, on any path and whatever the token, then answers 429', async () => {
    const remaining: (string | null)[] = [];
    const paths = ['/api/v1/mcp/registry/', '/no/such/path', '/api/v1/auth/me', '/mcp/tools', '/'];
    for (const path of paths) {
      const answer = await app.anonymous.withToken('wrong').get(path, from('192.0.2.1'));
      expect([401, 404]).toContain(answer.status);
      expect(answer.headers.get('x-ratelimit-limit')).toBe('5');
      remaining.push(answer.headers.get('x-ratelimit-remaining'));
    }
    expect(remaining).toEqual(['4', '3', '2', '1', '0']);
    const refused = await app.anonymous.get('/api/v1/mcp/registry/', from('192.0.2.1'));
    expectError(refused, 429, 'rate_limit_exceeded');
    const seconds = Number(refused.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(50);
    expect(seconds).toBeLessThanOrEqual(60);
    expect(refused.headers.get('x-ratelimit-reset')).toBe(String(seconds));
    expect((await app.anonymous.get('/api/v1/mcp/registry/', from('192.0.2.2'))).status).toBe(401);
  });

  it('counts malformed bodies and requests to log in', async () => {
    for (let tries = 0; tries < 5; tries++) {
      const answer = await app.anonymous.post('/api/v1/auth/login', '{"bad', {
        'content-type': 'application/json',
        ...from('192.0.2.3'),
      });
      expectError(answer, 400, 'malformed_json');
    }
    expectError(await app.anonymous.post('/api/v1/auth/login', {}, from('192.0.2.3')), 429, 'rate_limit_exceeded');
  });

  it('counts the addresses of one IPv6 network as one', async () => {
    for (let host = 1; host <= 5; host++) await app.anonymous.get('/', from(`2001:db8:1:2::${host}`));
    expect((await app.anonymous.get('/', from('2001:db8:1:2:ffff::1'))).status).toBe(429);
    expect((await app.anonymous.get('/', from('2001:db8:1:3::1'))).status).toBe(404);
  });

  it('lets exactly 100 requests a minute of a user through, also all at once, and does not mind what is exempt', async () => {
    // Signing in was the first request with this token, which said who it is, so 99 are left.
    const answers = await Promise.all(Array.from({ length: 120 }, () => app.admin.get('/api/v1/auth/me')));
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(99);
    expect(answers.filter((answer) => answer.status === 429)).toHaveLength(21);
    expect((await app.admin.get('/metrics')).text).toContain('rate_limited_total{limit="signed_in"} 21\n');
    for (const path of ['/health/live', '/health/ready', '/metrics', '/docs', '/docs-json', '/.well-known/x']) {
      const answer = await app.admin.get(path);
      expect([200, 404]).toContain(answer.status);
      expect(answer.headers.get('x-ratelimit-limit')).toBeNull();
    }
  });
});

describe('forwarding headers', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp({ THROTTLE_ANONYMOUS: '5' });
  });
  afterAll(() => app.close());

  it('do not get anybody past the limit where no proxy is trusted', async () => {
    // One request was the login of the test itself.
    const answers = [];
    for (let tries = 0; tries < 6; tries++)
      answers.push((await app.anonymous.get('/', { 'x-forwarded-for': `192.0.2.${tries}` })).status);
    expect(answers).toEqual([404, 404, 404, 404, 429, 429]);
  });
});
