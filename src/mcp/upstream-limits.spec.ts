import { setTimeout as sleep } from 'node:timers/promises';
import { startHostile } from '../../test/support/upstreams/hostile.js';
import { startModernEra } from '../../test/support/upstreams/modern-era.js';
import { startOldEra, startOldSse } from '../../test/support/upstreams/old-era.js';
import { call, methodsOf, PoolHarness, targetOf, until } from '../../test/support/upstreams/pool-harness.js';
import type { UpstreamError, UpstreamTarget } from './upstream.js';

const harness = new PoolHarness();

async function settled(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: UpstreamError) => error.reason,
  );
}

describe('the queue', () => {
  it('lets so many calls of a connection run, so many wait, and refuses the others', async () => {
    const upstream = await harness.running(startHostile());
    const pool = harness.pool({ requestsPerConnection: 3, queuePerConnection: 4 });
    await pool.describe(targetOf(upstream));
    // Those that run are more patient than those that wait, so that no turn is left for them.
    const target = (call: number): UpstreamTarget => targetOf(upstream, { timeoutMs: call < 3 ? 1_500 : 500 });
    const calls = Array.from({ length: 10 }, (_, index) => call(pool, target(index), 'hang'));
    const outcomes = Promise.allSettled(calls);
    await until(() => methodsOf(upstream).filter((method) => method === 'tools/call').length === 3);
    expect(pool.statistics()).toMatchObject({ inFlight: 3, queued: 4 });
    await expect(calls[9]).rejects.toMatchObject({ reason: 'busy', retryAfterSeconds: 1, mayHaveArrived: false });
    await outcomes;
    const reasons = await Promise.all(calls.map(settled));
    // Waiting counts: those in the queue never had their turn in time.
    expect(reasons).toEqual([...Array<string>(3).fill('timeout'), ...Array<string>(7).fill('busy')]);
    expect(pool.statistics()).toMatchObject({ inFlight: 0, queued: 0 });
    expect(harness.waits).toHaveLength(4);
  });

  it('has an end for all connections of an organization together, and none for those of another', async () => {
    const upstream = await harness.running(startHostile());
    const pool = harness.pool({ requestsPerConnection: 1, requestsPerOrganization: 2, queuePerOrganization: 3 });
    const target = (connectionId: string, organizationId = 'one'): UpstreamTarget =>
      targetOf(upstream, { connectionId, organizationId, timeoutMs: 1_500 });
    const calls = ['a', 'a', 'b', 'b', 'c', 'c'].map((connection) => settled(call(pool, target(connection), 'hang')));
    await until(() => pool.statistics().queued === 3);
    await expect(call(pool, target('d'), 'hang')).rejects.toMatchObject({ reason: 'busy' });
    await expect(call(pool, target('e', 'two'), 'echo')).resolves.toMatchObject({ content: expect.anything() });
    await Promise.all(calls);
    expect(pool.statistics()).toMatchObject({ inFlight: 0, queued: 0 });
  });

  it('is left at once by a call that is cancelled', async () => {
    const upstream = await harness.running(startHostile());
    const pool = harness.pool({ requestsPerConnection: 1 });
    const first = new AbortController();
    const second = new AbortController();
    const running = settled(call(pool, targetOf(upstream), 'hang', {}, first.signal));
    const waiting = call(pool, targetOf(upstream), 'echo', {}, second.signal);
    second.abort();
    await expect(waiting).rejects.toMatchObject({ reason: 'cancelled', mayHaveArrived: false });
    expect(pool.statistics()).toMatchObject({ inFlight: 1, queued: 0 });
    first.abort();
    expect(await running).toBe('cancelled');
    expect(await call(pool, targetOf(upstream), 'echo')).toBeDefined();
  });

  it('keeps one connection of an organization from starving the others, and organizations apart', async () => {
    const upstream = await harness.running(startHostile());
    const pool = harness.pool({ requestsPerConnection: 2, requestsPerOrganization: 2 });
    const busy = targetOf(upstream, { connectionId: 'busy', timeoutMs: 250 });
    const hanging = Array.from({ length: 6 }, () => settled(call(pool, busy, 'hang')));
    const quiet = call(pool, targetOf(upstream, { connectionId: 'quiet' }), 'echo');
    const foreign = call(pool, targetOf(upstream, { connectionId: 'foreign', organizationId: 'other' }), 'echo');
    await foreign;
    expect(pool.statistics()).toMatchObject({ inFlight: 2, queued: 5 });
    await quiet;
    expect(await Promise.all(hanging)).toEqual(expect.arrayContaining(['timeout', 'busy']));
  });
});

