import { randomUUID } from 'node:crypto';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
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
  type ServerResult,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { serve, type Upstream } from '../http-server.js';
import {
  ASKING_TOOLS,
  callPlainTool,
  COMPLETION,
  getOffered,
  PLAIN_TOOLS,
  PROMPTS,
  questionOf,
  readOffered,
  REFUSAL,
  RESOURCES,
  TEMPLATES,
  text,
} from './offer.js';

const INVALID_PARAMS = -32_602;
const NOT_FOUND = -32_002;

/** Offers what the conformance suites want of a server of 2025-11-25, with sessions. */
export async function startOldConformance(): Promise<Upstream> {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  const upstream: Upstream = await serve('/mcp', async (request, response, body) => {
    const host = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;
    const { origin } = request.headers;
    if (
      !host.test(request.headers.host ?? '') ||
      (origin !== undefined && !host.test(origin.replace(/^https?:\/\//, '')))
    )
      return void response.writeHead(403).end();
    const id = request.headers['mcp-session-id'];
    const known = typeof id === 'string' ? transports.get(id) : undefined;
    if (known) return known.handleRequest(request, response, body);
    if (id !== undefined) return void response.writeHead(404).end();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (sessionId) => void transports.set(sessionId, transport),
      onsessionclosed: (sessionId) => void transports.delete(sessionId),
    });
    await serverOf().connect(transport);
    await transport.handleRequest(request, response, body);
  });
  return {
    ...upstream,
    close: async () => {
      await Promise.all([...transports.values()].map((transport) => transport.close()));
      await upstream.close();
    },
  };
}

function serverOf(): Server {
  const server = new Server(
    { name: 'conformance-old', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        prompts: { listChanged: true },
        logging: {},
        completions: {},
      },
    },
  );
  const tools = [...PLAIN_TOOLS, ...ASKING_TOOLS];
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: RESOURCES }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: TEMPLATES }));
  server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts: PROMPTS }));
  server.setRequestHandler(CompleteRequestSchema, () => ({ completion: COMPLETION }));
  server.setRequestHandler(SubscribeRequestSchema, () => ({}));
  server.setRequestHandler(UnsubscribeRequestSchema, () => ({}));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }) =>
    found(readOffered(params.uri), NOT_FOUND, 'Resource not found'),
  );
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) =>
    found(getOffered(params.name, params.arguments ?? {}), INVALID_PARAMS, 'Unknown prompt'),
  );
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const { name, arguments: args = {} } = params;
    if (name === 'test_refusal') throw new McpError(REFUSAL.code, REFUSAL.message, REFUSAL.data);
    const progressToken = params._meta?.progressToken;
    const question = questionOf(name, args);
    if (question) {
      const answer = (await extra.sendRequest(question, ResultSchema)) as Record<string, unknown>;
      return text(told(name, answer));
    }
    if (name === 'test_reconnection') return text('Reconnection test completed successfully');
    const result = await callPlainTool(name, {
      progress: async (progress) => {
        if (progressToken === undefined) return;
        const told = { progressToken, progress, total: 100 };
        await extra.sendNotification({ method: 'notifications/progress', params: told });
      },
      log: (data) => extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data } }),
    });
    return found(result, INVALID_PARAMS, `Unknown tool: ${name}`);
  });
  return server;
}

function told(name: string, answer: Record<string, unknown>): string {
  const { action, content } = answer;
  if (name === 'test_sampling') return `LLM response: ${String((content as { text?: unknown }).text)}`;
  const said = `action=${String(action)}, content=${JSON.stringify(content ?? {})}`;
  return name === 'test_elicitation' ? `User response: ${said}` : `Elicitation completed: ${said}`;
}

function found(result: Record<string, unknown> | null, code: number, message: string): ServerResult {
  if (!result) throw new McpError(code, message);
  return result;
}
