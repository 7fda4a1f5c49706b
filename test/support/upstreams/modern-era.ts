import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  createMcpHandler,
  inputRequired,
  ProtocolError,
  Server,
  type McpRequestContext,
  type Result,
} from '@modelcontextprotocol/server';
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

export interface ModernEraOptions extends Extras {
  /** `auto` answers JSON unless there is something to say before the answer. */
  responseMode?: 'auto' | 'sse' | 'json';
  /** Refuse requests without `Authorization: Bearer <token>` with 401. */
  token?: string;
  /** Refuse clients of the old era; else they are served without sessions. */
  modernOnly?: boolean;
  tools?: { name: string; [key: string]: unknown }[];
  instructions?: string;
}

export interface ModernEraUpstream extends Upstream {
  /** Replaces what tools/list answers and tells all subscriptions. */
  setTools: (tools: ModernEraOptions['tools'] & object) => void;
  /** Tells those who subscribed to it. */
  updateResource: (uri: string) => Promise<void>;
}

/** 2026-07-28, stateless, by the SDK's v2 packages. */
export async function startModernEra(options: ModernEraOptions = {}): Promise<ModernEraUpstream> {
  let tools: readonly object[] = options.tools ?? TOOLS;
  let calls = 0;
  const handler = createMcpHandler(
    (context) =>
      serverFor(
        context,
        () => tools,
        () => ++calls,
        options,
      ),
    {
      responseMode: options.responseMode ?? 'auto',
      legacy: options.modernOnly ? 'reject' : 'stateless',
    },
  );
  const node = toNodeHandler(handler);
  const upstream = await serve('/mcp', (request, response, body) => {
    if (options.token !== undefined && request.headers.authorization !== `Bearer ${options.token}`) {
      response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
      return;
    }
    return node(request, response, body);
  });
  return {
    ...upstream,
    setTools: (changed) => {
      tools = changed;
      handler.notify.toolsChanged();
    },
    updateResource: async (uri) => handler.notify.resourceUpdated(uri),
    close: async () => {
      await handler.close();
      await upstream.close();
    },
  };
}

function serverFor(
  context: McpRequestContext,
  tools: () => readonly object[],
  count: () => number,
  options: ModernEraOptions,
): Server {
  const { instructions, complete, prompts = PROMPTS, templates = RESOURCE_TEMPLATES } = options;
  const server = new Server(
    { name: 'modern-era', version: '2.0.0', title: 'Modern era' },
    {
      capabilities: { tools: { listChanged: true }, prompts: {}, logging: {}, ...extraCapabilities(options) },
      ...(instructions === undefined ? {} : { instructions }),
    },
  );
  server.setRequestHandler('tools/list', () => ({ tools: tools() }) as never);
  server.setRequestHandler('resources/list', () => ({ resources: RESOURCES }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: templates }));
  server.setRequestHandler('prompts/list', () => ({ prompts }));
  if (complete)
    server.setRequestHandler('completion/complete', ({ params }) => ({ completion: complete({ ...params }) }));
  server.setRequestHandler(
    'resources/read',
    ({ params }) => answer(async () => readCatalogResource(params.uri)) as never,
  );
  server.setRequestHandler(
    'prompts/get',
    ({ params }) => answer(async () => getCatalogPrompt(params.name, params.arguments ?? {})) as never,
  );
  server.setRequestHandler('tools/call', ({ params }, { mcpReq }) => {
    const progressToken = params._meta?.progressToken;
    const call = {
      name: params.name,
      arguments: params.arguments ?? {},
      signal: mcpReq.signal,
      sessionId: undefined,
      authorization: context.requestInfo?.headers.get('authorization') ?? undefined,
      count: count(),
      progress: async (progress: { progress: number; total: number; message: string }) => {
        if (progressToken === undefined) return;
        await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, ...progress } });
      },
      ask: async (method: string, asked: Record<string, unknown> | undefined) => {
        if (method.startsWith('notifications/')) return mcpReq.notify({ method, params: asked });
        return asked
          ? { ...(mcpReq.inputResponses?.asked as object | undefined), state: mcpReq.requestState() }
          : { code: 'no requests in this era' };
      },
    };
    const asked = params.name === 'ask' ? params.arguments?.params : undefined;
    if (
      asked &&
      mcpReq.inputResponses === undefined &&
      !String(params.arguments?.method).startsWith('notifications/')
    ) {
      const inputRequests = { asked: { method: params.arguments?.method, params: asked } } as never;
      return inputRequired({ inputRequests, requestState: 'state of the server' });
    }
    return answer(() => callCatalogTool(call)) as never;
  });
  return server;
}

async function answer(make: () => Promise<Record<string, unknown>>): Promise<Result> {
  try {
    return await make();
  } catch (error) {
    if (error instanceof CatalogError) throw new ProtocolError(error.code, error.message, error.data);
    throw error;
  }
}