describe('the circuit', () => {
  it('opens after failures in a row, tries once after a while, and closes with the first success', async () => {
    const upstream = await harness.running(startHostile());
    let now = 0;
    const pool = harness.pool({ circuitFailures: 3, circuitOpenMs: 30_000 }, () => now);
    const target = targetOf(upstream);
    for (let i = 0; i < 3; i++) expect(await settled(call(pool, target, 'status-500'))).toBe('server_error');
    expect(pool.statistics().circuits).toMatchObject({ open: 1 });
    const reached = upstream.journal.length;
    now += 10_000;
    await expect(call(pool, target, 'echo')).rejects.toMatchObject({
      reason: 'circuit_open',
      retryAfterSeconds: 20,
      mayHaveArrived: false,
    });
    expect(upstream.journal).toHaveLength(reached);
    now += 20_001;
    const trial = settled(call(pool, target, 'reset'));
    expect(await settled(call(pool, target, 'echo'))).toBe('circuit_open');
    expect(await trial).toBe('connection_lost');
    expect(await settled(call(pool, target, 'echo'))).toBe('circuit_open');
    now += 30_001;
    expect(await settled(call(pool, target, 'echo'))).toBe('ok');
    expect(pool.statistics().circuits).toMatchObject({ closed: 1, open: 0, half_open: 0 });
  });

  it('does not count errors of the server, refusals, cancellations and what is too large', async () => {
    const upstream = await harness.running(startHostile());
    const pool = harness.pool({ circuitFailures: 2 });
    const target = targetOf(upstream);
    for (const tool of [
      'null-id-error',
      'status-401',
      'status-429',
      'tool-error',
      'huge',
      'status-403',
      'huge',
      'huge',
    ]) {
      await settled(call(pool, target, tool));
    }
    const abort = new AbortController();
    const calls = [1, 2, 3].map(() => settled(call(pool, target, 'hang', {}, abort.signal)));
    await until(() => pool.statistics().inFlight === 3);
    abort.abort();
    expect(await Promise.all(calls)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    expect(await settled(call(pool, target, 'echo'))).toBe('ok');
  });

  it('counts calls that failed for want of the same session as one failure', async () => {
    const upstream = await harness.running(startHostile({ handshake: 'status-500' }));
    const pool = harness.pool({ circuitFailures: 2 });
    const calls = Array.from({ length: 8 }, () => settled(call(pool, targetOf(upstream), 'echo')));
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['server_error']));
    expect(pool.statistics().circuits).toMatchObject({ closed: 1 });
  });

  it('is of one connection only, and closed by a connection test that succeeds', async () => {
    const upstream = await harness.running(startHostile());
    const pool = harness.pool({ circuitFailures: 1 });
    await settled(call(pool, targetOf(upstream), 'status-500'));
    expect(await settled(call(pool, targetOf(upstream), 'echo'))).toBe('circuit_open');
    expect(await settled(call(pool, targetOf(upstream, { connectionId: 'other' }), 'echo'))).toBe('ok');
    expect(await pool.probe(targetOf(upstream))).toMatchObject({ serverInfo: { name: 'hostile' } });
    expect(await settled(call(pool, targetOf(upstream), 'echo'))).toBe('ok');
  });
});

