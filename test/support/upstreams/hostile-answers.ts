import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { PIXEL } from './catalog.js';

/** One tools/call that is to be answered in some bad way. */
export interface HostileCall {
  request: IncomingMessage;
  response: ServerResponse;
  id: unknown;
  arguments: Record<string, unknown>;
  /** What a GET with this Last-Event-ID is answered. */
  later: (lastEventId: string, events: string) => void;
  /** Makes the server forget its sessions, as after a restart. */
  forgetSessions: () => void;
}

type Behaviour = (call: HostileCall) => void;

/** A result that a gateway must pass on as it is: an unknown content type, unknown fields everywhere. */
export const ODD_RESULT = {
  content: [
    { type: 'text', text: 'hello', 'x-extra': { kept: true }, annotations: { priority: 2, 'x-mood': 'fine' } },
    { type: 'hologram', frames: [1, 2, 3] },
  ],
  structuredContent: { deep: { 'x-extra': [null, 1.5, 'ü'] } },
  _meta: { 'example.com/trace': 'abc' },
  'x-result': 'kept too',
};

/** As text, because a literal `__proto__` in an object sets its prototype. */
export const PROTO_RESULT =
  '{"content":[{"type":"text","text":"x","__proto__":{"isError":true}}],"__proto__":{"polluted":true},' +
  '"structuredContent":{"constructor":{"prototype":{"polluted":true}},"__proto__":{"polluted":true}}}';

export const LONG_URI = `hostile://${'a'.repeat(1990)}`;

const MIB = 1024 * 1024;

/**
 * What the hostile server can do to a tools/call, by the name of the tool. Those that answer at all answer with the id
 * that was asked, unless ids are the point.
 */
