import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectTotalsToEqualRows } from '../../../test/support/ledger.js';
import { newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';
import { LedgerMonthsService } from './ledger-months.service.js';

const VERIFY = '/api/v1/mcp/audit/verify/';
const RETENTION_DAYS = 400;
const DAY_MS = 86_400_000;
/** Months that nobody makes beforehand. */
const FUTURE = new Date().getUTCFullYear() + 5;

describe('months of the ledger', () => {
  let app: TestApp;
  let upstream: OldEraUpstream;
  let acme: Tenant;
  let months: LedgerMonthsService;
  beforeAll(async () => {
    [app, upstream] = await Promise.all([
      startApp({ LEDGER_RETENTION_DAYS: String(RETENTION_DAYS) }),
      startOldEra({ json: true }),
    ]);
    acme = await newTenant(app);
    const server = { server_id: 'memos', server_name: 'memos', server_url: upstream.url };
    expect((await acme.owner.post('/mcp/servers', server)).status).toBe(200);
    for (let number = 0; number < 12; number++) await call();
    months = app.app.get(LedgerMonthsService);
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  async function call(): Promise<void> {
    const answer = await acme.owner.post('/mcp/tools/memos_echo/execute', { arguments: { message: 'hello' } });
    expect(answer.status).toBe(200);
  }
  /** The first day on which a month is older than what is kept. */
  const endOf = (firstOfNext: string): Date => new Date(Date.parse(firstOfNext) + RETENTION_DAYS * DAY_MS);
  /** A day on which everything that has ended by now is older than what is kept, and this month is not over. */
  const due = (): Date => new Date(Date.now() + 1_000 + RETENTION_DAYS * DAY_MS);
  /** As if they had been closed then: the chain does not depend on it, which month a row is in does. */
  const move = (first: number, last: number, closedAt: string): Promise<unknown> =>
    asOwner(`UPDATE calls SET closed_at = '${closedAt}' WHERE chain_seq BETWEEN ${first} AND ${last}`);
  const asOwner = (statement: string): Promise<unknown> =>
    app.query(
      `BEGIN; ALTER TABLE calls DISABLE TRIGGER calls_append_only; ${statement};
       ALTER TABLE calls ENABLE TRIGGER calls_append_only; COMMIT`,
    );
  const tables = async (): Promise<string[]> =>
    (
      await app.query<{ name: string }>(
        "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'calls'::regclass",
      )
    ).map(({ name }) => name);
  const seqs = async (table = 'calls'): Promise<number[]> =>
    (await app.query<{ seq: number }>(`SELECT chain_seq::int AS seq FROM ${table} ORDER BY 1`)).map(({ seq }) => seq);
  async function verified(head = ''): Promise<{ valid: boolean; problems: object[]; head: string }> {
    const query = head === '' ? '' : `&head=${head}`;
    const { body } = await acme.owner.get(`${VERIFY}?organization=${acme.organization}${query}`);
    const calls = body.chains.find((chain: { trail: string }) => chain.trail === 'calls');
    return { valid: body.valid, problems: body.problems, head: calls.head };
  }
  /** Every partition refuses what the ledger refuses. */
  async function expectGuarded(): Promise<void> {
    const guards = await app.query(
      `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'calls'::regclass AND (
          SELECT count(*) FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
           WHERE t.tgrelid = c.oid AND f.proname = 'refuse_change' AND t.tgenabled = 'O') <> 2`,
    );
    expect(guards).toEqual([]);
  }

  it('are there before they begin', async () => {
    const now = new Date();
    const expected = [0, 1, 2].map((ahead) => {
      const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1));
      return `calls_${month.toISOString().slice(0, 7).replace('-', '_')}`;
    });
    expect(await tables()).toEqual(expect.arrayContaining([...expected, 'calls_default']));
    expect(await seqs('calls_default')).toEqual([]);
    await expectGuarded();
  });

  it('of a clock that jumped are made afterwards, with all rows, in one step', async () => {
    const all = await seqs();
    await move(11, 11, `${FUTURE}-05-05`);
    await move(12, 12, `${FUTURE}-07-01`);
    expect(await seqs('calls_default')).toEqual([11, 12]);
    // Somebody reads a long list: what can not be done is left as it is.
    const reading = app.query('SELECT pg_sleep(4), count(*) FROM calls_default');
    await expect(months.maintain()).rejects.toThrow(/lock timeout/);
    expect(await seqs()).toEqual(all);
    expect((await verified()).valid).toBe(true);
    await reading;

    await months.maintain();
    expect(await seqs('calls_default')).toEqual([]);
    expect([await seqs(`calls_${FUTURE}_05`), await seqs(`calls_${FUTURE}_07`)]).toEqual([[11], [12]]);
    expect(await seqs()).toEqual(all);
    expect((await verified()).valid).toBe(true);
    await expectGuarded();
    for (const statement of [`DELETE FROM calls_${FUTURE}_05`, `TRUNCATE calls_${FUTURE}_05`, 'TRUNCATE calls_default'])
      await expect(app.query(statement)).rejects.toThrow(/append-only/);
    await expectTotalsToEqualRows(app);
  });

  it('that are too old are removed whole, and the chain verifies over the gap', async () => {
    const heads: string[] = [];
    for (let number = 0; number < 2; number++) {
      await call();
      heads.push((await verified()).head);
    }
    const requests = 'SELECT sum(request_count)::int AS sum FROM usage_records';
    const [before] = await app.query<{ sum: number }>(requests);
    // Rows of one month need not be neighbours in the chain: a transaction that waited has the later link.
    await move(1, 3, '2025-01-10');
    await move(5, 5, '2025-01-31 23:59:59.999Z');
    await months.maintain(new Date('2025-02-20'));
    expect(await seqs('calls_2025_01')).toEqual([1, 2, 3, 5]);
    expect((await verified()).valid).toBe(true);

    await months.maintain(new Date(endOf('2025-02-01').getTime() - 1));
    expect(await tables()).toContain('calls_2025_01');
    // In which month a row lies proves nothing: these have ended today.
    await months.maintain(endOf('2025-02-01'));
    expect(await seqs('calls_2025_01')).toEqual([1, 2, 3, 5]);
    await months.maintain(due());
    expect(await tables()).not.toContain('calls_2025_01');
    expect(await seqs()).toEqual([4, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    for (const head of ['', ...heads]) expect(await verified(head)).toMatchObject({ valid: true, problems: [] });

    await move(4, 4, '2025-02-01 00:00:00Z');
    await move(6, 8, '2025-02-20');
    await move(13, 14, '2025-02-28');
    await months.maintain(new Date('2025-02-20'));
    expect(await seqs('calls_2025_02')).toEqual([4, 6, 7, 8, 13, 14]);
    await months.maintain(due());
    expect(await seqs()).toEqual([9, 10, 11, 12]);
    // Heads of links that were removed: one in the middle of them, and the last.
    for (const head of ['', ...heads]) expect(await verified(head)).toMatchObject({ valid: true, problems: [] });
    await call();
    expect((await verified()).valid).toBe(true);
    // Totals stay.
    expect(await app.query(requests)).toEqual([{ sum: (before?.sum ?? 0) + 1 }]);
  });

  it('that are not what was written stay, as evidence', async () => {
    await move(10, 10, '2025-04-10');
    await months.maintain(new Date('2025-04-20'));
    await asOwner("UPDATE calls SET reason = 'direct ' WHERE chain_seq = 10");
    await months.maintain(due());
    expect(await tables()).toContain('calls_2025_04');
    expect((await verified()).problems).toMatchObject([{ problem: 'changed', seq: 10 }]);
    expect(app.log.some((line) => line.includes('as evidence'))).toBe(true);
    await asOwner("UPDATE calls SET reason = 'direct' WHERE chain_seq = 10");
    await months.maintain(due());
    expect(await tables()).not.toContain('calls_2025_04');
    expect((await verified()).valid).toBe(true);
  });

  it('that are removed hide nothing that happens to the others', async () => {
    await app.query('CREATE TABLE saved AS SELECT * FROM calls');
    await asOwner('DELETE FROM calls WHERE chain_seq = 9');
    expect((await verified()).problems).toMatchObject([{ problem: 'missing', seq: 9 }]);
    await asOwner('INSERT INTO calls SELECT * FROM saved WHERE chain_seq = 9');
    expect((await verified()).valid).toBe(true);
    // A gap that nobody signed.
    await asOwner(`DELETE FROM calls WHERE chain_seq = 9; INSERT INTO audit_signed_heads (organization_id, trail, from_seq, seq, signed_head)
      SELECT organization_id, trail, 9, 9, replace(signed_head, '.8.', '.9.') FROM audit_signed_heads WHERE from_seq IS NOT NULL AND seq = 8`);
    expect((await verified()).problems).toMatchObject([
      { problem: 'forged', seq: 9 },
      { problem: 'missing', seq: 9 },
    ]);
  });
});
