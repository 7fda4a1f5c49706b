// The load balancer as it is shipped, with nothing but addresses replaced, in front of real processes: MCP servers with sessions,
// and two replicas of the product on the machine's PostgreSQL. Each replica has a loopback address of its own, as a container
// would, and a name server of a few lines knows them.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { freePort, until } from './support.mjs';

const SESSIONS = 50;
const IN_FLIGHT = 20;
/** Of all addresses 127.0.0.0/8 is this machine's own on Linux. */
const OLD_ERA = ['127.0.3.1', '127.0.3.2', '127.0.3.3'];
const PRODUCT = ['127.0.4.1', '127.0.4.2'];
const children = new Set();

export async function tryBalancer({ folder, certificate, configuration, environment, secrets }) {
  const replicaPort = await freePort();
  const names = await startNames({ 'old-era.test': OLD_ERA, 'product.test': PRODUCT });
  const database = createDatabase(environment, secrets);
  const balancer = (name, more) => startBalancer({ folder, configuration, names, name, replicaPort, ...more });
  try {
    const [oldEra, secure, servers, product] = await Promise.all([
      balancer('old-era.test'),
      balancer('old-era.test', { certificate }),
      Promise.all(OLD_ERA.map((address) => startServer(address, replicaPort))),
      balancer('product.test'),
    ]);
    await trySessions(oldEra, servers);
    await tryCertificate(secure);
    await Promise.all([tryProduct(product, { ...environment, ...database.urls }, replicaPort), tryStop(oldEra)]);
    for (const { log } of [oldEra, product]) checkLog(log.text);
  } finally {
    names.close();
    for (const child of children) child.kill('SIGKILL');
    await Promise.all([...children].map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
    database.drop();
  }
}

async function trySessions({ url }, servers) {
  await until(
    () => answers(`${url}/mcp`),
    10_000,
    () => 'the balancer finds no server',
  );
  await sleep(1_000);
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => openSession(url)));
  const homes = new Set(sessions.map(({ replica }) => replica));
  expectThat(homes.size === OLD_ERA.length, `${SESSIONS} sessions are spread over ${homes.size} servers`);
  for (let round = 0; round < 3; round++) {
    const calls = await Promise.all(sessions.map(({ id }) => call(url, id, 'echo', { message: id })));
    for (const [index, { status, replica, text }] of calls.entries()) {
      const { id, replica: home } = sessions[index];
      if (status !== 200 || replica !== home || !text.includes(id)) {
        throw new Error(`a call of the session at ${home} got ${status} from ${replica}: ${text}`);
      }
    }
  }
  console.log('  each call gets to the server that made its session');

  const began = Date.now();
  const first = await call(url, sessions[0].id, 'work', { steps: 3, ms: 500 }, true);
  expectThat(
    Date.now() - began < 450 || first.chunks > 1,
    `progress comes while a call is under way, in ${first.chunks} parts`,
  );

  const [gone] = servers;
  gone.child.kill('SIGKILL');
  await once(gone.child, 'exit');
  const left = await Promise.all(sessions.map(({ id }) => call(url, id, 'echo', { message: 'still here' })));
  const lost = sessions.map(({ replica }) => replica === gone.address);
  expectThat(
    left.every(({ status, text }, index) =>
      lost[index] ? status === 404 && text.includes('Session') : status === 200,
    ),
    `of a server that was killed ${lost.filter(Boolean).length} sessions are 404 at another one, the rest goes on`,
  );
}

/** As containers are told, by the signal that the image names. */
async function tryStop({ url, child }) {
  const { id } = await openSession(url);
  const slow = call(url, id, 'wait', { ms: 4_500 });
  await sleep(300);
  child.kill('SIGUSR1');
  const [{ status }, [code]] = await Promise.all([slow, once(child, 'exit')]);
  expectThat(status === 200 && code === 0, 'a balancer that is told to stop finishes what is under way');
}

async function tryCertificate({ url, secureUrl }) {
  const plain = await fetch(`${url}/mcp`, { redirect: 'manual' });
  expectThat(plain.status === 308 && plain.headers.get('location').startsWith('https://'), 'without TLS: 308');
  const { status } = await new Promise((resolve, reject) => {
    const asked = secureRequest(`${secureUrl}/health/ready`, { rejectUnauthorized: false }, (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode });
    });
    asked.once('error', reject).end();
  });
  expectThat(status === 200, 'with TLS: served, by certificate and key in two files');
}

