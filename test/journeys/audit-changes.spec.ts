import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { INSTALLATION } from '../../src/modules/audit/audit.service.js';
import { digestOf, type AuditEntry } from '../../src/modules/audit/audit-entry.js';
import { differences, routesRegisteredBy } from '../isolation/live-routes.js';
import { made } from '../isolation/world.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { startApp } from '../support/app.js';
import { expectError } from '../support/contract.js';
import { newTenant, newUser, type TestUser } from '../support/tenants.js';
import { startOldEra } from '../support/upstreams/old-era.js';
import {
  PASSWORD,
  NEW_PASSWORD,
  CREDENTIAL,
  V1,
  CONNECTIONS,
  ACCESS,
  type Stage,
  type Call,
  TYPES,
  sessionOf,
  login,
  newWorkspace,
  newType,
  newConnection,
  newGrant,
  grantBody,
  reviewOf,
  ROWS,
  LEAVES_NOTHING,
} from './audit-rows.js';

interface StoredRecord extends AuditEntry {
  /** The transaction that wrote it. */
  xmin: string;
  chain: string;
  seq: number;
  hash: string;
}

describe('the audit trail of changes', () => {
  let stage: Stage;
  let live: string[];
  const secrets = new Set([PASSWORD, NEW_PASSWORD, CREDENTIAL]);

  beforeAll(async () => {
    const { result: app, routes } = await routesRegisteredBy(() => startApp());
    live = routes.filter((route) => !/^(GET|HEAD|OPTIONS) /.test(route));
    const tenant = await newTenant(app);
    const [operator, owner] = [await userOf(app.admin), await userOf(tenant.owner)];
    const [upstream, open] = [await startOldEra({ token: CREDENTIAL }), await startOldEra()];
    stage = { app, tenant, operator, owner, upstream, open, connection: { id: '', server_id: '' }, resources: [] };
    stage.connection = await newConnection(stage);
    await made(tenant.owner.post(`${CONNECTIONS}${stage.connection.id}/discover`, {}));
    stage.resources = await made(tenant.owner.get(`${V1}/mcp/resources/?connection=${stage.connection.id}&limit=500`));
  });
  afterAll(async () => {
    await stage.app.close();
    await Promise.all([stage.upstream.close(), stage.open.close()]);
  });

  async function userOf(client: ApiClient): Promise<TestUser> {
    const { id, username } = await made(client.get(`${V1}/auth/me`));
    return { id, username, client };
  }
  const stored = (condition: string, values: unknown[] = []): Promise<StoredRecord[]> =>
    stage.app.query<StoredRecord>(
      `SELECT xmin::text AS xmin, id, organization_id, user_id, token_id, actor_name, action, object_type, object_id, address, request_id,
              to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS recorded_at,
              before::text AS before, after::text AS after, seq::float8 AS seq, encode(hash, 'hex') AS hash,
              COALESCE(organization_id, '${INSTALLATION}')::text AS chain
         FROM audit_records WHERE ${condition} ORDER BY id`,
      values,
    );
  const last = async (action: string, objectId: string): Promise<{ before: unknown; after: unknown }> => {
    const record = (await stored('action = $1 AND object_id = $2', [action, objectId])).at(-1);
    return { before: JSON.parse(record?.before ?? 'null'), after: JSON.parse(record?.after ?? 'null') };
  };
  /** Tables with rows that a transaction wrote, beside the trail. */
  async function writtenIn(transaction: string): Promise<string[]> {
    const tables = await stage.app.query<{ name: string }>(
      "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE 'audit%'",
    );
    const parts = tables.map(({ name }) => `SELECT '${name}' AS name FROM "${name}" WHERE xmin::text = $1`);
    return (await stage.app.query<{ name: string }>(parts.join(' UNION '), [transaction])).map(({ name }) => name);
  }
  async function send(
    method: string,
    { by, client = by.client, path, body, headers }: Call,
  ): Promise<[Answer, string]> {
    const requestId = randomUUID();
    return [await client.send(method, path, body, { ...headers, 'x-request-id': requestId }), requestId];
  }

  it('has a row for every route that may change something', () => {
    expect(differences(live, Object.keys(ROWS))).toEqual({ missing: [], dead: [] });
  });

  it.each(Object.keys(ROWS))('%s', async (route) => {
    for (const prepare of ROWS[route] ?? []) {
      const call = await prepare(stage);
      const [answer, requestId] = await send(route.split(' ')[0] ?? '', call);
      if (answer.status > 299) throw new Error(`${answer.status} ${answer.text}`);
      for (const name of ['access_token', 'refresh_token', 'token'])
        if (typeof answer.body?.[name] === 'string') secrets.add(answer.body[name]);
      const records = await stored('request_id = $1', [requestId]);
      expect(
        records.map(({ action, object_type, object_id, organization_id, user_id, token_id, actor_name, address }) => ({
          record: [action, object_id, organization_id],
          object_type,
          by: [user_id, token_id, actor_name],
          address,
        })),
      ).toEqual(
        call.records(answer.body).map(([action, objectId, organization]) => ({
          record: [action, typeof objectId === 'number' ? String(objectId) : objectId, organization],
          object_type: TYPES[action.split('.')[0] ?? ''] ?? action.split('.')[0],
          by: [call.by.id, null, call.by.username],
          address: '127.0.0.1',
        })),
      );
      const transactions = [...new Set(records.map(({ xmin }) => xmin))];
      expect(transactions).toHaveLength(records.length > 0 ? 1 : 0);
      if (!LEAVES_NOTHING.includes(route))
        for (const each of transactions) expect(await writtenIn(each)).not.toEqual([]);
    }
  });

  it('tells what was there before and what came after, of an update what differs', async () => {
    const { owner } = stage.tenant;
    const id = await newWorkspace(stage);
    const created = (await owner.get(`${V1}/workspaces/${id}/`)).body;
    expect(await last('workspace.created', id)).toEqual({ before: null, after: created });
    await made(owner.patch(`${V1}/workspaces/${id}/`, { description: 'Where it happens' }));
    expect(await last('workspace.updated', id)).toEqual({
      before: { description: '' },
      after: { description: 'Where it happens' },
    });
    const deleted = (await owner.get(`${V1}/workspaces/${id}/`)).body;
    await owner.delete(`${V1}/workspaces/${id}/`);
    expect(await last('workspace.deleted', id)).toEqual({ before: deleted, after: null });
  });

  it('tells which credentials were entered for which address, and not what they are', async () => {
    const { id } = await newConnection(stage);
    const auth = { base_url: `${stage.open.url}?key=${CREDENTIAL}`, api_token: CREDENTIAL };
    await made(stage.tenant.owner.put(`${CONNECTIONS}${id}/credentials`, { auth_data: auth }));
    expect(await last('connection.credentials_changed', id)).toEqual({
      before: { server_url: stage.upstream.url },
      after: { server_url: stage.open.url, auth: { base_url: '[masked]', api_token: '[masked]' } },
    });
  });

  it('tells that the transport of a type changed, without what somebody wrote into it', async () => {
    const id = await newType(stage, stage.tenant.organization);
    const transport = { type: 'streamable_http', url: 'https://mcp.acme.example/', headers: { 'X-Key': 'another' } };
    await made(stage.tenant.owner.patch(`${V1}/mcp/registry/${id}/`, { transport }));
    const { before, after } = await last('server_type.updated', String(id));
    const digest = { transport_digest: expect.stringMatching(/^[0-9a-f]{64}$/) };
    expect([before, after]).toEqual([digest, digest]);
    expect(before).not.toEqual(after);
  });

  it('tells what a decision on a resource of a grant did', async () => {
    const { owner } = stage.tenant;
    const id = await newGrant(stage);
    const [resource] = stage.resources;
    await made(owner.post(`${ACCESS}${id}/remove-resource`, { resource_id: resource?.id }));
    expect(await last('workspace_access.resource_removed', String(id))).toEqual({
      before: { resource: expect.objectContaining({ id: resource?.id, state: 'explicit' }) },
      after: null,
    });
  });

  it('has nothing to tell where nothing changed', async () => {
    const { owner } = stage.tenant;
    const path = `/mcp/tools/${stage.connection.server_id}_work`;
    await made(owner.patch(path, { effect: 'destructive' }));
    const grant = `${ACCESS}${await newGrant(stage)}/add-resource`;
    const { id } = await reviewOf(stage, 'echo');
    const count = async (): Promise<number> => (await stored('true')).length;
    const before = await count();
    await made(owner.patch(path, { effect: 'destructive' }));
    await made(owner.post(grant, { resource_id: stage.resources[0]?.id }));
    await made(owner.post(`${V1}/mcp/reviews/${id}/`, { action: 'approve' }));
    expectError(
      await stage.app.anonymous.post(`${V1}/auth/login`, { username: 'admin', password: 'wrong' }),
      401,
      'invalid_credentials',
    );
    expectError(
      await owner.patch(`${V1}/workspaces/${stage.tenant.workspace}/`, { name: '' }),
      400,
      'validation_failed',
    );
    expect(await count()).toBe(before);
  });

  it('names who was caught with a refresh token that was used before', async () => {
    const user = await newUser(stage.app);
    const { refresh_token: token, access_token: access } = await login(stage, user);
    await made(stage.app.anonymous.post(`${V1}/auth/refresh`, { refresh_token: token }));
    const again = await stage.app.anonymous.post(`${V1}/auth/refresh`, { refresh_token: token });
    expectError(again, 401, 'invalid_credentials');
    const [record] = await stored('request_id = $1', [again.body.request_id]);
    expect(record).toMatchObject({ action: 'session.revoked', object_id: sessionOf(access), user_id: user.id });
    expect(JSON.parse(record?.after ?? '')).toMatchObject({ reason: 'refresh_token_reused' });
  });

  it('counts the sessions that end with a password or a user', async () => {
    const user = await newUser(stage.app);
    await login(stage, user);
    await made(stage.app.admin.put(`${V1}/users/${user.id}/password`, { password: PASSWORD }));
    expect((await last('user.password_changed', user.id)).after).toEqual({ sessions_ended: 2 });
    await login(stage, user);
    await made(stage.app.admin.patch(`${V1}/users/${user.id}/`, { is_active: false }));
    expect(await last('user.updated', user.id)).toEqual({
      before: { is_active: true },
      after: { is_active: false, sessions_ended: 1 },
    });
  });

  it('has what the product did by itself: the first start, and resources that joined a grant', async () => {
    const first = await stored(
      "user_id IS NULL AND action NOT LIKE 'workspace_access.%' AND action NOT LIKE 'mapping.%'",
    );
    expect(first.map(({ action, actor_name: name }) => [action, name])).toEqual(
      ['user.created', 'organization.created', 'member.added', 'workspace.created', 'workspace_member.added'].map(
        (action) => [action, 'system'],
      ),
    );
    const grant = { ...grantBody(stage), allowed_resources: [], auto_sync: true };
    const filters = { resource_filters: { uri_patterns: ['memo://*'] } };
    const { id } = await made(stage.tenant.owner.post(ACCESS, { ...grant, ...filters }));
    let synced = await last('workspace_access.resources_synced', String(id));
    for (let tries = 0; synced.after === null && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      synced = await last('workspace_access.resources_synced', String(id));
    }
    const memos = stage.resources.filter((row) => row.resource_uri.startsWith('memo://')).map((row) => row.id);
    expect(synced).toEqual({
      before: null,
      after: { joined: memos.length, left: 0, joined_ids: expect.arrayContaining(memos), left_ids: [] },
    });
  });

  it('has the user that a token of the OpenID provider made, once', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const keys = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), alg: 'RS256', use: 'sig' }] });
    const provider = createServer((_request, response) => void response.end(keys));
    await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
    const replica = await startApp(
      {
        JWT_JWKS_URL: `http://127.0.0.1:${(provider.address() as AddressInfo).port}/jwks`,
        JWT_ISSUER: 'https://id.example.com',
        JWT_AUDIENCE: 'control-plane',
        JWT_USERNAME_CLAIM: 'name',
        JWT_AUTO_PROVISION: 'true',
      },
      stage.app,
    );
    const claims = { iss: 'https://id.example.com', aud: 'control-plane', sub: '1', name: 'newcomer' };
    const jwt = new SignJWT(claims).setProtectedHeader({ alg: 'RS256' }).setIssuedAt().setExpirationTime('5m');
    const client = replica.anonymous.withToken(await jwt.sign(privateKey));
    const answers = await Promise.all([1, 2].map(() => client.get(`${V1}/auth/me`)));
    await replica.close();
    provider.close();
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const records = await stored("action = 'user.created' AND object_id = $1", [answers[0]?.body.id]);
    expect(records.map(({ actor_name: name, organization_id: id }) => [name, id])).toEqual([['system', null]]);
    expect(JSON.parse(records[0]?.after ?? '')).toMatchObject({ username: 'newcomer', is_operator: false });
  });

  it('has none of the secrets', async () => {
    const hidden = await stage.app.query<{ secret: string }>(
      `SELECT sealed_auth AS secret FROM connections WHERE sealed_auth <> ''
        UNION SELECT password_hash FROM users WHERE password_hash IS NOT NULL UNION SELECT token_hash FROM refresh_tokens`,
    );
    const all = [...secrets, ...hidden.map(({ secret }) => secret)];
    expect(all.length).toBeGreaterThan(20);
    const [row] = await stage.app.query<{ text: string }>(
      "SELECT string_agg(r::text, ' ') AS text FROM audit_records r",
    );
    expect(row?.text.length).toBeGreaterThan(10_000);
    expect(all.filter((secret) => row?.text.includes(secret))).toEqual([]);
  });

  it('is a chain without gaps for each organization, of what the records say', async () => {
    const chains = new Map<string, StoredRecord[]>();
    for (const record of await stored('true')) chains.set(record.chain, [...(chains.get(record.chain) ?? []), record]);
    expect([...chains.keys()]).toEqual(expect.arrayContaining([INSTALLATION, stage.tenant.organization]));
    for (const [chain, records] of chains) {
      let hash = Buffer.alloc(32);
      for (const [index, record] of records.sort((one, other) => one.seq - other.seq).entries()) {
        const seq = Buffer.alloc(8);
        seq.writeBigInt64BE(BigInt(index + 1));
        hash = createHash('sha256').update(hash).update(seq).update(digestOf(record)).digest();
        expect([chain, record.seq, record.hash]).toEqual([chain, index + 1, hash.toString('hex')]);
      }
    }
  });

  describe('when it can not be written', () => {
    const TABLES = [
      ...['organizations', 'users', 'memberships', 'workspaces', 'workspace_members', 'workspace_tokens', 'sessions'],
      ...['refresh_tokens', 'server_types', 'connections', 'definitions', 'tools', 'workspace_access'],
      ...['workspace_access_resources', 'audit_records', 'audit_heads'],
    ];
    const dump = async (): Promise<string[]> => {
      const parts = TABLES.map((table) => `SELECT '${table} ' || to_jsonb(t)::text AS row FROM ${table} t`);
      return (await stage.app.query<{ row: string }>(`${parts.join(' UNION ALL ')} ORDER BY 1`)).map(({ row }) => row);
    };
    beforeAll(async () => {
      await stage.app.query(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
      );
    });
    afterEach(() => stage.app.query('DROP TRIGGER IF EXISTS full_disk ON audit_records'));

    it.each([
      'POST /api/v1/auth/login',
      'POST /api/v1/auth/logout',
      'PUT /api/v1/auth/password',
      'POST /api/v1/users',
      'DELETE /api/v1/users/:id',
      'POST /api/v1/organizations',
      'DELETE /api/v1/organizations/:id',
      'DELETE /api/v1/organizations/:id/members/:userId',
      'PATCH /api/v1/workspaces/:id',
      'POST /api/v1/workspaces/:id/tokens',
      'POST /api/v1/mcp/registry',
      'POST /api/v1/mcp/connections',
      'DELETE /api/v1/mcp/connections/:id',
      'PUT /api/v1/mcp/connections/:id/credentials',
      'POST /api/v1/mcp/connections/:id/test',
      'POST /mcp/servers',
      'POST /api/v1/mcp/reviews/:id',
      'POST /api/v1/mcp/workspace-access',
      'POST /api/v1/mcp/workspace-access/:id/add-resource',
    ])('%s fails and changes nothing', async (route) => {
      const call = await ROWS[route]?.[0]?.(stage);
      if (!call) throw new Error('no row');
      await stage.app.query(
        'CREATE TRIGGER full_disk BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION full_disk()',
      );
      const before = await dump();
      const [answer] = await send(route.split(' ')[0] ?? '', call);
      expectError(answer, 503, 'unavailable');
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await dump()).toEqual(before);
    });
  });
});
