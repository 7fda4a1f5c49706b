import { setTimeout as sleep } from 'node:timers/promises';
import { startOldEra } from '../../test/support/upstreams/old-era.js';
import { PoolHarness, targetOf, until } from '../../test/support/upstreams/pool-harness.js';
import type { Peer } from './peer.js';

const COMPLETE = 'notifications/elicitation/complete';

describe('a page that somebody was sent to', () => {
  const harness = new PoolHarness();

  it('keeps the session, idle as it is, until the server tells that somebody was there', async () => {
    const upstream = await harness.running(startOldEra());
    const pool = harness.pool({ sessionIdleMs: 50 });
    const capabilities = { elicitation: { url: {} } };
    const heard: unknown[] = [];
    const peer: Peer = {
      capabilities,
      request: async () => ({ action: 'accept' }),
      notify: (_, params) => void heard.push(params),
    };
    const target = targetOf(upstream, { client: { capabilities, takesRequests: true } });
    const params = { mode: 'url', message: 'Connect', url: 'https://pages.example.com/', elicitationId: 'page-1' };
    const args = { method: 'elicitation/create', params };
    await pool.request(target, 'tools/call', { name: 'ask', arguments: args }, { peer });
    await sleep(300);
    expect(upstream.sessionCount()).toBe(1);
    await upstream.notify(COMPLETE, { elicitationId: 'page-of-nobody' });
    await upstream.notify(COMPLETE, { elicitationId: 'page-1' });
    await until(() => heard.length > 0);
    expect(heard).toEqual([{ elicitationId: 'page-1' }]);
    await until(() => upstream.sessionCount() === 0);
  });
});