async function tryProduct(balancer, environment, port) {
  const { url } = balancer;
  const password = randomBytes(12).toString('hex');
  const variables = {
    ...environment,
    PORT: String(port),
    ADMIN_PASSWORD: password,
    TRUSTED_PROXIES: '127.0.0.1',
    EGRESS_ALLOW: '127.0.0.0/8',
    THROTTLE_AUTHENTICATED: '1000000',
    LOG_LEVEL: 'warn',
    // What the containers have instead of a volume: nothing is written there.
    DATA_DIR: '/no/such/folder',
  };
  const migrated = run(['dist/src/migrate.js'], { ...variables, HOST: PRODUCT[0] });
  const [code] = await once(migrated.child, 'exit');
  expectThat(code === 0, 'the step migrate ends with 0', migrated.output.text);
  const replicas = await Promise.all(PRODUCT.map((address) => startProduct({ ...variables, HOST: address })));
  await sleep(1_500);

  const login = await send(url, 'POST', '/api/v1/auth/login', { username: 'admin', password });
  expectThat(login.status === 200, 'somebody logs in');
  const authorization = `Bearer ${login.body.access_token}`;
  const api = (method, place, body) => send(url, method, place, body, { authorization });
  const server = { server_id: 'echo', server_name: 'Echo', server_url: `http://${OLD_ERA[1]}:${port}/mcp` };
  expectThat((await api('POST', '/mcp/servers', server)).status === 200, 'and connects a server');

  await tryAddresses(url);
  await tryLimits(url, authorization);
  const { body: connections } = await api('GET', '/api/v1/mcp/connections/');
  const socket = await openSocket(url, connections[0].id, authorization);
  await tryRollingRestart(api, replicas, balancer);
  expectThat(socket.closed === 1001, 'the WebSocket was told that its replica ends');
  const again = await openSocket(url, connections[0].id, authorization);
  again.close();
  for (const { child } of replicas) {
    child.kill('SIGTERM');
    expectThat((await once(child, 'exit'))[0] === 0, 'SIGTERM: exit 0');
  }
  const { status, headers } = await send(url, 'GET', '/health/ready');
  expectThat(status === 503 && headers['retry-after'] === '2', 'without replicas: 503 with Retry-After');
}

/** Five requests a minute without a token, by address: the login was one of them. */
async function tryAddresses(url) {
  const statuses = [];
  for (let index = 0; index < 12; index++) {
    const address = `198.51.100.${index}`;
    const { status } = await send(url, 'GET', '/api/v1/auth/me', undefined, {
      'x-forwarded-for': address,
      'x-real-ip': address,
      forwarded: `for=${address}`,
      connection: 'keep-alive, x-forwarded-for',
    });
    statuses.push(status);
  }
  const counts = [401, 429].map((wanted) => statuses.filter((status) => status === wanted).length);
  expectThat(counts.join() === '4,8', 'an address that a client makes up is no other address', statuses);
  const other = await send(url, 'GET', '/api/v1/auth/me', undefined, {}, '127.0.5.5');
  expectThat(other.status === 401, 'another address is');
}

async function tryLimits(url, authorization) {
  for (const place of ['/metrics', '/metrics/', '//metrics', '/%6detrics', '/metrics?x']) {
    const { status } = await send(url, 'GET', place);
    if (status !== 404) throw new Error(`${place} answers ${status}`);
  }
  console.log('  /metrics is not for the public');
  // Their bodies need not even come.
  const sized = (bytes) =>
    send(url, 'POST', '/mcp/servers', undefined, {
      authorization,
      'content-type': 'application/json',
      'content-length': String(bytes),
      connection: 'close',
    });
  const [large, huge] = await Promise.all([sized(1_500_000), sized(3_000_000)]);
  expectThat(large.status === 413 && large.body.request_id, 'a body over 1 MiB is refused by the product');
  expectThat(huge.status === 413 && !huge.body.request_id, 'one over 2 MiB by the balancer');
}

