import { monitorEventLoopDelay } from 'node:perf_hooks';
import { ODD_RESULT, PROTO_RESULT } from '../../test/support/upstreams/hostile-answers.js';
import { manyTools, startHostile, STRANGE_NAMES, STRANGE_SCHEMAS } from '../../test/support/upstreams/hostile.js';
import { call, methodsOf, PoolHarness, targetOf, until } from '../../test/support/upstreams/pool-harness.js';

const harness = new PoolHarness();
const MIB = 1024 * 1024;
const NEVER_OPEN = { circuitFailures: 1000 };

describe('an answer passes untouched', () => {
  it.each(['legacy', 'modern'] as const)('with unknown content types and fields (%s)', async (era) => {
    const target = targetOf(await harness.running(startHostile({ era })));
    expect(await call(harness.pool(), target, 'odd')).toEqual(ODD_RESULT);
  });

  it('with keys that name prototypes, which stay plain keys', async () => {
    const target = targetOf(await harness.running(startHostile()));
    const result = await call(harness.pool(), target, 'proto');
    expect(JSON.stringify(result)).toBe(PROTO_RESULT);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('when it is an error of the tool, an image, a long URI, or breaks its own schema', async () => {
    const target = targetOf(await harness.running(startHostile()));
    const pool = harness.pool();
    expect(await call(pool, target, 'tool-error')).toMatchObject({ isError: true });
    expect(await call(pool, target, 'image')).toMatchObject({ content: [{ mimeType: 'image/png' }] });
    expect(await call(pool, target, 'breaks-its-schema')).toMatchObject({ structuredContent: { temperature: 'warm' } });
    expect(await call(pool, target, 'long-uri')).toMatchObject({
      content: [{ uri: expect.stringMatching(/^.{2000}$/) }],
    });
    const uri = `hostile://${'b'.repeat(1990)}`;
    expect(await pool.request(target, 'resources/read', { uri })).toMatchObject({ contents: [{ uri, 'x-extra': 1 }] });
  });

  it.each(['legacy', 'modern'] as const)(
    'and so do arguments and strange names on their way there (%s)',
    async (era) => {
      const upstream = await harness.running(startHostile({ era }));
      const pool = harness.pool();
      const target = targetOf(upstream);
      const args = JSON.parse('{"__proto__":{"a":1},"constructor":"x","text":"日本"}') as object;
      for (const name of STRANGE_NAMES) {
        const result = (await call(pool, target, name, args)) as { content: { text: string }[] };
        expect(result.content[0]?.text).toBe(JSON.stringify(args));
      }
      const names = upstream.journal.filter(({ method }) => method === 'tools/call').map(({ params }) => params?.name);
      expect(names).toEqual(STRANGE_NAMES);
    },
  );
});

describe('a bad answer is an error of that call only', () => {
  it.each([
    ['status-401', 'unauthorized', false],
    ['status-403', 'forbidden', false],
    ['status-404', 'session_lost', false],
    ['status-429', 'rate_limited', false],
    ['status-500', 'server_error', true],
    ['status-503', 'server_error', true],
    ['redirect', 'redirect_refused', true],
    ['accepted', 'protocol_error', true],
    ['html', 'not_mcp', true],
    ['not-json', 'protocol_error', true],
    ['empty', 'protocol_error', true],
    ['scalar', 'protocol_error', true],
    ['batch', 'protocol_error', true],
    ['wrong-id', 'protocol_error', true],
    ['request-as-answer', 'protocol_error', true],
    ['deep', 'protocol_error', true],
    ['huge', 'too_large', true],
    ['bomb', 'too_large', true],
    ['bomb-brotli', 'too_large', true],
    ['bomb-in-bomb', 'protocol_error', true],
    ['not-gzip', 'protocol_error', true],
    ['reset', 'connection_lost', true],
    ['reset-midway', 'connection_lost', true],
    ['sse-no-result', 'protocol_error', true],
    ['sse-wrong-id', 'protocol_error', true],
    ['sse-batch', 'protocol_error', true],
    ['sse-huge', 'too_large', true],
    ['null-id-error', 'rpc_error', true],
  ])('%s: %s', async (tool, reason, mayHaveArrived) => {
    const target = targetOf(await harness.running(startHostile()));
    const pool = harness.pool(NEVER_OPEN);
    const good = call(pool, target, 'echo', { n: 1 });
    await expect(call(pool, target, tool)).rejects.toMatchObject({ name: 'UpstreamError', reason, mayHaveArrived });
    expect(await good).toMatchObject({ content: [{ text: '{"n":1}' }] });
    expect(await call(pool, target, 'echo')).toMatchObject({ content: [{ text: '{}' }] });
  });

  it('which carries the wait that the server asked for', async () => {
    const target = targetOf(await harness.running(startHostile()));
    const pool = harness.pool(NEVER_OPEN);
    await expect(call(pool, target, 'status-429')).rejects.toMatchObject({ retryAfterSeconds: 7 });
    await expect(call(pool, target, 'status-503')).rejects.toMatchObject({ retryAfterSeconds: 11 });
  });

  it('and never contains credentials', async () => {
    const target = targetOf(await harness.running(startHostile()));
    const error = await call(harness.pool(), target, 'status-401').catch((thrown: unknown) => thrown);
    expect(JSON.stringify(error) + String(error) + (error as Error).stack).not.toContain('token-1');
  });

  it("nor does the server's own error quote them", async () => {
    const target = targetOf(await harness.running(startHostile()));
    const error = (await call(harness.pool(), target, 'quotes-credentials').catch(
      (thrown: unknown) => thrown,
    )) as Error;
    expect(error).toMatchObject({
      reason: 'rpc_error',
      message: 'No access with ***',
      rpc: { data: { token: '***' } },
    });
    expect(JSON.stringify(error) + String(error)).not.toContain('token-1');
  });

  it('unless only the id is odd', async () => {
    const target = targetOf(await harness.running(startHostile()));
    expect(await call(harness.pool(), target, 'string-id')).toEqual({ content: [] });
    expect(await call(harness.pool(), target, 'sse-duplicate')).toMatchObject({ content: [{ text: 'first' }] });
  });

  it('also when a modern server asks for input it was not offered', async () => {
    const target = targetOf(await harness.running(startHostile({ era: 'modern' })));
    await expect(call(harness.pool(), target, 'input-required')).rejects.toMatchObject({ reason: 'protocol_error' });
  });
});

describe('a stream that ends before its answer', () => {
  it('is resumed where the server said how, as often as it takes', async () => {
    const upstream = await harness.running(startHostile());
    expect(await call(harness.pool(), targetOf(upstream), 'resumable')).toMatchObject({
      content: [{ text: 'resumed' }],
    });
    expect(methodsOf(upstream).filter((method) => method === 'tools/call')).toHaveLength(1);
    const asked = upstream.journal.map(({ headers }) => headers['last-event-id']).filter((id) => id !== undefined);
    expect(asked).toEqual(['event-1', 'event-2']);
  });

  it('fails when the rest does not come either', async () => {
    const upstream = await harness.running(startHostile({ sessions: false }));
    const target = targetOf(upstream);
    await expect(call(harness.pool(), target, 'never-resumed')).rejects.toMatchObject({ reason: 'protocol_error' });
  });
});

describe('headers that repeat arguments (2026-07-28)', () => {
  it('are learned with the list of tools, and from the refusal of a call', async () => {
    const upstream = await harness.running(startHostile({ era: 'modern' }));
    const pool = harness.pool();
    const region = 'Köln';
    expect(await call(pool, targetOf(upstream), 'wants-header', { region })).toMatchObject({
      content: [{ text: 'in Köln' }],
    });
    expect(methodsOf(upstream)).toEqual(expect.arrayContaining(['tools/call', 'tools/list', 'tools/call']));
    const other = harness.pool();
    await other.list(targetOf(upstream), 'tools/list');
    const before = upstream.journal.length;
    expect(await call(other, targetOf(upstream), 'wants-header', { region: 'x' })).toMatchObject({
      content: [{ text: 'in x' }],
    });
    expect(upstream.journal).toHaveLength(before + 1);
  });

  it('that a tool declares wrongly leave the tool out', async () => {
    const properties = { a: { type: 'object', 'x-mcp-header': 'A' } };
    const tools = [{ name: 'wrong', inputSchema: { type: 'object', properties } }, ...manyTools(1)];
    const modern = await harness.running(startHostile({ era: 'modern', tools }));
    expect((await harness.pool().list(targetOf(modern), 'tools/list')).items).toEqual(manyTools(1));
    const legacy = await harness.running(startHostile({ tools }));
    expect((await harness.pool().list(targetOf(legacy), 'tools/list')).items).toEqual(tools);
  });
});

describe('an answer without end', () => {
  it.each(['hang', 'hang-midway', 'drip', 'sse-hang'])(
    '%s ends with the timeout and closes the request',
    async (tool) => {
      const upstream = await harness.running(startHostile());
      const pool = harness.pool();
      await pool.describe(targetOf(upstream));
      const started = performance.now();
      await expect(call(pool, targetOf(upstream, { timeoutMs: 200 }), tool)).rejects.toMatchObject({
        reason: 'timeout',
      });
      expect(performance.now() - started).toBeLessThan(2000);
      await until(() => upstream.journal.some((entry) => entry.method === 'tools/call' && entry.aborted));
      await until(() => methodsOf(upstream).includes('notifications/cancelled'));
    },
  );

  it.each([
    ['sse-comments', 'protocol_error'],
    ['sse-carriage-returns', 'protocol_error'],
    ['sse-notifications', 'protocol_error'],
    ['sse-progress', 'protocol_error'],
    ['sse-requests', 'protocol_error'],
  ])('%s is cut off, and blocks neither the event loop nor grows memory', async (tool, reason) => {
    const upstream = await harness.running(startHostile());
    const pool = harness.pool({ maxNoiseBytes: 8 * MIB, maxMessageBytes: MIB, maxNoiseMessages: 20_000 });
    const target = targetOf(upstream);
    await pool.describe(target);
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const before = process.memoryUsage().arrayBuffers;
    await expect(call(pool, target, tool)).rejects.toMatchObject({ reason });
    delay.disable();
    expect(delay.max / 1e6).toBeLessThan(500);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * MIB);
    // Each request of the server may cost one answer, but not thousands.
    expect(methodsOf(upstream).filter((method) => method === 'response').length).toBeLessThan(100);
  });

  it('does not survive its caller either', async () => {
    const upstream = await harness.running(startHostile());
    const abort = new AbortController();
    const waiting = call(harness.pool(), targetOf(upstream), 'sse-hang', {}, abort.signal);
    await until(() => methodsOf(upstream).includes('tools/call'));
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ reason: 'cancelled' });
    await until(() => upstream.journal.some((entry) => entry.method === 'tools/call' && entry.aborted));
  });
});

