import { Client } from '@modelcontextprotocol/client';
import { InMemoryTransport } from '@modelcontextprotocol/server';
import { EgressClient } from '../../../../src/platform/egress/egress-client.js';
import { metaOfWindow, itemsPageIn, type ItemsPage, type ItemWindow } from '../../../../src/mcp/provider-meta.js';
import { JIRA } from '../../../../src/providers/jira/jira.provider.js';
import type { FakeJira } from './jira-server.js';

export interface ToolAnswer {
  isError: boolean;
  text: string;
  // What a tool answers is what the tests are about.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  content: any;
}

export interface ConnectedProvider {
  client: Client;
  serverTime: string | undefined;
  call: (name: string, args?: Record<string, unknown>) => Promise<ToolAnswer>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  read: (uri: string, window?: ItemWindow) => Promise<{ document: any; page: ItemsPage | null }>;
  close: () => Promise<void>;
}

/** The provider itself, spoken to over MCP within this process. */
export async function connectProvider(auth: Record<string, unknown>): Promise<ConnectedProvider> {
  const egress = new EgressClient({ allow: ['127.0.0.1'] });
  try {
    const signal = new AbortController().signal;
    const { server, serverTime } = await JIRA.start({ auth, options: {} }, { fetch: egress.fetch, signal });
    const client = new Client({ name: 'test', version: '1' });
    const [near, far] = InMemoryTransport.createLinkedPair();
    await server.connect(far);
    await client.connect(near);
    return {
      client,
      serverTime,
      call: async (name, args = {}) => {
        const { content, structuredContent, isError } = await client.callTool({ name, arguments: args });
        const [first] = content as { text: string }[];
        return { isError: isError === true, text: first?.text ?? '', content: structuredContent };
      },
      read: async (uri, window) => {
        const result = await client.readResource({ uri, ...(window ? { _meta: metaOfWindow(window) } : {}) });
        const [first] = result.contents as { text: string }[];
        return { document: JSON.parse(first?.text ?? 'null') as unknown, page: itemsPageIn(result) };
      },
      close: async () => {
        await client.close();
        await egress.close();
      },
    };
  } catch (error) {
    await egress.close();
    throw error;
  }
}

export function authOf({ url, email, token }: FakeJira, mode: 'cloud' | 'server' = 'cloud'): Record<string, string> {
  return { base_url: url, api_token: token, ...(mode === 'cloud' ? { email } : {}) };
}
