import { randomUUID } from 'node:crypto';
import { startApp, type TestApp } from '../../../test/support/app.js';
import {
  expectError,
  itHidesForeignRows,
  itIsProtected,
  itRefusesBadBodies,
  type Operation,
} from '../../../test/support/contract.js';
import { JIRA_CONFIG, JIRA_SCOPING, jiraType, processType } from '../../../test/support/server-types.js';
import { newMember, newTenant, type Tenant, type TestUser } from '../../../test/support/tenants.js';

const REGISTRY = '/api/v1/mcp/registry/';

describe('the server registry', () => {
  let app: TestApp;
  let acme: Tenant;
  let other: Tenant;
  let member: TestUser;
  let admin: TestUser;
  /** A private type of Acme. */
  let jira: string;
  beforeAll(async () => {
    app = await startApp();
    [acme, other] = [await newTenant(app), await newTenant(app)];
    [member, admin] = [await newMember(app, acme, 'member'), await newMember(app, acme, 'admin')];
    jira = (await acme.owner.post(REGISTRY, jiraType({ organization: acme.organization }))).body.id;
  });
  afterAll(() => app.close());

  const unique = (more: object = {}): Record<string, unknown> =>
    jiraType({ qualified_name: `acme/${randomUUID()}`, ...more });
  const own = (more: object = {}): Record<string, unknown> => unique({ organization: acme.organization, ...more });

  const operations = (id: string): Operation[] => [
    { method: 'GET', path: `${REGISTRY}${id}/` },
    { method: 'GET', path: `${REGISTRY}${id}/config-schema/` },
    { method: 'PATCH', path: `${REGISTRY}${id}/`, body: { display_name: 'Renamed' } },
    { method: 'DELETE', path: `${REGISTRY}${id}/` },
  ];
  itIsProtected(
    () => app.anonymous,
    () => [
      ...operations(jira),
      { method: 'GET', path: REGISTRY },
      { method: 'POST', path: REGISTRY, body: jiraType() },
    ],
  );
  itHidesForeignRows(
    () => other.owner,
    () => jira,
    operations,
  );
  itRefusesBadBodies(
    () => acme.owner,
    () => ({ method: 'POST', path: REGISTRY, body: own() }),
  );

  describe('as the specification says', () => {
    it('lists types with every field of the example, of the same type', async () => {
      const { status, body } = await acme.owner.get(`${REGISTRY}?provider_type=jira`);
      expect(status).toBe(200);
      const example = {
        qualified_name: 'jira/mcp-server',
        display_name: 'Jira Server',
        description: 'Connect to Jira Cloud or Server instances',
        provider_type: 'jira',
        supports_workspace_scoping: true,
      };
      // The one that ships, and one that the organization made after it.
      expect(body).toEqual([
        {
          id: '1',
          ...example,
          scoping_config_schema: { properties: { ...JIRA_SCOPING.properties, issue_types: expect.any(Object) } },
          organization: null,
          transport: 'builtin',
          category: expect.any(String),
        },
        {
          id: jira,
          ...example,
          scoping_config_schema: JIRA_SCOPING,
          organization: acme.organization,
          transport: 'streamable_http',
          category: 'utility',
        },
      ]);
      expect(jira).toMatch(/^\d+$/);
      expect(Number(jira)).toBeGreaterThanOrEqual(1000);
    });

    it('filters by workspace scoping, alone and together with the provider', async () => {
      const ids = async (query: string): Promise<string[]> =>
        (await acme.owner.get(`${REGISTRY}?${query}`)).body.map((type: { id: string }) => type.id);
      const [scoped, unscoped] = [
        await ids('supports_workspace_scoping=true'),
        await ids('supports_workspace_scoping=false'),
      ];
      expect([scoped.includes(jira), scoped.includes('3')]).toEqual([true, false]);
      expect(unscoped).toEqual(expect.arrayContaining(['3', '4']));
      expect(unscoped.filter((id) => scoped.includes(id))).toEqual([]);
      expect(await ids('supports_workspace_scoping=false&provider_type=jira')).toEqual([]);
      expect(await ids('provider_type=generic')).toEqual(['3', '4']);
      expect(await ids('provider_type=nobody')).toEqual([]);
    });

    it('gives the configuration schema as it was written, in the same order, with and without the slash', async () => {
      for (const path of [`${REGISTRY}${jira}/config-schema/`, `${REGISTRY}${jira}/config-schema`]) {
        const answer = await acme.owner.get(path);
        expect(answer.status).toBe(200);
        expect(answer.text).toBe(JSON.stringify(JIRA_CONFIG));
      }
    });

    it.each([
      'supports_workspace_scoping=maybe',
      'supports_workspace_scoping=',
      'limit=0',
      'cursor=x',
      'surprise=1',
      'provider_type=%00',
      `provider_type=${'x'.repeat(65)}`,
      'provider_type=a&provider_type=b',
    ])('refuses the query %s', async (query) => {
      expectError(await acme.owner.get(`${REGISTRY}?${query}`), 400, 'validation_failed');
    });
  });

  describe('shipped types', () => {
    it('have fixed ids, and no processes unless these are enabled', async () => {
      for (const id of ['5', '0', '-1', '3.0', '03x', '99999999999']) {
        expectError(await app.admin.get(`${REGISTRY}${id}/`), 404, 'resource_not_found');
        expectError(await app.admin.get(`${REGISTRY}${id}/config-schema/`), 404, 'resource_not_found');
      }
      const names = [];
      for (const id of ['3', '4']) names.push((await other.owner.get(`${REGISTRY}${id}/`)).body.qualified_name);
      expect(names).toEqual(['generic/streamable-http', 'generic/sse']);
      const { auth } = (await other.owner.get(`${REGISTRY}3/config-schema/`)).body;
      expect(auth.properties.api_token.format).toBe('password');
    });

    it('are changed and deleted by nobody', async () => {
      for (const [method, body] of [['PATCH', { display_name: 'Mine' }], ['DELETE']] as const) {
        expectError(await app.admin.send(method, `${REGISTRY}3/`, body), 409, 'conflict');
        expectError(await acme.owner.send(method, `${REGISTRY}3/`, body), 403, 'forbidden');
      }
    });
  });

  describe('who may edit', () => {
    it('lets operators make global types that everybody sees', async () => {
      const created = await app.admin.post(REGISTRY, unique());
      expect([created.status, created.body.organization]).toEqual([201, null]);
      expect((await other.owner.get(`${REGISTRY}${created.body.id}/`)).body).toEqual(created.body);
      expectError(await other.owner.patch(`${REGISTRY}${created.body.id}/`, { display_name: 'X' }), 403, 'forbidden');
      expectError(await other.owner.delete(`${REGISTRY}${created.body.id}/`), 403, 'forbidden');
      expect((await app.admin.delete(`${REGISTRY}${created.body.id}/`)).status).toBe(204);
      expectError(await app.admin.get(`${REGISTRY}${created.body.id}/`), 404, 'resource_not_found');
    });

    it('lets owners and admins make types of their organization, which its members read only', async () => {
      const created = await admin.client.post(REGISTRY, own());
      expect(created.status).toBe(201);
      const path = `${REGISTRY}${created.body.id}/`;
      expect((await member.client.get(path)).body).toEqual(created.body);
      expectError(await member.client.patch(path, { display_name: 'X' }), 403, 'forbidden');
      expectError(await member.client.delete(path), 403, 'forbidden');
      expectError(await member.client.post(REGISTRY, own()), 403, 'forbidden');
      expect((await acme.owner.patch(path, { display_name: ' Wiki ' })).body).toEqual({
        ...created.body,
        display_name: 'Wiki',
      });
      expect((await acme.owner.delete(path)).status).toBe(204);
    });

    it('refuses global types to all others, and private ones of other organizations', async () => {
      expectError(await acme.owner.post(REGISTRY, unique()), 403, 'forbidden');
      expectError(
        await acme.owner.post(REGISTRY, unique({ organization: other.organization })),
        404,
        'resource_not_found',
      );
      expectError(await app.admin.post(REGISTRY, unique({ organization: randomUUID() })), 404, 'resource_not_found');
    });

    it('takes an organization in upper case, and never moves a type to another one', async () => {
      const created = await acme.owner.post(REGISTRY, own({ organization: acme.organization.toUpperCase() }));
      expect([created.status, created.body.organization]).toEqual([201, acme.organization]);
      const moved = await acme.owner.patch(`${REGISTRY}${created.body.id}/`, { organization: other.organization });
      expectError(moved, 400, 'validation_failed');
    });

    it('keeps names unique among global types and in each organization', async () => {
      expectError(await acme.owner.post(REGISTRY, jiraType({ organization: acme.organization })), 409, 'name_taken');
      const elsewhere = await other.owner.post(REGISTRY, jiraType({ organization: other.organization }));
      expect(elsewhere.status).toBe(201);
      expectError(await app.admin.post(REGISTRY, unique({ qualified_name: 'generic/sse' })), 409, 'name_taken');
      const created = await acme.owner.post(REGISTRY, own());
      const renamed = await acme.owner.patch(`${REGISTRY}${created.body.id}/`, { qualified_name: 'jira/mcp-server' });
      expectError(renamed, 409, 'name_taken');
      expect(renamed.body.details.fields).toHaveProperty('qualified_name');
    });
  });

  it('gives way to a type that a newer version ships: one of the same name gets another, and the trail says so', async () => {
    await app.query("DELETE FROM server_types WHERE qualified_name = 'generic/sse'");
    const { id } = (await app.admin.post(REGISTRY, unique({ qualified_name: 'generic/sse' }))).body;
    const newer = await startApp({}, app);
    await newer.close();
    expect((await app.admin.get(`${REGISTRY}${id}/`)).body.qualified_name).toBe(`generic/sse-${id}`);
    const records = await app.query(
      "SELECT actor_name, before, after FROM audit_records WHERE action = 'server_type.updated' AND object_id = $1",
      [id],
    );
    expect(records).toEqual([
      {
        actor_name: 'system',
        before: { qualified_name: 'generic/sse' },
        after: { qualified_name: `generic/sse-${id}` },
      },
    ]);
  });

  describe('changes', () => {
    it('leave what they do not name as it is', async () => {
      const created = await acme.owner.post(REGISTRY, own({ category: 'issues', session_scope: 'connection' }));
      const path = `${REGISTRY}${created.body.id}/`;
      expect((await acme.owner.patch(path, {})).body).toEqual(created.body);
      const options = { type: 'object', properties: { site: { type: 'string' } } };
      const changed = await acme.owner.patch(path, { config_schema: { auth: JIRA_CONFIG.auth, options } });
      expect(changed.body).toEqual(created.body);
      expect((await acme.owner.get(`${path}config-schema/`)).body).toEqual({ auth: JIRA_CONFIG.auth, options });
    });

    it('must leave a transport whose placeholders the schemas declare', async () => {
      const { id } = (await acme.owner.post(REGISTRY, own())).body;
      const config_schema = { auth: { type: 'object' }, options: JIRA_CONFIG.options };
      const answer = await acme.owner.patch(`${REGISTRY}${id}/`, { config_schema });
      expectError(answer, 400, 'validation_failed');
      expect(Object.keys(answer.body.details.fields)).toEqual(['transport.url', 'transport.headers.Authorization']);
    });

    it('made at once by two people both stay', async () => {
      const { id } = (await acme.owner.post(REGISTRY, own())).body;
      for (let round = 0; round < 5; round++) {
        const answers = await Promise.all([
          acme.owner.patch(`${REGISTRY}${id}/`, { display_name: `Name ${round}` }),
          admin.client.patch(`${REGISTRY}${id}/`, { description: `Text ${round}` }),
        ]);
        expect(answers.map(({ status }) => status)).toEqual([200, 200]);
        expect((await acme.owner.get(`${REGISTRY}${id}/`)).body).toMatchObject({
          display_name: `Name ${round}`,
          description: `Text ${round}`,
        });
      }
    });
  });

  describe('deletion', () => {
    it('answers in_use while a living connection uses the type, and 204 once only tombstones are left', async () => {
      const { id } = (await acme.owner.post(REGISTRY, own())).body;
      const connection = await acme.owner.post('/api/v1/mcp/connections/', {
        server: id,
        organization: acme.organization,
        connection_name: 'Uses it',
        auth_data: { api_token: 'x', base_url: 'https://acme.atlassian.net' },
      });
      expect(connection.status).toBe(201);
      expectError(await acme.owner.delete(`${REGISTRY}${id}/`), 409, 'in_use');
      expect((await acme.owner.get(`${REGISTRY}${id}/`)).status).toBe(200);
      await acme.owner.delete(`/api/v1/mcp/connections/${connection.body.id}/`);
      expect((await acme.owner.delete(`${REGISTRY}${id}/`)).status).toBe(204);
    });

    it('at the moment in which a connection is made answers 404 or in_use, never 500', async () => {
      for (let round = 0; round < 5; round++) {
        const { id } = (await acme.owner.post(REGISTRY, own())).body;
        const [made, deleted] = await Promise.all([
          acme.owner.post('/api/v1/mcp/connections/', {
            server: id,
            organization: acme.organization,
            connection_name: randomUUID(),
            auth_data: { api_token: 'x', base_url: 'https://acme.atlassian.net' },
          }),
          acme.owner.delete(`${REGISTRY}${id}/`),
        ]);
        expect([
          [201, 409],
          [404, 204],
        ]).toContainEqual([made.status, deleted.status]);
      }
    });
  });

  describe('fields', () => {
    const nullable = Object.keys(jiraType({ session_scope: 1, trust_annotations: 1, category: 1, organization: 1 }));
    it.each(nullable)('refuse null for %s, on create and on update', async (field) => {
      const created = await acme.owner.post(REGISTRY, own({ [field]: null }));
      expectError(created, 400, 'validation_failed');
      expect(Object.keys(created.body.details.fields)).toEqual([field]);
      expectError(await acme.owner.patch(`${REGISTRY}${jira}/`, { [field]: null }), 400, 'validation_failed');
    });

    it.each([
      ['qualified_name', 'Jira/MCP'],
      ['qualified_name', 'jira'],
      ['qualified_name', `a/${'b'.repeat(65)}`],
      ['qualified_name', 'a/b\n'],
      ['display_name', '   '],
      ['display_name', 'x'.repeat(201)],
      ['display_name', 'a\0b'],
      ['display_name', 'half \ud800'],
      ['description', 'a\0b'],
      ['description', 7],
      ['provider_type', 'Jira!'],
      ['supports_workspace_scoping', 'true'],
      ['trust_annotations', 1],
      ['session_scope', 'everybody'],
      ['category', ''],
      ['scoping_config_schema', []],
      ['config_schema', 'x'],
      ['transport', []],
      ['organization', '1'],
      ['id', 7],
      ['created_at', '2020-01-01'],
    ])('refuse %s %j', async (field, value) => {
      const answer = await acme.owner.post(REGISTRY, own({ [field]: value }));
      expectError(answer, 400, 'validation_failed');
      expect(Object.keys(answer.body.details.fields)).toEqual([field]);
    });

    it('take any other text there is', async () => {
      const display_name = `${'"'.repeat(3)}'; DROP TABLE users; -- {{x}} <script> 日本 👍`;
      const created = await acme.owner.post(REGISTRY, own({ display_name }));
      expect([created.status, created.body.display_name]).toEqual([201, display_name]);
    });
  });

  describe('transports', () => {
    const http = (more: object = {}): object => ({ type: 'streamable_http', url: '{auth.base_url}', ...more });
    it.each<[string, object, string[]]>([
      ['an unknown kind', { type: 'carrier-pigeon', url: 'https://x.example' }, ['transport.type']],
      ['the kind that only the product uses', { type: 'stdio_from_options' }, ['transport.type', 'transport.url']],
      ['an unknown key', http({ proxy: 'http://evil.example' }), ['transport.proxy']],
      ['an address of another scheme', http({ url: 'file:///etc/passwd' }), ['transport.url']],
      ['an address that is none', http({ url: 'https://' }), ['transport.url']],
      ['a password in the address', http({ url: 'https://me:secret@mcp.example/' }), ['transport.url']],
      ['a NUL in the address', http({ url: 'https://mcp.example/\0' }), ['transport.url']],
      ['a line break in the address', http({ url: 'https://mcp.exam\r\nple/' }), ['transport.url']],
      ['an address too long', http({ url: `https://mcp.example/${'x'.repeat(3000)}` }), ['transport.url']],
      ['headers that are a list', http({ headers: ['a'] }), ['transport.headers']],
      ['a header that is a number', http({ headers: { 'X-A': 1 } }), ['transport.headers.X-A']],
      ['a header injection in the value', http({ headers: { 'X-A': 'a\r\nX-B: b' } }), ['transport.headers.X-A']],
      ['a header injection in the name', http({ headers: { 'X-A\r\nX-B': 'b' } }), ['transport.headers.X-A\r\nX-B']],
      ['a reserved header', http({ headers: { hOsT: 'b' } }), ['transport.headers.hOsT']],
      ['a cookie', http({ headers: { Cookie: 'b' } }), ['transport.headers.Cookie']],
      ['a session', http({ headers: { 'Mcp-Session-Id': 'b' } }), ['transport.headers.Mcp-Session-Id']],
      ['a forwarding header', http({ headers: { 'X-Forwarded-For': 'b' } }), ['transport.headers.X-Forwarded-For']],
      ['a header twice', http({ headers: { 'X-A': 'b', 'x-a': 'c' } }), ['transport.headers.x-a']],
      ['an unknown placeholder', http({ headers: { 'X-A': '{auth.nobody}' } }), ['transport.headers.X-A']],
      ['a placeholder of Object', http({ headers: { 'X-A': '{auth.toString}' } }), ['transport.headers.X-A']],
      ['a misspelled placeholder', http({ headers: { 'X-A': '{auth.a.b}' } }), ['transport.headers.X-A']],
      ['a placeholder with spaces', http({ headers: { 'X-A': '{ auth.api_token }' } }), ['transport.headers.X-A']],
      ['too many headers', http({ headers: manyHeaders() }), ['transport.headers']],
    ])('refuse %s', async (_what, transport, fields) => {
      const answer = await acme.owner.post(REGISTRY, own({ transport }));
      expectError(answer, 400, 'validation_failed');
      expect(Object.keys(answer.body.details.fields)).toEqual(fields);
    });

    it('that are processes are refused to everybody while STDIO_ENABLED is not set', async () => {
      const transport = { type: 'stdio', command: '/bin/true' };
      expectError(await app.admin.post(REGISTRY, unique({ transport })), 403, 'forbidden');
      expectError(await acme.owner.post(REGISTRY, own({ transport })), 403, 'forbidden');
      expectError(await acme.owner.patch(`${REGISTRY}${jira}/`, { transport }), 403, 'forbidden');
      expect((await acme.owner.get(`${REGISTRY}${jira}/`)).body.transport).toBe('streamable_http');
    });
  });

  describe('submitted schemas', () => {
    const property = (schema: unknown): object => ({ type: 'object', properties: { a: schema } });
    it.each<[string, unknown, RegExp]>([
      ['too large', property({ type: 'string', description: 'x'.repeat(70_000) }), /^$/],
      ['too deep', deep(40), /properties\/a/],
      ['with too many subschemas', { type: 'object', properties: many(2_001) }, /^$/],
      ['with a reference to another place', property({ $ref: 'https://evil.example/s.json' }), /properties\/a\/\$ref/],
      ['with a reference to a file', property({ $ref: 'file:///etc/passwd' }), /properties\/a\/\$ref/],
      ['with a catastrophic pattern', property({ type: 'string', pattern: '^(a+)+$' }), /properties\/a\/pattern/],
      ['with a pattern that is none', property({ type: 'string', pattern: '(' }), /properties\/a\/pattern/],
      ['with a property named constructor', property({ properties: { constructor: {} } }), /constructor/],
      ['with a property named prototype', { properties: { prototype: {} } }, /prototype/],
      ['with keywords of wrong types', property({ type: 'string', minLength: 'x' }), /minLength/],
      ['of an unknown type', property({ type: 'strange' }), /type/],
      ['with properties that are a list', { type: 'object', properties: [] }, /properties/],
      ['of something that is not an object', { type: 'array' }, /^\/type$/],
      ['that refer to themselves', { $ref: '#' }, /^$/],
    ])('%s are refused, naming the place', async (_what, schema, place) => {
      const transport = { type: 'sse', url: 'https://mcp.example/sse' };
      for (const part of ['auth', 'options']) {
        const config_schema = { auth: {}, options: {}, [part]: schema };
        const answer = await acme.owner.post(REGISTRY, own({ config_schema, transport }));
        expectError(answer, 400, 'schema_refused');
        const [field = ''] = Object.keys(answer.body.details.fields);
        expect(field.startsWith(`config_schema.${part}`)).toBe(true);
        expect(field.slice(`config_schema.${part}`.length)).toMatch(place);
      }
      expectError(await acme.owner.post(REGISTRY, own({ scoping_config_schema: schema })), 400, 'schema_refused');
    });

    it.each<[string, unknown, string]>([
      ['one that is missing', { auth: {} }, 'config_schema.options'],
      ['one that is null', { auth: {}, options: null }, 'config_schema.options'],
      ['one that is a list', { auth: [], options: {} }, 'config_schema.auth'],
      ['one too many', { auth: {}, options: {}, constructor: {} }, 'config_schema.constructor'],
    ])('must be two: %s is refused', async (_what, config_schema, field) => {
      const answer = await acme.owner.post(REGISTRY, own({ config_schema }));
      expectError(answer, 400, 'validation_failed');
      expect(Object.keys(answer.body.details.fields)).toEqual([field]);
    });

    it('with a property named __proto__ are refused, however it is spelled', async () => {
      for (const name of ['__proto__', '\\u005f_proto__']) {
        const text = JSON.stringify(own({ scoping_config_schema: { properties: { NAME: {} } } }));
        const answer = await acme.owner.send('POST', REGISTRY, text.replace('NAME', name));
        expectError(answer, 400, 'validation_failed');
        expect(Object.keys(answer.body.details.fields)).toEqual(['scoping_config_schema.properties.__proto__']);
      }
    });

    it('keep secrets out of options, which everybody reads', async () => {
      for (const secret of [
        { type: 'string', format: 'password' },
        { type: 'string', writeOnly: true },
      ]) {
        const answer = await acme.owner.post(
          REGISTRY,
          own({ config_schema: { auth: JIRA_CONFIG.auth, options: property(secret) } }),
        );
        expectError(answer, 400, 'schema_refused');
        expect(Object.keys(answer.body.details.fields)).toEqual(['config_schema.options/properties/a']);
      }
    });

    it('are answered in time, also the catastrophic ones', async () => {
      const started = performance.now();
      const schema = { type: 'object', properties: { a: { type: 'string', pattern: '^(([a-z])+.)+[A-Z]([a-z])+$' } } };
      const answer = await acme.owner.post(REGISTRY, own({ scoping_config_schema: schema }));
      expectError(answer, 400, 'schema_refused');
      expect(performance.now() - started).toBeLessThan(3_000);
    });
  });
});

