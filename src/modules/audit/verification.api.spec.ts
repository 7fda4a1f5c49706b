import { createHash } from 'node:crypto';
import type { Answer, ApiClient } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError } from '../../../test/support/contract.js';
import { closedTogether } from '../../../test/support/ledger.js';
import { newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';
import { digestOf, type AuditEntry } from './audit-entry.js';

const VERIFY = '/api/v1/mcp/audit/verify/';
const TRAILS = ['changes', 'calls'] as const;
type Trail = (typeof TRAILS)[number];
const TABLE = { changes: 'audit_records', calls: 'calls' };
const SEQ = { changes: 'seq', calls: 'chain_seq' };
const HASH = { changes: 'hash', calls: 'chain_hash' };
const ALL = ['audit_records', 'calls', 'audit_heads', 'audit_signed_heads'];
const GUARDED = ALL.filter((table) => table !== 'audit_heads');
const FIELDS = `id, organization_id, recorded_at, user_id, token_id, actor_name, action, object_type, object_id,
  before::text AS before, after::text AS after, address, request_id`;

// Whoever owns the tables can switch their triggers off: that is what the chain is for.
describe('the audit trail', () => {
  let app: TestApp;
  let upstream: OldEraUpstream;
  let acme: Tenant;
  beforeAll(async () => {
    [app, upstream] = await Promise.all([startApp(), startOldEra({ json: true })]);
    acme = await newTenant(app);
    const server = { server_id: 'memos', server_name: 'memos', server_url: upstream.url };
    expect((await acme.owner.post('/mcp/servers', server)).status).toBe(200);
    for (let number = 0; number < 5; number++) await both();
    // Calls that were closed together are one link.
    await closedTogether(app, 40, () => Promise.all(Array.from({ length: 40 }, (_, number) => call(String(number)))));
    await both();
    await tamper('DELETE FROM audit_signed_heads');
    await save('whole');
  });
  afterEach(() => restore('whole'));
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  const call = (message: string): Promise<Answer> =>
    acme.owner.post('/mcp/tools/memos_echo/execute', { arguments: { message } });
  const change = (description: string): Promise<Answer> =>
    acme.owner.patch(`/api/v1/workspaces/${acme.workspace}/`, { description });
  /** A link more in each chain. */
  async function both(): Promise<void> {
    expect((await call('hello')).status).toBe(200);
    expect((await change(`Described ${Math.random()}`)).status).toBe(200);
  }
  const verify = (head?: string, client: ApiClient = acme.owner): Promise<Answer> =>
    client.get(
      `${VERIFY}?organization=${acme.organization}${head === undefined ? '' : `&head=${encodeURIComponent(head)}`}`,
    );
  async function problems(head?: string): Promise<{ trail: string; problem: string; seq: number; ids: string[] }[]> {
    const { status, body } = await verify(head);
    expect(status).toBe(200);
    expect(body.valid).toBe(body.problems.length === 0);
    return body.problems;
  }
  async function headOf(trail: Trail): Promise<{ seq: number; head: string }> {
    const { body } = await verify();
    return body.chains.find((chain: { trail: string }) => chain.trail === trail);
  }

  async function save(name: string): Promise<void> {
    for (const table of ALL) await app.query(`CREATE TABLE ${name}_${table} AS SELECT * FROM ${table}`);
  }
  /** As a backup that is played back: rows, heads and signed heads agree with each other. */
  async function restore(name: string): Promise<void> {
    await tamper(...ALL.map((table) => `DELETE FROM ${table}; INSERT INTO ${table} SELECT * FROM ${name}_${table}`));
  }
  async function tamper(...statements: string[]): Promise<void> {
    const toggle = (what: string): string =>
      GUARDED.map((table) => `ALTER TABLE ${table} ${what} TRIGGER ${table}_append_only`).join('; ');
    await app.query(`BEGIN; ${toggle('DISABLE')}; ${statements.join('; ')}; ${toggle('ENABLE')}; COMMIT`);
  }
  /** The rows of the tenant's chain in order, one a link. */
  async function links(trail: Trail): Promise<{ id: string; seq: number; rows: number }[]> {
    return app.query(
      `SELECT min(id::text) AS id, ${SEQ[trail]}::int AS seq, count(*)::int AS rows FROM ${TABLE[trail]}
        WHERE organization_id = $1 GROUP BY 2 ORDER BY 2`,
      [acme.organization],
    );
  }
  async function link(trail: Trail, which: number): Promise<{ id: string; seq: number }> {
    const found = (await links(trail)).at(which);
    if (!found) throw new Error(`no link ${which}`);
    return found;
  }

  it('that nobody touched is valid, and so are its signed heads', async () => {
    const { body } = await verify();
    expect(body).toMatchObject({ valid: true, problems: [] });
    const [changes, calls] = [await links('changes'), await links('calls')];
    expect(body.checked).toBe(changes.length + calls.length);
    expect(Math.max(...calls.map(({ rows }) => rows))).toBeGreaterThan(1);
    for (const trail of TRAILS) {
      const { seq, head } = await headOf(trail);
      expect(seq).toBe((await link(trail, -1)).seq);
      expect(await problems(head)).toEqual([]);
      await both();
      expect(await problems(head)).toEqual([]);
    }
  });

  describe.each(TRAILS)('of %s shows by itself', (trail) => {
    const flips = {
      changes: [
        "actor_name = actor_name || '.'",
        'after = \'{"description":"nothing"}\'',
        "recorded_at = recorded_at + interval '1 ms'",
      ],
      calls: [
        'cost = cost + 0.000001',
        "outcome = 'denied'",
        'arguments_hash = reverse(arguments_hash)',
        'bytes_received = bytes_received + 1',
      ],
    };
    it.each(flips[trail])('a row of which something was changed: %s', async (assignment) => {
      const { id, seq } = await link(trail, 3);
      await tamper(`UPDATE ${TABLE[trail]} SET ${assignment} WHERE id = '${id}'`);
      expect(await problems()).toEqual([expect.objectContaining({ trail, problem: 'changed', seq, ids: [id] })]);
    });

    it('a hash that was changed', async () => {
      const { seq } = await link(trail, 2);
      await tamper(
        `UPDATE ${TABLE[trail]} SET ${HASH[trail]} = sha256('x') WHERE ${SEQ[trail]} = ${seq} AND organization_id = '${acme.organization}'`,
      );
      expect((await problems()).map((problem) => [problem.problem, problem.seq])).toEqual([
        ['changed', seq],
        ['changed', seq + 1],
      ]);
    });

    it('a link that was deleted', async () => {
      const { id, seq } = await link(trail, 2);
      await tamper(`DELETE FROM ${TABLE[trail]} WHERE id = '${id}'`);
      expect(await problems()).toEqual([expect.objectContaining({ trail, problem: 'missing', seq })]);
    });

    it('links that were swapped', async () => {
      const [one, two] = [await link(trail, 1), await link(trail, 3)];
      const take = (row: { id: string }, seq: number, hash: string): string =>
        `UPDATE ${TABLE[trail]} SET ${SEQ[trail]} = ${seq}, ${HASH[trail]} = (${hash}) WHERE id = '${row.id}'`;
      const hashAt = (seq: number): string =>
        `SELECT ${HASH[trail]} FROM whole_${TABLE[trail]} WHERE ${SEQ[trail]} = ${seq} AND organization_id = '${acme.organization}'`;
      await tamper(
        take(one, -1, hashAt(one.seq)),
        take(two, one.seq, hashAt(one.seq)),
        take(one, two.seq, hashAt(two.seq)),
      );
      expect((await problems()).map((problem) => [problem.problem, problem.seq, problem.ids])).toEqual([
        ['changed', one.seq, [two.id]],
        ['changed', two.seq, [one.id]],
      ]);
    });

    it('a tail that was cut off, and heads that are gone', async () => {
      const { seq } = await link(trail, -1);
      await tamper(
        `DELETE FROM ${TABLE[trail]} WHERE ${SEQ[trail]} = ${seq} AND organization_id = '${acme.organization}'`,
      );
      expect(await problems()).toEqual([expect.objectContaining({ trail, problem: 'cut', seq })]);
      await restore('whole');
      await tamper(`DELETE FROM audit_heads WHERE trail = '${trail}' AND organization_id = '${acme.organization}'`);
      expect(await problems()).toEqual([expect.objectContaining({ trail, problem: 'cut', seq })]);
    });

    /** The last links are gone, and everything that the database has agrees. */
    it('nothing where the tail was cut and the heads were set back; a signed head does', async () => {
      const { head } = await headOf(trail);
      const [last, before] = [await link(trail, -1), await link(trail, -2)];
      const ours = `organization_id = '${acme.organization}'`;
      await tamper(
        `DELETE FROM ${TABLE[trail]} WHERE ${SEQ[trail]} = ${last.seq} AND ${ours}`,
        `DELETE FROM audit_signed_heads WHERE trail = '${trail}' AND seq >= ${last.seq} AND ${ours}`,
        `UPDATE audit_heads SET seq = ${before.seq}, hash = (
           SELECT ${HASH[trail]} FROM ${TABLE[trail]} WHERE ${SEQ[trail]} = ${before.seq} AND ${ours} LIMIT 1)
          WHERE trail = '${trail}' AND ${ours}`,
      );
      expect(await problems()).toEqual([]);
      expect(await problems(head)).toEqual([expect.objectContaining({ trail, problem: 'cut', seq: last.seq })]);
    });

    it('nothing of an older state that was restored; a signed head does, also when it went on from there', async () => {
      await both();
      const { head, seq } = await headOf(trail);
      await restore('whole');
      expect(await problems()).toEqual([]);
      expect(await problems(head)).toEqual([expect.objectContaining({ trail, problem: 'cut', seq })]);
      await both();
      await both();
      expect(await problems()).toEqual([]);
      expect(await problems(head)).toEqual([expect.objectContaining({ trail, problem: 'rewritten', seq })]);
      // Not even a genuine head of the new state, stored by the product itself, hides it.
      const fork = await forked(trail, seq);
      await tamper(
        `INSERT INTO audit_signed_heads (organization_id, trail, seq, signed_head)
         VALUES ('${acme.organization}', '${trail}', ${seq}, '${fork}')`,
      );
      expect(await problems()).toEqual([]);
      expect(await problems(head)).toEqual([expect.objectContaining({ trail, problem: 'rewritten', seq })]);
    });
  });

  /** What the product signs when the chain is at that link: a state before the last one. */
  async function forked(trail: Trail, seq: number): Promise<string> {
    const ours = `trail = '${trail}' AND organization_id = '${acme.organization}'`;
    const [now] = await app.query<{ seq: string; hash: string }>(
      `SELECT seq::text AS seq, encode(hash, 'hex') AS hash FROM audit_heads WHERE ${ours}`,
    );
    await tamper(`UPDATE audit_heads SET seq = ${seq}, hash = (SELECT ${HASH[trail]} FROM ${TABLE[trail]}
      WHERE ${SEQ[trail]} = ${seq} AND organization_id = '${acme.organization}' LIMIT 1) WHERE ${ours}`);
    const { head } = await headOf(trail);
    await tamper(`UPDATE audit_heads SET seq = ${now?.seq}, hash = '\\x${now?.hash}' WHERE ${ours}`);
    return head;
  }

  it('that was rewritten as a whole, with hashes that fit, differs from a signed head', async () => {
    const { head, seq } = await headOf('changes');
    const entries = await app.query<Omit<AuditEntry, 'recorded_at'> & { recorded_at: Date; seq: number }>(
      `SELECT ${FIELDS}, seq::int AS seq FROM audit_records WHERE organization_id = $1 ORDER BY seq`,
      [acme.organization],
    );
    let hash = Buffer.alloc(32);
    const statements: string[] = [];
    for (const entry of entries) {
      const actor_name = entry.seq === 3 ? 'somebody else' : entry.actor_name;
      const number = Buffer.alloc(8);
      number.writeBigInt64BE(BigInt(entry.seq));
      const digest = digestOf({ ...entry, actor_name, recorded_at: entry.recorded_at.toISOString() });
      hash = createHash('sha256').update(hash).update(number).update(digest).digest();
      statements.push(
        `UPDATE audit_records SET actor_name = '${actor_name}', hash = '\\x${hash.toString('hex')}' WHERE id = '${entry.id}'`,
      );
    }
    const ours = `trail = 'changes' AND organization_id = '${acme.organization}'`;
    await tamper(
      ...statements,
      `UPDATE audit_heads SET hash = '\\x${hash.toString('hex')}' WHERE ${ours}`,
      `DELETE FROM audit_signed_heads WHERE ${ours}`,
    );
    expect(await problems()).toEqual([]);
    expect(await problems(head)).toEqual([expect.objectContaining({ problem: 'rewritten', seq })]);
  });

  it('that lost a row of several calls that were closed together shows it', async () => {
    const batch = (await links('calls')).find(({ rows }) => rows > 1);
    await tamper(`DELETE FROM calls WHERE id = '${batch?.id}'`);
    expect(await problems()).toEqual([expect.objectContaining({ problem: 'changed', seq: batch?.seq })]);
  });

  it('has its signed heads in the log, also of a process that ends; they are what it is compared with', async () => {
    const second = await startApp({}, app);
    try {
      const owner = acme.owner.at(second.url);
      expect((await owner.patch(`/api/v1/workspaces/${acme.workspace}/`, { description: 'elsewhere' })).status).toBe(
        200,
      );
    } finally {
      await second.close();
    }
    const lines = second.log.map(
      (line) => JSON.parse(line) as { msg: string; organization_id: string; trail: string; head: string },
    );
    const line = lines.find(
      ({ msg, organization_id, trail }) =>
        msg === 'audit head' && organization_id === acme.organization && trail === 'changes',
    );
    expect(await problems(line?.head)).toEqual([]);
    await restore('whole');
    expect(await problems(line?.head)).toEqual([expect.objectContaining({ trail: 'changes', problem: 'cut' })]);
  });

  it('refuses heads that were not signed here, and says so of those that are stored', async () => {
    const { head, seq } = await headOf('changes');
    const fields = head.split('.');
    const forged = [
      '',
      'x',
      'head',
      head.slice(0, -1),
      `${head}x`,
      head.replace(/^head/, 'retired'),
      fields.with(3, String(seq + 1)).join('.'),
      fields.with(2, 'calls').join('.'),
      fields.with(4, 'f'.repeat(64)).join('.'),
      'x'.repeat(501),
    ];
    for (const each of forged) {
      const answer = await verify(each);
      expectError(answer, 400, 'validation_failed');
      expect([each, Object.keys(answer.body.details.fields)]).toEqual([each, ['head']]);
    }
    await tamper(
      `INSERT INTO audit_signed_heads (organization_id, trail, seq, signed_head)
       VALUES ('${acme.organization}', 'changes', ${seq}, '${fields.with(4, 'f'.repeat(64)).join('.')}')`,
    );
    expect(await problems()).toEqual([expect.objectContaining({ problem: 'forged', seq })]);
  });
});
