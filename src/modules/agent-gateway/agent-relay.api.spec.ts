import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { randomUUID } from 'node:crypto';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startModernEra, type ModernEraUpstream } from '../../../test/support/upstreams/modern-era.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

const SAMPLING = { messages: [{ role: 'user', content: { type: 'text', text: 'Which?' } }], maxTokens: 10 };
const FORM = {
  mode: 'form',
  message: 'Who?',
  requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
};
const SAMPLED = { role: 'assistant', model: 'a model', content: { type: 'text', text: 'This one' } } as const;
const ACCEPTED = { action: 'accept', content: { name: 'Jane' } } as const;
const CAPABILITIES = { sampling: {}, elicitation: { form: {} }, roots: {} };

describe('what servers ask and tell in the course of a call', () => {
  let app: TestApp;
  let acme: Tenant;
  let old: OldEraUpstream;
  let modern: ModernEraUpstream;
  let token: string;
  const clients: { close(): Promise<void> }[] = [];

  beforeAll(async () => {
    [app, old, modern] = await Promise.all([startApp(), startOldEra(), startModernEra()]);
    acme = await newTenant(app);
    for (const [id, { url }] of Object.entries({ old, modern })) {
      await acme.owner.post('/mcp/servers', { server_id: id, server_name: id, server_url: url });
      const connections = (await acme.owner.get('/api/v1/mcp/connections/')).body;
      const connection = connections.find((each: { connection_name: string }) => each.connection_name === id).id;
      const { body } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}`);
      await acme.owner.post('/api/v1/mcp/workspace-access/', {
        workspace: acme.workspace,
        connection,
        access_name: id,
        permission_level: 'admin',
        allowed_resources: body.map((each: { id: number }) => each.id),
      });
    }
    token = (
      await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: 'agent', expires_in_days: 1 })
    ).body.token;
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([old.close(), modern.close()]);
  });

  const address = (): URL => new URL(`${app.url}/mcp/workspaces/${acme.workspace}`);
  const requestInit = () => ({ headers: { authorization: `Bearer ${token}` } });

  /** A client of the old era that answers what it is asked with what was given. */
  async function oldClient(name = 'Jane', capabilities: object = CAPABILITIES): Promise<OldClient> {
    const client = new OldClient({ name: 'old', version: '1' }, { capabilities });
    if ('sampling' in capabilities) client.setRequestHandler(CreateMessageRequestSchema, async () => SAMPLED);
    if ('elicitation' in capabilities)
      client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { name } }));
    if ('roots' in capabilities)
      client.setRequestHandler(ListRootsRequestSchema, async () => ({ roots: [{ uri: 'file:///home/jane' }] }));
    await client.connect(new OldTransport(address(), { requestInit: requestInit() }));
    clients.push(client);
    return client;
  }
  async function modernClient(capabilities: object = CAPABILITIES): Promise<ModernClient> {
    const client = new ModernClient(
      { name: 'new', version: '1' },
      { capabilities, versionNegotiation: { mode: 'auto' } },
    );
    if ('sampling' in capabilities) client.setRequestHandler('sampling/createMessage', async () => SAMPLED);
    if ('elicitation' in capabilities) client.setRequestHandler('elicitation/create', async () => ACCEPTED);
    if ('roots' in capabilities)
      client.setRequestHandler('roots/list', async () => ({ roots: [{ uri: 'file:///home/jane' }] }));
    await client.connect(new ModernTransport(address(), { requestInit: requestInit() }));
    clients.push(client);
    return client;
  }
  const outcomeOf = (result: object): unknown =>
    (result as { structuredContent: { outcome: unknown } }).structuredContent.outcome;
  const asking = (server: string, method: string, params: object) => ({
    name: `${server}_ask`,
    arguments: { method, params },
  });

  it.each(['old', 'modern'])('reaches a client of the old era from a server of the %s one', async (server) => {
    const client = await oldClient();
    const sampled = await client.callTool(asking(server, 'sampling/createMessage', SAMPLING));
    expect(outcomeOf(sampled)).toMatchObject(SAMPLED);
    const asked = await client.callTool(asking(server, 'elicitation/create', FORM));
    expect(outcomeOf(asked)).toMatchObject(ACCEPTED);
    const roots = await client.callTool(asking(server, 'roots/list', {}));
    expect(outcomeOf(roots)).toMatchObject({ roots: [{ uri: 'file:///home/jane' }] });
  });

  it('reaches a client of the new era from a server of the new one, over several requests', async () => {
    const client = await modernClient();
    const sampled = await client.callTool(asking('modern', 'sampling/createMessage', SAMPLING));
    expect(outcomeOf(sampled)).toMatchObject({ ...SAMPLED, state: 'state of the server' });
    const asked = await client.callTool(asking('modern', 'elicitation/create', FORM));
    expect(outcomeOf(asked)).toMatchObject(ACCEPTED);
  });

  it('does not reach a client of the new era from a server of the old one, which is told so', async () => {
    const client = await modernClient();
    expect(outcomeOf(await client.callTool(asking('old', 'elicitation/create', FORM)))).toEqual({ code: -32_601 });
  });

  it('is not asked of a client that did not offer it', async () => {
    const client = await oldClient('Jane', {});
    expect(outcomeOf(await client.callTool(asking('old', 'elicitation/create', FORM)))).toEqual({ code: -32_601 });
    await expect(client.callTool(asking('modern', 'elicitation/create', FORM))).rejects.toThrow(/capabilit/);
  });

  it('reaches whoever made the call, also where many of one agent are under way', async () => {
    const names = Array.from({ length: 8 }, () => randomUUID());
    const open = await Promise.all(names.map((name) => oldClient(name)));
    const results = await Promise.all(open.map((client) => client.callTool(asking('old', 'elicitation/create', FORM))));
    expect(results.map((result) => (outcomeOf(result) as { content: { name: string } }).content.name)).toEqual(names);
  });

  it('is logged to the client, from the level on that it asked for', async () => {
    const client = await oldClient();
    const heard: unknown[] = [];
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.push(params.data));
    const log = (level: string) => asking('old', 'notifications/message', { level, data: level });
    await client.callTool(log('debug'));
    await client.setLoggingLevel('warning');
    await client.callTool(log('info'));
    await client.callTool(log('error'));
    expect(heard).toEqual(['debug', 'error']);
  });

  it('tells its progress to the client that asked for it', async () => {
    for (const client of [await oldClient(), await modernClient()]) {
      const heard: number[] = [];
      const call = { name: 'modern_work', arguments: { steps: 3, ms: 10 } };
      const onprogress = ({ progress }: { progress: number }): void => void heard.push(progress);
      const result =
        client instanceof OldClient
          ? await client.callTool(call, undefined, { onprogress })
          : await client.callTool(call, { onprogress });
      expect([heard, result.isError ?? false]).toEqual([[1, 2, 3], false]);
    }
  });

  describe('the state of a request', () => {
    const ask = async (params: object, bearer = token): Promise<{ status: number; body: Record<string, never> }> => {
      const meta = {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': CAPABILITIES,
      };
      const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { ...params, _meta: meta } };
      return app.anonymous.withToken(bearer).post(address().pathname, body, {
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': 'modern_ask',
      });
    };
    const call = asking('modern', 'elicitation/create', FORM);

    it('shows nothing of the server, and belongs to one request of one client', async () => {
      const { result } = (await ask(call)).body as unknown as { result: Record<string, string> };
      expect(result.resultType).toBe('input_required');
      expect(result.requestState).not.toContain('state of the server');
      const answer = { inputResponses: { asked: ACCEPTED }, requestState: result.requestState };
      expect((await ask({ ...call, ...answer })).status).toBe(200);
      const other = { ...call, arguments: { ...call.arguments, params: { ...FORM, message: 'Another?' } } };
      const colleague = (
        await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: 'other', expires_in_days: 1 })
      ).body.token;
      for (const refused of [
        await ask({ ...other, ...answer }),
        await ask({ ...call, ...answer }, colleague),
        await ask({ ...call, ...answer, requestState: `${result.requestState}x` }),
        await ask({ ...call, ...answer, requestState: 7 }),
      ])
        expect([refused.status, (refused.body.error as { code: number }).code]).toEqual([400, -32_602]);
    });
  });
});