describe('the server registry with STDIO_ENABLED', () => {
  let app: TestApp;
  let acme: Tenant;
  beforeAll(async () => {
    app = await startApp({ STDIO_ENABLED: 'true' });
    acme = await newTenant(app);
  });
  afterAll(() => app.close());

  it('ships the generic process as type 5', async () => {
    expect((await acme.owner.get(`${REGISTRY}5/`)).body).toMatchObject({
      id: '5',
      qualified_name: 'generic/stdio',
      transport: 'stdio',
    });
  });

  it('lets only operators define a process, by create and by update', async () => {
    const body = processType('acme/local', '/bin/cat');
    expectError(await acme.owner.post(REGISTRY, { ...body, organization: acme.organization }), 403, 'forbidden');
    const harmless = await acme.owner.post(REGISTRY, jiraType({ organization: acme.organization }));
    const path = `${REGISTRY}${harmless.body.id}/`;
    expectError(await acme.owner.patch(path, { transport: body.transport }), 403, 'forbidden');
    const answer = await app.admin.post(REGISTRY, body);
    expect([answer.status, answer.body.transport]).toEqual([201, 'stdio']);
  });

  it('lets nobody else change what an operator defined in their organization', async () => {
    const owner = (await app.admin.get('/api/v1/auth/me')).body;
    await acme.owner.post(`/api/v1/organizations/${acme.organization}/members/`, {
      username: owner.username,
      role: 'admin',
    });
    const created = await app.admin.post(REGISTRY, {
      ...processType('acme/theirs', '/bin/cat'),
      organization: acme.organization,
    });
    expect(created.status).toBe(201);
    const path = `${REGISTRY}${created.body.id}/`;
    expectError(await acme.owner.patch(path, { display_name: 'Mine' }), 403, 'forbidden');
    const transport = { type: 'stdio', command: '/bin/sh', args: ['-c', 'id'] };
    expectError(await acme.owner.patch(path, { transport }), 403, 'forbidden');
  });

  it.each<[string, object, string[]]>([
    ['a placeholder in the command', { command: '{auth.token}' }, ['transport.args']],
    ['a placeholder in an argument', { command: 'x', args: ['--token={auth.token}'] }, ['transport.args']],
    ['no command', {}, ['transport.command']],
    ['arguments that are no list', { command: 'x', args: 'y' }, ['transport.args']],
    ['a NUL in an argument', { command: 'x', args: ['a\0b'] }, ['transport.args']],
    ['a variable of a strange name', { command: 'x', env: { 'A=B': 'c' } }, ['transport.env.A=B']],
    ['an unknown key', { command: 'x', shell: true }, ['transport.shell']],
    ['a placeholder that no schema declares', { command: 'x', env: { A: '{auth.nobody}' } }, ['transport.env.A']],
  ])('refuses %s', async (_what, more, fields) => {
    const body = { ...processType('acme/refused', 'x'), transport: { type: 'stdio', ...more } };
    const answer = await app.admin.post(REGISTRY, body);
    expectError(answer, 400, 'validation_failed');
    expect(Object.keys(answer.body.details.fields)).toEqual(fields);
  });
});

function manyHeaders(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`X-${index}`, 'a']));
}

function many(count: number): Record<string, object> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, { type: 'string' }]));
}

function deep(levels: number): object {
  let schema: object = { type: 'string' };
  // `not` nests one schema per level of JSON, so that the body's own limit is not met first.
  for (let level = 0; level < levels; level++) schema = { not: schema };
  return { type: 'object', properties: { a: schema } };
}
