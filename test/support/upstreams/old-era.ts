import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  ResultSchema,
  SubscribeRequestSchema,
  type ServerResult,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import {
  callCatalogTool,
  CatalogError,
  extraCapabilities,
  getCatalogPrompt,
  PROMPTS,
  readCatalogResource,
  RESOURCE_TEMPLATES,
  RESOURCES,
  TOOLS,
  type Extras,
} from './catalog.js';
import { serve, type Upstream } from './http-server.js';

export interface OldEraOptions extends Extras {
  /** Answer with JSON instead of event streams. */
  json?: boolean;
  /** Refuse requests without `Authorization: Bearer <token>` with 401. */
  token?: string;
  /** Offered instead of the catalog's tools; calls of them answer with an empty result. */
  tools?: { name: string; [key: string]: unknown }[];
  /** What those tools answer, instead of nothing. */
  call?: (name: string, args: Record<string, unknown>) => Record<string, unknown> | Promise<Record<string, unknown>>;
  /** Offered instead of the catalog's resources, with what reading them answers. */
  resources?: { listed: { uri: string; name: string; [key: string]: unknown }[]; read: (uri: string) => string };
  instructions?: string;
}

export interface OldEraUpstream extends Upstream {
  /** Replaces what tools/list answers and tells all sessions. */
  setTools: (tools: OldEraOptions['tools'] & object) => Promise<void>;
  /** Forgets all sessions, as after a restart: they answer 404 from then on. */
  forgetSessions: () => void;
  sessionCount: () => number;
  /** Tells all sessions, outside of any request. */
  notify: (method: string, params: Record<string, unknown>) => Promise<void>;
  /** URIs, once for each session that subscribed. */
  subscriptions: () => string[];
  /** Tells those who subscribed to it. */
  updateResource: (uri: string) => Promise<void>;
}

interface Session {
  transport: StreamableHTTPServerTransport | SSEServerTransport;
  server: Server;
}

/** 2025-11-25 and older with sessions, over Streamable HTTP, by the SDK's 1.x line. */
export async function startOldEra(options: OldEraOptions = {}): Promise<OldEraUpstream> {
  const world = new World(options);
  const upstream = await serve('/mcp', async (request, response, body) => {
    if (!world.admits(request, response)) return;
    const id = request.headers['mcp-session-id'];
    const known = typeof id === 'string' ? world.sessions.get(id) : undefined;
    if (id !== undefined && !known) return refuse(response, 404, -32001, 'Session not found');
    if (known) return (known.transport as StreamableHTTPServerTransport).handleRequest(request, response, body);
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: options.json ?? false,
      onsessioninitialized: (sessionId) => void world.sessions.set(sessionId, { transport, server }),
      onsessionclosed: (sessionId) => void world.sessions.delete(sessionId),
    });
    const server = world.serverFor();
    await server.connect(transport);
    await transport.handleRequest(request, response, body);
  });
  return world.upstream(upstream);
}

/** The deprecated transport of 2024-11-05: GET opens the event stream, POST goes to the address it names. */
export async function startOldSse(options: OldEraOptions = {}): Promise<OldEraUpstream> {
  const world = new World(options);
  const upstream = await serve('/sse', async (request, response, body) => {
    if (!world.admits(request, response)) return;
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    if (request.method === 'GET' && url.pathname === '/sse') {
      const transport = new SSEServerTransport('/messages', response);
      const server = world.serverFor();
      world.sessions.set(transport.sessionId, { transport, server });
      response.once('close', () => world.sessions.delete(transport.sessionId));
      return server.connect(transport);
    }
    const session = world.sessions.get(url.searchParams.get('sessionId') ?? '');
    if (!session) return refuse(response, 404, -32001, 'Session not found');
    return (session.transport as SSEServerTransport).handlePostMessage(request, response, body);
  });
  return world.upstream(upstream);
}

/** What the sessions of one test server share. */
class World {
  readonly sessions = new Map<string, Session>();
  readonly subscribed = new Map<Server, Set<string>>();
  private readonly counts = new Map<string, number>();
  private tools: OldEraOptions['tools'] & object;

  constructor(private readonly options: OldEraOptions) {
    this.tools = options.tools ?? TOOLS;
  }

  admits(request: IncomingMessage, response: ServerResponse): boolean {
    const { token } = this.options;
    if (token === undefined || request.headers.authorization === `Bearer ${token}`) return true;
    response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
    return false;
  }

