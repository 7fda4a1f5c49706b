import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError, itIsProtected } from '../../../test/support/contract.js';
import type { Answer } from '../../../test/support/api-client.js';
import { newMember, newTenant, type Tenant, type TestUser } from '../../../test/support/tenants.js';
import { startModernEra, type ModernEraUpstream } from '../../../test/support/upstreams/modern-era.js';

const REGISTRY = '/api/v1/mcp/registry/';
const IMPORT = `${REGISTRY}import/`;
const CONNECTIONS = '/api/v1/mcp/connections/';

const remote = (more: object = {}): Record<string, unknown> => ({
  $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
  name: `io.github.acme/wiki-${randomUUID()}`,
  title: 'Acme Wiki',
  description: 'Pages of the Acme wiki',
  version: '1.2.0',
  remotes: [{ type: 'streamable-http', url: 'https://wiki.acme.example/mcp' }],
  ...more,
});
const npmPackage = (more: object = {}): Record<string, unknown> => ({
  name: `io.github.acme/wiki-${randomUUID()}`,
  description: 'Pages of the Acme wiki',
  version: '1.2.0',
  packages: [
    {
      registryType: 'npm',
      identifier: '@acme/wiki-mcp',
      version: '1.2.0',
      transport: { type: 'stdio' },
      environmentVariables: [
        { name: 'WIKI_KEY', description: 'API key', isRequired: true, isSecret: true },
        { name: 'WIKI_DEPTH', format: 'number', default: '3' },
      ],
      ...more,
    },
  ],
});

