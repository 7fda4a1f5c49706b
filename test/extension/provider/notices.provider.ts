import type { StartBuiltin } from '../../../src/mcp/builtin-server.js';
import { UpstreamError } from '../../../src/mcp/upstream.js';
import { politeFetch, type Fetch } from '../../../src/providers/kit/polite-fetch.js';
import { providerServer } from '../../../src/providers/kit/provider-server.js';
import type { ProviderResources } from '../../../src/providers/kit/resources.js';
import { ToolFailure, type ProviderTool } from '../../../src/providers/kit/tool.js';
import type { Provider } from '../../../src/providers/provider.js';

interface Notice {
  id: string;
  board: string;
  text: string;
}

/** The API of a notice board: `GET /boards`, `GET /boards/{id}/notices`, `POST /boards/{id}/notices`. */
class NoticeApi {
  constructor(
    private readonly fetch: Fetch,
    private readonly baseUrl: string,
    private readonly token: string,
  ) {}

  async boards(signal: AbortSignal): Promise<{ id: string; name: string }[]> {
    return this.ask('boards', { signal });
  }

  notices(board: string, signal: AbortSignal): Promise<Notice[]> {
    return this.ask(`boards/${encodeURIComponent(board)}/notices`, { signal });
  }

  pin(board: string, text: string, signal: AbortSignal): Promise<Notice> {
    const body = JSON.stringify({ text });
    return this.ask(`boards/${encodeURIComponent(board)}/notices`, { method: 'POST', body, signal });
  }

  private async ask<T>(path: string, init: RequestInit): Promise<T> {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' };
    const answer = await this.fetch(`${this.baseUrl}/${path}`, { ...init, headers });
    if (answer.status === 401) throw new UpstreamError('unauthorized', 'The board does not accept the token.');
    if (!answer.ok) throw new ToolFailure(`The board answers ${answer.status}`);
    return (await answer.json()) as T;
  }
}

const BOARD = { type: 'string', description: 'Id of the board' };
const NOTICE = { type: 'object', properties: { id: { type: 'string' }, board: BOARD, text: { type: 'string' } } };

function toolsOf(api: NoticeApi): ProviderTool[] {
  return [
    {
      name: 'list_notices',
      title: 'List notices',
      description: 'What hangs on a board',
      inputSchema: { type: 'object', properties: { board: BOARD }, required: ['board'], additionalProperties: false },
      outputSchema: { type: 'object', properties: { notices: { type: 'array', items: NOTICE } } },
      annotations: { readOnlyHint: true },
      run: async ({ board }, { signal }) => ({ notices: await api.notices(String(board), signal) }),
    },
    {
      name: 'pin_notice',
      title: 'Pin a notice',
      description: 'Hangs a notice on a board',
      inputSchema: {
        type: 'object',
        properties: { board: BOARD, text: { type: 'string' } },
        required: ['board', 'text'],
        additionalProperties: false,
      },
      outputSchema: NOTICE as ProviderTool['outputSchema'],
      annotations: { readOnlyHint: false },
      run: async ({ board, text }, { signal }) => ({ ...(await api.pin(String(board), String(text), signal)) }),
    },
  ];
}

function resourcesOf(api: NoticeApi): ProviderResources {
  return {
    templates: [],
    list: async (_cursor, signal) => ({
      resources: (await api.boards(signal)).map(({ id, name }) => ({
        uri: `notices://${id}`,
        name,
        type: 'board',
        externalId: id,
        operations: ['read', 'create'],
      })),
    }),
    read: async (uri, _window, signal) => {
      const board = /^notices:\/\/([\w-]+)$/.exec(uri)?.[1];
      if (board === undefined) return null;
      return { kind: 'text', mimeType: 'application/json', text: JSON.stringify(await api.notices(board, signal)) };
    },
  };
}

const start: StartBuiltin = async ({ auth }, { fetch, signal }) => {
  const api = new NoticeApi(politeFetch(fetch), String(auth.base_url).replace(/\/$/, ''), String(auth.api_token));
  // A wrong token shows here, and not with the first call.
  await api.boards(signal);
  return {
    server: providerServer({
      info: { name: 'notices', title: 'Notice boards', version: '1' },
      instructions: 'Notices of the boards of a house.',
      tools: toolsOf(api),
      resources: resourcesOf(api),
    }),
  };
};

export const NOTICES: Provider = {
  name: 'notices',
  entry: {
    id: 900,
    qualified_name: 'notices/mcp-server',
    display_name: 'Notice boards',
    description: 'Connect to the notice boards of a house',
    provider_type: 'notices',
    category: 'communication',
    scoping_config_schema: { properties: { boards: { type: 'array', items: { type: 'string' } } } },
    config_schema: {
      auth: {
        type: 'object',
        properties: { api_token: { type: 'string', format: 'password' }, base_url: { type: 'string', format: 'uri' } },
        required: ['api_token', 'base_url'],
      },
      options: { type: 'object', properties: { timeout: { type: 'integer', default: 30 } } },
    },
    scopes: [
      {
        name: 'board',
        parts: { board: 'exact' },
        resources: ['notices://{board}'],
        filters: { boards: '{board}' },
        tools: {
          list_notices: { arguments: [{ '/board': '{board}' }] },
          pin_notice: { arguments: [{ '/board': '{board}' }] },
        },
      },
    ],
    tool_effects: { list_notices: 'read', pin_notice: 'write' },
  },
  start,
};