describe('a listing', () => {
  const limits = { listPages: 20, listItems: 2000 };

  it('reads all pages', async () => {
    const upstream = await harness.running(startHostile({ tools: manyTools(20_000), pageSize: 1000 }));
    const pages: number[] = [];
    const listing = await harness
      .pool()
      .list(targetOf(upstream), 'tools/list', { onPage: (count) => pages.push(count) });
    expect(listing.truncated).toBeNull();
    expect(listing.items).toHaveLength(20_000);
    expect(pages).toHaveLength(20);
  });

  it.each([25_000, 1000])('is truncated at 20,000 items (pages of %d)', async (pageSize) => {
    const upstream = await harness.running(startHostile({ tools: manyTools(25_000), pageSize }));
    const listing = await harness.pool().list(targetOf(upstream), 'tools/list');
    expect(listing).toMatchObject({ truncated: 'items' });
    expect(listing.items).toHaveLength(20_000);
  });

  it.each([
    ['endless', 'pages', 40],
    ['empty', 'pages', 0],
    ['repeated', 'repeated_cursor', 4],
  ] as const)('whose pages are %s is truncated: %s', async (pages, truncated, count) => {
    const upstream = await harness.running(startHostile({ pages, tools: manyTools(2) }));
    const listing = await harness.pool(limits).list(targetOf(upstream), 'tools/list');
    expect(listing.truncated).toBe(truncated);
    expect(listing.items).toHaveLength(count);
  });

  it('is truncated at the limit of bytes', async () => {
    const tools = manyTools(100).map((tool) => ({ ...tool, description: 'x'.repeat(10_000) }));
    const upstream = await harness.running(startHostile({ tools, pageSize: 10 }));
    const listing = await harness.pool({ listBytes: 500_000 }).list(targetOf(upstream), 'tools/list');
    expect(listing.truncated).toBe('bytes');
    expect(listing.items.length).toBeGreaterThan(20);
  });

  it('is empty where the server does not declare or know the list', async () => {
    const upstream = await harness.running(startHostile({ capabilities: { resources: {} } }));
    const pool = harness.pool();
    expect(await pool.list(targetOf(upstream), 'tools/list')).toEqual({ items: [], truncated: null });
    expect(await pool.list(targetOf(upstream), 'resources/templates/list')).toEqual({ items: [], truncated: null });
    expect(methodsOf(upstream)).not.toContain('tools/list');
  });

  it('relays names and schemas as they are', async () => {
    const upstream = await harness.running(startHostile());
    const { items } = await harness.pool().list(targetOf(upstream), 'tools/list');
    expect(items.map((tool) => (tool as { name: string }).name)).toEqual(expect.arrayContaining(STRANGE_NAMES));
    expect(JSON.stringify(items.slice(-STRANGE_SCHEMAS.length))).toBe(JSON.stringify(STRANGE_SCHEMAS));
  });
});

