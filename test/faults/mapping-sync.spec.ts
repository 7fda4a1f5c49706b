import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomOf, seeds } from '../support/ledger-faults.js';
import { eventually, LedgerWorld } from '../support/ledger-world.js';
import type { Product } from '../support/product.js';
import { startOldEra, type OldEraUpstream } from '../support/upstreams/old-era.js';

const ITEMS = 5_000;
const PAGE = 100;
const KILLS = Number(process.env.FAULT_KILLS ?? 20);

interface Record_ {
  id: string;
  title: string;
}
interface Delivered {
  id: string;
  body: string;
}

// Two products on one database, a list of 5,000 records, and a receiver that notes what it is told.
describe('a sync of many items', () => {
  let world: LedgerWorld;
  let second: Product;
  let upstream: OldEraUpstream;
  let receiver: Server;
  let path: string;
  let records: Record_[] = [];
  /** What a page answers instead of itself. */
  let trouble: ((from: number) => Promise<unknown> | undefined) | null = null;
  const delivered: Delivered[] = [];

  beforeAll(async () => {
    world = await LedgerWorld.create();
    second = await world.add();
    upstream = await startOldEra({
      tools: [{ name: 'list_records', inputSchema: { type: 'object', properties: { from: { type: 'integer' } } } }],
      call: async (_name, { from = 0 }) => {
        const at = Number(from);
        await sleep(2);
        const instead = await trouble?.(at);
        const answer = instead ?? {
          records: records.slice(at, at + PAGE),
          next: at + PAGE < records.length ? at + PAGE : null,
        };
        return { content: [{ type: 'text', text: JSON.stringify(answer) }] };
      },
    });
    receiver = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        delivered.push({ id: String(request.headers['webhook-id']), body: Buffer.concat(chunks).toString() });
        response.writeHead(200).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    path = await mapped();
  }, 120_000);
  afterAll(async () => {
    await (world as LedgerWorld | undefined)?.end();
    await upstream.close();
    receiver.close();
  }, 60_000);

  async function mapped(): Promise<string> {
    const { client } = world.product;
    await client.post('/mcp/servers', { server_id: 'records', server_name: 'Records', server_url: upstream.url });
    await client.patch('/mcp/tools/records_list_records', { effect: 'read' });
    const me = (await client.get('/api/v1/auth/me')).body;
    const connection = (await client.get('/api/v1/mcp/connections/')).body.find(
      (row: { server_id: string }) => row.server_id === 'records',
    ).id as string;
    const [tool] = (await client.get(`/api/v1/mcp/resources/?connection=${connection}&resource_type=tool`)).body;
    const grant = await client.post('/api/v1/mcp/workspace-access/', {
      workspace: me.workspaces[0].id,
      connection,
      access_name: 'Records',
      allowed_resources: [tool.id],
    });
    const mapping = await client.post('/api/v1/mcp/mappings/', {
      workspace_access: grant.body.id,
      resource: tool.id,
      component_type: 'workflow',
      component_id: 'records',
      mapping_config: {
        field_mappings: { name: '{{context.title}}' },
        items: '/records',
        cursor: { next: '/next', argument: '/from' },
      },
    });
    expect(mapping.status).toBe(201);
    const made = `/api/v1/mcp/mappings/${mapping.body.id}/`;
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
    expect((await client.put(`${made}webhook/`, { url })).status).toBe(200);
    return made;
  }

  /** Some are new, some changed, some gone: always fewer than half. */
  function change(random: () => number, round: number): void {
    const kept = records.filter(() => random() > 0.05);
    records = kept.map((record) => (random() < 0.2 ? { ...record, title: `${record.id} in round ${round}` } : record));
    for (let index = 0; records.length < ITEMS; index++)
      records.push({ id: `r${round}-${index}`, title: `new ${index}` });
  }
  async function begin(product: Product): Promise<string> {
    const answer = await product.client.post(`${path}sync/`, { complete: true }, { prefer: 'respond-async' });
    if (answer.status !== 202) throw new Error(`${answer.status} ${answer.text}`);
    return answer.body.id as string;
  }
  async function ended(sync: string): Promise<{ status: string; items_synced: number; items_failed: number }> {
    for (let tries = 0; tries < 600; tries++) {
      const [row] = await world.query<{ status: string; items_synced: number; items_failed: number }>(
        'SELECT status, items_synced, items_failed FROM mapping_syncs WHERE id = $1',
        [sync],
      );
      if (row && !['queued', 'running'].includes(row.status)) return row;
      await sleep(100);
    }
    throw new Error('the sync did not end within a minute');
  }
  const stored = async (): Promise<Map<string, unknown>> =>
    new Map(
      (
        await world.query<{ external_id: string; rendered: unknown }>('SELECT external_id, rendered FROM mapping_items')
      ).map((row) => [row.external_id, row.rendered]),
    );
  async function expectIdentical(): Promise<void> {
    const items = await stored();
    expect(items.size).toBe(records.length);
    expect(records.filter(({ id, title }) => (items.get(id) as { name?: string } | undefined)?.name !== title)).toEqual(
      [],
    );
    expect(await world.query('SELECT FROM mapping_sync_items')).toEqual([]);
  }
  /** Whoever applies deliveries in the order of their ids has what is stored; the same id never said two things. */
  async function expectToldAll(): Promise<void> {
    for (let tries = 0; tries < 600; tries++) {
      const [{ count } = { count: 0 }] = await world.query<{ count: number }>(
        "SELECT count(*)::int AS count FROM mapping_deliveries WHERE status = 'pending'",
      );
      if (count === 0) break;
      await sleep(100);
    }
    const bodies = new Map<string, string>();
    for (const { id, body } of delivered) expect(bodies.get(id) ?? body).toBe((bodies.set(id, body), body));
    const told = new Map<string, unknown>();
    for (const [, body] of [...bodies].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { data } = JSON.parse(body) as {
        data: { upserted: { external_id: string; data: unknown }[]; deleted: string[] };
      };
      for (const { external_id, data: item } of data.upserted) told.set(external_id, item);
      for (const id of data.deleted) told.delete(id);
    }
    expect(told).toEqual(await stored());
  }

  it(`survives ${KILLS} kills at random moments, on two replicas, with the result of an undisturbed run`, async () => {
    const [seed = 0] = seeds(1);
    const random = randomOf(seed);
    for (let kill = 0; kill < KILLS; kill++) {
      change(random, kill);
      const victim = random() < 0.5 ? world.product : second;
      const sync = await begin(victim === second ? world.product : second);
      await sleep(random() * 900);
      await victim.end('SIGKILL');
      await world.query('DELETE FROM rate_limits');
      await victim.start();
      expect(await ended(sync)).toEqual({ status: 'completed', items_synced: ITEMS, items_failed: 0 });
      await expectIdentical();
    }
    await expectToldAll();
  }, 600_000);

  it('is taken over from a process that was paused for longer than its lease, which then writes nothing', async () => {
    change(randomOf(1), 1_000);
    await second.end('SIGTERM');
    trouble = async (from) => (from === 2_000 ? sleep(2_000).then(() => undefined) : undefined);
    const sync = await begin(world.product);
    await eventually(
      () => world.query('SELECT FROM mapping_syncs WHERE id = $1 AND items_synced > 0', [sync]),
      ({ length }) => length === 1,
    );
    process.kill(world.product.pid, 'SIGSTOP');
    try {
      await second.start();
      trouble = null;
      expect(await ended(sync)).toMatchObject({ status: 'completed', items_synced: ITEMS });
      await expectIdentical();
    } finally {
      process.kill(world.product.pid, 'SIGCONT');
    }
    await sleep(3_000);
    await expectIdentical();
    await expectToldAll();
  }, 180_000);

  it.each([
    ['fails in the middle', async (from: number) => (from === 2_500 ? { broken: true } : undefined), 'failed'],
    ['answers with an empty list', async () => ({ records: [], next: null }), 'needs_confirmation'],
  ])(
    'loses nothing where the upstream %s',
    async (_, answers, status) => {
      const before = await stored();
      trouble = answers;
      expect(await ended(await begin(world.product))).toMatchObject({ status });
      expect(await stored()).toEqual(before);
      trouble = null;
    },
    60_000,
  );

  it('counts an item once where the upstream changes the order and repeats items across pages', async () => {
    const random = randomOf(7);
    change(random, 2_000);
    const shuffled = [...records].sort(() => random() - 0.5);
    // Every page begins with the last record of the one before.
    trouble = async (from) => ({
      records: shuffled.slice(Math.max(0, from - 1), from + PAGE),
      next: from + PAGE < shuffled.length ? from + PAGE : null,
    });
    expect(await ended(await begin(second))).toEqual({ status: 'completed', items_synced: ITEMS, items_failed: 0 });
    await expectIdentical();
    trouble = null;
    await expectToldAll();
  }, 60_000);
});