describe('a session', () => {
  it('is shared by the calls of one principal and kept apart from those of others', async () => {
    const upstream = await harness.running(startOldEra());
    const pool = harness.pool();
    const [ann, bob] = ['ann', 'bob'].map((principal) => targetOf(upstream, { principal }));
    if (!ann || !bob) throw new Error('unreachable');
    await pool.describe(ann);
    const counts = await Promise.all([ann, ann, bob, ann].map((target) => call(pool, target, 'count')));
    const numbers = counts.map((count) => (count as { structuredContent: { count: number } }).structuredContent.count);
    expect(numbers.sort()).toEqual([1, 1, 2, 3]);
    expect(upstream.sessionCount()).toBe(2);
    expect(methodsOf(upstream).filter((method) => method === 'server/discover')).toHaveLength(1);
  });

  it('that the server has forgotten is made anew, once, and the call with it', async () => {
    const upstream = await harness.running(startOldEra());
    const pool = harness.pool();
    await call(pool, targetOf(upstream), 'count');
    upstream.forgetSessions();
    const calls = Array.from({ length: 5 }, () => call(pool, targetOf(upstream), 'count'));
    expect(await Promise.all(calls)).toHaveLength(5);
    expect(upstream.sessionCount()).toBe(1);
    const hostile = await harness.running(startHostile());
    const target = targetOf(hostile, { connectionId: 'hostile' });
    await expect(call(pool, target, 'session-lost')).rejects.toMatchObject({ reason: 'session_lost' });
    expect(methodsOf(hostile).filter((method) => method === 'tools/call')).toHaveLength(2);
  });

  it('of the SSE transport is made anew when its stream has ended', async () => {
    const upstream = await harness.running(startOldSse());
    const pool = harness.pool();
    const target = targetOf({ type: 'sse', url: upstream.url, headers: {} });
    expect(await settled(call(pool, target, 'echo', { message: '1' }))).toBe('ok');
    const lost = settled(call(pool, target, 'wait', { ms: 60_000 }));
    await until(() => methodsOf(upstream).filter((method) => method === 'tools/call').length === 2);
    upstream.dropConnections();
    expect(await lost).toBe('connection_lost');
    await sleep(50);
    expect(await settled(call(pool, target, 'echo', { message: '2' }))).toBe('ok');
    expect(methodsOf(upstream).filter((method) => method === 'tools/call')).toHaveLength(3);
  });

  it('is closed when nobody used it for a while, and the server is told', async () => {
    const upstream = await harness.running(startOldEra());
    const pool = harness.pool({ sessionIdleMs: 80 });
    await call(pool, targetOf(upstream), 'echo');
    expect(upstream.sessionCount()).toBe(1);
    await until(() => upstream.sessionCount() === 0);
    expect(methodsOf(upstream)).toContain('DELETE');
    expect(pool.statistics()).toMatchObject({ sessions: 0, connections: 1 });
    expect(await settled(call(pool, targetOf(upstream), 'echo'))).toBe('ok');
  });

  it('is not closed for being idle while a call is under way', async () => {
    const upstream = await harness.running(startOldEra());
    const pool = harness.pool({ sessionIdleMs: 40 });
    expect(await settled(call(pool, targetOf(upstream), 'wait', { ms: 300 }))).toBe('ok');
  });

  it('makes room for another when the connection has as many as it may', async () => {
    const upstream = await harness.running(startOldEra());
    const pool = harness.pool({ sessionsPerConnection: 2 });
    for (const principal of ['a', 'b', 'c', 'd']) await call(pool, targetOf(upstream, { principal }), 'echo');
    expect(pool.statistics().sessions).toBe(2);
    await until(() => upstream.sessionCount() === 2);
    const busy = ['e', 'f'].map((principal) =>
      settled(call(pool, targetOf(upstream, { principal }), 'wait', { ms: 300 })),
    );
    await until(() => pool.statistics().inFlight === 2);
    expect(await settled(call(pool, targetOf(upstream, { principal: 'g' }), 'echo'))).toBe('busy');
    expect(await Promise.all(busy)).toEqual(['ok', 'ok']);
  });

  it('of another revision finishes its calls, is closed, and never used again', async () => {
    const upstream = await harness.running(startOldEra());
    const pool = harness.pool();
    const old = call(pool, targetOf(upstream), 'wait', { ms: 200 });
    await until(() => methodsOf(upstream).includes('tools/call'));
    const headers = { authorization: 'Bearer token-2' };
    const transport = { type: 'streamable_http' as const, url: upstream.url, headers };
    const renewed = targetOf(transport, { revision: '2' });
    expect(await call(pool, renewed, 'who')).toMatchObject({ structuredContent: { authorization: '***' } });
    expect(upstream.journal.some((entry) => entry.headers.authorization === 'Bearer token-2')).toBe(true);
    expect(await old).toMatchObject({ content: [{ text: 'done' }] });
    await until(() => upstream.sessionCount() === 1);
    expect(pool.statistics().sessions).toBe(1);
  });

  it('that hangs in its handshake holds up neither later calls nor itself once nobody waits', async () => {
    const upstream = await harness.running(startHostile({ handshake: 'hang' }));
    const pool = harness.pool();
    const abort = new AbortController();
    const waiting = settled(call(pool, targetOf(upstream), 'echo', {}, abort.signal));
    await until(() => upstream.journal.length === 1);
    abort.abort();
    expect(await waiting).toBe('cancelled');
    upstream.become({});
    expect(await settled(call(pool, targetOf(upstream), 'echo'))).toBe('ok');
  });

  it('of the old era answers ping and declines everything else that the server asks', async () => {
    const upstream = await harness.running(startOldEra());
    const pool = harness.pool();
    const ask = (method: string) => call(pool, targetOf(upstream), 'ask', { method });
    expect(await ask('ping')).toMatchObject({ structuredContent: { outcome: {} } });
    for (const method of ['sampling/createMessage', 'roots/list', 'elicitation/create']) {
      expect(await ask(method)).toMatchObject({ structuredContent: { outcome: { code: -32601 } } });
    }
    expect(upstream.journal.find(({ method }) => method === 'initialize')?.params?.capabilities).toEqual({});
  });

  it('has a standing stream that is opened again when it breaks, and storms on it count as one', async () => {
    const upstream = await harness.running(startHostile());
    const pool = harness.pool();
    await pool.describe(targetOf(upstream));
    await until(() => upstream.standing() === 1);
    upstream.setTools([{ name: 'a', inputSchema: { type: 'object' } }], 1000);
    await until(() => harness.changes.length > 0);
    expect(harness.changes).toEqual([['connection', 'tools']]);
    upstream.dropStanding();
    await until(() => upstream.standing() === 1);
    upstream.setTools([]);
    await until(() => harness.changes.length === 2);
    await pool.describe(targetOf(upstream, { principal: 'second' }));
    expect(upstream.standing()).toBe(1);
  });

  it('takes over listening from one that is closed', async () => {
    const upstream = await harness.running(startHostile());
    const pool = harness.pool({ sessionsPerConnection: 2 });
    for (const principal of ['a', 'b', 'c', 'd']) await pool.describe(targetOf(upstream, { principal }));
    await until(() => upstream.standing() === 1);
    upstream.setTools([]);
    await until(() => harness.changes.length === 1);
  });
});

