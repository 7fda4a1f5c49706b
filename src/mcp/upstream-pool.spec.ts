import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Upstream } from '../../test/support/upstreams/http-server.js';
import { startModernEra } from '../../test/support/upstreams/modern-era.js';
import { startOldEra, startOldSse } from '../../test/support/upstreams/old-era.js';
import { call, methodsOf, PoolHarness, targetOf, until } from '../../test/support/upstreams/pool-harness.js';
import type { Progress } from './upstream.js';

const harness = new PoolHarness();

describe.each([
  ['2025-11-25 with event streams', () => startOldEra(), 'legacy', 'streamable_http'],
  ['2025-11-25 with JSON answers', () => startOldEra({ json: true }), 'legacy', 'streamable_http'],
  ['2024-11-05 over SSE', () => startOldSse(), 'legacy', 'sse'],
  ['2026-07-28', () => startModernEra({ modernOnly: true }), 'modern', 'streamable_http'],
  ['2026-07-28 with event streams', () => startModernEra({ responseMode: 'sse' }), 'modern', 'streamable_http'],
] as const)('a server of %s', (name, start, era, type) => {
  it('is described, listed, called and read', async () => {
    const upstream = await harness.running<Upstream>(start());
    const pool = harness.pool();
    const target = targetOf(transportOf(upstream, type));
    expect(await pool.describe(target)).toMatchObject({
      era,
      serverInfo: { name: expect.stringMatching(/-era$/), version: expect.any(String) },
      capabilities: { tools: { listChanged: true } },
      serverTime: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    const tools = await pool.list(target, 'tools/list');
    expect(tools).toMatchObject({
      truncated: null,
      items: expect.arrayContaining([expect.objectContaining({ name: 'echo' })]),
    });
    expect((await pool.list(target, 'resources/templates/list')).items).toHaveLength(1);
    expect(await call(pool, target, 'echo', { message: 'hällo' })).toMatchObject({ content: [{ text: 'hällo' }] });
    expect(await pool.request(target, 'resources/read', { uri: 'memo://picture' })).toMatchObject({
      contents: [{ mimeType: 'image/png' }],
    });
    expect(await call(pool, target, 'fail')).toMatchObject({ isError: true });
  });

  it('hands its credentials to the server only, and its errors to the caller', async () => {
    const upstream = await harness.running<Upstream>(start());
    const pool = harness.pool();
    const target = targetOf(transportOf(upstream, type));
    // The server repeats them, and the caller does not get to see them.
    expect(await call(pool, target, 'who')).toMatchObject({ structuredContent: { authorization: '***' } });
    expect(upstream.journal.at(-1)?.headers).toMatchObject({ authorization: 'Bearer token-1' });
    await expect(call(pool, target, 'refuse', { code: -32055 })).rejects.toMatchObject({
      reason: 'rpc_error',
      rpc: { code: -32055, message: expect.stringContaining('refused as asked') },
    });
  });

  it('keeps 200 concurrent calls apart', async () => {
    const upstream = await harness.running<Upstream>(start());
    const pool = harness.pool({ queuePerConnection: 200 });
    const target = targetOf(transportOf(upstream, type));
    const markers = Array.from({ length: 200 }, (_unused, index) => `marker ${index}`);
    const answers = await Promise.all(markers.map((message) => call(pool, target, 'echo', { message })));
    expect(answers.map((answer) => (answer as { content: { text: string }[] }).content[0]?.text)).toEqual(markers);
    expect(pool.statistics()).toMatchObject({ inFlight: 0, queued: 0, sessions: 1 });
  });

  // A server of the SDK that answers JSON drops its notifications.
  if (!name.endsWith('JSON answers')) {
    it('relays progress, which also extends the time of a call', async () => {
      const upstream = await harness.running<Upstream>(start());
      const pool = harness.pool();
      const seen: Progress[] = [];
      const options = { onProgress: (progress: Progress) => void seen.push(progress) };
      const params = { name: 'work', arguments: { steps: 8, ms: 100 } };
      const target = targetOf(transportOf(upstream, type), { timeoutMs: 600 });
      await pool.describe(target);
      expect(await pool.request(target, 'tools/call', params, options)).toMatchObject({ content: [{ text: 'done' }] });
      expect(seen[0]).toEqual({ progress: 1, total: 8, message: 'step 1' });
    });
  }

  it('is told when a call is cancelled, and the caller need not wait for that', async () => {
    const upstream = await harness.running<Upstream>(start());
    const pool = harness.pool();
    const target = targetOf(transportOf(upstream, type));
    await pool.describe(target);
    const abort = new AbortController();
    const waiting = call(pool, target, 'wait', { ms: 60_000 }, abort.signal);
    await until(() => methodsOf(upstream).includes('tools/call'));
    const started = performance.now();
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ reason: 'cancelled', mayHaveArrived: true });
    expect(performance.now() - started).toBeLessThan(1000);
    await until(() =>
      era === 'modern'
        ? upstream.journal.some((entry) => entry.method === 'tools/call' && entry.aborted)
        : methodsOf(upstream).includes('notifications/cancelled'),
    );
  });

  it('leaves nothing on the signal of a caller that goes on', async () => {
    const upstream = await harness.running<Upstream>(start());
    const pool = harness.pool();
    const { signal } = new AbortController();
    const target = targetOf(transportOf(upstream, type));
    await Promise.all(Array.from({ length: 50 }, () => call(pool, target, 'echo', { message: 'x' }, signal)));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('ends calls that take too long', async () => {
    const upstream = await harness.running<Upstream>(start());
    const pool = harness.pool();
    const target = targetOf(transportOf(upstream, type));
    await pool.describe(target);
    await expect(call(pool, { ...target, timeoutMs: 150 }, 'wait', { ms: 60_000 })).rejects.toMatchObject({
      reason: 'timeout',
    });
  });

  it('says when its lists change', async () => {
    const upstream = await harness.running<Upstream & { setTools: (tools: { name: string }[]) => unknown }>(start());
    const pool = harness.pool();
    const target = targetOf(transportOf(upstream, type));
    await pool.describe(target);
    await sleep(100);
    await upstream.setTools([{ name: 'new', inputSchema: { type: 'object' } } as { name: string }]);
    await until(() => harness.changes.length > 0);
    expect(harness.changes).toEqual([['connection', 'tools']]);
    expect(await pool.list(target, 'tools/list')).toMatchObject({ items: [{ name: 'new' }] });
  });
});

function transportOf({ url }: Upstream, type: 'streamable_http' | 'sse') {
  return { type, url, headers: { authorization: 'Bearer token-1' } };
}
