import type { Answer, ApiClient } from './api-client.js';
import type { TestApp } from './app.js';
import type { Tenant } from './tenants.js';

export const MODERN = '2026-07-28';
export const ACCEPT = { accept: 'application/json, text/event-stream' };

/** An agent at the door of a workspace. */
export interface Agent {
  token: string;
  /** Path of the endpoint. */
  door: string;
  /** One request of the new era. */
  ask(method: string, params?: Record<string, unknown>): Promise<Answer>;
  /** Opens `subscriptions/listen`. */
  listen(notifications: object): Promise<Events>;
  /** Initializes a session of the old era, and gives what asks in it. */
  session(capabilities?: object): Promise<AgentSession>;
}

export interface AgentSession {
  id: string;
  ask(method: string, params?: Record<string, unknown>): Promise<Answer>;
  /** The stream on which the server speaks first. */
  listen(): Promise<Events>;
  end(): Promise<Answer>;
}

export interface Message {
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
}

/** The messages of a stream, one after the other. */
export interface Events {
  /** Rejects where the stream has ended, or says nothing for so long. */
  next(ms?: number): Promise<Message>;
  close(): Promise<void>;
}

let names = 0;

export async function newAgent(
  app: TestApp,
  { owner, workspace }: Pick<Tenant, 'owner' | 'workspace'>,
  query = '',
  capabilities: object = {},
): Promise<Agent> {
  const body = { name: `agent ${++names}`, expires_in_days: 1 };
  const { token } = (await owner.post(`/api/v1/workspaces/${workspace}/tokens/`, body)).body;
  const client: ApiClient = app.anonymous.withToken(token);
  const door = `/mcp/workspaces/${workspace}${query}`;
  let id = 0;
  const modern = (method: string, params: Record<string, unknown>): [object, Record<string, string>] => {
    const name = method === 'resources/read' ? params.uri : params.name;
    const isNamed = typeof name === 'string' && method !== 'completion/complete';
    const meta = {
      'io.modelcontextprotocol/protocolVersion': MODERN,
      'io.modelcontextprotocol/clientCapabilities': capabilities,
      ...(params._meta as object),
    };
    return [
      { jsonrpc: '2.0', id: ++id, method, params: { ...params, _meta: meta } },
      { ...ACCEPT, 'mcp-protocol-version': MODERN, 'mcp-method': method, ...(isNamed ? { 'mcp-name': name } : {}) },
    ];
  };
  return {
    token,
    door,
    ask: (method, params = {}) => client.post(door, ...modern(method, params)),
    listen: (notifications) => {
      const [body, headers] = modern('subscriptions/listen', { notifications });
      return eventsOf(client, door, headers, body);
    },
    session: async (declared = {}) => {
      const info = { clientInfo: { name: 'test', version: '1' } };
      const params = { protocolVersion: '2025-11-25', capabilities: declared, ...info };
      const opened = await client.post(door, { jsonrpc: '2.0', id: 0, method: 'initialize', params }, ACCEPT);
      const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
      return {
        id: session['mcp-session-id'],
        ask: (method, asked = {}) =>
          client.post(door, { jsonrpc: '2.0', id: ++id, method, params: asked }, { ...ACCEPT, ...session }),
        listen: () => eventsOf(client, door, { ...ACCEPT, ...session }),
        end: () => client.send('DELETE', door, undefined, session),
      };
    },
  };
}

async function eventsOf(
  client: ApiClient,
  path: string,
  headers: Record<string, string>,
  body?: object,
): Promise<Events> {
  const abort = new AbortController();
  const response = await fetch(client.url + path, {
    method: body ? 'POST' : 'GET',
    signal: abort.signal,
    headers: { authorization: `Bearer ${client.token}`, 'content-type': 'application/json', ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  const messages: Message[] = [];
  let [isOver, text] = [false, ''];
  let wake = (): void => undefined;
  void (async () => {
    for (;;) {
      const { value, done } = await reader.read().catch(() => ({ value: undefined, done: true }));
      isOver ||= done;
      text += value ?? '';
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (data) messages.push(JSON.parse(data) as Message);
      }
      wake();
      if (done) return;
    }
  })();
  return {
    next: async (ms = 5_000) => {
      const late = Date.now() + ms;
      while (messages.length === 0) {
        if (isOver) throw new Error('the stream has ended');
        if (Date.now() >= late) throw new Error('nothing was said');
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, Math.max(1, late - Date.now())).unref();
        });
      }
      return messages.shift() as Message;
    },
    close: async () => {
      abort.abort();
      await reader.cancel().catch(() => undefined);
    },
  };
}

/** Connects a server by its address, and grants all that it offers. */
export async function connectAll(
  { owner, workspace }: Tenant,
  slug: string,
  url: string,
  more: object = {},
): Promise<{ connection: string; grant: number; resources: { id: number; resource_uri: string }[] }> {
  await owner.post('/mcp/servers', { server_id: slug, server_name: slug, server_url: url });
  const listed = (await owner.get('/api/v1/mcp/connections/')).body as { id: string; connection_name: string }[];
  const connection = listed.find((each) => each.connection_name === slug)?.id ?? '';
  const resources = (await owner.get(`/api/v1/mcp/resources/?connection=${connection}&limit=500`)).body as {
    id: number;
    resource_uri: string;
  }[];
  const { body } = await owner.post('/api/v1/mcp/workspace-access/', {
    workspace,
    connection,
    access_name: `all of ${slug}`,
    permission_level: 'admin',
    allowed_resources: resources.map(({ id }) => id),
    ...more,
  });
  return { connection, grant: body.id, resources };
}
