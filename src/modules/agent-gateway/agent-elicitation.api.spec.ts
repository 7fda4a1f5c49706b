import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitationCompleteNotificationSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectAll, newAgent, type Agent } from '../../../test/support/agents.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { newTenant } from '../../../test/support/tenants.js';
import { startModernEra, type ModernEraUpstream } from '../../../test/support/upstreams/modern-era.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';
import { until } from '../../../test/support/upstreams/pool-harness.js';

const PAGE = 'https://pages.example.com/connect?state=7f3a';
const url = (elicitationId?: string) => ({
  mode: 'url',
  message: 'Connect your account',
  url: PAGE,
  ...(elicitationId === undefined ? {} : { elicitationId }),
});
const FORM = { message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } };
const BY_URL = { elicitation: { url: {} } };
const ACCEPTED = { action: 'accept' } as const;
const COMPLETE = 'notifications/elicitation/complete';
const REQUIRED = { code: -32_042, data: { elicitations: [url('page-7')] } };

describe('pages that servers send users to', () => {
  let app: TestApp;
  let old: OldEraUpstream;
  let modern: ModernEraUpstream;
  let agent: Agent;
  const clients: { close(): Promise<void> }[] = [];

  beforeAll(async () => {
    [app, old, modern] = await Promise.all([startApp(), startOldEra(), startModernEra()]);
    const acme = await newTenant(app);
    await connectAll(acme, 'old', old.url);
    await connectAll(acme, 'modern', modern.url);
    agent = await newAgent(app, acme);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([old.close(), modern.close()]);
  });

  const address = (): URL => new URL(app.url + agent.door);
  const requestInit = () => ({ headers: { authorization: `Bearer ${agent.token}` } });
  async function oldClient(capabilities: object = BY_URL) {
    const client = new OldClient({ name: 'old', version: '1' }, { capabilities });
    const [asked, completed]: unknown[][] = [[], []];
    if ('elicitation' in capabilities)
      client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
        asked?.push(params);
        return ACCEPTED;
      });
    client.setNotificationHandler(ElicitationCompleteNotificationSchema, ({ params }) => void completed?.push(params));
    await client.connect(new OldTransport(address(), { requestInit: requestInit() }));
    clients.push(client);
    return { client, asked, completed: completed ?? [] };
  }
  async function modernClient(capabilities: object = BY_URL) {
    const client = new ModernClient(
      { name: 'new', version: '1' },
      { capabilities, versionNegotiation: { mode: 'auto' } },
    );
    const asked: unknown[] = [];
    client.setRequestHandler('elicitation/create', async ({ params }) => {
      asked.push(params);
      return ACCEPTED;
    });
    await client.connect(new ModernTransport(address(), { requestInit: requestInit() }));
    clients.push(client);
    return { client, asked };
  }
  const asking = (server: string, params: object, method = 'elicitation/create') => ({
    name: `${server}_ask`,
    arguments: { method, params },
  });
  const refusing = (server: string) => ({ name: `${server}_refuse`, arguments: REQUIRED });
  const outcomeOf = (result: object): unknown =>
    (result as { structuredContent: { outcome: unknown } }).structuredContent.outcome;
  const textOf = (result: object): string => (result as { content: { text: string }[] }).content[0]?.text ?? '';

  it('are shown to a client of the old era, by servers of both', async () => {
    const { client, asked } = await oldClient();
    expect(outcomeOf(await client.callTool(asking('old', url('page-1'))))).toMatchObject(ACCEPTED);
    expect(outcomeOf(await client.callTool(asking('modern', url())))).toMatchObject(ACCEPTED);
    // In the new era they have no ids, and clients of the old one want one.
    expect(asked).toMatchObject([url('page-1'), { ...url(), elicitationId: expect.stringMatching(/./) }]);
  });

  it('are shown to a client of the new era, by a server of the new one', async () => {
    const { client, asked } = await modernClient();
    expect(outcomeOf(await client.callTool(asking('modern', url())))).toMatchObject(ACCEPTED);
    expect(asked).toMatchObject([url()]);
  });

  it('are not shown to clients that take forms only, nor forms to those that take pages only', async () => {
    const forms = [{ elicitation: {} }, { elicitation: { form: {} } }];
    for (const capabilities of forms) {
      const { client, asked } = await oldClient(capabilities);
      expect(outcomeOf(await client.callTool(asking('old', url('page-2'))))).toEqual({ code: -32_602 });
      expect(asked).toEqual([]);
      expect(outcomeOf(await client.callTool(asking('old', FORM)))).toMatchObject(ACCEPTED);
    }
    const { client, asked } = await oldClient();
    expect(outcomeOf(await client.callTool(asking('old', FORM)))).toEqual({ code: -32_602 });
    expect(asked).toEqual([]);
    for (const params of [url(), { ...url(), mode: 'telepathy' }]) {
      const body = await agent.ask('tools/call', asking('modern', params)).then((answer) => answer.body);
      expect(body.error ?? body.result.isError).toBeTruthy();
      expect(body.result?.resultType).not.toBe('input_required');
    }
  });

  it('that must be seen first are told as the server tells them', async () => {
    const { client } = await oldClient();
    const error = await client.callTool(refusing('old')).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject(REQUIRED);
  });

  it('that must be seen first are an error that says so to whoever does not take pages', async () => {
    const { client } = await oldClient({ elicitation: {} });
    const result = await client.callTool(refusing('old'));
    expect(result.isError).toBe(true);
    expect(textOf(result)).toMatch(/^url_elicitation_not_offered: .*elicitation\.url/);
    expect(JSON.stringify(result)).not.toContain(PAGE);
    const { body } = await agent.ask('tools/call', refusing('old'));
    expect([body.result.isError, textOf(body.result)]).toEqual([true, expect.stringMatching(/elicitation\.url/)]);
  });

  it('that must be seen first keep no code in the new era that it does not have', async () => {
    const { client } = await modernClient();
    const error = await client.callTool(refusing('old')).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: -32_603, data: REQUIRED.data });
  });

  describe('and were seen', () => {
    it('are told so in the course of the call', async () => {
      const { client, completed } = await oldClient();
      await client.callTool(asking('old', { elicitationId: 'page-3' }, COMPLETE));
      await until(() => completed.length > 0);
      expect(completed).toEqual([{ elicitationId: 'page-3' }]);
    });

    it('are told so after it, to the session that was asked and to no other of the agent', async () => {
      const [one, two] = [await oldClient(), await oldClient()];
      await Promise.all([
        one.client.callTool(asking('old', url('page-4'))),
        two.client.callTool(asking('old', url('page-5'))),
      ]);
      await two.client.callTool(refusing('old')).catch(() => undefined);
      await until(() => old.journal.some(({ http, method }) => http === 'GET' && method === undefined));
      await sleep(100);
      for (const elicitationId of ['page-4', 'page-7', 'page-4', 'page-of-nobody'])
        await old.notify(COMPLETE, { elicitationId });
      await until(() => one.completed.length > 0 && two.completed.length > 0);
      await sleep(200);
      expect([one.completed, two.completed]).toEqual([[{ elicitationId: 'page-4' }], [{ elicitationId: 'page-7' }]]);
    });
  });
});