  upstream(upstream: Upstream): OldEraUpstream {
    return {
      ...upstream,
      sessionCount: () => this.sessions.size,
      forgetSessions: () => this.sessions.clear(),
      notify: async (method, params) => {
        const servers = [...this.sessions.values()].map(({ server }) => server);
        // Not to clients that did not declare that they take it.
        await Promise.allSettled(servers.map((server) => server.notification({ method, params })));
      },
      subscriptions: () =>
        [...this.sessions.values()].flatMap(({ server }) => [...(this.subscribed.get(server) ?? [])]),
      updateResource: async (uri) => {
        const servers = [...this.sessions.values()].map(({ server }) => server);
        const told = servers.filter((server) => this.subscribed.get(server)?.has(uri));
        await Promise.all(told.map((server) => server.sendResourceUpdated({ uri })));
      },
      setTools: async (tools) => {
        this.tools = tools;
        await Promise.all([...this.sessions.values()].map(({ server }) => server.sendToolListChanged()));
      },
      close: async () => {
        await Promise.all([...this.sessions.values()].map(({ server }) => server.close()));
        await upstream.close();
      },
    };
  }

  serverFor(): Server {
    const { instructions } = this.options;
    const server = new Server(
      { name: 'old-era', version: '1.0.0', title: 'Old era' },
      {
        capabilities: { tools: { listChanged: true }, prompts: {}, logging: {}, ...extraCapabilities(this.options) },
        ...(instructions === undefined ? {} : { instructions }),
      },
    );
    server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: this.tools }));
    const { resources, prompts = PROMPTS, templates = RESOURCE_TEMPLATES } = this.options;
    server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: resources?.listed ?? RESOURCES }));
    server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
      resourceTemplates: resources ? [] : templates,
    }));
    server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts }));
    server.setRequestHandler(ReadResourceRequestSchema, ({ params }) =>
      answer(async () =>
        resources
          ? { contents: [{ uri: params.uri, mimeType: 'application/json', text: resources.read(params.uri) }] }
          : readCatalogResource(params.uri),
      ),
    );
    server.setRequestHandler(GetPromptRequestSchema, ({ params }) =>
      answer(async () => getCatalogPrompt(params.name, params.arguments ?? {})),
    );
    this.serveCalls(server);
    this.serveExtras(server);
    return server;
  }

  private serveExtras(server: Server): void {
    const { complete, subscriptions } = this.options;
    if (complete)
      server.setRequestHandler(CompleteRequestSchema, ({ params }) => ({ completion: complete({ ...params }) }));
    if (!subscriptions) return;
    const uris = new Set<string>();
    this.subscribed.set(server, uris);
    server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
      uris.add(params.uri);
      return {};
    });
    server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
      uris.delete(params.uri);
      return {};
    });
  }

  private serveCalls(server: Server): void {
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
      if (this.tools !== TOOLS)
        return (await this.options.call?.(params.name, params.arguments ?? {})) ?? { content: [] };
      const session = extra.sessionId ?? '';
      const count = (this.counts.get(session) ?? 0) + 1;
      this.counts.set(session, count);
      const progressToken = params._meta?.progressToken;
      return answer(() =>
        callCatalogTool({
          name: params.name,
          arguments: params.arguments ?? {},
          signal: extra.signal,
          sessionId: extra.sessionId,
          authorization: header(extra.requestInfo?.headers.authorization),
          count,
          progress: async (progress) => {
            if (progressToken === undefined) return;
            const notification = { method: 'notifications/progress' as const, params: { progressToken, ...progress } };
            await extra.sendNotification(notification);
          },
          ask: async (method, asked) => {
            if (method.startsWith('notifications/')) return extra.sendNotification({ method, params: asked });
            const request = { method, params: asked ?? {} };
            // Without parameters outside of the call, where nobody can tell whom it is for.
            const answer = asked
              ? extra.sendRequest(request, ResultSchema, { timeout: 5_000 })
              : server.request(request, ResultSchema, { timeout: 2_000 });
            return answer.catch((error: McpError) => ({ code: error.code }));
          },
        }),
      );
    });
  }
}

async function answer(make: () => Promise<Record<string, unknown>>): Promise<ServerResult> {
  try {
    return await make();
  } catch (error) {
    if (error instanceof CatalogError) throw new McpError(error.code, error.message, error.data);
    throw error;
  }
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function refuse(response: ServerResponse, status: number, code: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }));
}
