import { setTimeout as sleep } from 'node:timers/promises';
import { startApp, type TestApp } from '../../../test/support/app.js';
import type { Answer } from '../../../test/support/api-client.js';
import { expectError, itRefusesBadBodies } from '../../../test/support/contract.js';
import { startEverything } from '../../../test/support/upstreams/programs.js';
import {
  manyTools,
  startHostile,
  STRANGE_NAMES,
  STRANGE_SCHEMAS,
  type HostileUpstream,
} from '../../../test/support/upstreams/hostile.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

describe('/mcp/tools', () => {
  let app: TestApp;
  let good: OldEraUpstream;
  let hostile: HostileUpstream;
  let everything: Awaited<ReturnType<typeof startEverything>>;
  /** Of one test: closed behind it, also where it fails. */
  const own: HostileUpstream[] = [];
  async function startOwn(options: Parameters<typeof startHostile>[0]): Promise<HostileUpstream> {
    const upstream = await startHostile(options);
    own.push(upstream);
    return upstream;
  }
  beforeAll(async () => {
    [app, good, hostile, everything] = await Promise.all([
      startApp(),
      startOldEra(),
      startHostile(),
      startEverything(),
    ]);
    await Promise.all([add('good', good.url), add('hostile', hostile.url), add('everything', everything.url)]);
    // Short, so that servers that hang are found out within a test.
    const { body } = await app.admin.get('/api/v1/mcp/connections/');
    for (const { id } of body)
      await app.admin.patch(`/api/v1/mcp/connections/${id}/`, { config_options: { timeout: 4 } });
  });
  afterEach(async () => {
    for (const upstream of own.splice(0)) await upstream.close();
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([good.close(), hostile.close(), everything.close()]);
  });

  async function add(id: string, url: string): Promise<void> {
    expect(
      await app.admin.post('/mcp/servers', { server_id: id, server_url: url, server_name: `Server ${id}` }),
    ).toMatchObject({ status: 200 });
  }
  const execute = (tool: string, args?: object): Promise<Answer> =>
    app.admin.post(
      `/mcp/tools/${encodeURIComponent(tool)}/execute`,
      args === undefined ? undefined : { arguments: args },
    );

  itRefusesBadBodies(
    () => app.admin,
    () => ({ method: 'POST', path: '/mcp/tools/good_echo/execute', body: { arguments: { message: 'x' } } }),
  );

  describe('listing', () => {
    it('filters by server, effect and text, and pages', async () => {
      const names = async (query: string): Promise<string[]> =>
        (await app.admin.get(`/mcp/tools?${query}`)).body.map((tool: { id: string }) => tool.id);
      expect(await names('server_id=good&limit=2')).toHaveLength(2);
      expect(await names('effect=destructive&server_id=good')).toEqual(['good_delete_everything']);
      expect(await names('server_id=good&search=STRUCTURED')).toEqual(['good_add']);
      expect(await names('server_id=good&search=%25')).toEqual([]);
      expect(await names('server_id=nobody')).toEqual([]);
      expect(await names('category=nothing')).toEqual([]);
      for (const query of ['effect=evil', 'surprise=1', 'limit=0'])
        expectError(await app.admin.get(`/mcp/tools?${query}`), 400, 'validation_failed');
    });

    it('describes parameters with type, default and choices', async () => {
      const { body } = await app.admin.get('/mcp/tools/everything_get-annotated-message');
      expect(body.parameters).toEqual([
        {
          name: 'messageType',
          type: 'string',
          required: true,
          description: expect.any(String),
          enum: ['error', 'success', 'debug'],
        },
        { name: 'includeImage', type: 'boolean', required: false, description: expect.any(String), default: false },
      ]);
    });

    it('does not let annotations of a server that nobody trusts lower an effect', async () => {
      expect((await app.admin.get('/mcp/tools/good_echo')).body.effect).toBe('write');
    });
  });

  describe('executing', () => {
    it('runs the echo of server-everything', async () => {
      const answer = await execute('everything_echo', { message: 'grüße 日本' });
      expect([answer.status, answer.body]).toEqual([
        200,
        { result: 'Echo: grüße 日本', content: [{ type: 'text', text: 'Echo: grüße 日本' }], is_error: false },
      ]);
    });

    it('keeps 100 simultaneous calls apart', async () => {
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, index) => execute('everything_echo', { message: `m${index}` })),
      );
      expect(answers.map((answer) => answer.body.result)).toEqual(
        Array.from({ length: 100 }, (_, index) => `Echo: m${index}`),
      );
    });

    it('answers a tool error with 200 and is_error', async () => {
      expect((await execute('good_fail', {})).body).toEqual({
        result: 'it failed',
        content: [{ type: 'text', text: 'it failed' }],
        is_error: true,
      });
    });

    it('hands structured content on, also where it breaks the schema of its own server', async () => {
      expect((await execute('good_add', { a: 1, b: 2 })).body.structured_content).toEqual({ sum: 3 });
      expect((await execute('hostile_breaks-its-schema', {})).body).toMatchObject({
        structured_content: { temperature: 'warm' },
      });
    });

    it('hands unknown kinds of content and unknown fields on as they are', async () => {
      const answer = await execute('hostile_odd', {});
      expect(answer.status).toBe(200);
      expect(answer.body.content.length).toBeGreaterThan(0);
      expect((await execute('hostile_image', {})).body.content).toEqual([
        { type: 'image', mimeType: 'image/png', data: expect.any(String) },
      ]);
    });

    it('lets nothing of a result reach a prototype', async () => {
      const answer = await execute('hostile_proto', {});
      expect(answer.status).toBe(200);
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    });

    it('passes on what the server says about arguments it does not like, and its other errors', async () => {
      expectError(await execute('good_refuse', { code: -32602 }), 400, 'arguments_invalid');
      const other = await execute('good_refuse', { code: -32000 });
      expectError(other, 502, 'upstream_error');
      expect(other.body.details.upstream).toEqual({
        code: -32000,
        message: expect.stringContaining('refused as asked'),
      });
    });

    it('takes arguments named like anything', async () => {
      const args = { 'a/b': 1, 'a~b': 2, '': 3, constructor: 'x' };
      expect(JSON.parse((await execute('hostile_echo', args)).body.result)).toEqual(args);
    });

    it('stops the upstream when the client hangs up', async () => {
      const controller = new AbortController();
      const gone = fetch(`${app.url}/mcp/tools/good_wait/execute`, {
        method: 'POST',
        signal: controller.signal,
        headers: { authorization: `Bearer ${app.admin.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ arguments: { ms: 60_000 } }),
      });
      await sleep(300);
      controller.abort();
      await expect(gone).rejects.toThrow();
      await sleep(300);
      expect(good.journal.some((entry) => entry.method === 'notifications/cancelled')).toBe(true);
    });

    it('lets progress carry a call past its time limit', async () => {
      expect((await execute('good_work', { steps: 6, ms: 500 })).body.result).toBe('done');
    }, 15_000);
  });

  describe('a hostile upstream', () => {
    it.each([
      ['status-401', 502],
      ['status-403', 502],
      ['status-500', 502],
      ['html', 502],
      ['not-json', 502],
      ['empty', 502],
      ['scalar', 502],
      ['wrong-id', 502],
      ['deep', 502],
      ['huge', 502],
      ['bomb', 502],
      ['reset', 502],
      ['redirect', 502],
      ['sse-no-result', 502],
      ['hang', 504],
      ['hang-midway', 504],
      ['sse-hang', 504],
    ])('that does %s gets %i, and only that call', async (tool, status) => {
      // Five failures in a row would open the circuit, which is another test.
      await execute('hostile_echo', {});
      const [answer, neighbour] = await Promise.all([
        execute(`hostile_${tool}`, {}),
        execute('good_echo', { message: 'fine' }),
      ]);
      expect([answer.status, neighbour.body.result]).toEqual([status, 'fine']);
      expect(Object.keys(answer.body).sort()).toEqual(['details', 'error', 'message', 'request_id']);
    });

    it('that fails five times in a row is left alone for a while, with Retry-After', async () => {
      const failing = await startOwn({ tools: [{ name: 'reset', inputSchema: { type: 'object' } }] });
      await add('failing', failing.url);
      for (let failures = 0; failures < 5; failures++) await execute('failing_reset', {});
      const answer = await execute('failing_reset', {});
      expectError(answer, 503, 'circuit_open');
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      // Noted beside the call, which does not wait for it.
      const isConnected = async (): Promise<boolean> =>
        (await app.admin.get('/mcp/servers')).body.find((each: { server_id: string }) => each.server_id === 'failing')
          .is_connected;
      for (let tries = 1; tries < 50 && (await isConnected()); tries++) await sleep(100);
      expect(await isConnected()).toBe(false);
    });

    it('offers tools with any name under ids that every client takes', async () => {
      const strange = await startOwn({
        tools: STRANGE_NAMES.map((name) => ({ name, inputSchema: { type: 'object' } })),
      });
      await add('strange', strange.url);
      const { body } = await app.admin.get('/mcp/tools?server_id=strange');
      expect(body).toHaveLength(STRANGE_NAMES.length);
      for (const { id } of body) {
        expect(id).toMatch(/^[A-Za-z0-9_.-]{1,128}$/);
        expect((await execute(id, { x: 1 })).status).toBe(200);
      }
      expect(new Set(body.map((tool: { id: string }) => tool.id)).size).toBe(STRANGE_NAMES.length);
    });

    it('is not called where its schema can not be used, and slows nobody down', async () => {
      const schemas = await startOwn({ tools: STRANGE_SCHEMAS });
      await add('schemas', schemas.url);
      expectError(await execute('schemas_remote-ref', { a: 1 }), 400, 'arguments_undecided');
      expectError(await execute('schemas_proto-schema', {}), 400, 'arguments_undecided');
      const started = Date.now();
      const [attack, ...others] = await Promise.all([
        execute('schemas_catastrophic', { a: `${'a'.repeat(40)}!` }),
        ...Array.from({ length: 10 }, () => execute('good_echo', { message: 'fine' })),
      ]);
      expect(attack.status).toBe(400);
      expect(others.map((answer) => answer.body.result)).toEqual(Array(10).fill('fine'));
      expect(Date.now() - started).toBeLessThan(5_000);
      expect((await execute('schemas_catastrophic', { a: 'aaaa' })).status).toBe(200);
    });

    it('may offer 20,000 tools', async () => {
      const large = await startOwn({ tools: manyTools(20_000), pageSize: 1_000 });
      await add('large', large.url);
      const list = await app.admin.get('/mcp/tools?server_id=large&limit=1');
      expect(list.headers.get('x-total-count')).toBe('20000');
      expect((await execute('large_tool_19999', {})).status).toBe(200);
      await app.admin.delete('/mcp/servers/large');
    }, 60_000);
  });

  it('gives the tool of another server another id when the two would be the same', async () => {
    const tools = (name: string) => startOwn({ tools: [{ name, inputSchema: { type: 'object' } }] });
    const [one, two] = await Promise.all([tools('b_c'), tools('c')]);
    await add('a', one.url);
    await add('a_b', two.url);
    const ids = async (server: string): Promise<string[]> =>
      (await app.admin.get(`/mcp/tools?server_id=${server}`)).body.map((tool: { id: string }) => tool.id);
    expect(await ids('a')).toEqual(['a_b_c']);
    const [other] = await ids('a_b');
    expect(other).toMatch(/^a_b_c_[0-9a-f]{8}$/);
    expect((await app.admin.get(`/mcp/tools/${other}`)).body.server_id).toBe('a_b');
  });
});
