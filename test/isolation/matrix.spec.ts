import { FastifyAdapter } from '@nestjs/platform-fastify';
import { request } from 'node:http';
import type { Answer, ApiClient } from '../support/api-client.js';
import { expectError } from '../support/contract.js';
import { startApp, type TestApp } from '../support/app.js';
import { cellsOf, requestOf, shapeOf, type Cell, type Request, type Rows } from './cells.js';
import { CONNECTION_ROWS } from './connection-rows.js';
import { IDENTITY_ROWS } from './identity-rows.js';
import { ID } from './ids.js';
import { differences, routesRegisteredBy } from './live-routes.js';
import { failuresOf, inBatches, type Secrets } from './run.js';
import { changes, snapshotOf } from './snapshot.js';
import { callsOf, secretsOf, toldOf, type Hidden } from './secrets.js';
import { MAPPING_ROWS } from './mapping-rows.js';
import { USAGE_ROWS } from './usage-rows.js';
import { USE_ROWS } from './use-rows.js';
import { connectionBody, createWorld, settled, type Side, type World } from './world.js';

/** What every route answers to whom. A new route needs a row here, or a place among the public ones. */
const TABLES: Rows[] = [IDENTITY_ROWS, CONNECTION_ROWS, USAGE_ROWS, USE_ROWS, MAPPING_ROWS];
const ROUTES = TABLES.flatMap((table) => Object.keys(table));
/** Open to everybody, and without anybody's data. */
const PUBLIC = [
  'GET /health/live',
  'GET /health/ready',
  'GET /metrics',
  'POST /api/v1/auth/login',
  'POST /api/v1/auth/refresh',
  'GET /.well-known/oauth-protected-resource/mcp/workspaces/:workspace',
  'GET /docs',
  'GET /docs-json',
  'GET /docs-yaml',
  'GET /docs/',
  'GET /docs/*',
  'GET /docs/LICENSE',
  'GET /docs/asyncapi.json',
  'GET /docs/docs/swagger-ui-init.js',
  'GET /docs/index.html',
  'GET /docs/swagger-ui-init.js',
];
/** They take the session of one client: see the test of sessions. */
const OF_SESSIONS = ['GET /mcp/workspaces/:workspace', 'DELETE /mcp/workspaces/:workspace'];
const NAMED = [...ROUTES, ...PUBLIC, ...OF_SESSIONS];
const CELLS = new Map<string, Cell[]>(
  TABLES.flatMap((table) => Object.entries(table)).map(([route, cases]) => [
    route,
    cases.flatMap((each) => cellsOf(route, each)),
  ]),
);
const COUNT = [...CELLS.values()].flat().length;
const DIRECTIONS = ['the older organization against the younger', 'the younger organization against the older'];

