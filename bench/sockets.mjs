import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

const CONNECTIONS = 100;
/** Each watches every connection: a principal may have 100 sockets. */
const WATCHERS = 10;
const EVENTS_PER_SECOND = 100;
const PASSWORD = 'the password of a watcher';

/**
 * How long it takes from the moment before a change is asked for until its event is at a socket: 1,000 sockets over 100
 * connections, 100 changes a second, so 1,000 deliveries.
 *
 * @param call `(method, path, body)` of the API as an operator who owns the organization
 * @returns {{ perSecond: number, p50: number, p99: number, lost: number }} deliveries a second, and milliseconds
 */
export async function deliveries({ url }, call, organization, upstreamUrl, seconds) {
  const ids = [];
  for (let number = 0; number < CONNECTIONS; number++) {
    const { id } = await call('POST', '/api/v1/mcp/connections/', {
      server: 3,
      organization,
      connection_name: `Watched ${number}`,
      auth_data: { base_url: upstreamUrl },
      health_check_interval: 0,
    });
    // Else it is disconnected whether it is on or off.
    await call('POST', `/api/v1/mcp/connections/${id}/test/`);
    ids.push(id);
  }
  const delays = [];
  /** When the latest change of each connection was asked for, and what it makes of it. */
  const asked = new Map();
  const sockets = [];
  for (let number = 0; number < WATCHERS; number++) {
    const token = await watcher(url, call, organization, `watcher-${number}`);
    const opening = ids.map((id) =>
      watch(url, id, token, (status) => {
        const change = asked.get(id);
        if (change?.isActive === (status !== 'disconnected')) delays.push(performance.now() - change.at);
      }),
    );
    sockets.push(...(await Promise.all(opening)));
  }
  await sleep(1_000);
  delays.length = 0;
  const changes = seconds * EVENTS_PER_SECOND;
  const started = performance.now();
  const underWay = [];
  for (let change = 0; change < changes; change++) {
    const id = ids[change % CONNECTIONS];
    const isActive = Math.floor(change / CONNECTIONS) % 2 === 1;
    asked.set(id, { at: performance.now(), isActive });
    underWay.push(call('PATCH', `/api/v1/mcp/connections/${id}/`, { is_active: isActive }));
    const ahead = started + ((change + 1) * 1_000) / EVENTS_PER_SECOND - performance.now();
    if (ahead > 0) await sleep(ahead);
  }
  await Promise.all(underWay);
  const took = (performance.now() - started) / 1_000;
  await sleep(1_000);
  for (const socket of sockets) socket.terminate();
  const sorted = delays.sort((one, two) => one - two);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { perSecond: sorted.length / took, p50: at(0.5), p99: at(0.99), lost: changes * WATCHERS - sorted.length };
}

/** @returns the token of somebody new in the organization */
async function watcher(url, call, organization, username) {
  await call('POST', '/api/v1/users/', { username, password: PASSWORD });
  await call('POST', `/api/v1/organizations/${organization}/members/`, { username, role: 'member' });
  const answer = await fetch(`${url}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password: PASSWORD }),
  });
  return (await answer.json()).access_token;
}

function watch(url, id, token, onStatus) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/mcp/resources/${id}/`, {
    headers: { authorization: `Bearer ${token}` },
  });
  socket.on('message', (data) => {
    const { type, status } = JSON.parse(data);
    if (type === 'connection_status') onStatus(status);
  });
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket));
    socket.once('error', reject);
  });
}