export const BEHAVIOURS: ReadonlyMap<string, Behaviour> = new Map<string, Behaviour>([
  ['echo', (call) => sendResult(call, { content: [{ type: 'text', text: JSON.stringify(call.arguments) }] })],
  ['odd', (call) => sendResult(call, ODD_RESULT)],
  ['proto', (call) => send(call, `{"jsonrpc":"2.0","id":${JSON.stringify(call.id)},"result":${PROTO_RESULT}}`)],
  ['tool-error', (call) => sendResult(call, { isError: true, content: [{ type: 'text', text: 'went wrong' }] })],
  ['image', (call) => sendResult(call, { content: [{ type: 'image', mimeType: 'image/png', data: PIXEL }] })],
  ['breaks-its-schema', (call) => sendResult(call, { content: [], structuredContent: { temperature: 'warm' } })],
  ['long-uri', (call) => sendResult(call, { content: [{ type: 'resource_link', uri: LONG_URI, name: 'long' }] })],
  ['string-id', (call) => send(call, message({ id: String(call.id), result: { content: [] } }))],
  ['null-id-error', (call) => send(call, message({ id: null, error: { code: -32700, message: 'Parse error' } }))],
  ['input-required', (call) => sendResult(call, { resultType: 'input_required', inputRequests: {} })],

  ['status-401', (call) => status(call, 401, { 'www-authenticate': 'Bearer' })],
  ['status-403', (call) => status(call, 403)],
  ['status-404', (call) => status(call, 404)],
  ['status-429', (call) => status(call, 429, { 'retry-after': '7' })],
  ['status-500', (call) => status(call, 500)],
  ['status-503', (call) => status(call, 503, { 'retry-after': '11' })],
  ['session-lost', loseSession],
  ['redirect', (call) => status(call, 307, { location: 'http://198.51.100.1/elsewhere' })],
  ['accepted', (call) => status(call, 202)],

  ['html', (call) => send(call, '<!doctype html><title>Sign in</title>', 'text/html')],
  ['not-json', (call) => send(call, '{"jsonrpc":"2.0","id":1,"result":{')],
  ['empty', (call) => send(call, '')],
  ['scalar', (call) => send(call, '42')],
  ['batch', (call) => send(call, `[${message({ id: call.id, result: { content: [] } })}]`)],
  ['wrong-id', (call) => send(call, message({ id: 987654321, result: { content: [] } }))],
  ['request-as-answer', (call) => send(call, message({ id: call.id, method: 'ping' }))],
  [
    'deep',
    (call) =>
      send(call, `{"jsonrpc":"2.0","id":${Number(call.id)},"result":${'['.repeat(99_999)}${']'.repeat(99_999)}}`),
  ],
  ['huge', (call) => sendResult(call, { content: [{ type: 'text', text: 'x'.repeat(11 * MIB) }] })],
  ['bomb', (call) => sendEncoded(call, 'gzip', BOMBS.gzip())],
  ['bomb-brotli', (call) => sendEncoded(call, 'br', BOMBS.br())],
  ['bomb-in-bomb', (call) => sendEncoded(call, 'gzip, gzip', BOMBS['gzip, gzip']())],
  ['not-gzip', (call) => sendEncoded(call, 'gzip', Buffer.from('this is no gzip'))],

  ['hang', () => undefined],
  ['hang-midway', (call) => begin(call, 'application/json', '{"jsonrpc":"2.0",')],
  ['drip', drip],
  ['reset', ({ request }) => void request.socket.destroy()],
  ['reset-midway', resetMidway],

  ['sse-hang', (call) => begin(call, 'text/event-stream', ': hello\n\n')],
  [
    'sse-no-result',
    (call) => begin(call, 'text/event-stream', event({ method: 'notifications/message', params: {} })).end(),
  ],
  ['resumable', (call) => resumable(call, 2)],
  ['never-resumed', (call) => begin(call, 'text/event-stream', 'id: gone\nretry: 5\ndata:\n\n').end()],
  ['wants-header', wantsHeader],
  ['quotes-credentials', quoteCredentials],
  ['sse-wrong-id', (call) => begin(call, 'text/event-stream', event({ id: 987654321, result: {} }))],
  ['sse-duplicate', duplicate],
  ['sse-batch', (call) => begin(call, 'text/event-stream', `data: [${message({ id: call.id, result: {} })}]\n\n`)],
  ['sse-huge', (call) => flood(call, 'x'.repeat(65_536), 'data: ')],
  ['sse-comments', (call) => flood(call, `: ${'noise '.repeat(1000)}\n\n`)],
  ['sse-carriage-returns', (call) => flood(call, '\r'.repeat(65_536))],
  ['sse-notifications', (call) => flood(call, event({ method: 'notifications/message', params: {} }).repeat(500))],
  [
    'sse-progress',
    (call) => flood(call, event({ method: 'notifications/progress', params: { progressToken: call.id, progress: 1 } })),
  ],
  ['sse-requests', (call) => flood(call, event({ id: 'x', method: 'sampling/createMessage', params: {} }).repeat(100))],
]);

/** A JSON-RPC message as text. */
export function message(members: object): string {
  return JSON.stringify({ jsonrpc: '2.0', ...members });
}

/** A JSON-RPC message as an event. */
export function event(members: object): string {
  return `event: message\ndata: ${message(members)}\n\n`;
}

let packed: Buffer | null = null;

/** Compressed bodies of 300 MB of blanks: 237 bytes of brotli, 290 kB of gzip, 600 bytes of gzip in gzip. */
const BOMBS = {
  br: (): Buffer => Buffer.from(BROTLI, 'base64'),
  gzip: (): Buffer => (packed ??= Buffer.concat(Array<Buffer>(30).fill(gzipSync(Buffer.alloc(10_000_000, ' '))))),
  'gzip, gzip': (): Buffer => gzipSync(BOMBS.gzip()),
};

