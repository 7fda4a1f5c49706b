import { connectAll, newAgent, type Agent } from '../../../test/support/agents.js';
import type { Answer } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startModernEra, type ModernEraUpstream } from '../../../test/support/upstreams/modern-era.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

const SEARCH = '?tools=search';
const CALENDARS = ['work', 'home', 'team', 'school'];
const VERBS = ['create', 'read', 'update', 'delete', 'list', 'move', 'copy', 'share', 'archive', 'restore'];
const THINGS = ['event', 'reminder', 'invitation', 'attendee', 'room'];

/** As many as servers together easily have. */
const MANY = CALENDARS.flatMap((calendar) =>
  VERBS.flatMap((verb) =>
    THINGS.map((thing) => ({
      name: `${verb}_${calendar}_${thing}`,
      description: `Can ${verb} one ${thing} of the ${calendar} calendar, and tells what became of it.`,
      inputSchema: {
        type: 'object',
        properties: { id: { type: 'string', description: `The ${thing}` }, notify: { type: 'boolean' } },
        required: ['id'],
      },
    })),
  ),
);

interface Found {
  name: string;
  description: string;
  inputSchema: object;
}

describe('an endpoint whose tools are searched', () => {
  let app: TestApp;
  let acme: Tenant;
  let other: Tenant;
  let many: OldEraUpstream;
  let modern: ModernEraUpstream;
  let agent: Agent;
  let usual: Agent;

  beforeAll(async () => {
    [app, many, modern] = await Promise.all([
      startApp(),
      startOldEra({
        tools: MANY,
        call: (name, args) => ({ content: [{ type: 'text', text: `${name} ${String(args.id)}` }] }),
      }),
      startModernEra(),
    ]);
    [acme, other] = await Promise.all([newTenant(app), newTenant(app)]);
    await connectAll(acme, 'many', many.url);
    await connectAll(other, 'secret', modern.url);
    [agent, usual] = await Promise.all([newAgent(app, acme, SEARCH), newAgent(app, acme)]);
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([many.close(), modern.close()]);
  });

  const call = (name: string, args: unknown, of = agent): Promise<Answer> =>
    of.ask('tools/call', { name, arguments: args });
  const found = async (query: string, more: object = {}, of = agent): Promise<Found[]> =>
    (await call('search_tools', { query, ...more }, of)).body.result.structuredContent.tools;
  const listOf = async (of: Agent): Promise<{ name: string }[]> => (await of.ask('tools/list')).body.result.tools;

  it('lists two tools, which are less than a twentieth of two hundred', async () => {
    const [two, all] = [await listOf(agent), await listOf(usual)];
    expect([two.map(({ name }) => name), all.length]).toEqual([['search_tools', 'call_tool'], 200]);
    expect(JSON.stringify(two).length).toBeLessThan(JSON.stringify(all).length * 0.05);
    const session = await agent.session();
    expect((await session.ask('tools/list')).body.result.tools).toEqual(two);
    // What there is to be found is said by its servers.
    expect(JSON.stringify(two)).toContain('Tools are of the servers: many.');
  });

  it('finds tools by words, the best first, with what it takes to call them', async () => {
    const tools = await found('archive team room');
    expect(tools).toHaveLength(5);
    const listed = (await listOf(usual)).find(({ name }) => name === 'many_archive_team_room') as unknown as Found;
    const { name, description, inputSchema } = listed;
    expect(tools[0]).toEqual({ name, description, inputSchema });
    expect((await found('invit', { limit: 50 })).every((tool) => tool.name.endsWith('_invitation'))).toBe(true);
    const { body } = await call('search_tools', { query: 'archive team room', limit: 1 });
    expect(JSON.parse(body.result.content[0].text)).toEqual({ tools: tools.slice(0, 1) });
    expect(await found('zebra')).toEqual([]);
  });

  it('calls what was found as if it had been called by its name', async () => {
    const answers = [
      await call('call_tool', { name: 'many_read_home_event', arguments: { id: '7' } }),
      await call('many_read_home_event', { id: '7' }),
    ];
    for (const { body } of answers) expect(body.result.content).toEqual([{ type: 'text', text: 'read_home_event 7' }]);
    const session = await agent.session();
    const params = { name: 'call_tool', arguments: { name: 'many_read_home_event', arguments: { id: '7' } } };
    expect((await session.ask('tools/call', params)).body.result.content).toEqual(answers[0]?.body.result.content);
    const rows = (await acme.owner.get('/api/v1/mcp/calls/?limit=3')).body as {
      tool: { name: string };
      outcome: string;
    }[];
    expect(new Set(rows.map(({ tool, outcome }) => `${tool.name} ${outcome}`)).size).toBe(1);
  });

  it('gives the same errors', async () => {
    for (const args of [{ id: 7 }, {}, undefined]) {
      const through = await call('call_tool', { name: 'many_read_home_event', arguments: args });
      const direct = await call('many_read_home_event', args);
      expect(through.body.result).toEqual(direct.body.result);
      expect(direct.body.result.isError).toBe(true);
    }
    const [through, direct] = [await call('call_tool', { name: 'many_nothing' }), await call('many_nothing', {})];
    expect(through.body.error).toEqual(direct.body.error);
    expect(through.body.error.code).toBe(-32_602);
    for (const args of [undefined, {}, { name: 7 }, [], { name: 'many_read_home_event', arguments: 'id' }])
      expect((await call('call_tool', args)).body.error.code).toBe(-32_602);
    // Nor does it call itself.
    expect((await call('call_tool', { name: 'call_tool', arguments: {} })).body.error.code).toBe(-32_602);
  });

  it.each([
    ['no query', {}],
    ['a query of no text', { query: 7 }],
    ['a query without an end', { query: 'x'.repeat(1_001) }],
    ['too many', { query: 'room', limit: 51 }],
    ['none', { query: 'room', limit: 0 }],
    ['no number', { query: 'room', limit: '5' }],
  ])('tells the model what is wrong with a search for %s', async (_, args) => {
    const { body } = await call('search_tools', args);
    expect([body.result.isError, body.result.content[0].text]).toEqual([
      true,
      expect.stringMatching(/arguments\.(query|limit)/),
    ]);
  });

  it('never finds what is of another workspace, or is not granted any more', async () => {
    expect(await found('echo')).toEqual([]);
    const strangers = await newAgent(app, other, SEARCH);
    expect((await found('echo message', {}, strangers)).map(({ name }) => name)).toContain('secret_echo');
    expect(await found('room', {}, strangers)).toEqual([]);
    expect((await call('call_tool', { name: 'secret_echo', arguments: { message: 'x' } })).body.error.code).toBe(
      -32_602,
    );
    const body = { organization: acme.organization, name: 'Smaller' };
    const workspace = (await acme.owner.post('/api/v1/workspaces/', body)).body.id as string;
    const { grant, resources } = await connectAll({ ...acme, workspace }, 'many', many.url);
    const smaller = await newAgent(app, { ...acme, workspace }, SEARCH);
    expect(await found('room', { limit: 50 }, smaller)).toHaveLength(40);
    const one = resources.filter(({ resource_uri: uri }) => uri.endsWith('/move_work_room')).map(({ id }) => id);
    await acme.owner.patch(`/api/v1/mcp/workspace-access/${grant}/`, { allowed_resources: one });
    expect((await found('room', {}, smaller)).map(({ name }) => name)).toEqual(['many_move_work_room']);
  });

  it('takes the headers of the tool that the client was shown, and the answers to what a server asks', async () => {
    const forms = { elicitation: { form: {} } };
    const asking = await newAgent(app, other, SEARCH, forms);
    const form = { message: 'Who?', requestedSchema: { type: 'object', properties: {} } };
    const ask = { name: 'secret_ask', arguments: { method: 'elicitation/create', params: form } };
    const params = { name: 'call_tool', arguments: ask };
    const { result } = (await asking.ask('tools/call', params)).body;
    expect(result.resultType).toBe('input_required');
    const { requestState } = result;
    const inputResponses = { asked: { action: 'accept', content: {} } };
    const answered = await asking.ask('tools/call', { ...params, inputResponses, requestState });
    expect(answered.body.result.structuredContent.outcome).toMatchObject({
      action: 'accept',
      state: 'state of the server',
    });
    const elsewhere = { ...params, arguments: { ...ask, name: 'secret_echo' } };
    expect((await asking.ask('tools/call', { ...elsewhere, inputResponses, requestState })).body.error.code).toBe(
      -32_602,
    );
  });

  it('is no other endpoint: its two tools are unknown without it, and other modes are refused', async () => {
    for (const name of ['search_tools', 'call_tool'])
      expect((await call(name, {}, usual)).body.error.code).toBe(-32_602);
    for (const query of ['?tools=all', '?tools=', '?tools=search&tools=search']) {
      const wrong = await newAgent(app, acme, query);
      const answer = await wrong.ask('tools/list');
      expect([answer.status, answer.body.error.code]).toEqual([400, -32_602]);
    }
  });
});
