import { createHmac, generateKeyPairSync, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { startApp, type TestApp } from '../../../test/support/app.js';
import type { ApiClient, Answer } from '../../../test/support/api-client.js';

const SECRET = 'a-secret-of-the-tests-that-is-long-enough';
const PASSWORD = 'correct horse battery staple';

describe('authentication', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startApp({ JWT_SECRET: SECRET });
  });
  afterAll(() => app.close());

  const login = (username: string, password: string): Promise<Answer> =>
    app.anonymous.post('/api/v1/auth/login', { username, password });
  const me = (client: ApiClient): Promise<Answer> => client.get('/api/v1/auth/me/');

  async function newUser(): Promise<{ id: string; username: string }> {
    const username = `user-${randomUUID()}`;
    const created = await app.admin.post('/api/v1/users/', { username, password: PASSWORD });
    expect(created.status).toBe(201);
    return { id: created.body.id, username };
  }

  it('logs in and says who is logged in, with and without the trailing slash', async () => {
    const answer = await app.anonymous.post('/api/v1/auth/login/', { username: 'ADMIN', password: PASSWORD });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: expect.any(String),
    });
    expect((await me(app.anonymous.withToken(answer.body.access_token))).body).toEqual({
      id: expect.any(String),
      kind: 'user',
      username: 'admin',
      is_operator: true,
      organizations: [{ id: app.organization, name: 'Default', role: 'owner' }],
      workspaces: [{ id: expect.any(String), name: 'Default', organization: app.organization, role: 'manager' }],
    });
  });

  it('answers an unknown user, a wrong password and a disabled user alike', async () => {
    const user = await newUser();
    await app.admin.patch(`/api/v1/users/${user.id}/`, { is_active: false });
    const answers = [
      await login('nobody', 'wrong password'),
      await login('admin', 'wrong password'),
      await login(user.username, PASSWORD),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(401);
      expect({ ...answer.body, request_id: '' }).toEqual({ ...answers[0]?.body, request_id: '' });
    }
  });

  it('rotates refresh tokens, and ends the whole session when one is used twice', async () => {
    const user = await newUser();
    const first = (await login(user.username, PASSWORD)).body;
    const second = await app.anonymous.post('/api/v1/auth/refresh', { refresh_token: first.refresh_token });
    expect(second.status).toBe(200);
    const client = app.anonymous.withToken(second.body.access_token);
    expect((await me(client)).status).toBe(200);

    expect((await app.anonymous.post('/api/v1/auth/refresh', { refresh_token: first.refresh_token })).status).toBe(401);
    expect((await me(client)).status).toBe(401);
    expect(
      (await app.anonymous.post('/api/v1/auth/refresh', { refresh_token: second.body.refresh_token })).status,
    ).toBe(401);
  });

  it('lets only one of two simultaneous refreshes through', async () => {
    const user = await newUser();
    const { refresh_token } = (await login(user.username, PASSWORD)).body;
    const answers = await Promise.all([1, 2].map(() => app.anonymous.post('/api/v1/auth/refresh', { refresh_token })));
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 401]);
  });

  it('ends the session at logout and all sessions at a change of password', async () => {
    const user = await newUser();
    const [one, two] = [await app.as(user.username), await app.as(user.username)];
    expect((await one.post('/api/v1/auth/logout')).status).toBe(204);
    expect((await me(one)).status).toBe(401);
    expect((await me(two)).status).toBe(200);

    const wrong = await two.put('/api/v1/auth/password', {
      current_password: 'not this',
      new_password: 'a better password',
    });
    expect([wrong.status, Object.keys(wrong.body.details.fields)]).toEqual([400, ['current_password']]);
    expect(
      (await two.put('/api/v1/auth/password', { current_password: PASSWORD, new_password: 'a better password' }))
        .status,
    ).toBe(204);
    expect((await me(two)).status).toBe(401);
    expect((await me(await app.as(user.username, 'a better password'))).status).toBe(200);
  });

  it('ends all sessions when an operator sets a password, disables or deletes the user', async () => {
    const user = await newUser();
    const before = await app.as(user.username);
    expect(
      (await app.admin.put(`/api/v1/users/${user.id}/password/`, { password: 'set by the operator' })).status,
    ).toBe(204);
    expect((await me(before)).status).toBe(401);
    const after = await app.as(user.username, 'set by the operator');
    expect((await app.admin.delete(`/api/v1/users/${user.id}/`)).status).toBe(204);
    expect((await me(after)).status).toBe(401);
    expect((await app.admin.get(`/api/v1/users/${user.id}/`)).status).toBe(404);
  });

  describe('forged and stale tokens', () => {
    const now = (): number => Math.floor(Date.now() / 1_000);
    const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    let claims: Record<string, unknown>;

    beforeAll(async () => {
      claims = {
        sub: (await me(app.admin)).body.id,
        iss: 'mcp-control-plane',
        aud: app.environment.JWT_AUDIENCE,
        iat: now(),
        exp: now() + 600,
        jti: randomUUID(),
        token_use: 'access',
      };
    });

    function hmac(header: object, payload: object, key: string | Buffer): string {
      const head = `${base64(header)}.${base64(payload)}`;
      return `${head}.${createHmac('sha256', key).update(head).digest('base64url')}`;
    }

    const statusOf = async (token: string): Promise<number> => (await me(app.anonymous.withToken(token))).status;
    const HS256 = { alg: 'HS256', typ: 'JWT' };

    it('accepts a genuine one, so that the refusals below mean something', async () => {
      expect(await statusOf(hmac(HS256, claims, SECRET))).toBe(200);
    });

    it.each<[string, (claims: Record<string, unknown>) => string | Promise<string>]>([
      ['no signature', (c) => `${base64({ alg: 'none' })}.${base64(c)}.`],
      ['alg none with a signature', (c) => hmac({ alg: 'none' }, c, SECRET)],
      ['another key', (c) => hmac(HS256, c, 'b-secret-of-the-tests-that-is-long-enough')],
      ['an empty key', (c) => hmac(HS256, c, '')],
      ['another algorithm in the header', (c) => hmac({ alg: 'HS512', typ: 'JWT' }, c, SECRET)],
      [
        'a key of its own in the header',
        async (c) =>
          new SignJWT(c)
            .setProtectedHeader({
              alg: 'RS256',
              jwk: generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }),
            })
            .sign(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey),
      ],
      ['a path as key id', (c) => hmac({ ...HS256, kid: '../../dev/null' }, c, '')],
      ['a foreign key set', (c) => hmac({ ...HS256, jku: 'http://127.0.0.1:1/jwks' }, c, '')],
      ['no expiry', ({ exp: _exp, ...c }) => hmac(HS256, c, SECRET)],
      ['expired', (c) => hmac(HS256, { ...c, exp: now() - 10 }, SECRET)],
      ['not yet valid', (c) => hmac(HS256, { ...c, nbf: now() + 600 }, SECRET)],
      ['no issuer', ({ iss: _iss, ...c }) => hmac(HS256, c, SECRET)],
      ['another issuer', (c) => hmac(HS256, { ...c, iss: 'somebody' }, SECRET)],
      ['another audience', (c) => hmac(HS256, { ...c, aud: 'https://elsewhere.example' }, SECRET)],
      ['another use', (c) => hmac(HS256, { ...c, token_use: 'refresh' }, SECRET)],
      ['a workspace token that nobody issued', (c) => hmac(HS256, { ...c, token_use: 'workspace' }, SECRET)],
      ['an unknown user', (c) => hmac(HS256, { ...c, sub: randomUUID() }, SECRET)],
      ['a subject that is no id', (c) => hmac(HS256, { ...c, sub: "' OR 1=1" }, SECRET)],
      ['a session that does not exist', (c) => hmac(HS256, { ...c, sid: randomUUID() }, SECRET)],
      [
        'a changed payload',
        (c) => hmac(HS256, c, SECRET).replace(/\.[^.]+\./, `.${base64({ ...c, sub: randomUUID() })}.`),
      ],
      ['no token at all', () => 'x'],
    ])('refuses %s', async (_name, forge) => {
      const answer = await me(app.anonymous.withToken(await forge(claims)));
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect({ ...answer.body, request_id: '' }).toEqual({
        error: 'unauthorized',
        message: 'A valid bearer token is required',
        details: {},
        request_id: '',
      });
    });

    it('refuses a refresh token as access token', async () => {
      expect(await statusOf((await login('admin', PASSWORD)).body.refresh_token)).toBe(401);
    });

    it('takes rights from the database, whatever the token claims', async () => {
      const user = await newUser();
      const token = hmac(HS256, { ...claims, sub: user.id, is_operator: true, role: 'owner' }, SECRET);
      expect((await app.anonymous.withToken(token).get('/api/v1/users/')).status).toBe(403);
    });
  });

  it.each([
    [{ username: 'admin' }, 'password'],
    [{ username: 5, password: 'x' }, 'username'],
    [{ username: 'admin', password: 'x', is_operator: true }, 'is_operator'],
  ])('refuses the bad body %j, naming the field', async (body, field) => {
    const answer = await app.anonymous.post('/api/v1/auth/login', body);
    expect([answer.status, answer.body.error]).toEqual([400, 'validation_failed']);
    expect(Object.keys(answer.body.details.fields)).toContain(field);
  });
});
