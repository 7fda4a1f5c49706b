import { setTimeout as sleep } from 'node:timers/promises';
import { expectConsistent, expectNothingLostYet, Load } from '../support/ledger-faults.js';
import { eventually, LedgerWorld } from '../support/ledger-world.js';
import { startHostile, type HostileUpstream } from '../support/upstreams/hostile.js';

const NEIGHBOURS = 8;
const CALLS = 40;
const CALL_SECONDS = 2;
const LEAST_MS = 2_000;
/** Files that come and go by themselves: connections that are kept alive, of both sides. */
const SLACK_FILES = 40;
const MOST_MEMORY = 900;

/** What an upstream does to the call, by the name of the tool, and what nobody may be answered but this. */
const BEHAVIOURS: [fault: string, tool: string][] = [
  ['hangs', 'hang'],
  ['hangs in the middle of its answer', 'hang-midway'],
  ['hangs in an event stream', 'sse-hang'],
  ['is slow', 'drip'],
  ['resets the connection', 'reset'],
  ['resets it in the middle of its answer', 'reset-midway'],
  ['answers far too much', 'huge'],
  ['answers with a compressed bomb', 'bomb'],
  ['floods us with notifications', 'sse-notifications'],
  ['sends events without end', 'sse-comments'],
];

describe('an upstream that', () => {
  let world: LedgerWorld;
  let hostile: HostileUpstream;
  let baseFiles = 0;

  beforeAll(async () => {
    [world, hostile] = await Promise.all([LedgerWorld.create(), startHostile()]);
    const { client } = world.product;
    const added = await client.post('/mcp/servers', { server_id: 'bad', server_name: 'Bad', server_url: hostile.url });
    expect(added.status).toBe(200);
    const path = `/api/v1/mcp/connections/${await badConnection()}/`;
    expect((await client.patch(path, { config_options: { timeout: CALL_SECONDS } })).status).toBe(200);
    await warmUp();
    baseFiles = world.product.openFiles;
  });
  afterAll(async () => {
    await (world as LedgerWorld | undefined)?.end();
    await (hostile as HostileUpstream | undefined)?.close();
  });

  async function badConnection(): Promise<string> {
    const { body } = await world.product.client.get('/api/v1/mcp/connections/');
    return (body as { id: string; server_id: string }[]).find(({ server_id }) => server_id === 'bad')?.id ?? '';
  }
  const callBad = (tool: string, id: string) =>
    world.product.client.post(`/mcp/tools/bad_${tool}/execute`, { arguments: { id } });

  async function warmUp(): Promise<void> {
    const load = new Load(world, NEIGHBOURS, 'warm');
    await Promise.all(Array.from({ length: CALLS }, (_, number) => callBad('echo', `warm ${number}`)));
    await load.stop();
  }
  /** Another behaviour meets a circuit that is closed. */
  async function closeCircuit(): Promise<void> {
    expect(
      (await world.product.client.post(`/api/v1/mcp/connections/${await badConnection()}/test/`)).body.success,
    ).toBe(true);
  }
  /** Under the load of a neighbour, of whom nobody may notice. */
  async function harmsOnlyItself(name: string, fault: () => Promise<void>): Promise<void> {
    const load = new Load(world, NEIGHBOURS, name);
    await Promise.all([fault(), sleep(LEAST_MS)]);
    await load.stop();
    expect(load.notes.filter(({ status }) => status !== 200)).toEqual([]);
    // It is slower while this process has the flood to read, but nobody waits without end.
    expect(load.answered.length).toBeGreaterThanOrEqual(NEIGHBOURS);
    await expectNothingLostYet(world, load.notes);
    expect(world.product.memory).toBeLessThan(MOST_MEMORY);
    await eventually(
      async () => world.product.openFiles,
      (files) => files <= baseFiles + SLACK_FILES,
    );
  }

  it.each(BEHAVIOURS)('%s harms only calls to itself', async (_fault, tool) => {
    await closeCircuit();
    await harmsOnlyItself(tool, async () => {
      const calls = Array.from({ length: CALLS }, (_, number) => callBad(tool, `${tool} ${number}`));
      const answers = await Promise.all(calls);
      const statuses = new Set(answers.map(({ status }) => status));
      expect([...statuses].filter((status) => ![200, 502, 503, 504].includes(status))).toEqual([]);
      if (tool !== 'drip') expect(statuses.has(200)).toBe(false);
    });
  });

  it.each(['endless', 'repeated', 'empty'] as const)(
    'lists pages that are %s harms only its own discovery',
    async (pages) => {
      await closeCircuit();
      hostile.become({ pages });
      await harmsOnlyItself(pages, async () => {
        const answer = await world.product.client.post(`/api/v1/mcp/connections/${await badConnection()}/discover/`);
        expect([200, 502, 504]).toContain(answer.status);
      });
      hostile.become({});
    },
  );

  it('did any of that leaves no call open, nothing lost, nothing doubled, and totals that equal the rows', async () => {
    await closeCircuit();
    expect((await callBad('echo', 'last')).status).toBe(200);
    await sleep(100);
    await expectConsistent(world, []);
  });
});
