import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { newTenant, type Tenant } from '../../../test/support/tenants.js';
import type { Upstream } from '../../../test/support/upstreams/http-server.js';
import { startOldEra } from '../../../test/support/upstreams/old-era.js';
import type { CallFacts } from './call.js';
import { LedgerWriter } from './ledger-writer.service.js';

/** Of an open row; the rest of a closed one says how it ended. */
const FACTS = [
  ...['organization_id', 'workspace_id', 'workspace_access_id', 'connection_id', 'resource_id', 'tool_id', 'user_id'],
  ...['token_id', 'door', 'operation', 'reason', 'request_id', 'address', 'arguments_hash', 'is_hidden'],
];

describe('a call that was opened although it was given up', () => {
  let app: TestApp;
  let upstream: Upstream;
  let acme: Tenant;
  beforeAll(async () => {
    [app, upstream] = await Promise.all([startApp(), startOldEra({ json: true })]);
    acme = await newTenant(app);
    await acme.owner.post('/mcp/servers', { server_id: 'memos', server_name: 'Memos', server_url: upstream.url });
    await acme.owner.post('/mcp/tools/memos_echo/execute', { arguments: { message: 'x' } });
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  it('is closed as one that was not made, and the trail says so', async () => {
    const [made] = await app.query<Record<string, unknown>>('SELECT * FROM calls WHERE organization_id = $1', [
      acme.organization,
    ]);
    const id = randomUUID();
    const known = Object.fromEntries(FACTS.map((field) => [field, made?.[field]]));
    const started_at = new Date(Date.now() - 20_000).toISOString();
    const facts = { ...known, id, bytes_sent: 15, started_at } as unknown as CallFacts;
    // As a transaction does whose answer came too late.
    await app.app.get(LedgerWriter, { strict: false }).opened({ facts, reservedCost: '0', key: null });
    let rows: unknown[] = [];
    for (let tries = 0; rows.length === 0 && tries < 100; tries++) {
      await sleep(200);
      rows = await app.query('SELECT outcome, reason, bytes_sent FROM calls WHERE id = $1', [id]);
    }
    expect(rows).toEqual([{ outcome: 'denied', reason: 'ledger_unavailable', bytes_sent: '0' }]);
    const verified = await acme.owner.get(`/api/v1/mcp/audit/verify/?organization=${acme.organization}`);
    expect(verified.body).toMatchObject({ valid: true });
  });
});
