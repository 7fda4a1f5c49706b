import { Server } from '@modelcontextprotocol/server';
import { EgressClient } from '../platform/egress/egress-client.js';
import { EgressError } from '../platform/egress/egress-error.js';
import { FAILURE_REASON, FAILURE_RETRY_AFTER, type StartBuiltin } from './builtin-server.js';
import { UpstreamPool } from './upstream-pool.js';
import { UpstreamError, type UpstreamTarget } from './upstream.js';

const TOKEN = 'a secret of the connection';

interface Journal {
  starts: number;
  aborted: string[];
}

/** A server whose tools do what their names say. */
function startOf(journal: Journal): StartBuiltin {
  return async ({ auth }) => {
    journal.starts++;
    if (auth.api_token === 'wrong') throw new UpstreamError('unauthorized', 'The token is not accepted.');
    if (auth.api_token === 'nowhere') throw new EgressError('connection_refused', 'Nobody is there.');
    const server = new Server({ name: 'sample', version: '8.20.0' }, { capabilities: { tools: {} } });
    server.setRequestHandler('tools/list', () => ({ tools: [{ name: 'echo', inputSchema: { type: 'object' } }] }));
    server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
      if (params.name === 'hang') {
        await new Promise((resolve) => mcpReq.signal.addEventListener('abort', resolve));
        journal.aborted.push(params.name);
      }
      if (params.name === 'down') {
        const error = Object.assign(new Error('It is down.'), {
          code: -32603,
          data: { [FAILURE_REASON]: 'unreachable', [FAILURE_RETRY_AFTER]: 7 },
        });
        throw error;
      }
      const said = params.name === 'says' ? auth.says : `${params.name} with ${String(auth.api_token)}`;
      const text = params.name === 'large' ? 'x'.repeat(200_000) : String(said);
      return { content: [{ type: 'text', text }], structuredContent: { kept: { as: ['it', 'is'] } } };
    });
    return { server, serverTime: '2026-11-25T08:00:00Z' };
  };
}

describe('a server in this process', () => {
  const egress = new EgressClient({ allow: [] });
  let journal: Journal;
  let pool: UpstreamPool;
  beforeEach(() => {
    journal = { starts: 0, aborted: [] };
    pool = new UpstreamPool({
      egress,
      builtins: new Map([['sample', startOf(journal)]]),
      clientInfo: { name: 'control-plane', version: '1' },
      limits: { maxMessageBytes: 100_000, circuitFailures: 100 },
    });
  });
  afterEach(() => pool.close());
  afterAll(() => egress.close());

  const target = (token = TOKEN, provider = 'sample', timeoutMs = 5_000): UpstreamTarget => ({
    connectionId: 'one',
    organizationId: 'acme',
    revision: token,
    principal: 'shared',
    transport: { type: 'builtin', provider, settings: { auth: { api_token: token }, options: {} }, secrets: [token] },
    timeoutMs,
  });
  const call = (name: string, to = target(), signal?: AbortSignal): Promise<unknown> =>
    pool.request(to, 'tools/call', { name, arguments: {} }, signal ? { signal } : {});

  it('is reached like any other, with one session for all its calls', async () => {
    expect(await pool.probe(target())).toMatchObject({
      serverInfo: { name: 'sample', version: '8.20.0' },
      serverTime: '2026-11-25T08:00:00Z',
      era: 'legacy',
    });
    journal.starts = 0;
    const { items } = await pool.list(target(), 'tools/list');
    expect(items).toMatchObject([{ name: 'echo' }]);
    await Promise.all([call('one'), call('two')]);
    expect([journal.starts, pool.statistics().sessions]).toEqual([1, 1]);
  });

  it('passes on what it says as it is, but for credentials', async () => {
    expect(await call('echo')).toEqual({
      content: [{ type: 'text', text: 'echo with ***' }],
      structuredContent: { kept: { as: ['it', 'is'] } },
    });
  });

  it('gives credentials away in no form that HTTP has for them', async () => {
    const basic = Buffer.from(`robot@acme.example:${TOKEN}`).toString('base64');
    const { transport } = target();
    if (transport.type !== 'builtin') throw new Error('another transport');
    const settings = {
      auth: { ...transport.settings.auth, email: 'robot@acme.example', says: `Basic ${basic}` },
      options: {},
    };
    const to = { ...target(), transport: { ...transport, settings } };
    expect(JSON.stringify(await call('says', to))).toContain('Basic ***');
  });

  it('fails as its system does: while it starts, and in the middle of a call', async () => {
    await expect(call('echo', target('wrong'))).rejects.toMatchObject({ reason: 'unauthorized' });
    await expect(call('echo', target('nowhere'))).rejects.toMatchObject({ reason: 'connection_refused' });
    await expect(call('echo', target(TOKEN, 'gone'))).rejects.toMatchObject({ reason: 'misconfigured' });
    await expect(call('down')).rejects.toMatchObject({
      reason: 'unreachable',
      message: 'It is down.',
      retryAfterSeconds: 7,
    });
  });

  it('is held to the size of a message', async () => {
    await expect(call('large')).rejects.toMatchObject({ reason: 'too_large' });
    expect(await call('echo')).toBeDefined();
  });

  it('hears when a call is cancelled or has taken too long', async () => {
    const abort = new AbortController();
    const cancelled = call('hang', target(), abort.signal);
    setTimeout(() => abort.abort(), 50);
    await expect(cancelled).rejects.toMatchObject({ reason: 'cancelled' });
    await expect(call('hang', target(TOKEN, 'sample', 100))).rejects.toMatchObject({ reason: 'timeout' });
    expect(journal.aborted).toEqual(['hang', 'hang']);
  });
});
