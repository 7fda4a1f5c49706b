// A short load that touches everything the dashboard shows: what works, what fails, what is refused, and what waits.
import '../test/support/load-typescript.mjs';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

const { startOldEra } = await import('../test/support/upstreams/old-era.ts');

/** Not the pace of the scrapes, which would see the same moment of each round. */
const ROUND_MS = 700;
const LONGEST_MS = 20_000;
/** Over the ten that one connection gets at once. */
const AT_ONCE = 25;

const tool = (name, properties) => ({ name, inputSchema: { type: 'object', properties } });

function startUpstream() {
  const entries = ['One', 'Two', 'Three'].map((title, id) => ({ id, title }));
  return startOldEra({
    json: true,
    tools: [tool('echo', { message: { type: 'string' } }), tool('wait', { ms: { type: 'integer' } }), tool('fail', {})],
    call: async (name, { message, ms }) => {
      await sleep(ms ?? 5);
      return { content: [{ type: 'text', text: message ?? '' }], ...(name === 'fail' ? { isError: true } : {}) };
    },
    resources: {
      listed: [{ uri: 'crm://entries', name: 'Entries', mimeType: 'application/json' }],
      read: () => JSON.stringify({ entries }),
    },
  });
}

/**
 * Prepares servers, a grant and a mapping on a running product.
 * @returns what drives the load for so many milliseconds, and what ends the servers
 */
export async function prepareLoad(url, password) {
  const [upstream, doomed] = [await startUpstream(), await startUpstream()];
  const { access_token: token } = await ask(url, 'POST', '/api/v1/auth/login', { username: 'admin', password });
  const api = (method, path, body, headers) =>
    ask(url, method, path, body, { authorization: `Bearer ${token}`, ...headers });
  const execute = (name, args, headers) => api('POST', `/mcp/tools/${name}/execute`, { arguments: args }, headers);

  for (const [id, at] of [
    ['load', upstream],
    ['doomed', doomed],
  ])
    await api('POST', '/mcp/servers', { server_id: id, server_name: id, server_url: at.url });
  const connections = await api('GET', '/api/v1/mcp/connections/');
  const connection = connections.find(({ connection_name }) => connection_name === 'load');
  const mapping = await prepareMapping(api, connection.id, doomed.url);

  const rounds = [
    (round) => many(AT_ONCE, () => execute('load_echo', { message: `round ${round}` })),
    () => many(AT_ONCE, () => execute('load_wait', { ms: 60 })),
    () => execute('load_fail', {}),
    () => execute('load_echo', { message: 1 }),
    () => many(3, () => execute('doomed_echo', { message: 'is anybody there' })),
    () => api('POST', '/mcp/servers/load/resources/crm%3A%2F%2Fentries/read'),
    () => ask(url, 'GET', '/mcp/tools', undefined, { authorization: 'Bearer wrong' }),
    async () => {
      const key = { 'idempotency-key': randomUUID() };
      for (let turn = 0; turn < 2; turn++) await execute('load_echo', { message: 'once' }, key);
    },
    () => mapping.sync(),
    (round) => (round % 3 === 0 ? api('POST', `/api/v1/mcp/connections/${connection.id}/discover/`) : undefined),
    () => api('POST', `/api/v1/mcp/connections/${connection.id}/test/`),
  ];

  const listen = async () => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws/mcp/resources/${connection.id}/`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await once(socket, 'open');
    return socket;
  };

  return {
    async drive(milliseconds) {
      const staying = await listen();
      await doomed.close();
      const end = Date.now() + milliseconds;
      for (let round = 0; Date.now() < end; round++) {
        const began = Date.now();
        const leaving = await listen();
        await Promise.all(rounds.map((each) => each(round)));
        leaving.close();
        await sleep(Math.max(0, began + ROUND_MS - Date.now()));
      }
      return staying;
    },
    end: () => upstream.close(),
  };
}

/**
 * A grant in the first workspace, and a mapping through it: its syncs are the door `mapping`, and jobs. So is what is delivered to
 * its webhook, in vain, so that it waits to be tried again.
 */
async function prepareMapping(api, connection, webhook) {
  const { workspaces } = await api('GET', '/api/v1/auth/me');
  const resources = await api('GET', `/api/v1/mcp/resources/?connection=${connection}`);
  const { id } = resources.find(({ resource_uri }) => resource_uri === 'crm://entries');
  const grant = await api('POST', '/api/v1/mcp/workspace-access/', {
    workspace: workspaces[0].id,
    connection,
    access_name: 'Entries',
    allowed_resources: [id],
    permission_level: 'write',
  });
  const mapping = await api('POST', '/api/v1/mcp/mappings/', {
    workspace_access: grant.id,
    resource: id,
    component_type: 'workflow',
    component_id: 'load',
    mapping_config: { items: '/entries', field_mappings: { title: '{{context.title}}' } },
  });
  if (mapping.id === undefined) throw new Error(`no mapping: ${JSON.stringify([grant, mapping])}`);
  await api('PUT', `/api/v1/mcp/mappings/${mapping.id}/webhook/`, { url: webhook });
  return {
    sync: () => api('POST', `/api/v1/mcp/mappings/${mapping.id}/sync/`, undefined, { prefer: 'respond-async' }),
  };
}

function many(count, work) {
  return Promise.all(Array.from({ length: count }, work));
}

/** What is answered is not looked at here: failures are part of the load, and the figures tell. */
async function ask(url, method, path, body, headers = {}) {
  const answer = await fetch(url + path, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(LONGEST_MS),
  });
  return answer.json();
}
