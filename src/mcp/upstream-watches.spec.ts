import { startModernEra } from '../../test/support/upstreams/modern-era.js';
import { startOldEra, startOldSse } from '../../test/support/upstreams/old-era.js';
import { everythingProgram } from '../../test/support/upstreams/programs.js';
import { call, methodsOf, PoolHarness, targetOf, until } from '../../test/support/upstreams/pool-harness.js';
import type { UpstreamPool } from './upstream-pool.js';
import type { UpstreamTarget } from './upstream.js';

const [ONE, TWO] = ['memo://one', 'memo://two'];

describe('resources that are watched', () => {
  const harness = new PoolHarness();

  const watch = (pool: UpstreamPool, target: UpstreamTarget, uri: string, heard: string[]) =>
    pool.watch({ target, retarget: async () => target, uri, onUpdated: () => void heard.push(uri) });
  const starts = {
    old: () => startOldEra({ subscriptions: true }),
    'older, with one channel for everything': () => startOldSse({ subscriptions: true }),
    modern: () => startModernEra({ subscriptions: true }),
  };

  it.each(Object.keys(starts) as (keyof typeof starts)[])('are told by a server of the %s era', async (era) => {
    const upstream = await harness.running(starts[era]());
    const pool = harness.pool();
    const heard: string[] = [];
    const transport =
      era === 'older, with one channel for everything'
        ? targetOf({ type: 'sse', url: upstream.url, headers: {} })
        : targetOf(upstream);
    const [release] = await Promise.all([watch(pool, transport, ONE, heard), watch(pool, transport, TWO, heard)]);
    await upstream.updateResource(ONE);
    await until(() => heard.includes(ONE));
    await upstream.updateResource(TWO);
    await until(() => heard.includes(TWO));
    release?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
    heard.length = 0;
    await upstream.updateResource(ONE);
    await upstream.updateResource(TWO);
    await until(() => heard.includes(TWO));
    expect(heard).toEqual([TWO]);
  });

  it('are asked for once for all who listen, and given up with the last of them', async () => {
    const upstream = await harness.running(startOldEra({ subscriptions: true }));
    const pool = harness.pool();
    const heard: string[] = [];
    const releases = await Promise.all([1, 2, 3].map(() => watch(pool, targetOf(upstream), ONE, heard)));
    expect(upstream.subscriptions()).toEqual([ONE]);
    expect(methodsOf(upstream).filter((method) => method === 'resources/subscribe')).toHaveLength(1);
    await upstream.updateResource(ONE);
    await until(() => heard.length === 3);
    releases[0]?.();
    releases[1]?.();
    expect(methodsOf(upstream)).not.toContain('resources/unsubscribe');
    releases[2]?.();
    await until(() => upstream.subscriptions().length === 0);
  });

  it('are kept apart by principal', async () => {
    const upstream = await harness.running(startOldEra({ subscriptions: true }));
    const pool = harness.pool();
    await watch(pool, targetOf(upstream, { principal: 'a' }), ONE, []);
    await watch(pool, targetOf(upstream, { principal: 'b' }), ONE, []);
    expect(upstream.subscriptions()).toEqual([ONE, ONE]);
  });

  it.each(['old', 'modern'] as const)('are none where a server of the %s era does not do that', async (era) => {
    const upstream = await harness.running<Awaited<ReturnType<typeof startOldEra | typeof startModernEra>>>(
      era === 'old' ? startOldEra() : startModernEra(),
    );
    const pool = harness.pool();
    expect(await watch(pool, targetOf(upstream), ONE, [])).toBeNull();
    expect(methodsOf(upstream)).not.toContain('resources/subscribe');
  });

  it('are asked for again when the server has forgotten the session, and may have changed meanwhile', async () => {
    const upstream = await harness.running(startOldEra({ subscriptions: true }));
    const pool = harness.pool();
    const heard: string[] = [];
    await watch(pool, targetOf(upstream), ONE, heard);
    upstream.forgetSessions();
    upstream.dropConnections();
    await until(() => heard.length > 0 && upstream.subscriptions().length === 1);
    heard.length = 0;
    await upstream.updateResource(ONE);
    await until(() => heard.length > 0);
  });

  it('are asked for again when the stream of a server of the new era broke', async () => {
    const upstream = await harness.running(startModernEra({ subscriptions: true }));
    const pool = harness.pool();
    const heard: string[] = [];
    await watch(pool, targetOf(upstream), ONE, heard);
    upstream.dropConnections();
    await until(() => heard.length > 0);
    heard.length = 0;
    await upstream.updateResource(ONE);
    await until(() => heard.length > 0);
  });

  it('are told by a process, also by the next one', async () => {
    const pool = harness.pool();
    const heard: string[] = [];
    const target = targetOf({ type: 'stdio', ...everythingProgram(), env: {} });
    const uri = 'demo://resource/static/document/architecture.md';
    const release = await watch(pool, target, uri, heard);
    expect(release).not.toBeNull();
    const { content } = (await call(pool, target, 'toggle-subscriber-updates')) as { content: { text: string }[] };
    expect(content[0]?.text).toMatch(/Started/);
    await until(() => heard.length > 0);
    heard.length = 0;
    await pool.closeConnection('connection');
    // Whatever ended it: what happened meanwhile is not known.
    await until(() => heard.length > 0);
    release?.();
  }, 30_000);

  it('keep their session, which is idle else', async () => {
    const upstream = await harness.running(startOldEra({ subscriptions: true }));
    const pool = harness.pool({ sessionIdleMs: 50 });
    const heard: string[] = [];
    const release = await watch(pool, targetOf(upstream), ONE, heard);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect([upstream.sessionCount(), heard]).toEqual([1, []]);
    release?.();
    await until(() => upstream.sessionCount() === 0);
  });
});
