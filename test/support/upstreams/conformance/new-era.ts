import { createHmac, randomBytes } from 'node:crypto';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  createMcpHandler,
  inputRequired,
  ProtocolError,
  Server,
  type Result,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { serve, type Upstream } from '../http-server.js';
import {
  callPlainTool,
  COMPLETION,
  getOffered,
  INPUT_PROMPT,
  NEW_TOOLS,
  PLAIN_TOOLS,
  PROMPTS,
  readOffered,
  REFUSAL,
  RESOURCES,
  TEMPLATES,
  text,
} from './offer.js';

type Json = Record<string, unknown>;
const INVALID_PARAMS = -32_602;
const KEY = randomBytes(32);

/** Offers what the conformance suites want of a server of 2026-07-28, stateless. */
export async function startNewConformance(): Promise<Upstream> {
  const handler = createMcpHandler(() => serverOf(), { legacy: 'reject' });
  const node = toNodeHandler(handler);
  const upstream: Upstream = await serve('/mcp', (request, response, body) => {
    const host = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;
    const { origin } = request.headers;
    if (
      !host.test(request.headers.host ?? '') ||
      (origin !== undefined && !host.test(origin.replace(/^https?:\/\//, '')))
    )
      return void response.writeHead(403).end();
    return node(request, response, body);
  });
  return {
    ...upstream,
    close: async () => {
      await handler.close();
      await upstream.close();
    },
  };
}

function serverOf(): Server {
  const server = new Server(
    { name: 'conformance-new', version: '1.0.0' },
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
  server.setRequestHandler('tools/list', () => ({ tools: [...PLAIN_TOOLS, ...NEW_TOOLS] }) as never);
  server.setRequestHandler('resources/list', () => ({ resources: RESOURCES }) as never);
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: TEMPLATES }) as never);
  server.setRequestHandler('prompts/list', () => ({ prompts: [...PROMPTS, INPUT_PROMPT] }));
  server.setRequestHandler('completion/complete', () => ({ completion: COMPLETION }));
  server.setRequestHandler('resources/read', ({ params }) => {
    const result = readOffered(params.uri);
    if (!result) throw new ProtocolError(INVALID_PARAMS, 'Resource not found', { uri: params.uri });
    return result as never;
  });
  server.setRequestHandler('prompts/get', ({ params }, { mcpReq }) => {
    if (params.name === INPUT_PROMPT.name) {
      const answer = accepted(mcpReq.inputResponses?.user_context);
      if (!answer) return ask({ user_context: form('What context should the prompt use?', 'context') });
      const said = `With the context ${String(answer.context)}`;
      return { messages: [{ role: 'user', content: { type: 'text', text: said } }] } as never;
    }
    const result = getOffered(params.name, params.arguments ?? {});
    if (!result) throw new ProtocolError(INVALID_PARAMS, `Unknown prompt: ${params.name}`);
    return result as never;
  });
  server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
    const { name } = params;
    if (name === 'test_refusal') throw new ProtocolError(REFUSAL.code, REFUSAL.message, REFUSAL.data);
    const progressToken = params._meta?.progressToken;
    const result =
      (await callPlainTool(name, {
        progress: async (progress) => {
          if (progressToken === undefined) return;
          await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
        },
        log: (data) => mcpReq.log('info', data),
      })) ?? withInput(name, mcpReq);
    if (!result) throw new ProtocolError(INVALID_PARAMS, `Unknown tool: ${name}`);
    return result as never;
  });
  return server;
}

type McpReq = ServerContext['mcpReq'];

function withInput(name: string, mcpReq: McpReq): Result | Json | null {
  const given = (mcpReq.inputResponses ?? {}) as Json;
  const sample = { method: 'sampling/createMessage', params: sampling('What is the capital of France?', 100) };
  const roots = { method: 'roots/list', params: {} };
  switch (name) {
    case 'test_streaming_elicitation':
    case 'test_input_required_result_elicitation': {
      const answer = accepted(given.user_name);
      return answer ? text(`Hello, ${String(answer.name)}!`) : ask({ user_name: form('What is your name?', 'name') });
    }
    case 'test_input_required_result_sampling':
    case 'test_missing_capability':
      return given.capital_question ? text(JSON.stringify(given.capital_question)) : ask({ capital_question: sample });
    case 'test_input_required_result_list_roots':
      return given.client_roots ? text(JSON.stringify(given.client_roots)) : ask({ client_roots: roots });
    case 'test_input_required_result_request_state':
    case 'test_input_required_result_tampered_state': {
      const state = stateOf(mcpReq);
      if (state === null) return ask({ confirm: form('Please confirm', 'ok', 'boolean') }, 'first');
      return text('state-ok');
    }
    case 'test_input_required_result_multiple_inputs': {
      const isComplete = ['user_name', 'greeting', 'client_roots'].every((key) => given[key] !== undefined);
      if (isComplete && stateOf(mcpReq) !== null) return text(JSON.stringify(given));
      const greeting = { method: 'sampling/createMessage', params: sampling('Generate a greeting', 50) };
      return ask({ user_name: form('What is your name?', 'name'), greeting, client_roots: roots }, 'several');
    }
    case 'test_input_required_result_multi_round': {
      const state = stateOf(mcpReq);
      if (state === null) return ask({ step1: form('Step 1: What is your name?', 'name') }, 'round 1');
      if (state === 'round 1') return ask({ step2: form('Step 2: What is your favorite color?', 'color') }, 'round 2');
      return text('all rounds are done');
    }
    case 'test_input_required_result_capabilities':
      return ask(offered(mcpReq, { elicitation: form('What is your name?', 'name'), sampling: sample, roots }));
    default:
      return null;
  }
}

/** Nobody is asked for what it did not declare. */
function offered(mcpReq: McpReq, wanted: Record<string, object>): Record<string, object> {
  const envelope = mcpReq.envelope as Json | undefined;
  const declared = (envelope?.['io.modelcontextprotocol/clientCapabilities'] ?? {}) as Json;
  return Object.fromEntries(Object.entries(wanted).filter(([capability]) => declared[capability] !== undefined));
}

function sampling(prompt: string, maxTokens: number): Json {
  return { messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens };
}

function form(message: string, field: string, type = 'string'): object {
  const requestedSchema = { type: 'object', properties: { [field]: { type } }, required: [field] };
  return { method: 'elicitation/create', params: { message, requestedSchema } };
}

function ask(inputRequests: Record<string, object>, state?: string): never {
  return inputRequired({
    inputRequests,
    ...(state === undefined ? {} : { requestState: `${state}.${signatureOf(state)}` }),
  } as never) as never;
}

/** Null for a first request. @throws ProtocolError where it is not as it was given */
function stateOf(mcpReq: McpReq): string | null {
  const given = mcpReq.requestState();
  if (given === undefined) return null;
  const [state = '', signature] = (given as string).split('.');
  if (signature !== signatureOf(state)) throw new ProtocolError(INVALID_PARAMS, 'The request state was changed');
  return state;
}

function signatureOf(state: string): string {
  return createHmac('sha256', KEY).update(state).digest('base64url');
}

function accepted(answer: unknown): Json | null {
  const { action, content } = (answer ?? {}) as { action?: unknown; content?: unknown };
  return action === 'accept' && typeof content === 'object' && content !== null && Object.keys(content).length > 0
    ? (content as Json)
    : null;
}
