// A cheap MCP server: an `echo` tool and 49 more, at /many 10,000 resources too. Streamable HTTP of 2025-11-25 with JSON
// answers and no session.
import { createServer } from 'node:http';

const object = { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] };
const tools = ['echo', ...Array.from({ length: 49 }, (_, index) => `tool_${index}`)].map((name) => ({
  name,
  description: `The tool ${name} of the benchmark, which answers with its message`,
  inputSchema: object,
}));

const resources = Array.from({ length: 10_000 }, (_, index) => ({
  uri: `bench://${index}`,
  name: `Resource ${index}`,
}));

const ITEMS = 'mcp-control-plane/items';
const PAGE = 100;
/** Of one resource; the others have 10,000 records. */
const MANY_RECORDS = { uri: 'bench://1', count: 100_000 };
const record = (index) => ({
  id: String(index),
  title: `Record ${index}`,
  status: 'open',
  url: `https://bench.example/${index}`,
  updated_at: '2026-11-25T08:00:00Z',
});

const results = {
  initialize: (_params, path) => ({
    protocolVersion: '2025-11-25',
    capabilities: { tools: {}, ...(path === '/many' && { resources: {} }) },
    serverInfo: { name: 'bench', version: '1' },
  }),
  'tools/list': () => ({ tools }),
  'resources/list': () => ({ resources }),
  'resources/templates/list': () => ({ resourceTemplates: [] }),
  // Records for a mapping, in pages, as our own providers answer.
  'resources/read': ({ uri, _meta: meta = {} }) => {
    const from = Number(meta[ITEMS]?.cursor ?? 0);
    const count = uri === MANY_RECORDS.uri ? MANY_RECORDS.count : 10_000;
    const page = Array.from({ length: PAGE }, (_, index) => record(from + index));
    const next = from + PAGE < count ? { next_cursor: String(from + PAGE) } : {};
    return {
      contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(page) }],
      _meta: { [ITEMS]: { checkpoint: '2026-11-25T08:00:00Z', ...next } },
    };
  },
  'tools/call': ({ arguments: args }) => ({ content: [{ type: 'text', text: args.message }] }),
};

const server = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => (text += chunk));
  request.on('end', () => {
    if (request.method !== 'POST') return response.writeHead(405).end();
    const { id, method, params } = JSON.parse(text);
    if (id === undefined) return response.writeHead(202).end();
    const result = results[method]?.(params, request.url);
    const answer = result
      ? { jsonrpc: '2.0', id, result }
      : { jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
