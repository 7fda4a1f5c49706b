import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PIXEL } from './catalog.js';
import { BEHAVIOURS, event, LONG_URI, message } from './hostile-answers.js';
import { serve, type Upstream } from './http-server.js';

export type HostileTool = { name: string; [key: string]: unknown };

export interface HostileOptions {
  /** Which era it speaks; `legacy` with sessions unless `sessions` is false. */
  era?: 'legacy' | 'modern';
  sessions?: boolean;
  /** What tools/list offers; by default one tool for each behaviour, and the strange ones. */
  tools?: HostileTool[];
  /** Tools a page; all on one by default. */
  pageSize?: number;
  /** Pages without end: with ever new cursors, with the same cursor, or empty with ever new cursors. */
  pages?: 'endless' | 'repeated' | 'empty';
  /** Answers `initialize` or `server/discover` with this behaviour instead (a name of BEHAVIOURS). */
  handshake?: string;
  /** The same for `server/discover` only. */
  discover?: string;
  /** Capabilities to declare; by default tools (list_changed), resources and prompts. */
  capabilities?: Record<string, unknown>;
  instructions?: string;
  /** What prompts/list offers; nothing by default. */
  prompts?: HostileTool[];
}

export interface HostileUpstream extends Upstream {
  /** Replaces the tools and says so on every standing stream, that many times. */
  setTools: (tools: HostileTool[], times?: number) => void;
  /** What standing streams (GET, subscriptions/listen) carry: any text. */
  say: (text: string) => void;
  /** Standing streams open now. */
  standing: () => number;
  dropStanding: () => void;
  /** Changes what it is from now on, as if another server had taken its place. */
  become: (options: HostileOptions) => void;
  forgetSessions: () => void;
  /** Sessions begun so far. */
  handshakes: () => number;
}

/** Names that need care in paths, headers, public ids and logs. */
export const STRANGE_NAMES = [
  'with-dash',
  'with.dot',
  'with/slash',
  'grüße 日本',
  '__proto__',
  'constructor',
  'a'.repeat(300),
];

/** Schemas that must be neither fetched nor run without a limit. */
export const STRANGE_SCHEMAS: HostileTool[] = [
  {
    name: 'remote-ref',
    inputSchema: { type: 'object', properties: { a: { $ref: 'http://198.51.100.1/schema.json' } } },
  },
  {
    name: 'catastrophic',
    inputSchema: { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } },
  },
  {
    name: 'proto-schema',
    inputSchema: JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"string"},"constructor":{"type":"string"}}}',
    ),
  },
];

/** So many plain tools, named `tool_0` and so on. */
export function manyTools(count: number): HostileTool[] {
  return Array.from({ length: count }, (_, index) => ({ name: `tool_${index}`, inputSchema: { type: 'object' } }));
}

/**
 * A raw HTTP server that speaks MCP well enough to be connected, and answers tools/call with whatever the named tool
 * stands for (see BEHAVIOURS); unknown tools are echoed.
 */
export async function startHostile(options: HostileOptions = {}): Promise<HostileUpstream> {
  const server = new HostileServer(options);
  const upstream = await serve('/mcp', (request, response, body) => server.take(request, response, body));
  return {
    ...upstream,
    setTools: (tools, times = 1) => server.setTools(tools, times),
    say: (text) => server.say(text),
    standing: () => server.standing.size,
    dropStanding: () => server.dropStanding(),
    become: (changed) => server.become(changed),
    forgetSessions: () => server.sessions.clear(),
    handshakes: () => server.handshakes,
  };
}

type Message = { id?: unknown; method?: string; params?: Record<string, unknown> };

class HostileServer {
  readonly sessions = new Set<string>();
  readonly standing = new Set<ServerResponse>();
  handshakes = 0;
  private readonly laterEvents = new Map<string, string>();
  private tools: HostileTool[];

  constructor(private options: HostileOptions) {
    this.tools = options.tools ?? defaultTools();
  }

  become(options: HostileOptions): void {
    this.options = options;
    this.sessions.clear();
    if (options.tools) this.tools = options.tools;
  }

  setTools(tools: HostileTool[], times: number): void {
    this.tools = tools;
    this.say(event({ method: 'notifications/tools/list_changed' }).repeat(times));
  }

  say(text: string): void {
    for (const response of this.standing) response.write(text);
  }

  dropStanding(): void {
    for (const response of this.standing) response.destroy();
    this.standing.clear();
  }

