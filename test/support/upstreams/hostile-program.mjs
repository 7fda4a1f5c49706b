// A raw stdio server for tests: behaves as the called tool is named. Arguments: --modern, --dies, --deaf, --stubborn.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const has = (flag) => process.argv.includes(flag);
const write = (text) => process.stdout.write(text);
const send = (message) => write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const text = (value) => ({ content: [{ type: 'text', text: value }] });

if (has('--dies')) {
  process.stderr.write(`cannot start with ${process.env.API_TOKEN}\n`);
  process.exit(3);
}
if (has('--stubborn')) process.on('SIGTERM', () => undefined);

const introduction = { capabilities: { tools: {} }, serverInfo: { name: 'program', version: '1' } };
const tools = {
  echo: (id, args) => send({ id, result: text(String(args.message)) }),
  env: (id) => send({ id, result: { content: [], structuredContent: { env: process.env, cwd: process.cwd() } } }),
  pid: (id) => send({ id, result: { content: [], structuredContent: { pid: process.pid } } }),
  chatter: (id) => {
    write('Listening ...\n\n{"not":"json-rpc"}\n{broken\n[]\n');
    send({ id: 987654321, result: text('of another') });
    send({ id, result: text('first') });
    send({ id, result: text('second') });
  },
  crash: () => {
    process.stderr.write(`${'noise '.repeat(2000)} token ${process.env.API_TOKEN} in the log\n`);
    process.exit(1);
  },
  'answer-and-exit': (id) => {
    send({ id, result: text('last words') });
    process.exit(0);
  },
  hang: () => undefined,
  // As the SDK writes it, with the id at the end, and as others do, with the id first.
  huge: (id) =>
    write(`{"result":{"content":[{"type":"text","text":"${'x'.repeat(2_000_000)}"}]},"jsonrpc":"2.0","id":${id}}\n`),
  'huge-id-first': (id) => write(`{"jsonrpc":"2.0","id":${id},"result":{"text":"${'x'.repeat(2_000_000)}"}}\n`),
  flood: () => {
    const more = () => {
      while (write(`noise ${'.'.repeat(60_000)}\n`));
    };
    process.stdout.on('drain', more);
    more();
  },
  grandchild: (id) => {
    const child = spawn('sleep', ['300'], { stdio: 'ignore' });
    send({ id, result: { content: [], structuredContent: { pid: child.pid } } });
  },
  work: (id, args, meta) => {
    for (let progress = 1; progress <= 3; progress++) {
      send({ method: 'notifications/progress', params: { progressToken: meta?.progressToken, progress } });
    }
    send({ id, result: text('done') });
  },
  change: (id) => {
    send({ method: 'notifications/tools/list_changed' });
    send({ id, result: text('changed') });
  },
  cancelled: (id) => send({ id, result: { content: [], structuredContent: { cancelled } } }),
};
const cancelled = [];

function take({ id, method, params }) {
  const meta = params?._meta;
  if (method === 'notifications/cancelled') cancelled.push(params.requestId);
  if (id === undefined || method === undefined) return;
  if (has('--modern') && method !== 'server/discover' && !meta?.['io.modelcontextprotocol/protocolVersion']) {
    send({ id, error: { code: -32022, message: 'Unsupported protocol version', data: { supported: ['2026-07-28'] } } });
  } else if (method === 'server/discover' && has('--modern')) {
    const result = {
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      ...introduction,
      ttlMs: 0,
      cacheScope: 'private',
    };
    send({ id, result });
  } else if (method === 'initialize') {
    send({ id, result: { protocolVersion: params.protocolVersion, ...introduction } });
  } else if (method === 'tools/list') {
    send({ id, result: { tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } })) } });
  } else if (method === 'tools/call' && Object.hasOwn(tools, params.name)) {
    tools[params.name](id, params.arguments ?? {}, meta);
  } else {
    send({ id, error: { code: -32601, message: 'Method not found' } });
  }
}

const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const message = JSON.parse(line);
  take(message);
  if (has('--deaf') && message.method === 'notifications/initialized') {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
});
// Without this, the process would end with stdin.
if (has('--stubborn')) setInterval(() => undefined, 1000);
