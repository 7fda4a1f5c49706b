import { randomUUID } from 'node:crypto';
import type { Answer } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import {
  expectError,
  itHidesForeignRows,
  itIsProtected,
  itRefusesBadBodies,
  type Operation,
} from '../../../test/support/contract.js';
import { jiraType } from '../../../test/support/server-types.js';
import { newMember, newTenant, newUser, type Tenant, type TestUser } from '../../../test/support/tenants.js';

const CONNECTIONS = '/api/v1/mcp/connections/';
const ADDRESS = 'https://acme.atlassian.net';

describe('connections', () => {
  let app: TestApp;
  let acme: Tenant;
  let other: Tenant;
  let member: TestUser;
  /** A private type of Acme with the schema of the specification's example. */
  let jira: string;
  /** A connection of Acme. */
  let connection: string;
  beforeAll(async () => {
    app = await startApp();
    [acme, other] = [await newTenant(app), await newTenant(app)];
    member = await newMember(app, acme, 'member');
    jira = (await acme.owner.post('/api/v1/mcp/registry/', jiraType({ organization: acme.organization }))).body.id;
    connection = (await create()).body.id;
  });
  afterAll(() => app.close());

  const generic = (more: object = {}): Record<string, unknown> => ({
    server: 3,
    organization: acme.organization,
    connection_name: `Server ${randomUUID()}`,
    auth_data: { base_url: ADDRESS },
    ...more,
  });
  const create = (more: object = {}): Promise<Answer> => acme.owner.post(CONNECTIONS, generic(more));
  const path = (id: string): string => `${CONNECTIONS}${id}/`;

  const operations = (id: string): Operation[] => [
    { method: 'GET', path: path(id) },
    { method: 'PATCH', path: path(id), body: { connection_name: 'Renamed' } },
    { method: 'DELETE', path: path(id) },
    { method: 'PUT', path: `${path(id)}credentials/`, body: { auth_data: { base_url: ADDRESS } } },
    { method: 'POST', path: `${path(id)}test/` },
  ];
  itIsProtected(
    () => app.anonymous,
    () => [
      ...operations(connection),
      { method: 'GET', path: CONNECTIONS },
      { method: 'POST', path: CONNECTIONS, body: generic() },
    ],
  );
  itHidesForeignRows(
    () => other.owner,
    () => connection,
    operations,
  );
  describe('creating one', () =>
    itRefusesBadBodies(
      () => acme.owner,
      () => ({ method: 'POST', path: CONNECTIONS, body: generic() }),
    ));
  describe('changing one', () =>
    itRefusesBadBodies(
      () => acme.owner,
      () => ({ method: 'PATCH', path: path(connection), body: { description: 'x' } }),
    ));
  describe('replacing its credentials', () =>
    itRefusesBadBodies(
      () => acme.owner,
      () => ({ method: 'PUT', path: `${path(connection)}credentials/`, body: { auth_data: { base_url: ADDRESS } } }),
    ));

  describe('as the specification says', () => {
    const example = (server: unknown): Record<string, unknown> => ({
      server,
      organization: acme.organization,
      connection_name: 'Acme Jira',
      description: 'Jira connection for Acme Corp',
      auth_data: { api_token: 'your-api-token', base_url: ADDRESS },
      config_options: { timeout: 60 },
    });
    const expected = (server: object): object => ({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      server,
      organization: { id: acme.organization, name: acme.name },
      connection_name: 'Acme Jira',
      description: 'Jira connection for Acme Corp',
      is_active: true,
      last_connected: null,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      created_by: { id: acme.ownerId, username: expect.stringMatching(/^user-/) },
      server_id: 'acme-jira',
      status: 'disconnected',
      config_options: { timeout: 60 },
      tool_review: 'review',
      trust_annotations: false,
      price_book: null,
      health_check_interval: 60,
    });

    it('creates one from the request word for word, its server as a number or as a string, without DNS', async () => {
      for (const server of [jira, Number(jira)]) {
        const created = await acme.owner.post(CONNECTIONS, example(server));
        expect(created.status).toBe(201);
        expect(created.body).toEqual(
          expected({ id: jira, qualified_name: 'jira/mcp-server', display_name: 'Jira Server' }),
        );
        expect((await acme.owner.get(path(created.body.id))).body).toEqual(created.body);
        expect((await acme.owner.get(`${CONNECTIONS}?server=${jira}`)).body).toEqual([created.body]);
        expect((await acme.owner.delete(path(created.body.id))).status).toBe(204);
      }
    });

    it('creates one of the shipped generic type', async () => {
      const created = await acme.owner.post(CONNECTIONS, example(3));
      expect([created.status, created.body]).toEqual([
        201,
        expected({
          id: '3',
          qualified_name: 'generic/streamable-http',
          display_name: 'MCP server (Streamable HTTP)',
        }),
      ]);
      await acme.owner.delete(path(created.body.id));
    });
  });

  describe('lists', () => {
    it('filter by organization, server and switch, alone and together', async () => {
      const tenant = await newTenant(app);
      const make = async (server: number): Promise<string> =>
        (await tenant.owner.post(CONNECTIONS, { ...generic({ server }), organization: tenant.organization })).body.id;
      const [http, sse] = [await make(3), await make(4)];
      await tenant.owner.patch(path(sse), { is_active: false });
      const ids = async (query: string): Promise<string[]> => {
        const answer = await tenant.owner.get(`${CONNECTIONS}?${query}`);
        expect([answer.status, answer.headers.get('x-total-count')]).toEqual([200, String(answer.body.length)]);
        return answer.body.map((row: { id: string }) => row.id);
      };
      expect(await ids('')).toEqual([http, sse]);
      expect(await ids('server=3')).toEqual([http]);
      expect(await ids('is_active=false')).toEqual([sse]);
      expect(await ids(`organization=${tenant.organization}&is_active=true&server=3`)).toEqual([http]);
      expect(await ids(`organization=${tenant.organization.toUpperCase()}`)).toEqual([http, sse]);
      expect(await ids('server=3&is_active=false')).toEqual([]);
    });

    it('are empty for foreign and unknown ids', async () => {
      for (const query of [`organization=${other.organization}`, `organization=${randomUUID()}`, 'server=2000000000'])
        expect((await acme.owner.get(`${CONNECTIONS}?${query}`)).body).toEqual([]);
    });

    it.each([
      'organization=1',
      'organization=',
      'server=x',
      'server=1.5',
      'server=-1',
      'is_active=yes',
      'is_active=',
      'limit=501',
      'cursor=!!',
      'surprise=1',
      'server=3&server=4',
      'server[$gt]=1',
    ])('refuse the query %s', async (query) => {
      expectError(await acme.owner.get(`${CONNECTIONS}?${query}`), 400, 'validation_failed');
    });
  });

  describe('who may what', () => {
    it('lets members read and do nothing else', async () => {
      expect((await member.client.get(path(connection))).status).toBe(200);
      expect((await member.client.get(CONNECTIONS)).body.length).toBeGreaterThan(0);
      expectError(await member.client.post(CONNECTIONS, generic()), 403, 'forbidden');
      for (const { method, path: at, body } of operations(connection).slice(1))
        expectError(await member.client.send(method, at, body), 403, 'forbidden');
    });

    it('gives operators no right in organizations that are not theirs', async () => {
      expectError(await app.admin.get(path(connection)), 404, 'resource_not_found');
      expectError(await app.admin.post(CONNECTIONS, generic()), 404, 'resource_not_found');
    });

    it('answers 404 for an organization, and for a type, that is not ours', async () => {
      expectError(await create({ organization: other.organization }), 404, 'resource_not_found');
      expectError(
        await other.owner.post(CONNECTIONS, { ...generic({ server: jira }), organization: other.organization }),
        404,
        'resource_not_found',
      );
      expectError(await create({ server: 999 }), 404, 'resource_not_found');
    });

    it('keeps a private type to its organization, also for somebody who is in two', async () => {
      const both = await newUser(app);
      for (const { owner, organization } of [acme, other])
        await owner.post(`/api/v1/organizations/${organization}/members/`, { username: both.username, role: 'admin' });
      const body = { ...generic({ server: jira }), organization: other.organization };
      expectError(await both.client.post(CONNECTIONS, body), 404, 'resource_not_found');
    });

    it('shows null for a creator who is gone', async () => {
      const leaver = await newMember(app, acme, 'admin');
      const { id } = (await leaver.client.post(CONNECTIONS, generic())).body;
      await app.admin.delete(`/api/v1/users/${leaver.id}/`);
      expect([null, leaver.username]).toContain((await acme.owner.get(path(id))).body.created_by?.username ?? null);
    });
  });

  describe('names', () => {
    it('are unique in the organization, whatever their case, and free elsewhere', async () => {
      const connection_name = `Greetings ${randomUUID()}`;
      const first = await create({ connection_name });
      expectError(await create({ connection_name: connection_name.toUpperCase() }), 409, 'name_taken');
      const taken = await acme.owner.patch(path(connection), { connection_name: ` ${connection_name} ` });
      expectError(taken, 409, 'name_taken');
      expect(taken.body.details.fields).toHaveProperty('connection_name');
      const elsewhere = await other.owner.post(CONNECTIONS, {
        ...generic({ connection_name }),
        organization: other.organization,
      });
      expect([elsewhere.status, elsewhere.body.server_id]).toEqual([201, first.body.server_id]);
    });

    it('become slugs that do not collide, also when made at once', async () => {
      const answers = await Promise.all(
        ['!!!', '???', '日本', '***', '«»'].map((connection_name) => create({ connection_name })),
      );
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
      const slugs = answers.map(({ body }) => body.server_id as string);
      expect(new Set(slugs).size).toBe(slugs.length);
      for (const slug of slugs) expect(slug).toMatch(/^server(-\d+)?$/);
    });

    it('are free again after deletion, and so is the slug', async () => {
      const connection_name = `Phoenix ${randomUUID()}`;
      const first = (await create({ connection_name })).body;
      expect((await acme.owner.delete(path(first.id))).status).toBe(204);
      for (const { method, path: at, body } of operations(first.id))
        expectError(await acme.owner.send(method, at, body), 404, 'resource_not_found');
      const second = (await create({ connection_name })).body;
      expect(second.server_id).toBe(first.server_id);
      expect(second.id).not.toBe(first.id);
    });

    it('changed do not change the slug, which tool names begin with', async () => {
      const { id, server_id } = (await create()).body;
      const renamed = await acme.owner.patch(path(id), { connection_name: 'Quite another name' });
      expect([renamed.body.connection_name, renamed.body.server_id]).toEqual(['Quite another name', server_id]);
    });
  });

  describe('changes', () => {
    it('leave what they do not name as it is', async () => {
      const created = (await create({ config_options: { timeout: 5 }, description: 'First' })).body;
      expect((await acme.owner.patch(path(created.id), {})).body).toEqual(created);
      expect((await acme.owner.patch(path(created.id), { is_active: false })).body).toEqual({
        ...created,
        is_active: false,
      });
      expect((await acme.owner.patch(path(created.id), { config_options: {} })).body).toEqual({
        ...created,
        is_active: false,
        config_options: { timeout: 30 },
      });
    });

    it.each(['id', 'organization', 'server', 'server_id', 'created_by', 'last_connected', 'status', 'sealed_auth'])(
      'refuse to set %s',
      async (field) => {
        const answer = await acme.owner.patch(path(connection), { [field]: randomUUID() });
        expectError(answer, 400, 'validation_failed');
        expect(Object.keys(answer.body.details.fields)).toEqual([field]);
      },
    );

    it.each(['connection_name', 'description', 'is_active', 'config_options', 'auth_data'])(
      'refuse null for %s',
      async (field) => {
        expectError(await acme.owner.patch(path(connection), { [field]: null }), 400, 'validation_failed');
      },
    );

    it('and deletion at once end in deletion, without credentials left behind', async () => {
      for (let round = 0; round < 5; round++) {
        const { id } = (await create()).body;
        const answers = await Promise.all([
          acme.owner.put(`${path(id)}credentials/`, { auth_data: { base_url: ADDRESS, api_token: 'late' } }),
          acme.owner.delete(path(id)),
          acme.owner.patch(path(id), { is_active: true }),
        ]);
        expect(answers[1]?.status).toBe(204);
        for (const { status } of answers) expect([200, 204, 404]).toContain(status);
        expectError(await acme.owner.get(path(id)), 404, 'resource_not_found');
        expect(await app.query('SELECT sealed_auth FROM connections WHERE id = $1', [id])).toEqual([
          { sealed_auth: '' },
        ]);
      }
    });
  });

  describe('settings', () => {
    const withAuth = (auth_data: unknown): Promise<Answer> => create({ server: jira, auth_data });
    it.each<[string, object, string[]]>([
      ['missing', {}, ['auth_data.api_token', 'auth_data.base_url']],
      ['unknown', { api_token: 'x', base_url: ADDRESS, user: 'y' }, ['auth_data.user']],
      ['of a wrong type', { api_token: 7, base_url: ADDRESS }, ['auth_data.api_token']],
      ['no address', { api_token: 'x', base_url: 'acme' }, ['auth_data.base_url']],
      ['named constructor', { api_token: 'x', base_url: ADDRESS, constructor: 1 }, ['auth_data.constructor']],
      ['with a line break', { api_token: 'SECRET\r\nX-Admin: 1', base_url: ADDRESS }, ['auth_data.api_token']],
      ['with a NUL', { api_token: 'SECRET\0', base_url: ADDRESS }, ['auth_data.api_token']],
      ['with half a character', { api_token: 'SECRET\ud800', base_url: ADDRESS }, ['auth_data.api_token']],
      ['with characters that no header carries', { api_token: 'SECRET€', base_url: ADDRESS }, ['auth_data.api_token']],
      ['with a control character', { api_token: 'SECRET\x07', base_url: ADDRESS }, ['auth_data.api_token']],
    ])('whose auth_data is %s are refused, naming the field and never the value', async (_what, auth, fields) => {
      for (const answer of [
        await withAuth(auth),
        await acme.owner.put(`${path(await jiraConnection())}credentials/`, { auth_data: auth }),
        await acme.owner.patch(path(await jiraConnection()), { auth_data: auth }),
      ]) {
        expectError(answer, 400, 'validation_failed');
        expect(Object.keys(answer.body.details.fields).sort()).toEqual(expect.arrayContaining(fields));
        expect(answer.text).not.toMatch(/SECRET/);
      }
    });

    let kept: string | undefined;
    const jiraConnection = async (): Promise<string> =>
      (kept ??= (await withAuth({ api_token: 'x', base_url: ADDRESS })).body.id as string);

    it.each<[object, string]>([
      [{ timeout: '60' }, 'config_options.timeout'],
      [{ timeout: 0 }, 'config_options.timeout'],
      [{ timeout: 601 }, 'config_options.timeout'],
      [{ timeout: 1.5 }, 'config_options.timeout'],
      [{ retries: 3 }, 'config_options.retries'],
      [{ prototype: {} }, 'config_options.prototype'],
      [{ timeout: null }, 'config_options.timeout'],
    ])('refuse the options %j', async (config_options, field) => {
      for (const answer of [
        await create({ config_options }),
        await acme.owner.patch(path(connection), { config_options }),
      ]) {
        expectError(answer, 400, 'validation_failed');
        expect(Object.keys(answer.body.details.fields)).toContain(field);
      }
    });

    it('refuse __proto__ in credentials and options', async () => {
      for (const field of ['auth_data', 'config_options']) {
        const text = JSON.stringify(generic({ [field]: { NAME: { x: 1 } } })).replace('NAME', '__proto__');
        const answer = await acme.owner.send('POST', CONNECTIONS, text);
        expectError(answer, 400, 'validation_failed');
        expect(Object.keys(answer.body.details.fields)).toEqual([`${field}.__proto__`]);
      }
    });

    it('take the defaults of the schema', async () => {
      expect((await create()).body.config_options).toEqual({ timeout: 30 });
    });

    it.each<[string, object, string]>([
      ['a reserved header', { header_name: 'Host', header_value: 'v' }, 'auth_data.header_name'],
      ['a header that is no name', { header_name: 'X A', header_value: 'v' }, 'auth_data.header_name'],
      [
        'a second Authorization',
        { api_token: 't', header_name: 'authorization', header_value: 'v' },
        'auth_data.header_name',
      ],
      ['a value with a line break', { header_name: 'X-A', header_value: 'a\nb' }, 'auth_data.header_value'],
    ])('refuse %s', async (_what, more, field) => {
      const answer = await create({ auth_data: { base_url: ADDRESS, ...more } });
      expectError(answer, 400, 'validation_failed');
      expect(Object.keys(answer.body.details.fields)).toEqual([field]);
    });

    it.each<[string, unknown]>([
      ['server', null],
      ['server', 'three'],
      ['server', [3]],
      ['server', true],
      ['organization', 7],
      ['connection_name', ''],
      ['connection_name', 'a\0b'],
      ['connection_name', 'x'.repeat(201)],
      ['connection_name', { $ne: '' }],
      ['description', null],
      ['description', 'half \udfff'],
      ['auth_data', []],
      ['auth_data', null],
      ['config_options', 'x'],
      ['config_options', null],
    ])('refuse %s %j', async (field, value) => {
      const answer = await create({ [field]: value });
      expectError(answer, 400, 'validation_failed');
      expect(Object.keys(answer.body.details.fields)).toEqual([field]);
    });

    it('may be composed of several schemas, and still refuse what none of them names', async () => {
      const auth = {
        allOf: [{ type: 'object', properties: { token: { type: 'string' } }, required: ['token'] }],
        properties: { user: { type: 'string' } },
      };
      const transport = {
        type: 'streamable_http',
        url: 'https://mcp.example/mcp',
        headers: { 'X-User': '{auth.user}' },
      };
      const type = await acme.owner.post(
        '/api/v1/mcp/registry/',
        jiraType({
          qualified_name: 'acme/composed',
          organization: acme.organization,
          config_schema: { auth, options: {} },
          transport,
        }),
      );
      expect((await create({ server: type.body.id, auth_data: { token: 't', user: 'u' } })).status).toBe(201);
      const refused = await create({ server: type.body.id, auth_data: { token: 't', surprise: 1 } });
      expectError(refused, 400, 'validation_failed');
      expect(Object.keys(refused.body.details.fields)).toEqual(['auth_data.surprise']);
    });
  });

  describe('addresses', () => {
    const siteType = (more: object = {}): Record<string, unknown> =>
      jiraType({
        qualified_name: `acme/${randomUUID()}`,
        organization: acme.organization,
        config_schema: {
          auth: { type: 'object', properties: { token: { type: 'string', format: 'password' } } },
          options: { type: 'object', properties: { site: { type: 'string' }, page: { type: 'integer' } } },
        },
        transport: {
          type: 'streamable_http',
          url: 'https://{options.site}.example/mcp',
          headers: { Authorization: '{auth.token}' },
        },
        ...more,
      });
    const makeType = async (more: object = {}): Promise<string> =>
      (await acme.owner.post('/api/v1/mcp/registry/', siteType(more))).body.id;

    it('are not changed by options alone: the credentials have to be entered again', async () => {
      const server = await makeType();
      const { id } = (await create({ server, auth_data: { token: 't' }, config_options: { site: 'acme' } })).body;
      for (const config_options of [{ site: 'evil' }, {}]) {
        const refused = await acme.owner.patch(path(id), { config_options });
        expectError(refused, 400, 'validation_failed');
      }
      expectError(
        await acme.owner.patch(path(id), { config_options: { site: 'evil' }, auth_data: null }),
        400,
        'validation_failed',
      );
      expect((await acme.owner.get(path(id))).body.config_options).toEqual({ site: 'acme' });
      const same = await acme.owner.patch(path(id), { config_options: { site: 'acme', page: 5 } });
      expect([same.status, same.body.config_options]).toEqual([200, { site: 'acme', page: 5 }]);
      const moved = await acme.owner.patch(path(id), { config_options: { site: 'evil' }, auth_data: { token: 'u' } });
      expect([moved.status, moved.body.config_options]).toEqual([200, { site: 'evil' }]);
    });

    it.each(['evil.com/', 'evil.com#', 'evil.com?', 'me@evil.com', 'evil.com\\', 'evil.com%2f', 'a b', '[::1]'])(
      'do not move to another host by the option %s',
      async (site) => {
        const server = await makeType();
        const answer = await create({ server, auth_data: { token: 't' }, config_options: { site } });
        expectError(answer, 400, 'validation_failed');
        expect(Object.keys(answer.body.details.fields)).toEqual(['config_options.site']);
      },
    );

    it('that a changed type moves make connections ask for credentials, and send nothing', async () => {
      const server = await makeType();
      const { id } = (await create({ server, auth_data: { token: 't' }, config_options: { site: 'acme' } })).body;
      const transport = { type: 'streamable_http', url: 'https://{options.site}.evil.example/mcp' };
      expect((await acme.owner.patch(`/api/v1/mcp/registry/${server}/`, { transport })).status).toBe(200);
      const tested = await acme.owner.post(`${path(id)}test/`);
      expect([tested.status, tested.body.success, tested.body.details]).toEqual([
        200,
        false,
        { reason: 'credentials_required' },
      ]);
      expectError(await acme.owner.post(`${path(id)}discover/`, {}), 409, 'credentials_required');
      expectError(await acme.owner.patch(path(id), { config_options: { site: 'acme' } }), 400, 'validation_failed');
      const again = await acme.owner.put(`${path(id)}credentials/`, { auth_data: { token: 't' } });
      expect(again.status).toBe(200);
    });

    it('that are secret themselves are stored and not shown', async () => {
      const auth = { type: 'object', properties: { url: { type: 'string', format: 'password' } }, required: ['url'] };
      const server = await makeType({
        config_schema: { auth, options: {} },
        transport: { type: 'streamable_http', url: '{auth.url}' },
      });
      const created = await create({ server, auth_data: { url: 'https://hidden.example/S3CR3T' } });
      expect(created.status).toBe(201);
      expect((await acme.owner.get('/mcp/servers')).text).not.toMatch(/hidden|S3CR3T/);
    });
  });

  it('created while the database forgets their type answer 404', async () => {
    expectError(await create({ server: '999999' }), 404, 'resource_not_found');
  });
});