describe('the era of a server', () => {
  it('is asked once for a connection, and a modern server is not even greeted again', async () => {
    const upstream = await harness.running(startModernEra());
    const pool = harness.pool();
    for (const principal of ['a', 'b', 'c']) await call(pool, targetOf(upstream, { principal }), 'echo');
    expect(methodsOf(upstream).filter((method) => method === 'server/discover')).toHaveLength(1);
  });

  it.each([
    ['legacy', 'modern'],
    ['modern', 'legacy'],
  ] as const)('is found out again when a %s server has become %s', async (before, after) => {
    const upstream = await harness.running(startHostile({ era: before }));
    const pool = harness.pool();
    expect(await pool.describe(targetOf(upstream))).toMatchObject({ era: before });
    upstream.become({ era: after });
    expect(await settled(call(pool, targetOf(upstream), 'echo'))).toBe('ok');
    expect(await pool.describe(targetOf(upstream))).toMatchObject({ era: after });
    expect(methodsOf(upstream).filter((method) => method === 'tools/call')).toHaveLength(2);
  });

  it('is found out once for all principals and calls', async () => {
    const upstream = await harness.running(startHostile());
    const pool = harness.pool();
    const targets = ['a', 'b', 'c'].map((principal) => targetOf(upstream, { principal }));
    for (const target of targets) await pool.describe(target);
    upstream.become({ era: 'modern' });
    const before = upstream.handshakes();
    const calls = [...targets, ...targets].map((target) => settled(call(pool, target, 'echo')));
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']));
    expect(upstream.handshakes() - before).toBeLessThanOrEqual(3);
  });

  it('survives an old server that fails on the question', async () => {
    const upstream = await harness.running(startHostile({ discover: 'status-500' }));
    expect(await harness.pool().describe(targetOf(upstream))).toMatchObject({ era: 'legacy' });
  });
});

