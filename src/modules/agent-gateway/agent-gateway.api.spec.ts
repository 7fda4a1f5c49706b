import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, ApiClient } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError } from '../../../test/support/contract.js';
import { newMember, newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startModernEra, type ModernEraUpstream } from '../../../test/support/upstreams/modern-era.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

const MODERN = '2026-07-28';
const META = {
  'io.modelcontextprotocol/protocolVersion': MODERN,
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const ACCEPT = { accept: 'application/json, text/event-stream' };

describe('the endpoint of a workspace', () => {
  let app: TestApp;
  let acme: Tenant;
  let stranger: Tenant;
  let old: OldEraUpstream;
  let modern: ModernEraUpstream;
  let agent: ApiClient;
  let fresh: string;

  beforeAll(async () => {
    [app, old, modern] = await Promise.all([startApp(), startOldEra(), startModernEra()]);
    [acme, stranger] = await Promise.all([newTenant(app), newTenant(app)]);
    for (const [id, { url }] of Object.entries({ old, modern }))
      await acme.owner.post('/mcp/servers', { server_id: id, server_name: id, server_url: url });
    await grantAll('old');
    await grantAll('modern');
    agent = app.anonymous.withToken(await tokenOf(acme));
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([old.close(), modern.close()]);
  });

  const connectionOf = async (slug: string): Promise<string> => {
    const { body } = await acme.owner.get('/api/v1/mcp/connections/');
    return body.find((each: { connection_name: string }) => each.connection_name === slug).id;
  };
  const resourcesOf = async (connection: string): Promise<{ id: number; resource_uri: string }[]> =>
    (await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}&limit=500`)).body;
  async function grantAll(slug: string, workspace = acme.workspace, permission = 'admin'): Promise<number> {
    const connection = await connectionOf(slug);
    const { body, status } = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace,
      connection,
      access_name: `${slug} ${randomUUID()}`,
      permission_level: permission,
      allowed_resources: (await resourcesOf(connection)).map(({ id }) => id),
    });
    expect(status).toBe(201);
    return body.id;
  }
  const tokenOf = async (tenant: Tenant, workspace = tenant.workspace): Promise<string> =>
    (await tenant.owner.post(`/api/v1/workspaces/${workspace}/tokens/`, { name: randomUUID(), expires_in_days: 1 }))
      .body.token;
  const door = (workspace = acme.workspace): string => `/mcp/workspaces/${workspace}`;

  /** One request of the new era. */
  function ask(method: string, params: Record<string, unknown> = {}, client = agent, path = door()): Promise<Answer> {
    const name = method === 'resources/read' ? params.uri : params.name;
    return client.post(
      path,
      { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: { ...META, ...(params._meta as object) } } },
      {
        ...ACCEPT,
        'mcp-protocol-version': MODERN,
        'mcp-method': method,
        ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
      },
    );
  }
  const names = async (client = agent, path = door()): Promise<string[]> =>
    (await ask('tools/list', {}, client, path)).body.result.tools.map((tool: { name: string }) => tool.name);

  describe('lets in', () => {
    it('nobody without a token, and says where to get one', async () => {
      const answer = await app.anonymous.post(door(), { jsonrpc: '2.0', id: 1, method: 'ping' }, ACCEPT);
      expectError(answer, 401, 'unauthorized');
      const address = /resource_metadata="([^"]+)"/.exec(answer.headers.get('www-authenticate') ?? '')?.[1] ?? '';
      const metadata = await app.anonymous.get(new URL(address).pathname);
      expect(metadata.body).toMatchObject({ bearer_methods_supported: ['header'] });
      expect(new URL(metadata.body.resource).pathname).toBe(door());
    });

    it('no token of another workspace, as none at all', async () => {
      const foreign = app.anonymous.withToken(await tokenOf(stranger));
      const answer = await ask('tools/list', {}, foreign);
      expectError(answer, 401, 'unauthorized');
      expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
    });

    it('nobody to whom the workspace is none of theirs, as if it were not there', async () => {
      const outsider = await newMember(app, acme, 'member');
      for (const client of [stranger.owner, outsider.client])
        expectError(await ask('tools/list', {}, client), 404, 'resource_not_found');
      for (const id of [randomUUID(), 'nonsense'])
        expectError(await ask('tools/list', {}, acme.owner, door(id)), 404, 'resource_not_found');
    });

    it('those who work in it, and admins', async () => {
      const member = await newMember(app, acme, 'member');
      await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/members/`, {
        username: member.username,
        role: 'member',
      });
      for (const client of [member.client, acme.owner]) expect((await ask('tools/list', {}, client)).status).toBe(200);
    });

    it.each([
      ['origin', { origin: 'https://evil.example' }],
      ['host', { host: 'evil.example' }],
    ])('no page of somebody else (%s)', async (_what, headers) => {
      const { request } = await import('node:http');
      const { hostname, port } = new URL(app.url);
      const status = await new Promise((resolve, reject) => {
        const sent = request({
          hostname,
          port,
          path: door(),
          method: 'POST',
          headers: {
            authorization: `Bearer ${agent.token}`,
            'content-type': 'application/json',
            ...ACCEPT,
            ...headers,
          },
        });
        sent.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject);
        sent.end('{"jsonrpc":"2.0","id":1,"method":"ping"}');
      });
      expect(status).toBe(403);
    });
  });

  describe('in the new era', () => {
    it('says what it speaks, and what it is', async () => {
      const { result } = (await ask('server/discover')).body;
      expect(result).toMatchObject({ resultType: 'complete', supportedVersions: [MODERN] });
      expect(result._meta['io.modelcontextprotocol/serverInfo']).toMatchObject({ name: 'mcp-control-plane' });
    });

    it('lists tools by their public ids, for a client of its own only', async () => {
      const { result } = (await ask('tools/list')).body;
      expect(result).toMatchObject({ cacheScope: 'private', ttlMs: expect.any(Number) });
      const ids = result.tools.map((tool: { name: string }) => tool.name);
      expect(ids).toEqual(expect.arrayContaining(['old_echo', 'modern_echo']));
    });

    it('calls tools, and writes down what was called', async () => {
      const marker = randomUUID();
      const { body, status } = await ask('tools/call', { name: 'modern_echo', arguments: { message: marker } });
      expect([status, JSON.stringify(body.result.content)]).toEqual([200, expect.stringContaining(marker)]);
      const [call] = (await acme.owner.get('/api/v1/mcp/calls/?limit=1')).body;
      expect(call).toMatchObject({ door: 'agent', outcome: 'ok', operation: 'tools/call' });
    });

    it.each([
      ['no version header', { 'mcp-protocol-version': undefined }, -32_020],
      ['no method header', { 'mcp-method': undefined }, -32_020],
      ['another method', { 'mcp-method': 'tools/list' }, -32_020],
      ['no name header', { 'mcp-name': undefined }, -32_020],
      ['another name', { 'mcp-name': 'modern_add' }, -32_020],
      ['a broken encoding', { 'mcp-name': '=?base64?%%%?=' }, -32_020],
    ])('refuses headers that do not repeat the body: %s', async (_what, changed, code) => {
      const headers: Record<string, string | undefined> = {
        ...ACCEPT,
        'mcp-protocol-version': MODERN,
        'mcp-method': 'tools/call',
        'mcp-name': 'modern_echo',
        ...changed,
      };
      for (const key of Object.keys(headers)) if (headers[key] === undefined) delete headers[key];
      const params = { name: 'modern_echo', arguments: { message: 'x' }, _meta: META };
      const body = { jsonrpc: '2.0', id: 7, method: 'tools/call', params };
      const answer = await agent.post(door(), body, headers as Record<string, string>);
      expect([answer.status, answer.body.error.code, answer.body.id]).toEqual([400, code, 7]);
    });

    it('takes names in the encoding of headers', async () => {
      const params = { name: 'modern_echo', arguments: { message: 'x' }, _meta: META };
      const name = `=?base64?${Buffer.from('modern_echo').toString('base64')}?=`;
      const headers = { ...ACCEPT, 'mcp-protocol-version': MODERN, 'mcp-method': 'tools/call', 'mcp-name': name };
      const body = { jsonrpc: '2.0', id: 7, method: 'tools/call', params };
      expect((await agent.post(door(), body, headers)).status).toBe(200);
    });

    it.each([
      ['is no JSON', '{"jsonrpc": "2.0",', -32_700],
      ['is nested without end', '['.repeat(70) + ']'.repeat(70), -32_700],
      ['reaches for prototypes', '{"jsonrpc":"2.0","id":1,"method":"ping","__proto__":{}}', -32_600],
      ['is a batch', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32_600],
    ])('says in JSON-RPC that a body %s', async (_what, body, code) => {
      const headers = { authorization: `Bearer ${agent.token}`, 'content-type': 'application/json', ...ACCEPT };
      const answer = await fetch(app.url + door(), { method: 'POST', headers, body });
      expect([answer.status, await answer.json()]).toEqual([
        400,
        { jsonrpc: '2.0', id: null, error: { code, message: expect.any(String) } },
      ]);
    });

    it('refuses versions it does not speak, saying which it does', async () => {
      const params = { _meta: { ...META, 'io.modelcontextprotocol/protocolVersion': '1900-01-01' } };
      const headers = { ...ACCEPT, 'mcp-protocol-version': '1900-01-01', 'mcp-method': 'tools/list' };
      const answer = await agent.post(door(), { jsonrpc: '2.0', id: 1, method: 'tools/list', params }, headers);
      expect([answer.status, answer.body.error]).toEqual([
        400,
        {
          code: -32_022,
          message: expect.any(String),
          data: { requested: '1900-01-01', supported: [MODERN] },
        },
      ]);
    });

    it.each([
      ['an unknown method', 'tools/nonsense', 404, -32_601],
      ['ping, which it no longer has', 'ping', 404, -32_601],
    ])('does not know %s', async (_what, method, status, code) => {
      const answer = await ask(method);
      expect([answer.status, answer.body.error.code]).toEqual([status, code]);
    });

    it.each([
      ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]'],
      ['no JSON-RPC', '{"id":1,"method":"tools/list"}'],
      ['an id that is none', '{"jsonrpc":"2.0","id":null,"method":"tools/list"}'],
      ['a method that is none', '{"jsonrpc":"2.0","id":1,"method":7}'],
      ['parameters that are none', '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}'],
      ['a number', '7'],
    ])('refuses %s', async (_what, body) => {
      const answer = await agent.send('POST', door(), body, { ...ACCEPT, 'content-type': 'application/json' });
      expect([answer.status, answer.body.error.code]).toEqual([400, expect.any(Number)]);
    });

    it('tells those who listen what changes, once, within a second', async () => {
      const workspace = await newWorkspace();
      const client = app.anonymous.withToken(await tokenOf(acme, workspace));
      const events = await listen(client, door(workspace), { toolsListChanged: true });
      expect(await events.next()).toMatchObject({
        method: 'notifications/subscriptions/acknowledged',
        params: { notifications: { toolsListChanged: true }, _meta: { 'io.modelcontextprotocol/subscriptionId': 9 } },
      });
      const started = Date.now();
      await grantAll('modern', workspace);
      expect(await events.next()).toMatchObject({ method: 'notifications/tools/list_changed' });
      expect(Date.now() - started).toBeLessThan(2_000);
      await events.close();
    });
  });

  describe('in the old era', () => {
    const rpc = (body: object, headers: Record<string, string> = {}, client = agent): Promise<Answer> =>
      client.post(door(), { jsonrpc: '2.0', ...body }, { ...ACCEPT, ...headers });
    async function session(client = agent): Promise<Record<string, string>> {
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
      const answer = await rpc({ id: 0, method: 'initialize', params }, {}, client);
      expect(answer.body.result.protocolVersion).toBe('2025-11-25');
      return { 'mcp-session-id': answer.headers.get('mcp-session-id') ?? '', 'mcp-protocol-version': '2025-11-25' };
    }

    it('opens sessions, that are theirs who opened them', async () => {
      const headers = await session();
      expect((await rpc({ method: 'notifications/initialized' }, headers)).status).toBe(202);
      expect((await rpc({ id: 1, method: 'ping' }, headers)).body).toEqual({ jsonrpc: '2.0', id: 1, result: {} });
      const other = await rpc({ id: 1, method: 'ping' }, headers, app.anonymous.withToken(await tokenOf(acme)));
      expect([other.status, other.body.error.code]).toEqual([404, -32_001]);
    });

    it('ends them when it is asked to', async () => {
      const headers = await session();
      expect((await agent.send('DELETE', door(), undefined, headers)).status).toBe(204);
      expect((await rpc({ id: 1, method: 'ping' }, headers)).status).toBe(404);
    });

    it('needs one for everything else', async () => {
      expect((await rpc({ id: 1, method: 'tools/list' })).status).toBe(400);
    });

    it('speaks an older version to whoever asks for it, and the newest to whoever asks for another', async () => {
      for (const [asked, given] of [
        ['2025-06-18', '2025-06-18'],
        ['2025-03-26', '2025-03-26'],
        ['1999-01-01', '2025-11-25'],
      ]) {
        const params = { protocolVersion: asked, capabilities: {}, clientInfo: { name: 'test', version: '1' } };
        expect((await rpc({ id: 0, method: 'initialize', params })).body.result.protocolVersion).toBe(given);
      }
    });

    it('lists and calls, without what belongs to the new era', async () => {
      const headers = await session();
      const list = (await rpc({ id: 1, method: 'tools/list' }, headers)).body.result;
      expect(Object.keys(list)).toEqual(['tools']);
      const call = { id: 2, method: 'tools/call', params: { name: 'old_echo', arguments: { message: 'hello' } } };
      expect(JSON.stringify((await rpc(call, headers)).body.result.content)).toContain('hello');
    });

    it('tells on its stream what changed, also what changed while the stream was lost', async () => {
      const workspace = await newWorkspace();
      const client = app.anonymous.withToken(await tokenOf(acme, workspace));
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
      const opened = await client.post(
        door(workspace),
        { jsonrpc: '2.0', id: 0, method: 'initialize', params },
        ACCEPT,
      );
      const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '', accept: 'text/event-stream' };
      const first = await stream(client, door(workspace), 'GET', headers);
      await grantAll('modern', workspace);
      const heard = new Set([(await first.next()).method, (await first.next()).method, (await first.next()).method]);
      expect(heard).toContain('notifications/tools/list_changed');
      const { lastId } = first;
      await first.close();
      await grantAll('old', workspace);
      await sleep(600);
      const second = await stream(client, door(workspace), 'GET', { ...headers, 'last-event-id': lastId });
      expect((await second.next()).method).toMatch(/list_changed/);
      await second.close();
    });
  });

  describe('offers', () => {
    it('nothing, where nothing is granted, and that is no error', async () => {
      const workspace = await newWorkspace();
      const client = app.anonymous.withToken(await tokenOf(acme, workspace));
      for (const [method, field] of [
        ['tools/list', 'tools'],
        ['resources/list', 'resources'],
        ['resources/templates/list', 'resourceTemplates'],
        ['prompts/list', 'prompts'],
      ] as const)
        expect((await ask(method, {}, client, door(workspace))).body.result[field]).toEqual([]);
    });

    it('no tool beyond the level of its grant, as if there were none', async () => {
      const workspace = await newWorkspace();
      await grantAll('modern', workspace, 'read');
      const client = app.anonymous.withToken(await tokenOf(acme, workspace));
      const offered = await names(client, door(workspace));
      expect(offered).not.toContain('modern_echo');
      const params = { name: 'modern_echo', arguments: { message: 'x' } };
      const answer = await ask('tools/call', params, client, door(workspace));
      expect(answer.body.error).toEqual({ code: -32_602, message: 'Unknown tool: modern_echo' });
    });

    it('resources, templates and prompts, under names that tell their servers apart', async () => {
      const { resources } = (await ask('resources/list')).body.result;
      const uris = resources.map((each: { uri: string }) => each.uri) as string[];
      expect(new Set(uris).size).toBe(uris.length);
      const renamed = uris.find((uri) => uri.startsWith('mcp://modern/')) ?? '';
      const own = decodeURIComponent(renamed.slice('mcp://modern/'.length));
      expect(uris).toContain(own);
      for (const uri of [renamed, own]) {
        const { result } = (await ask('resources/read', { uri })).body;
        expect(result.contents[0].uri).toBe(uri);
      }
      const { prompts } = (await ask('prompts/list')).body.result;
      const prompt = prompts.find((each: { name: string }) => each.name.startsWith('modern_'));
      const args = Object.fromEntries((prompt.arguments ?? []).map((each: { name: string }) => [each.name, 'x']));
      const got = await ask('prompts/get', { name: prompt.name, arguments: args });
      expect(got.body.result.messages.length).toBeGreaterThan(0);
    });

    it('a resource under the name that it had when another one bears it no more', async () => {
      const workspace = await newWorkspace();
      const first = await grantAll('old', workspace, 'write');
      await grantAll('modern', workspace, 'write');
      const client = app.anonymous.withToken(await tokenOf(acme, workspace));
      const urisOf = async (): Promise<string[]> =>
        (await ask('resources/list', {}, client, door(workspace))).body.result.resources.map(
          (each: { uri: string }) => each.uri,
        );
      const before = await urisOf();
      await acme.owner.delete(`/api/v1/mcp/workspace-access/${first}/`);
      const after = await urisOf();
      expect(after.length).toBeGreaterThan(0);
      expect(after.length).toBeLessThan(before.length);
      expect(before).toEqual(expect.arrayContaining(after));
      const [lost = ''] = before.filter((uri) => !after.includes(uri));
      const { error } = (await ask('resources/read', { uri: lost }, client, door(workspace))).body;
      expect(error).toMatchObject({ code: -32_602, message: 'Resource not found' });
    });

    it.each([
      ['tools/list', { cursor: { toString: 1 } }],
      ['tools/list', { cursor: ['MQ'] }],
      ['tools/list', { cursor: 'undefined' }],
      ['prompts/get', { name: { toString: 1 } }],
      ['resources/read', { uri: { toString: 1 } }],
      ['completion/complete', { ref: { type: 'ref/prompt', name: { toString: 1 } }, argument: { name: 1, value: [] } }],
    ])('no answer to parameters of other types: %s %j', async (method, params) => {
      expect((await ask(method, params)).body.error.code).toBe(-32_602);
    });

    it('what is not there as what is not there', async () => {
      const { error } = (await ask('resources/read', { uri: 'nowhere://x' })).body;
      expect(error).toMatchObject({ code: -32_602, message: 'Resource not found' });
      expect((await ask('prompts/get', { name: 'nonsense' })).body.error.code).toBe(-32_602);
      expect((await ask('tools/call', { name: 'nonsense' })).body.error.code).toBe(-32_602);
    });

    it('arguments that do not fit as an error of the tool, which the model can mend', async () => {
      const { result } = (await ask('tools/call', { name: 'modern_echo', arguments: { message: 7 } })).body;
      expect(result).toMatchObject({
        isError: true,
        _meta: { 'mcp-control-plane/error': { code: 'arguments_invalid' } },
      });
      expect(result.content[0].text).toContain('message');
    });
  });

  it('counts calls by their grant, and everything else by the agent: refusals, unknown tools and closed doors too', async () => {
    const strict = await startApp({ AGENT_CALLS_PER_MINUTE: '5' }, app);
    try {
      const other = (await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: 'other' })).body
        .token;
      const at = (token: string): ApiClient => strict.anonymous.withToken(token);
      const statuses = async (one: () => Promise<Answer>): Promise<number[]> => {
        const all: number[] = [];
        for (let times = 0; times < 7; times++) all.push((await one()).status);
        return all;
      };
      const lists = await statuses(() => ask('tools/list', {}, at(other)));
      expect([lists.slice(0, 5), lists.slice(5)]).toEqual([Array(5).fill(200), [429, 429]]);
      const echo = { name: 'modern_echo', arguments: { message: 'x' } };
      // A grant that nobody has used: those of the other replica have taken of theirs already.
      const workspace = await newWorkspace();
      await grantAll('modern', workspace);
      const agentThere = at(await tokenOf(acme, workspace));
      const calls = await statuses(() => ask('tools/call', echo, agentThere, door(workspace)));
      expect([calls.slice(0, 5), calls.slice(5)]).toEqual([Array(5).fill(200), [429, 429]]);
      for (const [body, refused] of [
        [() => ask('tools/call', { name: 'nonsense' }, at(fresh)), 200],
        [() => ask('resources/read', { uri: 'nowhere://x' }, at(fresh)), 200],
        [() => ask('tools/call', echo, at(fresh), door(stranger.workspace)), 401],
        [() => at(fresh).send('GET', door(), undefined, ACCEPT), 400],
        [() => at(fresh).post(door(), [], ACCEPT), 400],
      ] as const) {
        fresh = (await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: randomUUID() })).body
          .token;
        const got = await statuses(body);
        expect([got.slice(0, 5), got.slice(5)]).toEqual([Array(5).fill(refused), [429, 429]]);
      }
    } finally {
      await strict.close();
    }
  });

  it('serves the clients of both SDKs, two hundred calls at once, and mixes no answers up', async () => {
    const address = new URL(app.url + door());
    const requestInit = { headers: { authorization: `Bearer ${agent.token}` } };
    const oldClient = new OldClient({ name: 'old', version: '1' });
    await oldClient.connect(new OldTransport(address, { requestInit }));
    const newClient = new ModernClient({ name: 'new', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    await newClient.connect(new ModernTransport(address, { requestInit }));
    expect(newClient.getProtocolEra()).toBe('modern');
    const markers = Array.from({ length: 200 }, () => randomUUID());
    const answers = await Promise.all(
      markers.map(async (message, index) => {
        const call = { name: index % 3 === 0 ? 'old_echo' : 'modern_echo', arguments: { message } };
        const result = index % 2 === 0 ? await oldClient.callTool(call) : await newClient.callTool(call);
        return JSON.stringify(result.content);
      }),
    );
    answers.forEach((answer, index) => expect(answer).toContain(markers[index]));
    await Promise.all([oldClient.close(), newClient.close()]);
  }, 60_000);

  async function newWorkspace(): Promise<string> {
    const { body } = await acme.owner.post('/api/v1/workspaces/', {
      organization: acme.organization,
      name: randomUUID(),
    });
    return body.id;
  }
  function listen(client: ApiClient, path: string, notifications: object): ReturnType<typeof stream> {
    const body = { jsonrpc: '2.0', id: 9, method: 'subscriptions/listen', params: { notifications, _meta: META } };
    const headers = { ...ACCEPT, 'mcp-protocol-version': MODERN, 'mcp-method': 'subscriptions/listen' };
    return stream(client, path, 'POST', headers, body);
  }
  /** The events of a stream, one after the other. */
  async function stream(
    client: ApiClient,
    path: string,
    method: string,
    headers: Record<string, string>,
    body?: object,
  ) {
    const abort = new AbortController();
    const response = await fetch(client.url + path, {
      method,
      signal: abort.signal,
      headers: { authorization: `Bearer ${client.token}`, 'content-type': 'application/json', ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const events = {
      lastId: '',
      async next(): Promise<{ method: string; params?: unknown }> {
        for (;;) {
          const end = text.indexOf('\n\n');
          if (end >= 0) {
            const event = text.slice(0, end);
            text = text.slice(end + 2);
            events.lastId = /^id: (.*)$/m.exec(event)?.[1] ?? events.lastId;
            const data = /^data: (.*)$/m.exec(event)?.[1];
            if (data) return JSON.parse(data);
            continue;
          }
          const { value, done } = await reader.read();
          if (done) throw new Error('the stream has ended');
          text += value;
        }
      },
      close: async () => {
        abort.abort();
        await reader.cancel().catch(() => undefined);
      },
    };
    return events;
  }
});
