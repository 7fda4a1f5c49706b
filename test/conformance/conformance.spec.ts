import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { connectAll, newAgent } from '../support/agents.js';
import { startApp, type TestApp } from '../support/app.js';
import { newTenant } from '../support/tenants.js';
import { startNewConformance } from '../support/upstreams/conformance/new-era.js';
import { startOldConformance } from '../support/upstreams/conformance/old-era.js';
import type { Upstream } from '../support/upstreams/http-server.js';
import { startProxy, type Proxy } from './proxy.js';
import { run, type Check, type Suite } from './suites.js';

/** Checks that fail, `<scenario> <check>`, and for each why the server itself fails them too. */
const EXPECTED = (parse(readFileSync(path.join(__dirname, 'expected-failures.yml'), 'utf8')) ?? {}) as Record<
  string,
  Record<string, string>
>;

const SUITES: [name: string, era: 'old' | 'new', suite: Suite][] = [
  ['0.1.16, all', 'old', { package: 'conformance', arguments: ['--suite', 'all'] }],
  ['2025-11-25', 'old', { package: 'conformance-next', arguments: ['--requirements', '2025-11-25'] }],
  ['2026-07-28', 'new', { package: 'conformance-next', arguments: ['--requirements', '2026-07-28'] }],
];

describe('the official conformance suite, through the endpoint of a workspace', () => {
  let app: TestApp;
  const upstreams = {} as Record<'old' | 'new', Upstream>;
  const proxies = {} as Record<'old' | 'new', Proxy>;

  beforeAll(async () => {
    app = await startApp({ THROTTLE_AUTHENTICATED: '1000000', AGENT_CALLS_PER_MINUTE: '1000000' });
    upstreams.old = await startOldConformance();
    upstreams.new = await startNewConformance();
    for (const era of ['old', 'new'] as const) proxies[era] = await doorTo(era);
  });
  afterAll(async () => {
    await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
    await app.close();
    await Promise.all(Object.values(upstreams).map((upstream) => upstream.close()));
  });

  /** A workspace that may use everything of one server, and nothing else. */
  async function doorTo(era: 'old' | 'new'): Promise<Proxy> {
    const tenant = await newTenant(app);
    await connectAll(tenant, era, upstreams[era].url);
    const { door, token } = await newAgent(app, tenant);
    return startProxy(app.url + door, token, `${era}_`);
  }

  it.each(SUITES)('%s: all that is required passes, but what the server itself fails', async (name, era, suite) => {
    const [here, there] = await Promise.all([run(suite, proxies[era].url), run(suite, upstreams[era].url)]);
    const failures = withStatus('FAILURE', here.checks);
    const expected = EXPECTED[name] ?? {};
    expect({ failures: without(expected, failures) }).toEqual({ failures: {} });
    // What is listed fails here, and fails there.
    expect(without(failures, expected)).toEqual({});
    expect(without(withStatus('FAILURE', there.checks), expected)).toEqual({});
    // Nor is anything said of us that is not said of the server.
    const warnings = withStatus('WARNING', here.checks);
    expect({ warnings: without(withStatus('WARNING', there.checks), warnings) }).toEqual({ warnings: {} });
    // A suite that ended early has failed at nothing.
    const looked = new Set(here.checks.map(({ scenario }) => scenario));
    expect([looked.size, here.code]).toEqual([here.announced, Object.keys(expected).length === 0 ? 0 : 1]);
  });
});

type Said = Record<string, string>;

/** What was said of each check that came out so. */
function withStatus(wanted: Check['status'], checks: readonly Check[]): Said {
  return Object.fromEntries(
    checks
      // An extension that neither the server nor we offer.
      .filter(({ status, scenario }) => status === wanted && !scenario.startsWith('tasks-'))
      .map(({ scenario, id, errorMessage }) => [`${scenario} ${id}`, errorMessage ?? '']),
  );
}

/** Those that are not among the known ones. */
function without(known: Said, all: Said): Said {
  return Object.fromEntries(Object.entries(all).filter(([check]) => !Object.hasOwn(known, check)));
}
