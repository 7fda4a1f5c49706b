import pg from 'pg';
import { startApp, type TestApp } from '../support/app.js';
import setUp from '../support/jest-global-setup.js';
import tearDown from '../support/jest-global-teardown.js';
import { newTenant, type Tenant } from '../support/tenants.js';
import { startOldEra, type OldEraUpstream } from '../support/upstreams/old-era.js';

const ROWS = 1_000_000;
const LINKS_OF = 50;

/** A page and its count, some times over: no list of an organization that has next to nothing reads more. */
const FEW_ROWS = 5_000;

interface Plan {
  'Node Type': string;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  'Relation Name'?: string;
  Plans?: Plan[];
}

/** A tenant with a server that one workspace may use. */
interface Customer extends Tenant {
  connection: string;
  grant: number;
}

/** Tables that grow with every call or every day; `open_calls` has the calls under way only. */
const GROWING = /^(calls_|usage_records|tool_usage_records|audit_records)/;

// Every list and every summary, on a ledger of a million rows: what it asks the database is explained there.
describe('a ledger of a million calls', () => {
  let app: TestApp;
  let upstream: OldEraUpstream;
  let acme: Customer;
  let small: Customer;
  /** Months to come. */
  let empty = new Set<string>();

  beforeAll(async () => {
    await setUp();
    [app, upstream] = await Promise.all([startApp(), startOldEra({ json: true })]);
    [acme, small] = [await newCustomer(), await newCustomer()];
    await fill(acme);
  }, 300_000);
  afterAll(async () => {
    await app.close();
    await upstream.close();
    await tearDown();
  });

  async function newCustomer(): Promise<Customer> {
    const tenant = await newTenant(app);
    await tenant.owner.post('/mcp/servers', { server_id: 'memos', server_name: 'memos', server_url: upstream.url });
    const connection = (await tenant.owner.get('/api/v1/mcp/connections/')).body[0].id as string;
    const granted = await tenant.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: tenant.workspace,
      connection,
      access_name: 'All',
    });
    return { ...tenant, connection, grant: granted.body.id as number };
  }

  /** Twenty organizations share them, ours has a twentieth; over a hundred days, some denied. */
  async function fill({ organization, workspace, ownerId, connection, grant }: Customer): Promise<void> {
    const ids = `(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0')
      || '8' || lpad(to_hex(n), 15, '0'))::uuid`;
    const other = (text: string): string => `md5('${text}' || n % 20)::uuid`;
    const ours = (id: string, text: string): string =>
      `CASE WHEN n % 20 = 0 THEN '${id}'::uuid ELSE ${other(text)} END`;
    await app.query(
      `INSERT INTO calls (id, organization_id, workspace_id, workspace_access_id, connection_id, resource_id, tool_id, user_id,
                          door, operation, started_at, reason, bytes_sent, request_id, address, arguments_hash, is_hidden, finished_at,
                          outcome, duration_us, bytes_received, cost, closed_at, chain_seq, chain_hash)
       SELECT ${ids}, ${ours(organization, 'o')}, ${ours(workspace, 'w')},
              CASE WHEN n % 20 = 0 THEN ${grant} ELSE 1000 + n % 200 END, ${ours(connection, 'c')}, n % 997 + 1, n % 97 + 1,
              ${ours(ownerId, 'u')}, 'rest', 'tools/call', at, 'granted', 50, 'request-' || n, '127.0.0.1', md5(n::text), false,
              at, CASE WHEN n % 1000 = 0 THEN 'denied' ELSE 'ok' END, 1000, 100, 0.01, at, n / ${LINKS_OF} + 1, '\\x00'
         FROM (SELECT n, now() - (${ROWS} - n) * interval '8.64 seconds' AS at FROM generate_series(1, ${ROWS}) n) series`,
    );
    for (const [table, column, modulo] of [
      ['usage_records', 'resource_id', 97],
      ['tool_usage_records', 'tool_id', 31],
    ])
      await app.query(
        `INSERT INTO ${table} (organization_id, workspace_id, connection_id, workspace_access_id, ${column}, usage_date,
                               request_count, timed_count, response_time_us, data_transferred, cost)
         SELECT ${ours(organization, 'o')}, ${ours(workspace, 'w')}, ${ours(connection, 'c')},
                CASE WHEN n % 20 = 0 THEN ${grant} ELSE 1000 + n % 20 END, resource, current_date - day, 100, 100, 1000, 100, 1
           FROM generate_series(1, 20) n, generate_series(1, ${modulo}) resource, generate_series(0, 99) day`,
      );
    await app.query(
      `INSERT INTO audit_records (id, organization_id, seq, hash, recorded_at, user_id, actor_name, action, object_type, object_id, request_id)
       SELECT ${ids}, ${other('o')}, n, '\\x00', at, ${other('u')}, 'x', 'connection.updated', 'connection', (n % 5000)::text, 'r' || n
         FROM (SELECT n, now() - (200000 - n) * interval '43 seconds' AS at FROM generate_series(1000, 200000) n) series`,
    );
    await app.query('VACUUM ANALYZE');
    const rows = await app.query<{ name: string }>(
      "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'calls'::regclass AND c.reltuples <= 0",
    );
    empty = new Set(rows.map(({ name }) => name));
  }

  /** What the product asks while it answers, explained with its own values. */
  async function plansOf({ owner }: Customer, path: string): Promise<{ statement: string; plan: Plan }[]> {
    const asked: { text: string; values: unknown[] }[] = [];
    const spy = jest.spyOn(pg.Client.prototype, 'query');
    const answer = await owner.get(path);
    expect([path, answer.status]).toEqual([path, 200]);
    for (const [text, values] of spy.mock.calls as unknown as [unknown, unknown][])
      if (
        typeof text === 'string' &&
        /calls|call_attempts|usage_records|audit_records/.test(text) &&
        !/open_calls\n/.test(text)
      )
        asked.push({ text, values: Array.isArray(values) ? (values as unknown[]) : [] });
    spy.mockRestore();
    const plans: { statement: string; plan: Plan }[] = [];
    for (const { text, values } of asked) {
      const [row] = await app.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
        values,
      );
      if (row) plans.push({ statement: text, plan: row['QUERY PLAN'][0].Plan });
    }
    expect([path, plans.length > 0]).toEqual([path, true]);
    return plans;
  }

  function rowsRead(plan: Plan): number {
    const own = ((plan['Actual Rows'] ?? 0) + (plan['Rows Removed by Filter'] ?? 0)) * (plan['Actual Loops'] ?? 0);
    return Math.max(own, ...(plan.Plans ?? []).map(rowsRead));
  }

  function fullScans(plan: Plan): string[] {
    const relation = plan['Relation Name'] ?? '';
    const own = plan['Node Type'] === 'Seq Scan' && GROWING.test(relation) && !empty.has(relation) ? [relation] : [];
    return [...own, ...(plan.Plans ?? []).flatMap(fullScans)];
  }

  const today = new Date().toISOString().slice(0, 10);
  const paths = ({ workspace, ownerId, connection, grant }: Customer): string[] => [
    '/api/v1/mcp/calls/',
    `/api/v1/mcp/calls/?workspace_access=${grant}&limit=500`,
    `/api/v1/mcp/calls/?workspace=${workspace}`,
    `/api/v1/mcp/calls/?connection=${connection}&date_from=${today}`,
    '/api/v1/mcp/calls/?outcome=denied',
    '/api/v1/mcp/calls/?resource=5',
    `/api/v1/mcp/calls/?actor=${ownerId}`,
    '/api/v1/mcp/calls/?request_id=request-777',
    '/api/v1/mcp/usage/',
    `/api/v1/mcp/usage/?workspace_access=${grant}&date_from=${today}&date_to=${today}`,
    '/api/v1/mcp/usage/?resource=5',
    '/api/v1/mcp/usage/summary/?period=day',
    '/api/v1/mcp/usage/summary/?period=week',
    '/api/v1/mcp/usage/summary/',
    `/api/v1/mcp/usage/summary/?workspace=${workspace}&connection=${connection}`,
    `/api/v1/mcp/usage/export/?workspace_access=${grant}&date_from=${today}`,
    '/api/v1/mcp/audit/',
    '/api/v1/mcp/audit/?trail=calls',
    '/api/v1/mcp/audit/?action=connection.updated',
    '/api/v1/mcp/audit/?object_type=connection&object_id=17',
    `/api/v1/mcp/audit/?actor=${ownerId}`,
    '/api/v1/mcp/audit/?request_id=request-777',
  ];

  it('answers every list and summary from indexes', async () => {
    for (const path of paths(acme))
      for (const { statement, plan } of await plansOf(acme, path))
        expect([path, statement, fullScans(plan)]).toEqual([path, statement, []]);
  }, 120_000);

  it('reads nothing of the others for an organization that has made no call', async () => {
    for (const path of paths(small))
      for (const { statement, plan } of await plansOf(small, path))
        expect([path, statement, rowsRead(plan) < FEW_ROWS]).toEqual([path, statement, true]);
  }, 120_000);

  it('answers each of them in under half a second', async () => {
    for (const path of paths(acme)) {
      const started = performance.now();
      await acme.owner.get(path);
      expect([path, Math.round(performance.now() - started) < 500]).toEqual([path, true]);
    }
  });

  it('counts up to 10,000 rows, and pages through the rest', async () => {
    const page = await acme.owner.get('/api/v1/mcp/calls/?limit=500');
    expect(page.headers.get('x-total-count')).toBe('10000');
    expect(page.headers.get('link')).toContain('cursor=');
  });
});
