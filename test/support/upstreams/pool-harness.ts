import { setTimeout as sleep } from 'node:timers/promises';
import { UpstreamPool } from '../../../src/mcp/upstream-pool.js';
import type { ListChange, UpstreamLimits, UpstreamTarget, UpstreamTransport } from '../../../src/mcp/upstream.js';
import { EgressClient } from '../../../src/platform/egress/egress-client.js';
import type { Upstream } from './http-server.js';

/** Pools and test servers of one spec file; everything is closed after each test. */
export class PoolHarness {
  readonly egress = new EgressClient({ allow: ['127.0.0.0/8'] });
  /** What pools reported as changed lists: connection and list. */
  readonly changes: [string, ListChange][] = [];
  /** Seconds that requests waited for their turn. */
  readonly waits: number[] = [];
  private readonly open: { close: () => Promise<void> }[] = [];

  /** Registers the clean-up with Jest. */
  constructor() {
    afterEach(async () => {
      for (const one of this.open.splice(0).reverse()) await one.close();
      this.changes.length = 0;
      this.waits.length = 0;
    });
    afterAll(() => this.egress.close());
  }

  async running<T extends { close: () => Promise<void> }>(starting: Promise<T>): Promise<T> {
    const upstream = await starting;
    this.open.push(upstream);
    return upstream;
  }

  pool(limits: Partial<UpstreamLimits> = {}, now?: () => number): UpstreamPool {
    const pool = new UpstreamPool({
      egress: this.egress,
      clientInfo: { name: 'control-plane', version: '1' },
      limits: { listChangedMs: 20, standingRetryMs: 20, processGraceMs: 300, ...limits },
      onListChanged: (connection, what) => void this.changes.push([connection, what]),
      queued: { observe: (seconds) => void this.waits.push(seconds) },
      ...(now ? { now } : {}),
    });
    this.open.push(pool);
    return pool;
  }
}

/** A target with harmless defaults: connection `connection` of `organization`, 5 s, Streamable HTTP. */
export function targetOf(
  upstream: { url: string } | UpstreamTransport,
  more: Partial<UpstreamTarget> = {},
): UpstreamTarget {
  const transport: UpstreamTransport =
    'type' in upstream
      ? upstream
      : { type: 'streamable_http', url: upstream.url, headers: { authorization: 'Bearer token-1' } };
  return {
    connectionId: 'connection',
    organizationId: 'organization',
    revision: '1',
    principal: 'shared',
    transport,
    timeoutMs: 5000,
    ...more,
  };
}

/** A tools/call. */
export function call(
  pool: UpstreamPool,
  target: UpstreamTarget,
  name: string,
  args: object = {},
  signal?: AbortSignal,
): Promise<unknown> {
  return pool.request(target, 'tools/call', { name, arguments: args }, signal ? { signal } : {});
}

/** The JSON-RPC methods that reached a server, in order. */
export function methodsOf(upstream: Upstream): string[] {
  return upstream.journal.map((entry) => entry.method ?? entry.http);
}

/** Waits until something holds, at most 2 s. */
export async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 200) throw new Error('It did not happen.');
    await sleep(10);
  }
}
