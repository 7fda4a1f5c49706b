import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DataSource } from 'typeorm';
import type { Answer, ApiClient } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError } from '../../../test/support/contract.js';
import { newMember, newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startHostile } from '../../../test/support/upstreams/hostile.js';
import { startModernEra, type ModernEraUpstream } from '../../../test/support/upstreams/modern-era.js';
import { startOldEra } from '../../../test/support/upstreams/old-era.js';
import { KeyRing, UnsealError } from '../../platform/crypto/key-ring.js';
import { reseal } from '../../platform/crypto/reseal.js';
import { SEALED_CREDENTIALS } from './credential-rotation.js';

const CONNECTIONS = '/api/v1/mcp/connections/';
const newKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`;
const OLD_KEY = newKey('old');
const NEW_KEY = newKey('new');

describe('secrets of connections', () => {
  let app: TestApp;
  let acme: Tenant;
  let other: Tenant;
  let upstream: ModernEraUpstream;
  beforeAll(async () => {
    app = await startApp({ STDIO_ENABLED: 'true', ENCRYPTION_KEYS: OLD_KEY });
    [acme, other] = [await newTenant(app), await newTenant(app)];
    upstream = await startModernEra();
  });
  afterAll(async () => {
    await upstream.close();
    await app.close();
  });

  const create = (auth_data: object, more: object = {}, client: ApiClient = acme.owner): Promise<Answer> =>
    client.post(CONNECTIONS, {
      server: 3,
      organization: acme.organization,
      connection_name: `Server ${randomUUID()}`,
      auth_data: { base_url: upstream.url, ...auth_data },
      ...more,
    });
  const created = async (...args: Parameters<typeof create>): Promise<string> => (await create(...args)).body.id;
  const sealed = async (id: string): Promise<string> =>
    (await app.query<{ sealed_auth: string }>('SELECT sealed_auth FROM connections WHERE id = $1', [id]))[0]
      ?.sealed_auth ?? '';
  const tokenSent = (): unknown => upstream.journal.at(-1)?.headers.authorization;

  it('are in no answer, log line, metric, document or row', async () => {
    const secret = `S3CR3T${randomBytes(12).toString('hex')}`;
    const member = await newMember(app, acme, 'member');
    const texts: string[] = [];
    const keep = (answer: Answer): Answer => (texts.push(answer.text, JSON.stringify([...answer.headers])), answer);

    const works = keep(await create({ api_token: secret, header_name: 'X-Key', header_value: `${secret}2` })).body.id;
    const inQuery = keep(await create({ base_url: `${upstream.url}?key=${secret}` })).body.id;
    const html = await startHostile({ handshake: 'html' });
    const refuses = await startOldEra({ token: 'another' });
    const failing = [
      await created({ base_url: html.url, api_token: secret }),
      await created({ base_url: refuses.url, api_token: secret }),
      await created({ base_url: 'http://127.0.0.1:1/', api_token: secret }),
      await created({ base_url: `https://${randomUUID()}.invalid/?${secret}`, api_token: secret }),
    ];
    const { username } = (await app.admin.get('/api/v1/auth/me')).body;
    await acme.owner.post(`/api/v1/organizations/${acme.organization}/members/`, { username, role: 'admin' });
    const program = join(process.cwd(), 'test/support/upstreams/hostile-program.mjs');
    const dying = await create(
      {},
      {
        server: 5,
        auth_data: { environment: { API_TOKEN: secret } },
        config_options: { command: process.execPath, args: [program, '--dies'] },
      },
      app.admin,
    );
    keep(await app.admin.post(`${CONNECTIONS}${dying.body.id}/test/`));
    keep(await app.admin.post(`${CONNECTIONS}${dying.body.id}/discover/`, {}));
    for (const id of [works, inQuery, ...failing]) {
      for (const route of ['test', 'discover']) keep(await acme.owner.post(`${CONNECTIONS}${id}/${route}/`));
      keep(await acme.owner.post(`${CONNECTIONS}${id}/discover/`, {}));
      keep(await acme.owner.get(`${CONNECTIONS}${id}/`));
      keep(await acme.owner.get(`${CONNECTIONS}${id}/discoveries/`));
      keep(await acme.owner.patch(`${CONNECTIONS}${id}/`, { description: 'x' }));
      keep(await acme.owner.put(`${CONNECTIONS}${id}/credentials/`, { auth_data: { api_token: [secret] } }));
      keep(await acme.owner.patch(`${CONNECTIONS}${id}/`, { auth_data: { base_url: secret, api_token: secret } }));
    }
    keep(await create({ api_token: secret }, { connection_name: null }));
    keep(await create({ api_token: `${secret}\n` }));
    keep(await create({ base_url: `http://${secret}@127.0.0.1/` }));
    keep(await acme.owner.send('POST', CONNECTIONS, `{"auth_data": {"api_token": "${secret}`));
    keep(await acme.owner.send('POST', CONNECTIONS, `{"auth_data": {"api_token": ${secret}}}`));
    for (const client of [acme.owner, member.client, app.admin, other.owner]) {
      for (const path of [CONNECTIONS, '/api/v1/mcp/resources/', '/mcp/servers', '/mcp/tools', '/api/v1/mcp/registry/'])
        keep(await client.get(path));
    }
    for (const path of ['/metrics', '/docs-json', '/docs', '/health/ready']) keep(await app.anonymous.get(path));
    await Promise.all([html.close(), refuses.close()]);

    expect(tokenSent()).toBeUndefined();
    expect(upstream.journal.some(({ headers }) => headers.authorization === `Bearer ${secret}`)).toBe(true);
    for (const text of [...texts, ...app.log, ...(await dump())]) expect(text).not.toContain(secret);
    expect(texts.filter((text) => text.includes('internal_error'))).toEqual([]);
  });

  /** Every row of every table, as text. */
  const dump = async (): Promise<string[]> => {
    const tables = await app.query<{ name: string }>(
      `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables
        WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
    );
    expect(tables.map(({ name }) => name)).toContain('public.connections');
    const rows = await Promise.all(
      tables.map(({ name }) => app.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`)),
    );
    return rows.flat().map(({ row }) => row);
  };

  describe('that were tampered with', () => {
    // Another replica, as the first one keeps what it has opened until somebody changes it through the product.
    let replica: TestApp;
    beforeAll(async () => {
      replica = await startApp({ STDIO_ENABLED: 'true', ENCRYPTION_KEYS: OLD_KEY }, app);
    });
    afterAll(() => replica.close());

    const isRefused = async (id: string): Promise<void> => {
      const client = acme.owner.at(replica.url);
      const calls = upstream.journal.length;
      expect((await client.post(`${CONNECTIONS}${id}/test/`)).body).toMatchObject({
        success: false,
        details: { reason: 'credentials_required' },
      });
      expectError(await client.post(`${CONNECTIONS}${id}/discover/`, {}), 409, 'credentials_required');
      const options = await client.patch(`${CONNECTIONS}${id}/`, { config_options: { timeout: 3 } });
      expectError(options, 409, 'credentials_required');
      expect(upstream.journal.length).toBe(calls);
      const auth_data = { base_url: upstream.url, api_token: 'fresh' };
      expect((await client.put(`${CONNECTIONS}${id}/credentials/`, { auth_data })).status).toBe(200);
      expect((await client.post(`${CONNECTIONS}${id}/test/`)).body.success).toBe(true);
    };
    const store = (id: string, text: string): Promise<unknown> =>
      app.query('UPDATE connections SET sealed_auth = $2 WHERE id = $1', [id, text]);

    it('by a flipped bit, or swapped between connections or organizations, are refused', async () => {
      const [mine, another, third] = [await created({}), await created({ api_token: 'two' }), await created({})];
      const foreign = await created({ api_token: 'three' }, { organization: other.organization }, other.owner);
      const flipped = Buffer.from((await sealed(mine)).split('.')[2] ?? '', 'base64url');
      flipped.writeUInt8(flipped.readUInt8(20) ^ 1, 20);
      await store(mine, `v1.old.${flipped.toString('base64url')}`);
      await isRefused(mine);
      await store(another, await sealed(foreign));
      await isRefused(another);
      await store(third, await sealed(another));
      await isRefused(third);
    });
  });

  describe('rotation', () => {
    let second: DataSource;
    const both = new KeyRing([NEW_KEY, OLD_KEY]);
    beforeAll(async () => {
      second = await new DataSource({ type: 'postgres', url: app.databaseUrl }).initialize();
    });
    afterAll(() => second.destroy());
    const rotate = (keys = both): Promise<number> => reseal(second, keys, SEALED_CREDENTIALS, () => undefined);
    const keyIds = async (): Promise<string[]> => {
      const rows = await app.query<{ key: string }>(
        `SELECT DISTINCT split_part(sealed_auth, '.', 2) AS key FROM connections WHERE deleted_at IS NULL`,
      );
      return rows.map(({ key }) => key);
    };
    const backToOld = (): Promise<number> => rotate(new KeyRing([OLD_KEY, NEW_KEY]));

    it('seals every row anew, so that the new key alone opens it, and does nothing when run again', async () => {
      await created({ api_token: 'rotated' });
      const count = await rotate();
      expect(count).toBeGreaterThan(0);
      expect(await keyIds()).toEqual(['new']);
      const alone = new KeyRing([NEW_KEY]);
      const rows = await app.query<{ id: string; organization_id: string; sealed_auth: string }>(
        'SELECT * FROM connections WHERE deleted_at IS NULL',
      );
      for (const row of rows) {
        const place = { organizationId: row.organization_id, connectionId: row.id, field: 'auth_data' };
        expect(JSON.parse(alone.open(row.sealed_auth, place))).toBeInstanceOf(Object);
      }
      expect(await rotate()).toBe(0);
      expect(await backToOld()).toBe(count);
    });

    it('keeps what is changed at the same time, also behind the place where it is', async () => {
      const ids = await Promise.all(Array.from({ length: 20 }, () => created({ api_token: 'before' })));
      let rotating = true;
      // The replica seals with the old key still: rows that are done already become old again.
      const changing = (async () => {
        for (let round = 0; rotating || round < 2; round++) {
          for (const id of ids) {
            const auth_data = { base_url: upstream.url, api_token: `after-${round}` };
            const changed = await acme.owner.put(`${CONNECTIONS}${id}/credentials/`, { auth_data });
            expect(changed.status).toBe(200);
            if (!rotating) return round;
          }
        }
      })();
      for (let times = 0; times < 3; times++) await rotate();
      rotating = false;
      await changing;
      await rotate();
      expect(await keyIds()).toEqual(['new']);
      for (const id of ids) {
        const place = { organizationId: acme.organization, connectionId: id, field: 'auth_data' };
        expect(new KeyRing([NEW_KEY]).open(await sealed(id), place)).toMatch(/"api_token":"(after-\d+|before)"/);
      }
      await backToOld();
    });

    it('looks again at a row that a replica sealed with the old key behind its back', async () => {
      const id = await created({ api_token: 'first' });
      const before = await sealed(id);
      let meddled = false;
      const query = async (sql: string, values: unknown[]): Promise<unknown> => {
        const result: unknown = await second.query(sql, values);
        if (sql.startsWith('UPDATE') && values[1] === id && !meddled) {
          meddled = true;
          await app.query('UPDATE connections SET sealed_auth = $2 WHERE id = $1', [id, before]);
        }
        return result;
      };
      await reseal({ query } as unknown as DataSource, both, SEALED_CREDENTIALS, () => undefined);
      expect([meddled, await keyIds()]).toEqual([true, ['new']]);
      await backToOld();
    });

    it('names a row that no key opens, after all others are done', async () => {
      const [broken, fine] = [await created({ api_token: 'a' }), await created({ api_token: 'b' })];
      const foreign = new KeyRing([newKey('lost')]);
      const place = { organizationId: acme.organization, connectionId: broken, field: 'auth_data' };
      await app.query('UPDATE connections SET sealed_auth = $2 WHERE id = $1', [broken, foreign.seal('{}', place)]);
      const failed = rotate();
      await expect(failed).rejects.toThrow(UnsealError);
      await expect(failed).rejects.toThrow(broken);
      expect(KeyRing.keyIdOf(await sealed(fine))).toBe('new');
      await acme.owner.delete(`${CONNECTIONS}${broken}/`);
      await backToOld();
    });

    it('with a wrong key changes nothing', async () => {
      const id = await created({ api_token: 'kept' });
      const before = await sealed(id);
      await expect(rotate(new KeyRing([NEW_KEY, newKey('old')]))).rejects.toThrow(UnsealError);
      expect(await sealed(id)).toBe(before);
    });

    // It needs `npm run build` before, as .ci/run does.
    const built = join(process.cwd(), 'dist/src/rotate-keys.js');
    if (process.env.TEST_BUILT === '1') {
      it('runs as a command beside the running product', async () => {
        await created({ api_token: 'kept' });
        const { stdout } = await promisify(execFile)(process.execPath, [built], {
          env: {
            PATH: process.env.PATH,
            DATABASE_URL: app.databaseUrl,
            DATA_DIR: app.environment.DATA_DIR,
            ENCRYPTION_KEYS: `${NEW_KEY},${OLD_KEY}`,
          },
        });
        expect(stdout).toMatch(/all credentials are sealed with the first key/);
        expect(stdout).not.toContain(NEW_KEY.slice(4));
        expect(await keyIds()).toEqual(['new']);
        await backToOld();
      });
    }
  });

  describe('on several replicas', () => {
    let replica: TestApp;
    beforeAll(async () => {
      replica = await startApp({ ENCRYPTION_KEYS: OLD_KEY }, app);
    });
    afterAll(() => replica.close());

    const within = async (condition: () => Promise<boolean>): Promise<boolean> => {
      for (const until = Date.now() + 1_000; Date.now() < until;) if (await condition()) return true;
      return false;
    };

    it('changed on one are used by the other within a second', async () => {
      const id = await created({ api_token: 'first' });
      const there = acme.owner.at(replica.url);
      const sends = async (token: string): Promise<boolean> => {
        await there.post(`${CONNECTIONS}${id}/test/`);
        return tokenSent() === `Bearer ${token}`;
      };
      expect(await sends('first')).toBe(true);
      for (const token of ['second', 'third']) {
        await acme.owner.put(`${CONNECTIONS}${id}/credentials/`, {
          auth_data: { base_url: upstream.url, api_token: token },
        });
        expect(await within(() => sends(token))).toBe(true);
      }
      await acme.owner.delete(`${CONNECTIONS}${id}/`);
      expect((await there.post(`${CONNECTIONS}${id}/test/`)).status).toBe(404);
    });

    it('are not kept stale by a change that meets their first use', async () => {
      for (let round = 0; round < 8; round++) {
        const id = await created({ api_token: 'first' });
        await Promise.all([
          acme.owner.post(`${CONNECTIONS}${id}/test/`),
          acme.owner.put(`${CONNECTIONS}${id}/credentials/`, {
            auth_data: { base_url: upstream.url, api_token: 'second' },
          }),
        ]);
        await acme.owner.post(`${CONNECTIONS}${id}/test/`);
        expect(tokenSent()).toBe('Bearer second');
      }
    });

    it('are not lost when options change at the same time', async () => {
      const id = await created({ api_token: 'first' });
      for (let round = 0; round < 8; round++) {
        const answers = await Promise.all([
          acme.owner.patch(`${CONNECTIONS}${id}/`, { config_options: { timeout: round + 1 } }),
          acme.owner.at(replica.url).put(`${CONNECTIONS}${id}/credentials/`, {
            auth_data: { base_url: upstream.url, api_token: `token-${round}` },
          }),
        ]);
        expect(answers.map(({ status }) => status)).toEqual([200, 200]);
        const place = { organizationId: acme.organization, connectionId: id, field: 'auth_data' };
        expect(new KeyRing([OLD_KEY]).open(await sealed(id), place)).toContain(`token-${round}`);
        const { config_options } = (await acme.owner.get(`${CONNECTIONS}${id}/`)).body;
        expect(config_options).toEqual({ timeout: round + 1 });
      }
    });

    it('survive a type of an operator that has the name of one that is shipped later', async () => {
      await app.query(`DELETE FROM connections WHERE server_type_id = 5`);
      await app.query(`DELETE FROM server_types WHERE id = 5`);
      const type = await app.admin.post('/api/v1/mcp/registry/', {
        qualified_name: 'generic/stdio',
        display_name: 'Ours',
        provider_type: 'ours',
        config_schema: { auth: {}, options: {} },
        transport: { type: 'sse', url: 'https://mcp.example/sse' },
      });
      expect(type.status).toBe(201);
      const next = await startApp({ STDIO_ENABLED: 'true', ENCRYPTION_KEYS: OLD_KEY }, app);
      expect((await next.admin.get('/api/v1/mcp/registry/5/')).body.qualified_name).toBe('generic/stdio');
      expect((await next.admin.get(`/api/v1/mcp/registry/${type.body.id}/`)).body).toEqual({
        ...type.body,
        qualified_name: `generic/stdio-${type.body.id}`,
      });
      await next.close();
    });
  });
});
