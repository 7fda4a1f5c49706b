import { setTimeout as sleep } from 'node:timers/promises';
import { expectTotalsToEqualRows } from './ledger.js';
import { hashOf, type LedgerRow, type LedgerWorld } from './ledger-world.js';

/** What a client knows of its call. */
export interface Note {
  id: string;
  key: string | undefined;
  as: 'agent' | 'admin';
  /** Null where there was no answer. */
  status: number | null;
  body: unknown;
}

const PAUSE_MS = 20;

/** Clients that call all the time, each call with an id of its own, and note what they were answered. */
export class Load {
  readonly notes: Note[] = [];
  private isOn = true;
  private readonly working: Promise<unknown>;

  constructor(
    private readonly world: LedgerWorld,
    clients: number,
    private readonly name: string,
  ) {
    this.working = Promise.all(Array.from({ length: clients }, (_, client) => this.work(client)));
  }

  async stop(): Promise<void> {
    this.isOn = false;
    await this.working;
  }

  get answered(): Note[] {
    return this.notes.filter(({ status }) => status === 200);
  }

  /** Half of them by the grant, half directly; every third call with a key. */
  private async work(client: number): Promise<void> {
    for (let number = 0; this.isOn; number++) {
      const id = `${this.name} ${client} ${number}`;
      const key = number % 3 === 0 ? id.replaceAll(' ', '-') : undefined;
      const note: Note = { id, key, as: client % 2 === 0 ? 'agent' : 'admin', status: null, body: null };
      this.notes.push(note);
      try {
        const { status, body } = await this.world.execute(clientOf(this.world, note), id, key);
        [note.status, note.body] = [status, body];
      } catch (error) {
        // Nobody listened: it was not made, and there would be thousands.
        if (isRefused(error)) this.notes.splice(this.notes.indexOf(note), 1);
      }
      if (note.status !== 200) await sleep(PAUSE_MS);
    }
  }
}

function isRefused(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: string } };
  return cause?.code === 'ECONNREFUSED';
}

function clientOf(world: LedgerWorld, { as }: Note) {
  return as === 'agent' ? world.agent() : world.product.client;
}

/** Of a load, or of single calls: what is true of the ledger while calls may still be open. */
export async function expectNothingLostYet(world: LedgerWorld, notes: readonly Note[]): Promise<void> {
  const [rows, open] = [await rowsByHash(world), await openHashes(world)];
  const made = new Set(world.upstream.calls);
  expect(made.size).toBe(world.upstream.calls.length);
  const of = (id: string): LedgerRow[] => rows.get(hashOf(id)) ?? [];
  expect([...rows.values()].filter(({ length }) => length > 1)).toEqual([]);
  expect(notes.filter(({ id, status }) => status === 200 && of(id)[0]?.outcome !== 'ok')).toEqual([]);
  expect([...made].filter((id) => of(id).length + (open.has(hashOf(id)) ? 1 : 0) !== 1)).toEqual([]);
  // Nothing is charged but what was made.
  const charged = notes.filter(({ id }) => !made.has(id) && of(id).some(({ outcome }) => outcome === 'ok'));
  expect(charged).toEqual([]);
}

/** Within a minute every call is closed, and everything that is made from the rows agrees with them. */
export async function expectConsistent(world: LedgerWorld, notes: readonly Note[]): Promise<void> {
  await world.untilSettled();
  await expectNothingLostYet(world, notes);
  const unknown = await world.query(
    "SELECT FROM calls WHERE outcome = 'unknown' AND (cost <> 0 OR bytes_received <> 0)",
  );
  expect(unknown).toEqual([]);
  await expectTotalsToEqualRows(world);
  const verified = await world.product.client.get('/api/v1/mcp/audit/verify/');
  expect(verified.body).toMatchObject({ valid: true, problems: [] });
  await expectWindowsToEqualRows(world);
}

/** Of budgets: nothing held, and what was spent is what the rows say. */
export async function expectWindowsToEqualRows(world: LedgerWorld): Promise<void> {
  const kept = await world.query(
    `SELECT workspace_access_id, window_start::text AS day, requests::int, trim_scale(cost)::text AS cost,
            reserved_requests::int, trim_scale(reserved_cost)::text AS reserved_cost
       FROM budget_windows
      WHERE period = 'day' AND workspace_access_id IN (SELECT workspace_access_id FROM budgets) ORDER BY 1, 2`,
  );
  const made = await world.query(
    `SELECT workspace_access_id, ((started_at AT TIME ZONE 'UTC')::date)::text AS day, count(*)::int AS requests,
            trim_scale(sum(cost))::text AS cost, 0 AS reserved_requests, '0' AS reserved_cost
       FROM calls WHERE workspace_access_id IN (SELECT workspace_access_id FROM budgets) AND outcome NOT IN ('denied', 'unknown')
      GROUP BY 1, 2 ORDER BY 1, 2`,
  );
  expect(kept).toEqual(made);
}

async function rowsByHash(world: LedgerWorld): Promise<Map<string, LedgerRow[]>> {
  const rows = await world.query<LedgerRow>('SELECT arguments_hash, outcome, cost::text AS cost FROM calls');
  const byHash = new Map<string, LedgerRow[]>();
  for (const row of rows) byHash.set(row.arguments_hash, [...(byHash.get(row.arguments_hash) ?? []), row]);
  return byHash;
}

async function openHashes(world: LedgerWorld): Promise<Set<string>> {
  const rows = await world.query<{ arguments_hash: string }>('SELECT arguments_hash FROM open_calls');
  return new Set(rows.map((row) => row.arguments_hash));
}

/** The same sequence for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** So many, or those that FAULT_SEED names; written to the output so that a failure can be repeated. */
export function seeds(count: number): number[] {
  const named = process.env.FAULT_SEED?.split(',').map(Number);
  const chosen = named ?? Array.from({ length: count }, (_, index) => (Date.now() + index * 7_919) % 100_000);
  process.stderr.write(`seeds ${chosen.join(',')}\n`);
  return chosen;
}
