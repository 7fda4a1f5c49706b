import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve, type Upstream } from './http-server.js';

export interface JournalUpstream extends Upstream {
  /** Ids of the calls of `work` that reached it, in order: the truth about what was made. */
  calls: string[];
  /** Milliseconds that `work` takes. */
  delay: () => number;
  /** From now on requests of that method are kept waiting, until what this returns is called. */
  hold: (method: string) => () => void;
}

type Message = { id?: unknown; method?: string; params?: Record<string, unknown> };

const WORK = {
  name: 'work',
  description: 'Writes the id of the call into the journal of the server',
  inputSchema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
  annotations: { readOnlyHint: true },
};
const RESULTS: Record<string, object> = {
  initialize: {
    protocolVersion: '2025-06-18',
    serverInfo: { name: 'journal', version: '1.0.0' },
    capabilities: { tools: {} },
  },
  'tools/list': { tools: [WORK] },
  ping: {},
};

/** What `work` answers. */
export function workDone(id: unknown): string {
  return `done ${String(id)}`;
}

/** A server (2025-06-18, without sessions) in this process, which therefore outlives every product that is killed. */
export async function startJournal(): Promise<JournalUpstream> {
  const calls: string[] = [];
  const held = new Map<string, Promise<void>>();
  const journal: JournalUpstream = {
    ...(await serve('/mcp', take)),
    calls,
    delay: () => 0,
    hold: (method) => {
      let release = (): void => undefined;
      held.set(method, new Promise<void>((resolve) => (release = resolve)));
      return () => {
        held.delete(method);
        release();
      };
    },
  };
  return journal;

  async function take(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void> {
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const { id, method = '', params = {} } = body as Message;
    if (id === undefined) return void response.writeHead(202).end();
    if (method === 'tools/call') calls.push(idOf(params));
    await held.get(method);
    if (method === 'tools/call') await sleep(journal.delay());
    const result = method === 'tools/call' ? textOf(workDone(idOf(params))) : RESULTS[method];
    const error = { code: -32601, message: 'Method not found' };
    response.writeHead(result ? 200 : 400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(result ? { result } : { error }) }));
  }
}

function idOf(params: Record<string, unknown>): string {
  return String((params.arguments as { id?: unknown } | undefined)?.id);
}

function textOf(text: string): object {
  return { content: [{ type: 'text', text }] };
}