describe('the import of a server.json', () => {
  let app: TestApp;
  let acme: Tenant;
  let other: Tenant;
  let member: TestUser;
  let admin: TestUser;
  beforeAll(async () => {
    app = await startApp();
    [acme, other] = [await newTenant(app), await newTenant(app)];
    [member, admin] = [await newMember(app, acme, 'member'), await newMember(app, acme, 'admin')];
  });
  afterAll(() => app.close());

  const own = (): string => `${IMPORT}?organization=${acme.organization}`;

  itIsProtected(
    () => app.anonymous,
    () => [{ method: 'POST', path: IMPORT, body: remote() }],
  );

  // Members that nobody knows are no mistake here, so this is not the shared assertion.
  it('refuses bad bodies, naming what is wrong', async () => {
    const send = (text: string, headers: Record<string, string> = {}): Promise<Answer> =>
      acme.owner.send('POST', own(), text, { 'content-type': 'application/json', ...headers });
    expectError(await send('{"a":'), 400, 'malformed_json');
    expectError(await send('['.repeat(70) + ']'.repeat(70)), 400, 'malformed_json');
    for (const text of ['[]', '"text"', 'null', '7', '', '{}', '{"server": 5}'])
      expectError(await send(text), 400, 'validation_failed');
    const dangerous = await send('{"remotes": [{"__proto__": {"is_operator": true}}]}');
    expectError(dangerous, 400, 'validation_failed');
    expect(Object.keys(dangerous.body.details.fields)).toEqual(['remotes.0.__proto__']);
    expectError(await send('{"constructor": {}}'), 400, 'validation_failed');
    expectError(await send('x'.repeat(1_048_577)), 413, 'payload_too_large');
    expectError(await send('{}', { 'content-encoding': 'gzip' }), 415, 'unsupported_media_type');
  });

  it.each(['organization=x', 'source=npm', 'source=', 'source=remote&source=package', 'surprise=1', 'organization='])(
    'refuses the query %s',
    async (query) => expectError(await acme.owner.post(`${IMPORT}?${query}`, remote()), 400, 'validation_failed'),
  );

  it('makes a type like any other, whatever else the document says', async () => {
    const document = remote({
      name: `io.github.Acme/${randomUUID()}-mcp`,
      icons: [],
      repository: { url: 7 },
      x: { y: 1 },
    });
    const created = await admin.client.post(own(), document);
    expect(created.status).toBe(201);
    expect(created.body).toEqual({
      id: expect.stringMatching(/^\d{4,}$/),
      qualified_name: (document.name as string).toLowerCase(),
      display_name: 'Acme Wiki',
      description: 'Pages of the Acme wiki',
      provider_type: expect.stringMatching(/^[0-9a-f-]{36}$/),
      supports_workspace_scoping: false,
      scoping_config_schema: {},
      organization: acme.organization,
      transport: 'streamable_http',
      category: 'utility',
      session_scope: 'principal',
      trust_annotations: false,
      scopes: [],
      tool_effects: {},
      effects_source: null,
      effects_verified: false,
      declared_resources: [],
      price_book: {},
    });
    expect((await member.client.get(`${REGISTRY}${created.body.id}/`)).body).toEqual(created.body);
    expect((await other.owner.get(`${REGISTRY}${created.body.id}/`)).status).toBe(404);
  });

  it('takes the answer of the registry, and names places in it', async () => {
    const wrapped = await acme.owner.post(own(), {
      server: remote(),
      _meta: { 'io.modelcontextprotocol.registry/official': {} },
    });
    expect(wrapped.status).toBe(201);
    const broken = await acme.owner.post(own(), { server: remote({ remotes: [{ type: 'sse', url: 'gopher://x' }] }) });
    expectError(broken, 400, 'validation_failed');
    expect(Object.keys(broken.body.details.fields)).toEqual(['server.remotes[0].url']);
  });

  it('asks for the same rights as making a type by hand', async () => {
    expectError(await member.client.post(own(), remote()), 403, 'forbidden');
    expectError(await other.owner.post(own(), remote()), 404, 'resource_not_found');
    expectError(await acme.owner.post(IMPORT, remote()), 403, 'forbidden');
    const global = await app.admin.post(IMPORT, remote());
    expect([global.status, global.body.organization]).toEqual([201, null]);
    expect((await other.owner.get(`${REGISTRY}${global.body.id}/`)).status).toBe(200);
    expect((await acme.owner.post(`${IMPORT}?organization=${acme.organization.toUpperCase()}`, remote())).status).toBe(
      201,
    );
  });

  it('answers name_taken for a name that is there', async () => {
    const document = remote();
    expect((await acme.owner.post(own(), document)).status).toBe(201);
    const again = await acme.owner.post(own(), document);
    expectError(again, 409, 'name_taken');
    expect(again.body.details.fields).toHaveProperty('qualified_name');
  });

  it('makes one type for one Idempotency-Key, and says of a document that it is another', async () => {
    const [document, key] = [remote(), { 'Idempotency-Key': randomUUID() }];
    const first = await acme.owner.post(own(), document, key);
    const second = await acme.owner.post(own(), document, key);
    expect([first.status, second.status, second.body]).toEqual([201, 201, first.body]);
    expect(second.headers.get('idempotent-replayed')).toBe('true');
    expectError(await acme.owner.post(own(), remote(), key), 422, 'idempotency_key_reused');
  });

  it('leaves a record of the type, without what the document wrote into its headers', async () => {
    const headers = [{ name: 'X-Key', value: 'a-secret-that-somebody-published' }];
    const document = remote({ remotes: [{ type: 'sse', url: 'https://wiki.acme.example/sse', headers }] });
    const { id } = (await acme.owner.post(own(), document)).body;
    const records = await app.query('SELECT action, after FROM audit_records WHERE object_id = $1', [id]);
    expect(records).toMatchObject([{ action: 'server_type.created', after: { qualified_name: document.name } }]);
    expect(JSON.stringify(records)).not.toContain('a-secret-that-somebody-published');
  });

  it('refuses a schema that grew too large, naming the entry', async () => {
    const choices = Array.from({ length: 100 }, (_, at) => `${at}`.repeat(400));
    const headers = [
      { name: 'X-A', choices },
      { name: 'X-B', choices },
    ];
    const answer = await acme.owner.post(
      own(),
      remote({ remotes: [{ type: 'sse', url: 'https://wiki.example/', headers }] }),
    );
    expectError(answer, 400, 'schema_refused');
    expect(Object.keys(answer.body.details.fields)).toEqual(['remotes[0]']);
  });

  describe('of processes', () => {
    it('is refused to everybody while STDIO_ENABLED is not set', async () => {
      expectError(await app.admin.post(IMPORT, npmPackage()), 403, 'forbidden');
      expectError(await acme.owner.post(own(), npmPackage()), 403, 'forbidden');
    });

    it('gives way to a remote of the same document', async () => {
      const document = { ...npmPackage(), ...remote() };
      expect((await acme.owner.post(own(), document)).body.transport).toBe('streamable_http');
      expectError(await acme.owner.post(`${own()}&source=package`, document), 403, 'forbidden');
    });
  });

  it('connects to nothing, not even to the servers of the document', async () => {
    let connections = 0;
    const listener = createServer(() => connections++).listen(0, '127.0.0.1');
    try {
      await new Promise((resolve) => listener.once('listening', resolve));
      const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`;
      const document = remote({
        $schema: url,
        websiteUrl: url,
        icons: [{ src: url }],
        remotes: [{ type: 'sse', url }],
      });
      expect((await acme.owner.post(own(), document)).status).toBe(201);
      expect(connections).toBe(0);
    } finally {
      await new Promise((resolve) => listener.close(resolve));
    }
    // A name that nobody could resolve, and an address that we may not reach: both are looked at when something connects.
    for (const url of ['https://no-such-name.invalid/mcp', 'http://169.254.169.254/mcp'])
      expect((await acme.owner.post(own(), remote({ remotes: [{ type: 'sse', url }] }))).status).toBe(201);
  });

  describe('and then a connection', () => {
    const token = 'token-of-the-imported-server';
    let upstream: ModernEraUpstream;
    beforeAll(async () => {
      upstream = await startModernEra({ token });
    });
    afterAll(() => upstream.close());

    it('asks for what the document said, sends it as the document said, and keeps the secret', async () => {
      const { hostname: host, port } = new URL(upstream.url);
      const document = remote({
        remotes: [
          {
            type: 'streamable-http',
            url: 'http://{host}:{port}/mcp',
            variables: {
              host: { description: 'Name of the host', isRequired: true },
              port: { format: 'number', default: '80' },
            },
            headers: [
              {
                name: 'Authorization',
                value: 'Bearer {token}',
                isRequired: true,
                variables: { token: { description: 'API token', isSecret: true } },
              },
            ],
          },
        ],
      });
      const type = await acme.owner.post(own(), document);
      expect(type.status).toBe(201);
      const { auth, options } = (await acme.owner.get(`${REGISTRY}${type.body.id}/config-schema/`)).body;
      expect(auth).toEqual({
        type: 'object',
        properties: {
          host: { type: 'string', minLength: 1, description: 'Name of the host' },
          port: { type: 'number', default: 80 },
          token: { type: 'string', format: 'password', minLength: 1, description: 'API token' },
        },
        required: ['host', 'port', 'token'],
        additionalProperties: false,
      });
      expect(Object.keys(options.properties)).toEqual(['timeout']);
      const connect = (authData: object): Promise<Answer> =>
        acme.owner.post(CONNECTIONS, {
          server: type.body.id,
          organization: acme.organization,
          connection_name: randomUUID(),
          auth_data: authData,
        });
      expectError(await connect({ host }), 400, 'validation_failed');
      const connection = await connect({ host, port: Number(port), token });
      expect(connection.status).toBe(201);
      expect(connection.text).not.toContain(token);
      const discovered = await acme.owner.post(`${CONNECTIONS}${connection.body.id}/discover/`);
      expect(discovered.body).toMatchObject({ success: true, complete: true });
      const wrong = await connect({ host, port: Number(port), token: 'another' });
      expect((await acme.owner.post(`${CONNECTIONS}${wrong.body.id}/test/`)).body).toMatchObject({ success: false });
    });
  });
});

describe('the import of a server.json with STDIO_ENABLED', () => {
  let app: TestApp;
  let acme: Tenant;
  beforeAll(async () => {
    app = await startApp({ STDIO_ENABLED: 'true' });
    acme = await newTenant(app);
  });
  afterAll(() => app.close());

  it('lets an operator import a package, whose variables become credentials', async () => {
    const created = await app.admin.post(IMPORT, npmPackage());
    expect([created.status, created.body.transport]).toEqual([201, 'stdio']);
    expect((await app.admin.get(`${REGISTRY}${created.body.id}/config-schema/`)).body.auth).toEqual({
      type: 'object',
      properties: {
        WIKI_KEY: { type: 'string', format: 'password', minLength: 1, description: 'API key' },
        WIKI_DEPTH: { type: 'number', default: 3 },
      },
      required: ['WIKI_KEY'],
      additionalProperties: false,
    });
    const [row] = await app.query<{ transport: unknown }>('SELECT transport FROM server_types WHERE id = $1', [
      created.body.id,
    ]);
    expect(row?.transport).toEqual({
      type: 'stdio',
      command: 'npx',
      args: ['-y', '@acme/wiki-mcp@1.2.0'],
      env: { WIKI_KEY: '{auth.WIKI_KEY}', WIKI_DEPTH: '{auth.WIKI_DEPTH}' },
    });
  });

  it('lets nobody else', async () => {
    expectError(await acme.owner.post(`${IMPORT}?organization=${acme.organization}`, npmPackage()), 403, 'forbidden');
    expectError(await acme.owner.post(IMPORT, npmPackage()), 403, 'forbidden');
  });

  it('refuses what can not be started, and what somebody would have to enter into a command line', async () => {
    const bundle = await app.admin.post(IMPORT, npmPackage({ registryType: 'mcpb' }));
    expectError(bundle, 400, 'validation_failed');
    expect(Object.keys(bundle.body.details.fields)).toEqual(['packages[0].registryType']);
    const packageArguments = [{ type: 'positional', valueHint: 'folder', isRequired: true }];
    const entered = await app.admin.post(IMPORT, npmPackage({ packageArguments }));
    expectError(entered, 400, 'validation_failed');
    expect(Object.keys(entered.body.details.fields)).toEqual(['packages[0].packageArguments[0]']);
  });
});
