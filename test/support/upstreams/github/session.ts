import { Client } from '@modelcontextprotocol/client';
import { InMemoryTransport } from '@modelcontextprotocol/server';
import { EgressClient } from '../../../../src/platform/egress/egress-client.js';
import { startGitHub } from '../../../../src/providers/github/start.js';
import { USER_TOKEN } from './github.js';

export interface ToolResult {
  /** What tools answer is what the tests are about. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  content: any;
  text: string;
  isError: boolean;
}

export interface GitHubSession {
  client: Client;
  serverTime: string | undefined;
  call: (name: string, args: Record<string, unknown>, signal?: AbortSignal) => Promise<ToolResult>;
  close: () => Promise<void>;
}

/** The server of the provider and a client of the SDK, in this process, over the real way out. */
export async function connectGitHub(
  baseUrl: string,
  token: string = USER_TOKEN,
  fetched: (url: string) => void = () => undefined,
): Promise<GitHubSession> {
  const egress = new EgressClient({ allow: ['127.0.0.1'] });
  const { server, serverTime } = await startGitHub(
    { auth: { api_token: token, base_url: baseUrl }, options: {} },
    {
      fetch: (input, init) => {
        fetched(String(input));
        return egress.fetch(input, init);
      },
      signal: AbortSignal.timeout(20_000),
    },
  );
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: 'test', version: '1.0.0' });
  await server.connect(theirs);
  await client.connect(ours);
  return {
    client,
    serverTime,
    call: async (name, args, signal) => {
      const result = await client.callTool({ name, arguments: args }, signal ? { signal } : undefined);
      const [part] = result.content as { text?: string }[];
      return { content: result.structuredContent, text: part?.text ?? '', isError: result.isError === true };
    },
    close: async () => {
      await client.close();
      await egress.close();
    },
  };
}
