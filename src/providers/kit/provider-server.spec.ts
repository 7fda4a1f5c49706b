import { Client } from '@modelcontextprotocol/client';
import { InMemoryTransport } from '@modelcontextprotocol/server';
import { EgressError } from '../../platform/egress/egress-error.js';
import { providerServer } from './provider-server.js';
import { ToolFailure, WindowFailure } from './tool.js';

describe('the server of a provider', () => {
  let client: Client;
  let failure: Error;
  const fails = (): Promise<never> => Promise.reject(failure);

  beforeAll(async () => {
    const server = providerServer({
      info: { name: 'sample', title: 'Sample', version: '1.0.0' },
      instructions: '',
      tools: [
        {
          name: 'fail',
          title: 'Fail',
          description: '',
          inputSchema: { type: 'object' },
          outputSchema: { type: 'object' },
          annotations: { readOnlyHint: true },
          run: fails,
        },
      ],
      resources: { templates: [], list: fails, read: fails },
    });
    const [ours, theirs] = InMemoryTransport.createLinkedPair();
    client = new Client({ name: 'test', version: '1.0.0' });
    await server.connect(theirs);
    await client.connect(ours);
  });
  afterAll(() => client.close());

  it.each<[string, Error, { code: number; data?: unknown }]>([
    [
      'a window that is none',
      new WindowFailure('since', 'x'),
      { code: -32602, data: { 'mcp-control-plane/field': 'since' } },
    ],
    [
      'a limit that is used up',
      new ToolFailure('x', { reason: 'rate_limited', retryAfterSeconds: 7 }),
      { code: -32603, data: { 'mcp-control-plane/reason': 'rate_limited', 'mcp-control-plane/retry_after': 7 } },
    ],
    [
      'a refusal',
      new ToolFailure('x', { reason: 'forbidden' }),
      { code: -32603, data: { 'mcp-control-plane/reason': 'forbidden' } },
    ],
    ['anything else', new ToolFailure('x'), { code: -32603, data: undefined }],
    [
      'a connection that is lost',
      new EgressError('connection_reset', 'x'),
      { code: -32603, data: { 'mcp-control-plane/reason': 'connection_lost' } },
    ],
  ])('says of a reading what it failed of: %s', async (_, error, expected) => {
    failure = error;
    await expect(client.readResource({ uri: 'sample://x' })).rejects.toMatchObject({ ...expected, message: 'x' });
    await expect(client.listResources()).rejects.toMatchObject({ ...expected, message: 'x' });
  });

  it('answers a tool error in words, whatever it is of', async () => {
    for (failure of [new ToolFailure('words', { reason: 'rate_limited' }), new WindowFailure('cursor', 'words')])
      expect(await client.callTool({ name: 'fail', arguments: {} })).toMatchObject({
        isError: true,
        content: [{ type: 'text', text: 'words' }],
      });
  });
});