  take(request: IncomingMessage, response: ServerResponse, body: unknown): void {
    if (request.method === 'DELETE') return void response.writeHead(200).end();
    const session = request.headers['mcp-session-id'];
    const isKnown = typeof session === 'string' && this.sessions.has(session);
    const rest = this.laterEvents.get(String(request.headers['last-event-id']));
    if (request.method === 'GET' && rest !== undefined)
      return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(rest);
    if (request.method === 'GET') return isKnown ? this.stand(response) : void response.writeHead(405).end();
    const { id, method, params } = body as Message;
    if (method === 'initialize' || method === 'server/discover')
      return this.introduce(request, response, body as Message);
    if (this.isLegacy && this.options.sessions !== false && !isKnown)
      return reply(response, 404, message({ id: null, error: { code: -32001, message: 'Session not found' } }));
    if (!this.isLegacy && request.headers['mcp-method'] !== method)
      return reply(response, 400, message({ id, error: { code: -32020, message: 'Header mismatch' } }));
    if (id === undefined || method === undefined) return void response.writeHead(202).end();
    if (method === 'subscriptions/listen') return this.stand(response, id);
    if (method === 'tools/call') return this.call(request, response, id, params ?? {});
    const result = this.resultOf(method, params ?? {});
    const unknown = { code: -32601, message: 'Method not found' };
    reply(response, result || this.isLegacy ? 200 : 404, message(result ? { id, result } : { id, error: unknown }));
  }

  private get isLegacy(): boolean {
    return this.options.era !== 'modern';
  }

  private introduce(request: IncomingMessage, response: ServerResponse, { id, method }: Message): void {
    const { instructions } = this.options;
    const handshake =
      method === 'server/discover' ? (this.options.discover ?? this.options.handshake) : this.options.handshake;
    const bad = handshake === undefined ? undefined : BEHAVIOURS.get(handshake);
    if (bad)
      return bad({ request, response, id, arguments: {}, later: () => undefined, forgetSessions: () => undefined });
    if ((method === 'initialize') !== this.isLegacy)
      return reply(
        response,
        400,
        message({ id: null, error: { code: -32000, message: 'Bad Request: not understood' } }),
      );
    this.handshakes++;
    const capabilities = this.options.capabilities ?? { tools: { listChanged: true }, resources: {}, prompts: {} };
    const serverInfo = { name: 'hostile', version: '6.6.6' };
    const said = { capabilities, ...(instructions === undefined ? {} : { instructions }) };
    if (!this.isLegacy) {
      const meta = { _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo }, ttlMs: 0, cacheScope: 'private' };
      const result = { resultType: 'complete', supportedVersions: ['2026-07-28'], ...said, ...meta };
      return reply(response, 200, message({ id, result }));
    }
    if (this.options.sessions !== false) {
      const session = randomUUID();
      this.sessions.add(session);
      response.setHeader('mcp-session-id', session);
    }
    reply(response, 200, message({ id, result: { protocolVersion: '2025-06-18', serverInfo, ...said } }));
  }

  private stand(response: ServerResponse, subscription?: unknown): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(': open\n\n');
    if (subscription !== undefined) {
      const params = { _meta: { 'io.modelcontextprotocol/subscriptionId': subscription }, notifications: {} };
      response.write(event({ method: 'notifications/subscriptions/acknowledged', params }));
    }
    this.standing.add(response);
    response.once('close', () => this.standing.delete(response));
  }

  private call(request: IncomingMessage, response: ServerResponse, id: unknown, params: Record<string, unknown>): void {
    const behaviour = BEHAVIOURS.get(String(params.name)) ?? BEHAVIOURS.get('echo');
    const args = (params.arguments ?? {}) as Record<string, unknown>;
    behaviour?.({
      request,
      response,
      id,
      arguments: args,
      later: (lastEventId, events) => void this.laterEvents.set(lastEventId, events),
      forgetSessions: () => this.sessions.clear(),
    });
  }

  private resultOf(method: string, params: Record<string, unknown>): object | undefined {
    if (method === 'tools/list') return this.page(Number(params.cursor ?? 0));
    if (method === 'resources/list')
      return {
        resources: [
          { uri: LONG_URI, name: 'long' },
          { uri: 'hostile://binary', name: 'binary' },
        ],
      };
    if (method === 'resources/read')
      return { contents: [{ uri: params.uri, mimeType: 'application/octet-stream', blob: PIXEL, 'x-extra': 1 }] };
    if (method === 'prompts/list') return { prompts: this.options.prompts ?? [] };
    return method === 'ping' ? {} : undefined;
  }

  private page(from: number): object {
    const { pages, pageSize = this.tools.length } = this.options;
    if (pages === 'repeated') return { tools: this.tools.slice(0, 2), nextCursor: '1' };
    if (pages !== undefined) return { tools: pages === 'empty' ? [] : manyTools(2), nextCursor: String(from + 1) };
    const to = from + pageSize;
    return { tools: this.tools.slice(from, to), ...(to < this.tools.length ? { nextCursor: String(to) } : {}) };
  }
}

// 2026-07-28: an argument that is repeated in a header.
const WITH_HEADER = {
  type: 'object',
  properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
};

function defaultTools(): HostileTool[] {
  const names = [...BEHAVIOURS.keys(), ...STRANGE_NAMES];
  const temperature = { type: 'object', properties: { temperature: { type: 'number' } }, required: ['temperature'] };
  const plain = names.map((name) => ({
    name,
    description: `Behaves like ${name}`,
    inputSchema: { type: 'object' },
    ...(name === 'wants-header' ? { inputSchema: WITH_HEADER } : {}),
    ...(name === 'breaks-its-schema' ? { outputSchema: temperature } : {}),
  }));
  return [...plain, ...STRANGE_SCHEMAS];
}

function reply(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(body);
}
