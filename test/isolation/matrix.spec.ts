import { request } from 'node:http';
import { expectError } from '../support/contract.js';
import { startApp, type TestApp } from '../support/app.js';
import { cellsOf, type Cell, type Rows } from './cells.js';
import { CONNECTION_ROWS } from './connection-rows.js';
import { IDENTITY_ROWS } from './identity-rows.js';
import { differences, routesRegisteredBy } from './live-routes.js';
import { failuresOf, tellsAny, type Secrets } from './run.js';
import { USE_ROWS } from './use-rows.js';
import { callsOf, createWorld, secretsOf, settled, type Side, type World } from './world.js';

/** What every route answers to whom. A new route needs a row here, or a place among the public ones. */
const ROWS: Rows = { ...IDENTITY_ROWS, ...CONNECTION_ROWS, ...USE_ROWS };
const ROUTES = Object.keys(ROWS);
/** Open to everybody, and without anybody's data. */
const PUBLIC = [
  'GET /health/live',
  'GET /health/ready',
  'GET /metrics',
  'POST /api/v1/auth/login',
  'POST /api/v1/auth/refresh',
  'GET /docs',
  'GET /docs-json',
  'GET /docs-yaml',
  'GET /docs/',
  'GET /docs/*',
  'GET /docs/LICENSE',
  'GET /docs/docs/swagger-ui-init.js',
  'GET /docs/index.html',
  'GET /docs/swagger-ui-init.js',
];
const CELLS = new Map<string, Cell[]>(
  Object.entries(ROWS).map(([route, cases]) => [route, cases.flatMap((each) => cellsOf(route, each))]),
);
const COUNT = [...CELLS.values()].flat().length;
const DIRECTIONS = ['the older organization against the younger', 'the younger organization against the older'];

describe('two organizations with the same names', () => {
  let app: TestApp;
  let live: string[];
  let world: World;
  let secrets: [string[], string[]];
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
    expect(differences(live, [...ROUTES, ...PUBLIC])).toEqual({ missing: [], dead: [] });
    expect(ROUTES.filter((route) => PUBLIC.includes(route))).toEqual([]);
  });

  it('would miss the row of a new route, and would find one without a route', () => {
    const grown = [...live, 'GET /api/v1/surprise/:id'];
    expect(differences(grown, [...ROUTES, ...PUBLIC]).missing).toEqual(['GET /api/v1/surprise/:id']);
    expect(differences(live, [...ROUTES, ...PUBLIC, 'GET /api/v1/gone']).dead).toEqual(['GET /api/v1/gone']);
  });

  it(`are looked at from both sides in ${COUNT} cells each`, () => {
    expect(COUNT).toBeGreaterThanOrEqual(1_500);
  });

  it('have for every cell with a foreign id one with an own id that succeeds', () => {
    const lonely = [...CELLS.values()].flat().filter(({ case: each }) => Object.values(each.answers).every((s) => s > 299));
    expect(lonely.map(({ route }) => route)).toEqual([]);
  });

  describe.each(DIRECTIONS.map((name, index) => ({ name, index })))('$name', ({ index }) => {
    let sides: [Side, Side];
    let hidden: Secrets;
    let before: { rows: string[]; calls: number };
    beforeAll(async () => {
      const [first, second] = world.sides;
      sides = index === 0 ? [first, second] : [second, first];
      const credentials = [first.credential, second.credential];
      hidden = {
        ofOther: [...(secrets[1 - index] ?? []), ...credentials],
        ofBoth: [...secrets.flat(), ...credentials],
      };
      before = { rows: await settled(app, sides[1]), calls: callsOf(sides[1]) };
    });

    it.each(ROUTES)('%s', async (route) => {
      const failures = await failuresOf(world, CELLS.get(route) ?? [], sides, hidden);
      if (failures.length > 0) throw new Error(`${failures.length} cells of ${route}:\n${failures.join('\n')}`);
      expect({ rows: await settledRows(), calls: callsOf(sides[1]) }).toEqual(before);
    });

    async function settledRows(): Promise<string[]> {
      return settled(app, sides[1]);
    }
  });
});