/** Each replica ends and starts again while calls are under way, which are never to be made twice. */
async function tryRollingRestart(api, replicas) {
  const statuses = new Map();
  let isOver = false;
  let sent = 0;
  const callTool = async () => {
    sent++;
    const { status, body } = await api('POST', '/mcp/tools/echo_wait/execute', { arguments: { ms: 100 } }).catch(
      (error) => ({ status: error.message }),
    );
    const answer = status === 200 ? 'fine' : `${status} ${body?.error} ${body?.message}`;
    statuses.set(answer, (statuses.get(answer) ?? 0) + 1);
  };
  const load = Array.from({ length: IN_FLIGHT }, async () => {
    while (!isOver) await callTool();
  });
  await sleep(500);
  for (const [index, replica] of replicas.entries()) {
    const began = Date.now();
    replica.child.kill('SIGTERM');
    const [code] = await once(replica.child, 'exit');
    expectThat(code === 0, `replica ${index + 1} ended with 0 after ${Date.now() - began} ms`, replica.output.text);
    replicas[index] = await startProduct(replica.variables);
    await sleep(1_500);
  }
  isOver = true;
  await Promise.all(load);
  expectThat([...statuses.keys()].join() === 'fine', `none of ${sent} calls was lost`, [...statuses]);
  const { headers } = await api('GET', '/api/v1/mcp/calls/?limit=1');
  expectThat(headers['x-total-count'] === String(sent), 'none was made twice');
}

function checkLog(text) {
  const lines = text.split('\n').filter((line) => line.startsWith('{'));
  const entries = lines.map((line) => JSON.parse(line));
  expectThat(
    entries.length > 0 && entries.every(({ client, status }) => client && status) && !/[?]|\/mcp/.test(lines.join()),
    `${entries.length} lines of the balancer's log are JSON and name no address of a resource`,
  );
}

