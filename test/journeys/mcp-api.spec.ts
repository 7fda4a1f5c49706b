import { startApp, type TestApp } from '../support/app.js';
import { expectError } from '../support/contract.js';
import { startModernEra } from '../support/upstreams/modern-era.js';
import { startOldEra, startOldSse } from '../support/upstreams/old-era.js';
import type { Upstream } from '../support/upstreams/http-server.js';

/** A tool as the specification's own example has it. */
const WEATHER = {
  name: 'get_weather',
  description: 'Get weather information for a location',
  inputSchema: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
};

// The whole of the MCP API document, operation by operation, against servers of both eras and of the old transport.
describe.each([
  ['2026-07-28', () => startModernEra({ tools: [WEATHER], modernOnly: true })],
  ['2025-11-25', () => startOldEra({ tools: [WEATHER] })],
  ['2024-11-05 over SSE', () => startOldSse({ tools: [WEATHER] })],
])('the MCP API over a server of %s', (_era, start) => {
  let app: TestApp;
  let upstream: Upstream;
  beforeAll(async () => {
    [app, upstream] = await Promise.all([startApp(), start()]);
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  const server = (): object => ({
    server_id: 'example',
    server_name: 'Example Server',
    server_url: upstream.url,
    is_connected: true,
    tool_count: 1,
    resource_count: 3,
  });
  const tool = {
    id: 'example_get_weather',
    name: 'Get Weather',
    description: 'Get weather information for a location',
    category: 'utility',
    server_name: 'Example Server',
    parameters: [{ name: 'location', type: 'string', required: true }],
    server_id: 'example',
    effect: 'write',
    review: 'approved',
    blocked: null,
  };

  it('POST /mcp/servers adds and connects', async () => {
    const answer = await app.admin.post('/mcp/servers', {
      server_id: 'example',
      server_url: upstream.url,
      server_name: 'Example Server',
    });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual(server());
  });

  it('GET /mcp/servers lists', async () => {
    const answer = await app.admin.get('/mcp/servers');
    expect([answer.status, answer.body]).toEqual([200, [server()]]);
  });

  it('GET /mcp/tools lists, and GET /mcp/tools/{tool_id} describes', async () => {
    const answer = await app.admin.get('/mcp/tools');
    expect([answer.status, answer.body]).toEqual([200, [tool]]);
    const one = await app.admin.get('/mcp/tools/example_get_weather');
    expect([one.status, one.body]).toEqual([200, tool]);
    expectError(await app.admin.get('/mcp/tools/example_get_snow'), 404, 'resource_not_found');
  });

  it('POST /mcp/tools/{tool_id}/execute executes, and validates first', async () => {
    const answer = await app.admin.post('/mcp/tools/example_get_weather/execute', {
      arguments: { location: 'Berlin' },
    });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      result: expect.any(String),
      content: expect.any(Array),
      is_error: expect.any(Boolean),
    });
    const calls = (): number => upstream.journal.filter((entry) => entry.method === 'tools/call').length;
    const before = calls();
    for (const body of [{ arguments: {} }, {}, { arguments: { location: 5 } }]) {
      const refused = await app.admin.post('/mcp/tools/example_get_weather/execute', body);
      expectError(refused, 400, 'arguments_invalid');
      expect(Object.keys(refused.body.details.fields)).toEqual(['arguments.location']);
    }
    expect(calls()).toBe(before);
    expectError(
      await app.admin.post('/mcp/tools/example_get_snow/execute', { arguments: {} }),
      404,
      'resource_not_found',
    );
  });

  it('GET /mcp/servers/{server_id}/resources lists', async () => {
    const answer = await app.admin.get('/mcp/servers/example/resources');
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual([
      { uri: 'memo://one', type: 'text', description: '', name: 'First memo' },
      { uri: 'memo://two', type: 'markdown', description: '', name: 'Second memo' },
      { uri: 'memo://picture', type: 'image', description: '', name: 'picture' },
    ]);
  });

  it('POST /mcp/servers/{server_id}/resources/{resource_uri}/read reads text and binary, and expansions of templates', async () => {
    const read = (uri: string) => app.admin.post(`/mcp/servers/example/resources/${encodeURIComponent(uri)}/read`);
    const text = await read('memo://one');
    expect([text.status, text.body]).toEqual([200, { content: 'This is one.', mime_type: 'text/plain' }]);
    expect((await read('memo://picture')).body).toEqual({
      content: expect.stringMatching(/^iVBOR/),
      encoding: 'base64',
      mime_type: 'image/png',
    });
    expectError(await read('memo://three'), 404, 'resource_not_found');
    expectError(await read('other://one'), 404, 'resource_not_found');
    expectError(await read(`memo://${'x'.repeat(2_050)}`), 404, 'resource_not_found');
  });

  it('DELETE /mcp/servers/{server_id} removes', async () => {
    const answer = await app.admin.delete('/mcp/servers/example');
    expect([answer.status, answer.body]).toEqual([200, { message: 'MCP server example removed successfully' }]);
    expectError(await app.admin.delete('/mcp/servers/example'), 404, 'resource_not_found');
    expect((await app.admin.get('/mcp/servers')).body).toEqual([]);
    expect((await app.admin.get('/mcp/tools')).body).toEqual([]);
  });
});
