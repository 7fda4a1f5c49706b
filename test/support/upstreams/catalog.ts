import { setTimeout as sleep } from 'node:timers/promises';

/** What the well-behaved test servers of both eras offer, so that one test can run against each. */
export const TOOLS = [
  tool('echo', 'Answers with the message', { message: { type: 'string' } }, { readOnlyHint: true }),
  tool('add', 'Adds two numbers, structured', { a: { type: 'number' }, b: { type: 'number' } }, { readOnlyHint: true }),
  tool('wait', 'Answers after so many milliseconds', { ms: { type: 'integer' } }),
  tool('work', 'Reports progress so many times, then answers', { steps: { type: 'integer' }, ms: { type: 'integer' } }),
  tool('fail', 'Answers with a tool error', {}),
  tool('refuse', 'Answers with a JSON-RPC error', { code: { type: 'integer' }, data: { type: 'object' } }),
  tool('delete_everything', 'Counts how often it was called', {}, { destructiveHint: true }),
  tool('count', 'Counts the calls of this session', {}),
  tool('who', 'Answers with the session and the authorization header it was called with', {}),
  tool('ask', 'Sends a request of that method to the client and answers with the outcome', {
    method: { type: 'string' },
    params: { type: 'object' },
  }),
];

export const RESOURCES = [
  { uri: 'memo://one', name: 'one', title: 'First memo', mimeType: 'text/plain' },
  { uri: 'memo://two', name: 'two', title: 'Second memo', mimeType: 'text/markdown' },
  { uri: 'memo://picture', name: 'picture', mimeType: 'image/png' },
];

export const RESOURCE_TEMPLATES = [{ uriTemplate: 'memo://{id}', name: 'memo', mimeType: 'text/plain' }];

export const PROMPTS = [
  { name: 'summarize', description: 'Summarizes a memo', arguments: [{ name: 'memo', required: true }] },
];

// A transparent pixel.
export const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';

/** What a test server offers only where a test wants it. */
export interface Extras {
  prompts?: { name: string; arguments?: { name: string }[] }[];
  templates?: { uriTemplate: string; name: string }[];
  /** Answers `completion/complete`. */
  complete?: (params: Record<string, unknown>) => { values: string[]; total?: number; hasMore?: boolean };
  /** Declares that resources can be subscribed to. */
  subscriptions?: boolean;
}

export function extraCapabilities({ complete, subscriptions }: Extras): {
  completions?: Record<string, never>;
  resources: { subscribe?: boolean };
} {
  return { ...(complete && { completions: {} }), resources: subscriptions ? { subscribe: true } : {} };
}

export interface CatalogCall {
  name: string;
  arguments: Record<string, unknown>;
  signal: AbortSignal;
  sessionId: string | undefined;
  authorization: string | undefined;
  /** Calls of this session so far, this one included. */
  count: number;
  progress: (progress: { progress: number; total: number; message: string }) => Promise<void>;
  /** Sends a request to the client and tells what came back. */
  ask: (method: string, params: Record<string, unknown> | undefined) => Promise<unknown>;
}

/** Thrown where the server should answer with a JSON-RPC error. */
export class CatalogError extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly data?: unknown,
  ) {
    super(message);
  }
}

export async function callCatalogTool(call: CatalogCall): Promise<Record<string, unknown>> {
  const { name, arguments: args } = call;
  if (name === 'echo') return text(String(args.message));
  if (name === 'add') return structured({ sum: Number(args.a) + Number(args.b) });
  if (name === 'get_weather') return text(`The weather in ${String(args.location)} is sunny and 25°C.`);
  if (name === 'fail') return { ...text('it failed'), isError: true };
  if (name === 'refuse') throw new CatalogError(Number(args.code ?? -32602), 'refused as asked', args.data);
  if (name === 'count') return structured({ count: call.count });
  if (name === 'delete_everything') return structured({ deleted: call.count });
  if (name === 'who') return structured({ session: call.sessionId ?? null, authorization: call.authorization ?? null });
  if (name === 'ask')
    return structured({
      outcome: await call.ask(String(args.method), args.params as Record<string, unknown> | undefined),
    });
  if (name === 'wait' || name === 'work') return waitOrWork(call);
  throw new CatalogError(-32602, `Unknown tool: ${name}`);
}

export function readCatalogResource(uri: string): Record<string, unknown> {
  const known = RESOURCES.find((resource) => resource.uri === uri);
  if (!known) throw new CatalogError(-32002, 'Resource not found');
  const content = known.mimeType === 'image/png' ? { blob: PIXEL } : { text: `This is ${known.name}.` };
  return { contents: [{ uri, mimeType: known.mimeType, ...content }] };
}

export function getCatalogPrompt(name: string, args: Record<string, unknown>): Record<string, unknown> {
  if (name !== 'summarize') throw new CatalogError(-32602, `Unknown prompt: ${name}`);
  const content = { type: 'text', text: `Summarize ${String(args.memo)}` };
  return { messages: [{ role: 'user', content }] };
}

async function waitOrWork(call: CatalogCall): Promise<Record<string, unknown>> {
  const { signal } = call;
  const ms = Number(call.arguments.ms ?? 0);
  const steps = call.name === 'work' ? Number(call.arguments.steps ?? 1) : 1;
  for (let step = 1; step <= steps; step++) {
    await sleep(ms, undefined, { signal });
    if (call.name === 'work') await call.progress({ progress: step, total: steps, message: `step ${step}` });
  }
  return text('done');
}

function text(value: string): Record<string, unknown> {
  return { content: [{ type: 'text', text: value }] };
}

function structured(value: Record<string, unknown>): Record<string, unknown> {
  return { ...text(JSON.stringify(value)), structuredContent: value };
}

function tool(name: string, description: string, properties: Record<string, unknown>, annotations?: object) {
  return {
    name,
    description,
    inputSchema: { type: 'object' as const, properties },
    ...(annotations && { annotations }),
  };
}