async function startBalancer({ folder, configuration, names, name, replicaPort, certificate = '' }) {
  const [http, https, probes] = [await freePort(), await freePort(), await freePort()];
  const file = path.join(folder, `haproxy-${http}.cfg`);
  const replacements = [
    ['bind :8080', `bind 127.0.0.1:${http}`],
    ['bind :8443', `bind 127.0.0.1:${https}`],
    ['bind :8404', `bind 127.0.0.1:${probes}`],
    ['parse-resolv-conf', `nameserver test 127.0.0.1:${names.port}`],
  ];
  writeFileSync(
    file,
    replacements.reduce((text, [from, to]) => {
      if (text.split(from).length !== 2) throw new Error(`${from} is not in the configuration once`);
      return text.replace(from, to);
    }, configuration),
  );
  const env = { PATH: process.env.PATH, REPLICAS: `${name}:${replicaPort}`, CERTIFICATE: certificate };
  const { child, output } = start(
    spawn('/usr/sbin/haproxy', ['-db', '-f', file], { env, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  await until(
    () => answers(`http://127.0.0.1:${probes}/live`),
    10_000,
    () => `the balancer does not start:\n${output.text}`,
  );
  return { url: `http://127.0.0.1:${http}`, secureUrl: `https://127.0.0.1:${https}`, child, log: output };
}

async function startServer(address, port) {
  const parameters = [
    '--import',
    './test/support/load-typescript.mjs',
    '.ci/old-era-replica.mjs',
    address,
    String(port),
  ];
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.add(child);
  await once(child, 'message');
  return { address, child };
}

async function startProduct(variables) {
  const replica = { variables, ...run(['--enable-source-maps', 'dist/src/main.js'], variables) };
  await until(
    () => {
      if (replica.child.exitCode !== null) throw new Error(`the product ended:\n${replica.output.text}`);
      return answers(`http://${variables.HOST}:${variables.PORT}/health/ready`);
    },
    30_000,
    () => `the product is not ready:\n${replica.output.text}`,
  );
  return replica;
}

function run(parameters, variables) {
  const env = { PATH: process.env.PATH, ...variables };
  return start(spawn(process.execPath, parameters, { env, stdio: ['ignore', 'pipe', 'pipe'] }));
}

function start(child) {
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output.text += chunk));
  children.add(child);
  return { child, output };
}

/** Roles and database by the script that PostgreSQL's container runs, under names that nobody else has. */
function createDatabase(environment, secrets) {
  const admin = new URL(execFileSync('.ci/machine-postgres', { encoding: 'utf8' }).trim());
  const name = `ci_deployment_${randomBytes(4).toString('hex')}`;
  const env = {
    PATH: process.env.PATH,
    PGHOST: admin.hostname,
    PGPORT: admin.port,
    PGPASSWORD: admin.password,
    POSTGRES_USER: admin.username,
    ...secrets,
  };
  const renamed = (text) => text.replaceAll('control_plane', name);
  const script = renamed(execFileSync('cat', ['deploy/postgres-roles.sh'], { encoding: 'utf8' }));
  execFileSync('sh', ['-s'], { env, input: script, stdio: ['pipe', 'ignore', 'inherit'] });
  const urls = {};
  for (const variable of ['DATABASE_URL', 'DATABASE_ADMIN_URL']) {
    const url = new URL(renamed(environment[variable]));
    url.host = admin.host;
    urls[variable] = url.toString();
  }
  const statements = [`DROP DATABASE ${name} WITH (FORCE)`, `DROP ROLE ${name}_app`, `DROP ROLE ${name}`];
  const parameters = ['--quiet', '--username', admin.username, '--dbname', 'postgres'];
  const drop = () => {
    for (const statement of statements)
      execFileSync('psql', [...parameters, '-c', statement], { env, stdio: 'ignore' });
  };
  return { urls, drop };
}

/** Answers A questions (RFC 1035) about the names that it knows. */
async function startNames(known) {
  const socket = createSocket('udp4');
  socket.on('message', (question, { port, address }) => {
    const labels = [];
    let at = 12;
    while (question[at] !== 0) {
      labels.push(question.toString('latin1', at + 1, at + 1 + question[at]));
      at += question[at] + 1;
    }
    const isAddress = question.readUInt16BE(at + 1) === 1;
    const found = isAddress ? (known[labels.join('.').toLowerCase()] ?? []) : [];
    const header = Buffer.alloc(12);
    header.set([question[0], question[1], 0x85, 0x80, 0, 1, 0, found.length]);
    const records = found.map((ip) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...ip.split('.').map(Number)]),
    );
    socket.send(Buffer.concat([header, question.subarray(12, at + 5), ...records]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { port: socket.address().port, close: () => socket.close() };
}

async function openSession(url) {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'ci', version: '1' } };
  const { status, id, replica, text } = await post(url, undefined, { id: 0, method: 'initialize', params });
  if (status !== 200 || !id) throw new Error(`initialize: ${status} from ${replica}: ${text}`);
  const greeted = await post(url, id, { method: 'notifications/initialized' });
  if (greeted.replica !== replica) throw new Error('a session began at one server and went on at another');
  return { id, replica };
}

function call(url, session, name, args, isWatched = false) {
  const _meta = isWatched ? { progressToken: 1 } : undefined;
  return post(url, session, { id: 1, method: 'tools/call', params: { name, arguments: args, _meta } });
}

async function post(url, session, message) {
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(session && { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
  });
  let text = '';
  let chunks = 0;
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    chunks++;
  }
  const { status, headers } = response;
  return { status, text, chunks, id: headers.get('mcp-session-id'), replica: headers.get('x-replica') };
}

/** With any header, and from any address: fetch has its own mind about both. */
function send(base, method, place, body, headers = {}, localAddress = undefined) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const options = { method, path: place, localAddress, headers: { ...headers } };
    if (text !== undefined) {
      Object.assign(options.headers, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    }
    const asked = request(base, options, async (answer) => {
      const chunks = await answer.toArray().catch(reject);
      const content = Buffer.concat(chunks ?? []).toString();
      const isJson = /json/.test(answer.headers['content-type']);
      resolve({ status: answer.statusCode, headers: answer.headers, body: isJson ? JSON.parse(content) : content });
    });
    asked.once('error', reject).end(text);
  });
}

async function openSocket(url, connection, authorization) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/mcp/resources/${connection}/?ticket=none`, 'mcp.v1', {
    headers: { authorization },
  });
  socket.once('close', (code) => (socket.closed = code));
  const [message] = await once(socket, 'message', { signal: AbortSignal.timeout(5_000) });
  expectThat(JSON.parse(message).type === 'connection_status', 'a WebSocket is greeted');
  return socket;
}

async function answers(url) {
  const answer = await fetch(url).catch(() => null);
  return answer !== null && answer.status < 500;
}

function expectThat(holds, text, details) {
  if (!holds) throw new Error(`not so: ${text}\n${typeof details === 'string' ? details : JSON.stringify(details)}`);
  console.log(`  ${text}`);
}
