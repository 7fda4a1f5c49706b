// npm run bench: what the product costs, as ratios to floors measured in the same run, in alternation. See README.md here.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { latencies, load, median, poster, start, stopAll } from './measure.mjs';

const seconds = Number(process.env.BENCH_SECONDS ?? 4);
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const folder = mkdtempSync(join(tmpdir(), 'mcp-control-plane-bench-'));
const password = 'the password of the benchmark';

async function api(base, token, method, path, body) {
  const response = await fetch(base + path, {
    method,
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: body ? JSON.stringify(body) : undefined,
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

/** The embedded server of the product under test, for the floor that reads the same rows. */
async function databaseUrl(product) {
  if (process.env.DATABASE_URL) return process.env.DATABASE_URL;
  const { startEmbeddedPostgres } = await import('../dist/src/platform/database/embedded-postgres.js');
  const joined = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), log: () => undefined });
  product.leave = () => joined.stop();
  return joined.adminUrl;
}

/** A grant of a new workspace, and a token of it, on `echo` and so many resources. */
async function agentWith(base, token, organization, connection, resources) {
  const on = (method, path, body) => api(base, token, method, `/api/v1/${path}`, body);
  const workspace = await on('POST', 'workspaces/', { organization, name: `${resources.length} resources` });
  const [echo] = await on('GET', `mcp/resources/?connection=${connection}&resource_type=tool&search=echo`);
  const { id: grant } = await on('POST', 'mcp/workspace-access/', {
    workspace: workspace.id,
    connection,
    access_name: 'Bench',
    allowed_resources: [echo.id, ...resources],
    permission_level: 'write',
    auto_sync: false,
  });
  return { grant, token: (await on('POST', `workspaces/${workspace.id}/tokens/`, { name: 'Bench' })).token };
}

/** Ids of resources of the connection, page by page. */
async function resourceIds(base, token, connection, count) {
  const ids = [];
  for (let cursor = ''; ids.length < count;) {
    const path = `/api/v1/mcp/resources/?connection=${connection}&resource_type=resource&limit=500${cursor}`;
    const response = await fetch(base + path, { headers: { authorization: `Bearer ${token}` } });
    ids.push(...(await response.json()).map(({ id }) => id));
    cursor = `&cursor=${/cursor=([^>&]+)/.exec(response.headers.get('link') ?? '')?.[1]}`;
  }
  return ids.slice(0, count);
}

/** Alternates between the two, and says how the medians compare. */
async function compare(name, target, floor, ours, request, floorRequest) {
  for (const connections of [64, 1]) {
    const runs = { floor: [], ours: [] };
    for (let round = 0; round < rounds; round++) {
      runs.floor.push(await load(floor, { ...floorRequest, connections, seconds }));
      runs.ours.push(await load(ours, { ...request, connections, seconds }));
    }
    const of = (side, figure) => median(runs[side].map((run) => run[figure]));
    rows.push({
      what: `${name}, ${connections} in flight`,
      'floor/s': Math.round(of('floor', 'perSecond')),
      'ours/s': Math.round(of('ours', 'perSecond')),
      ratio: (of('ours', 'perSecond') / of('floor', 'perSecond')).toFixed(2),
      target: connections === 64 ? target : '',
      'floor p50 ms': of('floor', 'p50'),
      'ours p50 ms': of('ours', 'p50'),
      'floor CPU us': Math.round(of('floor', 'cpu')),
      'ours CPU us': Math.round(of('ours', 'cpu')),
    });
    console.log(`  ${name}, ${connections} in flight: done`);
  }
}

/** The same product on the same database with and without its ledger; and what it adds to a single call. */
async function compareWithoutLedger(request, url) {
  const bare = await start('./product-without-ledger.mjs', settings);
  await compare('through a grant with the ledger / without it', 'at least 0.65', bare, product, request, request);
  const client = new pg.Client(url);
  await client.connect();
  await client.query(
    'CREATE TABLE IF NOT EXISTS bench_commits (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz)',
  );
  const commit = () => client.query('INSERT INTO bench_commits (at) VALUES (now())');
  const works = [poster(bare.url, request), poster(product.url, request), commit];
  const [without, withLedger, one] = await latencies(works, seconds * rounds);
  const commits = (await commitsOf(client, works[1])) - (await commitsOf(client, works[0]));
  await client.query('DROP TABLE bench_commits');
  await client.end();
  rows.push({ what: 'commits that the ledger adds to a call', ratio: commits.toFixed(2), target: 'at most 2' });
  rows.push({
    what: 'latency that the ledger adds to a call / two commits of one row',
    ratio: ((withLedger - without) / (2 * one)).toFixed(2),
    target: 'measured',
    'floor p50 ms': without.toFixed(3),
    'ours p50 ms': withLedger.toFixed(3),
  });
}