describe('a connection test', () => {
  it('goes through a new session, which is closed', async () => {
    const upstream = await harness.running(startOldEra());
    const pool = harness.pool();
    await pool.describe(targetOf(upstream));
    expect(await pool.probe(targetOf(upstream))).toMatchObject({
      era: 'legacy',
      protocolVersion: '2025-11-25',
      latencyMs: expect.any(Number),
    });
    await until(() => upstream.sessionCount() === 1);
    expect(methodsOf(upstream).filter((method) => method === 'initialize')).toHaveLength(2);
  });

  it('fails with the reason', async () => {
    const upstream = await harness.running(startOldEra({ token: 'another' }));
    await expect(harness.pool().probe(targetOf(upstream))).rejects.toMatchObject({ reason: 'unauthorized' });
  });
});

describe('closing', () => {
  it('a connection ends its calls, waiting ones included, and its sessions', async () => {
    const upstream = await harness.running(startOldEra());
    const pool = harness.pool({ requestsPerConnection: 1 });
    const calls = [1, 2].map(() => settled(call(pool, targetOf(upstream), 'wait', { ms: 60_000 })));
    const other = settled(call(pool, targetOf(upstream, { connectionId: 'other' }), 'wait', { ms: 300 }));
    await until(() => methodsOf(upstream).filter((method) => method === 'tools/call').length === 2);
    await pool.closeConnection('connection');
    expect(await Promise.all(calls)).toEqual(['closed', 'closed']);
    expect(await other).toBe('ok');
    expect(pool.statistics()).toMatchObject({ connections: 1, inFlight: 0 });
    expect(await settled(call(pool, targetOf(upstream), 'echo'))).toBe('ok');
  });

  it('the pool ends everything and refuses what comes later', async () => {
    const upstream = await harness.running(startOldEra());
    const pool = harness.pool();
    const waiting = settled(call(pool, targetOf(upstream), 'wait', { ms: 60_000 }));
    await until(() => methodsOf(upstream).includes('tools/call'));
    await pool.close();
    expect(await waiting).toBe('closed');
    await expect(call(pool, targetOf(upstream), 'echo')).rejects.toMatchObject({
      reason: 'closed',
      mayHaveArrived: false,
    });
    await until(() => upstream.sessionCount() === 0);
  });
});
