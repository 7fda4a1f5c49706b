import { ConfigurationError, loadEnvironment } from './load-environment.js';

const KEY = Buffer.alloc(32, 7).toString('base64');

function problemsOf(source: Record<string, string>): string {
  try {
    loadEnvironment(source);
    return '';
  } catch (error) {
    return (error as ConfigurationError).problems.join('\n');
  }
}

describe('loadEnvironment', () => {
  it('has a default for everything in development', () => {
    expect(loadEnvironment({})).toMatchObject({
      PORT: 3000,
      PUBLIC_URL: 'http://127.0.0.1:3000',
      JWT_AUDIENCE: 'http://127.0.0.1:3000',
      EGRESS_ALLOW: ['127.0.0.0/8', '::1'],
      STDIO_ENABLED: false,
    });
  });

  it('lists everything that is wrong at once, each by its own name', () => {
    const problems = problemsOf({
      PORT: '70000',
      HOST: 'not a host',
      EGRESS_ALLOW: '10.0.0.0/8,foo bar',
      TRUSTED_PROXIES: '10.0.0.0/99',
      ENCRYPTION_KEYS: `k1:${KEY},k1:${KEY}`,
      CORS_ORIGINS: 'https://app.example.com/path',
      STDIO_ENABLED: 'perhaps',
      THROTTLE_ANONYMOUS: '0',
    });
    const names = [
      'PORT',
      'HOST',
      'EGRESS_ALLOW',
      'TRUSTED_PROXIES',
      'ENCRYPTION_KEYS',
      'CORS_ORIGINS',
      'STDIO_ENABLED',
      'THROTTLE_ANONYMOUS',
    ];
    for (const name of names) expect(problems).toContain(name);
    expect(problems).not.toContain('PUBLIC_URL');
  });

  it.each([
    ['EGRESS_ALLOW', '999.1.1.1/99'],
    ['TRUSTED_PROXIES', 'x'],
    ['PORT', '0'],
    ['PUBLIC_URL', 'ftp://example.com'],
    ['DATABASE_URL', 'mysql://x'],
    ['JWT_SECRET', 'short'],
  ])('refuses %s=%s', (name, value) => {
    expect(problemsOf({ [name]: value })).toContain(name);
  });

  it('wants real secrets in production, and opens no private address there by itself', () => {
    expect(problemsOf({ NODE_ENV: 'production' })).toMatch(/JWT_SECRET is required[\s\S]*ENCRYPTION_KEYS is required/);
    const production = loadEnvironment({
      NODE_ENV: 'production',
      JWT_SECRET: 'q7Jm2Wz9Lk4Xv8Rt1Yb6Nc3Hd5Gf0Ps-long',
      ENCRYPTION_KEYS: `k1:${KEY}`,
    });
    expect(production.EGRESS_ALLOW).toEqual([]);
  });

  it('never names the value of a secret', () => {
    expect(problemsOf({ JWT_SECRET: 'tiny-secret', ENCRYPTION_KEYS: 'nonsense-key' })).not.toMatch(
      /tiny-secret|nonsense-key/,
    );
  });
});