// Made once, because packing takes seconds.
const BROTLI = [
  'z///f/glQOKxQCD3/p/////wSwDEYQGA7v0/////4ZcAiMMiAN37f/7//8MvARCHBQC69//8//+HXwIgDgsAdO//+f//D78EQBwW',
  'AOje//P//x9+CYA4LADQvf/n//8//BIAcVgAoHv/z///f/glAOKwAED3/p/////wSwDEYQGA7v0/////4ZcAiMMCAN37f/7//8Mv',
  'ARCHBQC69//8//+HXwIgDgsAdO//+f//D78EQBwWAOje//P//x9+CYA4LADQvf/n//8//BIAcVgAoHv/z///f/glAOKwAED3/j//',
  'RcPxSwDEYQGArmY4',
].join('');

function sendResult(call: HostileCall, result: object): void {
  send(call, message({ id: call.id, result }));
}

function send({ response }: HostileCall, body: string, type = 'application/json'): void {
  response.writeHead(200, { 'content-type': type }).end(body);
}

function sendEncoded({ response }: HostileCall, encoding: string, body: Buffer): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding }).end(body);
}

function status({ response }: HostileCall, code: number, headers: Record<string, string> = {}): void {
  response.writeHead(code, headers).end('no');
}

function begin({ response }: HostileCall, type: string, start: string): ServerResponse {
  response.writeHead(200, { 'content-type': type });
  response.write(start);
  return response;
}

function loseSession(call: HostileCall): void {
  call.forgetSessions();
  call.response.writeHead(404, { 'content-type': 'application/json' });
  call.response.end(message({ id: null, error: { code: -32001, message: 'Session not found' } }));
}

function drip(call: HostileCall): void {
  const response = begin(call, 'application/json', ' ');
  const timer = setInterval(() => response.write(' '), 20);
  response.once('close', () => clearInterval(timer));
}

function resetMidway(call: HostileCall): void {
  begin(call, 'application/json', '{"jsonrpc":"2.0",');
  setTimeout(() => call.request.socket.destroy(), 20);
}

function duplicate(call: HostileCall): void {
  const first = event({ id: call.id, result: { content: [{ type: 'text', text: 'first' }] } });
  const second = event({ id: call.id, result: { content: [{ type: 'text', text: 'second' }] } });
  begin(call, 'text/event-stream', first + second).end();
}

/** MCP 2025-11-25, Resumability: the server ends the stream, and the client asks for the rest, here so many times. */
function resumable(call: HostileCall, times: number): void {
  const answer = event({ id: call.id, result: { content: [{ type: 'text', text: 'resumed' }] } });
  for (let at = 1; at < times; at++) call.later(`event-${at}`, `id: event-${at + 1}\ndata:\n\n`);
  call.later(`event-${times}`, answer);
  begin(call, 'text/event-stream', 'id: event-1\nretry: 10\ndata:\n\n').end();
}

/** 2026-07-28: refuses calls that do not repeat the argument `region` in `Mcp-Param-Region`. */
function wantsHeader(call: HostileCall): void {
  const { region } = call.arguments;
  const header = String(call.request.headers['mcp-param-region']);
  const sent = /^=\?base64\?(.*)\?=$/.exec(header)?.[1];
  const value = sent === undefined ? header : Buffer.from(sent, 'base64').toString('utf8');
  if (value === region) return sendResult(call, { content: [{ type: 'text', text: `in ${value}` }] });
  call.response.writeHead(400, { 'content-type': 'application/json' });
  call.response.end(message({ id: call.id, error: { code: -32020, message: 'Header mismatch' } }));
}

function quoteCredentials(call: HostileCall): void {
  const { authorization = '' } = call.request.headers;
  const error = { code: -32000, message: `No access with ${authorization}`, data: { token: authorization.slice(7) } };
  send(call, message({ id: call.id, error }));
}

/** Writes for as long as anybody reads. */
function flood(call: HostileCall, chunk: string, start = ''): void {
  const response = begin(call, 'text/event-stream', start);
  const write = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', write);
  write();
}