/** Seconds for a mapping of 10,000 records: all new, and once more where nothing changed. */
async function syncRecords(token, grant, resource) {
  const call = (method, path, body) => api(product.url, token, method, `/api/v1/mcp/${path}`, body);
  const mapping = await call('POST', 'mappings/', {
    workspace_access: grant,
    resource,
    component_type: 'workflow',
    component_id: 'bench',
    mapping_config: { field_mappings: { name: '{{context.title}}', state: '{{context.status|default:"open"}}' } },
  });
  const sync = async () => {
    const started = performance.now();
    const { items_synced: items } = await call('POST', `mappings/${mapping.id}/sync/`, { complete: true });
    if (items !== 10_000) throw new Error(`${items} items`);
    return (performance.now() - started) / 1_000;
  };
  const [first, again] = [await sync(), await sync()];
  const what = (which) => `seconds to sync 10,000 records, ${which}`;
  rows.push({ what: what('all new'), ratio: first.toFixed(2), target: 'under 20' });
  rows.push({ what: what('none changed'), ratio: again.toFixed(2), target: 'measured' });
}

/** Transactions of the whole server for each time that this is done, one at a time. */
async function commitsOf(client, work) {
  const times = 1_000;
  const count = async () => {
    // Backends that are idle tell what they did after ten seconds at the latest.
    await sleep(11_000);
    const { rows: found } = await client.query('SELECT sum(xact_commit)::int AS commits FROM pg_stat_database');
    return found[0].commits;
  };
  const before = await count();
  for (let time = 0; time < times; time++) await work();
  return ((await count()) - before) / times;
}

const rows = [];
const settings = {
  DATA_DIR: folder,
  ADMIN_PASSWORD: password,
  THROTTLE_AUTHENTICATED: '1000000000',
  LOG_LEVEL: 'info',
  // Of tokens that both products take.
  JWT_AUDIENCE: 'bench',
};
let product;
try {
  const upstream = await start('./upstream.mjs');
  product = await start('./product.mjs', settings);
  const { access_token: token } = await api(product.url, null, 'POST', '/api/v1/auth/login', {
    username: 'admin',
    password,
  });
  await api(product.url, token, 'POST', '/mcp/servers', {
    server_id: 'bench',
    server_name: 'Bench',
    server_url: `${upstream.url}/mcp`,
  });
  const { organizations } = await api(product.url, token, 'GET', '/api/v1/auth/me');
  const url = await databaseUrl(product);
  const listFloor = await start('./floors/rest-list.mjs', { DATABASE_URL: url, ORGANIZATION: organizations[0].id });
  const executeFloor = await start('./floors/nest-execute.mjs', { UPSTREAM: `${upstream.url}/mcp` });

  const list = { path: '/api/v1/mcp/resources/?limit=50', token };
  await compare('REST list of 50 rows / bare Fastify + pg', '0.4 now, 0.6 the aim', listFloor, product, list, {
    path: '/list',
    token,
  });
  const call = { path: '/mcp/tools/bench_echo/execute', method: 'POST', body: { arguments: { message: 'hello' } } };
  await compare(
    'REST execute / Nest floor',
    'measured',
    executeFloor,
    product,
    { ...call, token },
    { ...call, token: 'bench-key' },
  );
  await api(product.url, token, 'POST', '/mcp/servers', {
    server_id: 'many',
    server_name: 'Many',
    server_url: `${upstream.url}/many`,
  });
  const connections = await api(product.url, token, 'GET', '/api/v1/mcp/connections/');
  const { id: connection } = connections.find(({ server_id }) => server_id === 'many');
  const all = await resourceIds(product.url, token, connection, 9_999);
  const organization = organizations[0].id;
  const { token: few, grant } = await agentWith(product.url, token, organization, connection, all.slice(0, 9));
  const { token: many } = await agentWith(product.url, token, organization, connection, all);
  const granted = { ...call, path: '/mcp/tools/many_echo/execute' };
  await compare(
    'REST execute through a grant / Nest floor',
    'measured',
    executeFloor,
    product,
    { ...granted, token: few },
    { ...call, token: 'bench-key' },
  );
  // p50 of the two in the columns of floor and ours.
  const [small, large] = await latencies(
    [few, many].map((agent) => poster(product.url, { ...granted, token: agent })),
    seconds * rounds,
  );
  rows.push({
    what: 'p50 of a call, 10,000 resources in the grant / 10',
    ratio: (large / small).toFixed(2),
    target: 'at most 1.2',
    'floor p50 ms': small.toFixed(3),
    'ours p50 ms': large.toFixed(3),
  });
  await compareWithoutLedger({ ...granted, token: few }, url);
  await syncRecords(token, grant, all[0]);
  const direct = {
    path: '/mcp',
    method: 'POST',
    body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', ...call.body } },
  };
  await compare(
    'REST execute / direct call',
    'measured',
    upstream,
    product,
    { ...call, token },
    { ...direct, token: '' },
  );
  console.table(rows);
} finally {
  await product?.leave?.();
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
