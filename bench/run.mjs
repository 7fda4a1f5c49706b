// npm run bench: what the product costs, as ratios to floors measured in the same run, in alternation. See README.md here.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { deliveries } from './sockets.mjs';
import { latencies, load, median, peakMemory, poster, start, stopAll } from './measure.mjs';

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
  const { token: agent } = await on('POST', `workspaces/${workspace.id}/tokens/`, { name: 'Bench' });
  return { grant, token: agent, workspace: workspace.id };
}

/** What an agent sends (MCP 2026-07-28). */
function agentRequest(workspace, method, params) {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  return {
    path: `/mcp/workspaces/${workspace}`,
    method: 'POST',
    body: { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } },
    headers: {
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(params.name ? { 'mcp-name': params.name } : {}),
    },
  };
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
  // Until both are compiled as they will stay: ours is far more code.
  await load(floor, { ...floorRequest, connections: 64, seconds: 1 });
  await load(ours, { ...request, connections: 64, seconds });
  for (const connections of [64, 16, 1]) {
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

/** The same call before and after the installation has grown: 10,000 workspaces with a grant each, and 300,000 calls in the ledger. */
async function compareGrowth(post, workspace, url) {
  const [before] = await latencies([post], seconds * rounds);
  const client = new pg.Client(url);
  await client.connect();
  const copies = (table, id, more) =>
    client.query(
      `INSERT INTO ${table} OVERRIDING SYSTEM VALUE
       SELECT (jsonb_populate_record(NULL::${table}, to_jsonb(o) || ${more})).* FROM (SELECT * FROM ${table} WHERE ${id} LIMIT 1) o, generate_series(1, $1) n`,
      [table === 'calls' ? 300_000 : 10_000],
    );
  const of = (column) => `${column} = '${workspace}'`;
  const idOf = "lpad(n::text, 12, '0')::text";
  await copies(
    'workspaces',
    of('id'),
    `jsonb_build_object('id', '00000000-0000-7000-8000-' || ${idOf}, 'name', 'W' || n)`,
  );
  await copies(
    'workspace_access',
    of('workspace_id'),
    `jsonb_build_object('id', 1000000 + n, 'workspace_id', '00000000-0000-7000-8000-' || ${idOf})`,
  );
  await copies('calls', of('workspace_id'), "jsonb_build_object('id', gen_random_uuid())");
  await client.query('ANALYZE');
  await client.end();
  const [after] = await latencies([post], seconds * rounds);
  rows.push({
    what: 'p50 of an agent call, with 10,000 grants and 300,000 calls more / before',
    ratio: (after / before).toFixed(2),
    target: 'at most 1.2',
    'floor p50 ms': before.toFixed(3),
    'ours p50 ms': after.toFixed(3),
  });
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

/**
 * Seconds for a mapping of 10,000 records: all new, and once more where nothing changed. And what ten times as many take of
 * memory.
 */
async function syncRecords(token, grant, [few, many]) {
  const [some, lots] = [await mappingOf(token, grant, few, 10_000), await mappingOf(token, grant, many, 100_000)];
  const seconds = async (work) => {
    const started = performance.now();
    await work();
    return (performance.now() - started) / 1_000;
  };
  const [first, again] = [await seconds(some), await seconds(some)];
  const what = (which) => `seconds to sync 10,000 records, ${which}`;
  rows.push({ what: what('all new'), ratio: first.toFixed(2), target: 'under 20' });
  rows.push({ what: what('none changed'), ratio: again.toFixed(2), target: 'measured' });
  const [small, large] = [await peakMemory(product, some), await peakMemory(product, lots)];
  rows.push({
    what: `memory at most (${small.toFixed(0)} MiB, ${large.toFixed(0)} MiB) while 10,000 and 100,000 records are synced`,
    ratio: (large / small).toFixed(2),
    target: 'at most 1.25',
  });
}

/** A new mapping; each call syncs it as a whole and waits for the end. */
async function mappingOf(token, grant, resource, count) {
  const call = (method, path, body) => api(product.url, token, method, `/api/v1/mcp/${path}`, body);
  const { id } = await call('POST', 'mappings/', {
    workspace_access: grant,
    resource,
    component_type: 'workflow',
    component_id: 'bench',
    mapping_config: { field_mappings: { name: '{{context.title}}', state: '{{context.status|default:"open"}}' } },
  });
  return async () => {
    await call('POST', `mappings/${id}/sync/`, { complete: true });
    for (;;) {
      const [{ status, items_synced: items }] = await call('GET', `mappings/${id}/syncs/?limit=1`);
      if (status === 'completed' && items === count) return;
      if (!['queued', 'running'].includes(status)) throw new Error(`The sync is ${status} with ${items} items`);
      await sleep(100);
    }
  };
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
  THROTTLE_ANONYMOUS: '1000000000',
  AGENT_CALLS_PER_MINUTE: '1000000000',
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
  const {
    token: few,
    grant,
    workspace,
  } = await agentWith(product.url, token, organization, connection, all.slice(0, 9));
  const { token: many, workspace: largeWorkspace } = await agentWith(product.url, token, organization, connection, all);
  const granted = { ...call, path: '/mcp/tools/many_echo/execute' };
  await compare(
    'REST execute through a grant / Nest floor',
    'measured',
    executeFloor,
    product,
    { ...granted, token: few },
    { ...call, token: 'bench-key' },
  );
  for (const [name, method, params] of [
    ['agent call / Nest floor', 'tools/call', { name: 'many_echo', ...call.body }],
    ['tools/list of an agent / Nest floor', 'tools/list', {}],
  ])
    await compare(
      name,
      method === 'tools/call' ? '0.45 now, 0.6 the aim' : 'measured',
      executeFloor,
      product,
      { ...agentRequest(workspace, method, params), token: few },
      { ...call, token: 'bench-key' },
    );
  // p50 of the two in the columns of floor and ours.
  const inGrants = [
    [workspace, few],
    [largeWorkspace, many],
  ].map(([of, agent]) => {
    const { path, body, headers } = agentRequest(of, 'tools/call', { name: 'many_echo', ...call.body });
    return poster(product.url, { path, body, headers, token: agent });
  });
  const [small, large] = await latencies(inGrants, seconds * rounds);
  rows.push({
    what: 'p50 of an agent call, 10,000 resources in the grant / 10',
    ratio: (large / small).toFixed(2),
    target: 'at most 1.2',
    'floor p50 ms': small.toFixed(3),
    'ours p50 ms': large.toFixed(3),
  });
  await compareWithoutLedger({ ...granted, token: few }, url);
  await syncRecords(token, grant, all);
  const owner = (method, path, body) => api(product.url, token, method, path, body);
  const { perSecond, p50, p99, lost } = await deliveries(product, owner, organization, `${upstream.url}/mcp`, 10);
  rows.push({
    what: `ms until an event is at its socket, p99 (p50 ${p50.toFixed(0)}, ${perSecond.toFixed(0)}/s, ${lost} of 10,000 lost)`,
    ratio: p99.toFixed(0),
    target: 'at most 500',
  });
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
  // Last: what comes after it would be measured on another installation.
  await compareGrowth(inGrants[0], workspace, url);
  console.table(rows);
} finally {
  await product?.leave?.();
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
}