describe('a handshake', () => {
  it.each([
    ['html', 'not_mcp'],
    ['status-401', 'unauthorized'],
    ['status-403', 'forbidden'],
    ['status-404', 'not_mcp'],
    ['status-500', 'server_error'],
    ['reset', 'connection_lost'],
    ['wrong-id', 'protocol_error'],
    ['echo', 'not_mcp'],
    ['bomb-brotli', 'too_large'],
    ['sse-no-result', 'protocol_error'],
  ])('answered with %s fails with %s', async (handshake, reason) => {
    const upstream = await harness.running(startHostile({ handshake }));
    await expect(harness.pool().describe(targetOf(upstream))).rejects.toMatchObject({ name: 'UpstreamError', reason });
  });

  it('that hangs ends with the timeout of the call, and with its own limit', async () => {
    const upstream = await harness.running(startHostile({ handshake: 'hang' }));
    const target = targetOf(upstream, { timeoutMs: 150 });
    await expect(call(harness.pool(), target, 'echo')).rejects.toMatchObject({
      reason: 'timeout',
      mayHaveArrived: false,
    });
    await until(() => upstream.journal.every((entry) => entry.aborted));
    const pool = harness.pool({ connectMs: 100 });
    await expect(pool.describe(targetOf(upstream))).rejects.toMatchObject({ reason: 'timeout', mayHaveArrived: false });
  });

  it('with an address that nobody serves, or that is not allowed, says so', async () => {
    const pool = harness.pool();
    const closed = await startHostile();
    await closed.close();
    await expect(call(pool, targetOf(closed), 'echo')).rejects.toMatchObject({
      reason: 'connection_refused',
      mayHaveArrived: false,
    });
    const metadata = targetOf({ url: 'http://169.254.169.254/mcp' }, { connectionId: 'other' });
    await expect(call(pool, metadata, 'echo')).rejects.toMatchObject({
      reason: 'address_refused',
      mayHaveArrived: false,
    });
  });

  it('never sends a header that would end the headers', async () => {
    const upstream = await harness.running(startHostile());
    const headers = { authorization: 'Bearer a\r\nx-evil: 1' };
    const target = targetOf({ type: 'streamable_http', url: upstream.url, headers });
    const error = await call(harness.pool(), target, 'echo').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: 'misconfigured', mayHaveArrived: false });
    expect(String(error)).not.toContain('evil');
    expect(upstream.journal).toHaveLength(0);
  });
});
