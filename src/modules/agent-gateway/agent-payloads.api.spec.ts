import { connectAll, newAgent } from '../../../test/support/agents.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { newTenant } from '../../../test/support/tenants.js';
import { startNewConformance } from '../../../test/support/upstreams/conformance/new-era.js';
import { startOldConformance } from '../../../test/support/upstreams/conformance/old-era.js';
import type { Upstream } from '../../../test/support/upstreams/http-server.js';

type Json = Record<string, unknown>;
type Ask = (method: string, params?: Json) => Promise<{ result?: Json; error?: Json }>;

const MODERN = '2026-07-28';
const META = {
  'io.modelcontextprotocol/protocolVersion': MODERN,
  'io.modelcontextprotocol/clientInfo': { name: 'payloads', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
/** What a server says of itself and its lists; ours says that of us. */
const OWN = ['ttlMs', 'cacheScope', 'resultType', 'nextCursor'];

describe.each(['old', 'new'] as const)('what an agent gets of a server of the %s era', (era) => {
  let app: TestApp;
  let upstream: Upstream;
  let direct: Ask;
  let door: Ask;
  beforeAll(async () => {
    app = await startApp();
    upstream = await (era === 'old' ? startOldConformance() : startNewConformance());
    const tenant = await newTenant(app);
    await connectAll(tenant, 'here', upstream.url);
    const agent = await newAgent(app, tenant);
    const authorization = { authorization: `Bearer ${agent.token}` };
    [direct, door] = await Promise.all([
      client(upstream.url, {}, era),
      client(app.url + agent.door, authorization, era),
    ]);
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  it.each([
    ['tools/list', 'tools'],
    ['resources/list', 'resources'],
    ['resources/templates/list', 'resourceTemplates'],
    ['prompts/list', 'prompts'],
  ])('%s is listed with all that the server says', async (method, field) => {
    const [theirs, ours] = await Promise.all([direct(method), door(method)]);
    const told = ours.result?.[field] as Json[];
    const known = (each: Json): Json =>
      method.startsWith('resources') ? each : { ...each, name: `here_${String(each.name)}` };
    expect(told.length).toBeGreaterThan(0);
    expect(byName(told)).toEqual(byName((theirs.result?.[field] as Json[]).map(known)));
  });

  it('results of tools are what the server answered', async () => {
    const listed = (await direct('tools/list')).result?.tools as {
      name: string;
      inputSchema: { required?: string[] };
    }[];
    const plain = listed.filter(({ inputSchema }) => (inputSchema.required ?? []).length === 0);
    expect(plain.length).toBeGreaterThan(8);
    for (const { name } of plain) {
      const args = name.startsWith('json_schema') ? { email: 'a@example.com' } : {};
      if (era === 'old' && name.startsWith('test_elicitation')) continue;
      const theirs = await direct('tools/call', { name, arguments: args });
      const ours = await door('tools/call', { name: `here_${name}`, arguments: args });
      expect([name, said(ours)]).toEqual([name, said(theirs)]);
    }
  });

  it('so are completions, and what a server refuses', async () => {
    const argument = { name: 'arg1', value: 'par' };
    const ofPrompt = (name: string): Json => ({ ref: { type: 'ref/prompt', name }, argument });
    const completed = await door('completion/complete', ofPrompt('here_test_prompt_with_arguments'));
    expect(completed.result?.completion).toMatchObject({ values: ['paris', 'park', 'party'] });
    expect(said(completed)).toEqual(said(await direct('completion/complete', ofPrompt('test_prompt_with_arguments'))));
    const refused = await door('tools/call', { name: 'here_test_refusal' });
    expect(refused.error).toMatchObject({ code: -32_050, data: { why: 'as asked' } });
    expect(said(refused)).toEqual(said(await direct('tools/call', { name: 'test_refusal' })));
  });

  it('so are resources, expansions of templates and prompts', async () => {
    for (const uri of [
      'test://static-text',
      'test://static-binary',
      'test://watched-resource',
      'test://template/7/data',
    ])
      expect(said(await door('resources/read', { uri }))).toEqual(said(await direct('resources/read', { uri })));
    const prompts: [string, Json][] = [
      ['test_simple_prompt', {}],
      ['test_prompt_with_arguments', { arg1: 'a', arg2: 'b' }],
      ['test_prompt_with_embedded_resource', { resourceUri: 'test://x' }],
      ['test_prompt_with_image', {}],
    ];
    for (const [name, args] of prompts) {
      const ours = await door('prompts/get', { name: `here_${name}`, arguments: args });
      expect([name, said(ours)]).toEqual([name, said(await direct('prompts/get', { name, arguments: args }))]);
    }
  });
});

/** Of an answer, what is the server's and no envelope. A state is sealed on its way, so it is only there or not. */
function said({ result, error }: { result?: Json; error?: Json }): unknown {
  if (error) return { error };
  const { _meta: meta, requestState, ...rest } = result ?? {};
  const kept = Object.entries(meta ?? {}).filter(([key]) => !key.startsWith('io.modelcontextprotocol/'));
  return {
    ...Object.fromEntries(Object.entries(rest).filter(([key]) => !OWN.includes(key))),
    meta: Object.fromEntries(kept),
    hasState: requestState !== undefined,
  };
}

function byName(entries: Json[]): Json[] {
  return [...entries].sort((left, right) => String(left.name).localeCompare(String(right.name)));
}

/** Asks in JSON, without an SDK that would look at what comes back. */
async function client(url: string, headers: Record<string, string>, era: 'old' | 'new'): Promise<Ask> {
  const post = (body: Json, more: Record<string, string>): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: {
        ...headers,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...more,
      },
      body: JSON.stringify({ jsonrpc: '2.0', ...body }),
    });
  let id = 0;
  const session: Record<string, string> = {};
  if (era === 'old') {
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'payloads', version: '1' } };
    const opened = await post({ id: ++id, method: 'initialize', params }, {});
    await opened.text();
    session['mcp-session-id'] = opened.headers.get('mcp-session-id') ?? '';
    session['mcp-protocol-version'] = '2025-11-25';
    await (await post({ method: 'notifications/initialized' }, session)).text();
  }
  return async (method, params = {}) => {
    const name = params.name ?? params.uri;
    const modern: Record<string, string> = {
      'mcp-protocol-version': MODERN,
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    };
    const whole = era === 'old' ? params : { ...params, _meta: META };
    const answer = await post({ id: ++id, method, params: whole }, era === 'old' ? session : modern);
    const text = await answer.text();
    const messages = text.startsWith('{')
      ? [text]
      : text.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []));
    const parsed = messages.filter(Boolean).map((each) => JSON.parse(each) as Json);
    return parsed.find((message) => message.id === id) ?? {};
  };
}