describe('two organizations with the same names', () => {
  let app: TestApp;
  let live: string[];
  let world: World;
  let secrets: [Hidden, Hidden];
  beforeAll(async () => {
    ({ result: app, routes: live } = await routesRegisteredBy(() => startApp()));
    world = await createWorld(app);
    const [first, second] = world.sides;
    secrets = [await secretsOf(app, first, second), await secretsOf(app, second, first)];
  });
  afterAll(async () => {
    await app.close();
    await world.close();
  });

  it('have a row in the matrix for every route of the running product', () => {
    expect(differences(live, NAMED)).toEqual({ missing: [], dead: [] });
    expect(NAMED.filter((route, index) => NAMED.indexOf(route) !== index)).toEqual([]);
  });

  it('would miss the row of a new route, and would find one without a route', async () => {
    const { routes } = await routesRegisteredBy(async () => {
      const fastify = new FastifyAdapter().getInstance();
      await fastify.register(async (plugin) => plugin.get('/api/v1/surprise/:id', async () => ({})));
      await fastify.close();
    });
    expect(differences([...live, ...routes], NAMED).missing).toEqual(['GET /api/v1/surprise/:id']);
    expect(differences(live, [...NAMED, 'GET /api/v1/gone']).dead).toEqual(['GET /api/v1/gone']);
  });

  it(`are looked at from both sides in ${COUNT} cells each`, () => {
    expect(COUNT).toBeGreaterThanOrEqual(1_500);
  });

  it('have for every cell with a foreign id one with an own id that succeeds', () => {
    const lonely = [...CELLS.values()]
      .flat()
      .filter(({ case: each }) => Object.values(each.answers).every((s) => s > 299));
    expect(lonely.map(({ route }) => route)).toEqual([]);
  });

  describe.each(DIRECTIONS.map((name, index) => ({ name, index })))('$name', ({ index }) => {
    let sides: [Side, Side];
    let hidden: Secrets;
    let rows: string[];
    beforeAll(async () => {
      const [first, second] = world.sides;
      sides = index === 0 ? [first, second] : [second, first];
      hidden = {
        credentials: [first.credential, second.credential],
        ofOther: await secretsOf(app, sides[1], sides[0]),
        ofOwn: await secretsOf(app, sides[0], sides[1]),
      };
      rows = await settled(app, sides[1]);
    });

    it.each(ROUTES)('%s', async (route) => {
      const calls = callsOf(sides[1]);
      const failures = await failuresOf(world, CELLS.get(route) ?? [], sides, hidden);
      failures.push(...changes(rows, (rows = await snapshotOf(app, sides[1].organization))));
      if (callsOf(sides[1]) !== calls) failures.push('a call reached a server of the other organization');
      if (failures.length > 0) throw new Error(`${failures.length} failures of ${route}:\n${failures.join('\n')}`);
    });

    it('changes nothing later either', async () => {
      expect(changes(rows, await settled(app, sides[1]))).toEqual([]);
    });
  });

  it('are open to nobody without a valid token, with one answer for every reason', async () => {
    const [side] = world.sides;
    const login = { username: side.users.admin.username, password: 'correct horse battery staple' };
    const { refresh_token: refresh } = (await app.anonymous.post('/api/v1/auth/login', login)).body;
    const revoked = (await side.actors.owner.post(tokensOf(side), { name: 'Revoked' })).body;
    await side.actors.owner.delete(`${tokensOf(side)}${revoked.id}/`);
    const forged = `${side.actors.owner.token?.slice(0, -12)}AAAAAAAAAAAA`;
    const clients = [
      app.anonymous,
      ...['wrong', refresh, revoked.token, forged].map((t) => app.anonymous.withToken(t)),
    ];
    const cells = [...CELLS.values()].flatMap((each) => each.slice(0, 1));
    expect(cells).toHaveLength(ROUTES.length);
    const shapes = await inBatches(cells, async (cell) => {
      const sent = await requestOf(world, { ...cell, expected: [401] }, side, side);
      const answers = await Promise.all(clients.map((client) => send(client, sent)));
      answers.forEach((answer) => expectError(answer, 401, 'unauthorized'));
      const head = sent.method === 'GET' ? await send(app.anonymous, { ...sent, method: 'HEAD' }) : answers[0];
      expect(head?.status).toBe(401);
      return answers.map((answer) => shapeOf(answer, undefined));
    });
    expect(new Set(shapes.flat()).size).toBe(1);
  });

  it('answer HEAD as they answer GET', async () => {
    const [side, other] = world.sides;
    const gets = [...CELLS.values()].flat().filter(({ route, role }) => route.startsWith('GET ') && role === 'worker');
    await inBatches(gets, async (cell) => {
      const sent = await requestOf(world, cell, side, other);
      const [get, head] = [
        await send(side.actors.worker, sent),
        await send(side.actors.worker, { ...sent, method: 'HEAD' }),
      ];
      expect([cell.route, head.status, head.text]).toEqual([cell.route, get.status, '']);
    });
  });

  it('do not mix for a person who is in both', async () => {
    const client = world.both.client;
    const problems: string[] = [];
    for (const [index, side] of world.sides.entries()) {
      const foreign = secrets[1 - index];
      const cells = [...CELLS.values()].flat().filter(isChoosing);
      await inBatches(cells, async (cell) => {
        const sent = await requestOf(world, cell, side, side);
        const answer = await send(client, sent);
        // The workspace of a server is not asked for before the server is found.
        const isOpen = cell.position?.place === 'header' && answer.body.error === 'organization_ambiguous';
        const told = foreign ? toldOf(foreign, answer.text) : ['nothing to compare with'];
        if (isOpen || (answer.status < 300 && told.length === 0)) return;
        problems.push(`${sent.method} ${sent.path} tells ${told.join()} and answers ${answer.status} ${answer.text}`);
      });
    }
    expect(problems).toEqual([]);
  });

  it('have to be told apart by a person who is in both, where a name fits in both', async () => {
    const [side, other] = world.sides;
    const places = [ID.server, ID.tool];
    const cells = [...CELLS.values()]
      .flat()
      .filter(({ case: each }) => each.ids.some(({ place, id }) => place === 'path' && places.some((of) => of === id)))
      .filter(({ role, position, kind }) => role === 'owner' && position === null && kind === 'own');
    expect(cells.length).toBeGreaterThan(5);
    for (const cell of cells) {
      const answer = await send(world.both.client, await requestOf(world, { ...cell, expected: [409] }, side, side));
      expectError(answer, 409, 'organization_ambiguous');
      expect([...answer.body.details.organizations].sort()).toEqual([side.organization, other.organization].sort());
    }
  });

  it('can not be tied together by a person who is in both', async () => {
    const [side, other] = world.sides;
    const { client } = world.both;
    const access = { workspace: side.workspace, connection: side.connection, access_name: 'Across' };
    const across = await client.post('/api/v1/mcp/workspace-access/', { ...access, connection: other.connection });
    expectError(across, 400, 'validation_failed');
    expect(Object.keys(across.body.details.fields)).toEqual(['connection']);
    const marked = { ...access, allowed_resources: [side.resource, other.resource] };
    expectError(await client.post('/api/v1/mcp/workspace-access/', marked), 404, 'resource_not_found');
    const add = `/api/v1/mcp/workspace-access/${side.grant}/add-resource/`;
    expectError(await client.post(add, { resource_id: other.resource }), 404, 'resource_not_found');
    const connection = connectionBody(side, other.serverType, 'Across');
    expectError(await client.post('/api/v1/mcp/connections/', connection), 404, 'resource_not_found');
    const run = `/api/v1/mcp/connections/${side.connection}/discoveries/${other.run}/`;
    expectError(await client.get(run), 404, 'resource_not_found');
    const members = `/api/v1/workspaces/${side.workspace}/members/`;
    expectError(await client.delete(`${members}${other.colleague.id}/`), 404, 'resource_not_found');
    expectError(await client.delete(`${tokensOf(side)}${other.token}/`), 404, 'resource_not_found');
  });

  it('know nothing of each other’s sessions at the doors of their workspaces', async () => {
    const [side, other] = world.sides;
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'matrix', version: '1' } };
    const body = { jsonrpc: '2.0', id: 1, method: 'initialize', params };
    const door = `/mcp/workspaces/${side.workspace}`;
    const opened = await side.actors.agent.post(door, body);
    const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' };
    for (const method of ['GET', 'DELETE'])
      for (const [client, path, status] of [
        [app.anonymous, door, 401],
        [other.actors.agent, door, 401],
        [other.actors.owner, door, 404],
        [other.actors.agent, `/mcp/workspaces/${other.workspace}`, 404],
        // In the same workspace, and not its own.
        [side.actors.owner, door, 404],
      ] as const)
        expect((await client.send(method, path, undefined, headers)).status).toBe(status);
    expect((await side.actors.agent.send('DELETE', door, undefined, headers)).status).toBe(204);
  });

  it('open a WebSocket to those who may hear of the connection', async () => {
    const [side] = world.sides;
    const { operator, ...others } = side.actors;
    for (const [role, { token }] of Object.entries(others))
      expect([role, await upgrade(side.connection, token)]).toEqual([role, 'open']);
    expect(await upgrade(side.connection, operator.token)).toBe('404');
    // Of these the workspace was granted nothing, and people in the organization know of it all the same.
    expect(await upgrade(side.loneConnection, side.actors.agent.token)).toBe('404');
    expect(await upgrade(side.loneConnection, side.actors.member.token)).toBe('open');
  });

  it('open no WebSocket to anybody without a token or for an id that is not theirs', async () => {
    const [side, other] = world.sides;
    const foreign = [other.connection, ID.connection.unknown, ID.connection.malformed];
    const attempts = [
      ...[side.connection, ...foreign].map((id) => ({ id, token: null })),
      ...foreign.map((id) => ({ id, token: side.actors.owner.token })),
    ];
    for (const { id, token } of attempts)
      expect([id, await upgrade(id, token)]).toEqual([id, expect.stringMatching(/^4/)]);
  });

  const tokensOf = (side: Side): string => `/api/v1/workspaces/${side.workspace}/tokens/`;
  const send = (client: ApiClient, sent: Request): Promise<Answer> =>
    client.send(sent.method, sent.path, sent.body, sent.headers);
  const isChoosing = ({ role, kind, position, case: each }: Cell): boolean =>
    role === 'admin' &&
    kind === 'own' &&
    each.answers.admin < 300 &&
    position !== null &&
    // A name that both have chooses neither.
    position.id.foreign === undefined &&
    ['choice', 'filter', 'header'].includes(position.place);

  /** The status of the answer, or `open`. */
  function upgrade(id: string, token: string | null): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = request(`${app.url}/ws/mcp/resources/${id}/`, {
        headers: {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': Buffer.alloc(16).toString('base64'),
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        },
      });
      call.once('upgrade', (_answer, socket) => {
        socket.destroy();
        resolve('open');
      });
      call.once('response', (answer) => {
        answer.resume();
        resolve(String(answer.statusCode));
      });
      call.once('error', reject);
      call.end();
    });
  }
});
