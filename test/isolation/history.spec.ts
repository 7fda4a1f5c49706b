import { randomUUID } from 'node:crypto';
import { signHead } from '../../src/modules/audit/signed-head.js';
import { KeyRing } from '../../src/platform/crypto/key-ring.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { startApp, type TestApp } from '../support/app.js';
import { expectError } from '../support/contract.js';
import { expectTotalsToEqualRows } from '../support/ledger.js';
import { newUser } from '../support/tenants.js';
import { shapeOf } from './cells.js';
import { changes, snapshotOf } from './snapshot.js';
import { callsOf, secretsOf, toldOf } from './secrets.js';
import { BUDGET, createWorld, made, ROLES, type Side, type World } from './world.js';

const V1 = '/api/v1/mcp';
const URI = encodeURIComponent('memo://one');
/** Whatever calls and changes leave behind. */
const LEDGER = ['audit_records', 'audit_heads', 'calls', 'open_calls', 'usage_records', 'tool_usage_records'];
const KEPT = [...LEDGER, 'budgets', 'budget_windows', 'idempotency_keys'];
const HELLO = { arguments: { message: 'hello' } };

interface Attempt {
  method: string;
  path: string;
  body?: object;
  headers?: Record<string, string>;
}

describe('what two organizations did', () => {
  let app: TestApp;
  let world: World;
  beforeAll(async () => {
    app = await startApp();
    world = await createWorld(app);
  });
  afterAll(async () => {
    await app.close();
    await world.close();
  });

  const bothWays = (): [Side, Side][] => [world.sides, [world.sides[1], world.sides[0]]];
  const execute = (client: ApiClient, tool: string, headers?: Record<string, string>): Promise<Answer> =>
    client.post(`/mcp/tools/${tool}/execute`, HELLO, headers);
  const send = (client: ApiClient, { method, path, body, headers }: Attempt): Promise<Answer> =>
    client.send(method, path, body, headers);
  const post = (path: string, workspace?: string, body?: object): Attempt => ({
    method: 'POST',
    path,
    body,
    headers: { 'Idempotency-Key': randomUUID(), ...(workspace === undefined ? {} : { 'X-Workspace-Id': workspace }) },
  });

  /** Every way to name something of the other one where something is used. */
  function attemptsAt(side: Side, other: Side): Attempt[] {
    const chosen = `?organization=${other.organization}`;
    const tool = (name: string, query = ''): string => `/mcp/tools/${name}/execute${query}`;
    const read = (id: number): string => `${V1}/resources/${id}/read/`;
    const byUri = (slug: string, uri = URI, query = ''): string => `/mcp/servers/${slug}/resources/${uri}/read${query}`;
    const workspaces = [undefined, side.workspace, other.workspace];
    return [
      ...workspaces.flatMap((workspace) => [
        post(tool(other.loneTool), workspace, HELLO),
        post(tool(other.loneTool, chosen), workspace, HELLO),
        post(tool(side.tool, chosen), workspace, HELLO),
        post(read(other.resource), workspace),
        post(byUri(other.loneSlug), workspace),
        post(byUri(other.loneSlug, URI, chosen), workspace),
        post(byUri(side.slug, URI, chosen), workspace),
        post(byUri(side.slug, encodeURIComponent(other.loneUri)), workspace),
      ]),
      post(tool(side.tool), other.workspace, HELLO),
      post(read(side.resource), other.workspace),
      post(byUri(side.slug), other.workspace),
      post(`${V1}/workspace-access/${other.grant}/check/`, undefined, { tool: other.tool }),
      { method: 'PUT', path: `${V1}/workspace-access/${other.grant}/budget/`, body: BUDGET },
      { method: 'DELETE', path: `${V1}/workspace-access/${other.grant}/budget/` },
    ];
  }

  /** All that the product tells somebody of what was done. */
  async function historyFor(client: ApiClient): Promise<Record<'calls' | 'usage' | 'audit', Answer> & { all: string }> {
    const paths = ['calls/?limit=500', 'usage/?limit=500', 'audit/?limit=500', 'usage/summary/', 'usage/export/'];
    const answers = await Promise.all(paths.map((path) => client.get(`${V1}/${path}`)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    const [calls, usage, audit] = answers as [Answer, Answer, Answer];
    return { calls, usage, audit, all: answers.map(({ text }) => text).join('\n') };
  }

  it('is seen by the snapshot of each, in every table that calls and changes write to', async () => {
    for (const side of world.sides) {
      await made(execute(side.actors.worker, side.tool, { 'Idempotency-Key': randomUUID() }));
      const opened = `INSERT INTO open_calls
        SELECT $2, organization_id, workspace_id, workspace_access_id, connection_id, resource_id, tool_id, user_id, token_id, door,
               operation, now(), reason, bytes_sent, request_id, address, arguments_hash, is_hidden, (SELECT min(id::text)::uuid FROM process_leases)
          FROM calls WHERE id = $1`;
      const id = randomUUID();
      const before = await snapshotOf(app, side.organization);
      await app.query(opened, [side.call, id]);
      const after = await snapshotOf(app, side.organization);
      await app.query('DELETE FROM open_calls WHERE id = $1', [id]);
      expect(changes(before, after)).toEqual([expect.stringContaining('open_calls')]);
      const tables = new Set(after.map((row) => row.split(' ')[0]));
      // Calls here count on their tools: nothing is kept beside them.
      expect(KEPT.filter((table) => !tables.has(table))).toEqual(['tool_usage_records']);
    }
  });

  it('is not touched by attempts at what is the other one’s, nor are its ids in what they leave', async () => {
    for (const [side, other] of bothWays()) {
      const hidden = await secretsOf(app, other, side);
      const [theirs, calls] = [await snapshotOf(app, other.organization), callsOf(other)];
      const ours = new Set(await snapshotOf(app, side.organization));
      for (const role of ROLES) {
        for (const attempt of attemptsAt(side, other)) {
          const answer = await send(side.actors[role], attempt);
          expect([role, attempt.path, answer.status, answer.body.error]).toEqual([
            role,
            attempt.path,
            404,
            'resource_not_found',
          ]);
          const sent = decodeURIComponent(attempt.path) + JSON.stringify([attempt.body, attempt.headers]);
          expect(toldOf(hidden, answer.text).filter((secret) => !sent.includes(secret))).toEqual([]);
        }
        expect([role, changes(theirs, await snapshotOf(app, other.organization))]).toEqual([role, []]);
      }
      expect(callsOf(other)).toBe(calls);
      const left = (await snapshotOf(app, side.organization)).filter((row) => !ours.has(row));
      expect(left.flatMap((row) => toldOf(hidden, row).map((secret) => [secret, row]))).toEqual([]);
    }
  });

  it('names nothing of the other, by numbers neither', async () => {
    for (const side of world.sides) {
      const idsIn = async (table: string): Promise<number[]> =>
        (
          await app.query<{ id: number }>(`SELECT id FROM ${table} WHERE organization_id = $1`, [side.organization])
        ).map(({ id }) => id);
      const [resources, grants] = [await idsIn('resources'), await idsIn('workspace_access')];
      const { calls, usage } = await historyFor(side.actors.owner);
      const rows = [...calls.body, ...usage.body] as {
        resource: { id: number } | null;
        tool?: { id: number } | null;
        workspace_access: number | null;
      }[];
      expect(rows.length).toBeGreaterThan(5);
      const named = rows.flatMap(({ resource, tool }) => [resource, tool].flatMap((each) => each?.id ?? []));
      expect(named.filter((id) => !resources.includes(id))).toEqual([]);
      const charged = rows.flatMap(({ workspace_access: grant }) => grant ?? []);
      expect(charged.filter((id) => !grants.includes(id))).toEqual([]);
    }
  });

  it('is in the ledger and the trail of the one organization whose it is, also of a person in both', async () => {
    const { client } = world.both;
    for (const [side, other] of bothWays()) {
      for (const attempt of attemptsAt(side, other)) await send(client, attempt);
      await made(client.post(`/mcp/tools/${side.tool}/execute?organization=${side.organization}`, HELLO));
    }
    const strays = await app.query(
      LEDGER.filter((table) => !table.startsWith('audit'))
        .map(
          (table) => `
      SELECT '${table}' AS name, to_jsonb(l) AS row FROM ${table} l
        JOIN connections c ON c.id = l.connection_id LEFT JOIN workspaces w ON w.id = l.workspace_id
        LEFT JOIN workspace_access a ON a.id = l.workspace_access_id
        LEFT JOIN resources r ON r.id = ${table === 'tool_usage_records' ? 'l.tool_id' : 'l.resource_id'}
       WHERE l.organization_id <> c.organization_id OR l.organization_id <> w.organization_id
          OR l.organization_id <> a.organization_id OR l.organization_id <> r.organization_id
          OR l.workspace_id <> a.workspace_id OR l.connection_id <> a.connection_id OR l.connection_id <> r.connection_id`,
        )
        .join(' UNION ALL '),
    );
    expect(strays).toEqual([]);
    const strangers = await app.query(
      `SELECT l.* FROM (SELECT organization_id, user_id, token_id, id FROM calls
                        UNION ALL SELECT organization_id, user_id, token_id, id FROM audit_records) l
         LEFT JOIN workspace_tokens t ON t.id = l.token_id LEFT JOIN workspaces w ON w.id = t.workspace_id
        WHERE l.organization_id = ANY ($1)
          AND (w.organization_id <> l.organization_id OR l.user_id IS NOT NULL
               AND NOT EXISTS (SELECT FROM users u WHERE u.id = l.user_id AND u.is_operator)
               AND NOT EXISTS (SELECT FROM memberships m WHERE m.user_id = l.user_id AND m.organization_id = l.organization_id))`,
      [world.sides.map(({ organization }) => organization)],
    );
    expect(strangers).toEqual([]);
    await expectTotalsToEqualRows(app);
  });

  it('tells nobody what they were told is unknown: calls, totals and trail neither', async () => {
    const problems = new Set<string>();
    for (const side of world.sides) {
      const { owner, member, manager, worker, agent } = side.actors;
      const granted: { id: number }[] = await made(worker.get(`${V1}/resources/?limit=500`));
      const all: { id: number }[] = await made(owner.get(`${V1}/resources/?connection=${side.connection}&limit=500`));
      const ungranted = all.find(({ id }) => !granted.some((row) => row.id === id))?.id ?? 0;
      for (const [role, client] of Object.entries({ member, manager, worker, agent })) {
        const ids = [side.loneResource, ungranted, ...(client === member ? [side.resource] : [])];
        for (const id of ids) expectError(await client.post(`${V1}/resources/${id}/read/`), 404, 'resource_not_found');
        expectError(await execute(client, side.loneTool), 404, 'resource_not_found');
        const { calls, usage, audit, all: text } = await historyFor(client);
        for (const [name, rows] of Object.entries({ calls: calls.body, usage: usage.body }))
          for (const { resource } of rows as { resource: { id: number } | null }[])
            if (resource && ids.includes(resource.id)) problems.add(`${role}, ${name}: ${JSON.stringify(resource)}`);
        for (const { object } of audit.body as { object: { type: string; id: string } }[])
          if (object.type === 'resource' && ids.includes(Number(object.id)))
            problems.add(`${role}, trail: resource ${object.id}`);
        // Members know what their organization is connected to; agents do not.
        if (client === agent)
          for (const word of [side.loneConnection, `Only ${side.mark}`])
            if (text.includes(word)) problems.add(`${role}: ${word}`);
      }
    }
    expect([...problems]).toEqual([]);
  });

  it('is no longer told to somebody who has left', async () => {
    const problems = new Set<string>();
    for (const side of world.sides) {
      const { owner } = side.actors;
      const { id: userId, username, client } = await newUser(app);
      await made(owner.post(`/api/v1/organizations/${side.organization}/members/`, { username, role: 'admin' }));
      await made(owner.post(`/api/v1/workspaces/${side.workspace}/members/`, { username, role: 'member' }));
      await made(execute(client, side.tool, { 'X-Workspace-Id': side.workspace }));
      await made(client.patch(`/api/v1/workspaces/${side.annex}/`, { description: `${side.mark} once more` }));
      const [call] = await made(client.get(`${V1}/calls/?actor=${userId}`));
      await made(owner.delete(`/api/v1/organizations/${side.organization}/members/${userId}/`));
      const one = await client.get(`${V1}/calls/${call.id}/`);
      if (one.status !== 404) problems.add(`calls/:id answers ${one.status}`);
      const { calls, usage, audit } = await historyFor(client);
      const within = await client.get(`${V1}/audit/?organization=${side.organization}`);
      const ofTheirs = (row: { organization: string | null }): boolean => row.organization === side.organization;
      const lists: Record<string, unknown[]> = {
        calls: calls.body,
        usage: usage.body,
        'audit?organization': within.body,
        audit: audit.body.filter(ofTheirs),
      };
      for (const [name, rows] of Object.entries(lists))
        if (rows.length > 0) problems.add(`${name} shows ${rows.length} rows`);
    }
    expect([...problems]).toEqual([]);
  });

  it('is verified against signed heads of one’s own organization only: others are as unknown as nobody’s', async () => {
    for (const [side, other] of bothWays()) {
      const nobodys = signHead(app.app.get(KeyRing, { strict: false }), {
        organizationId: randomUUID(),
        trail: 'calls',
        seq: 3,
        hash: 'ab'.repeat(32),
      });
      const verify = (client: ApiClient, head: string, more = ''): Promise<Answer> =>
        client.get(`${V1}/audit/verify/?head=${head}${more}`);
      const organizationIn = (head: string): string => head.split('.')[1] ?? '';
      for (const role of ROLES) {
        const client = side.actors[role];
        const [foreign, unknown] = [await verify(client, other.head), await verify(client, nobodys)];
        expectError(foreign, 404, 'resource_not_found');
        expect(shapeOf(foreign, organizationIn(other.head))).toBe(shapeOf(unknown, organizationIn(nobodys)));
        expectError(await verify(client, 'no-head-at-all'), 400, 'validation_failed');
      }
      const { owner, member, agent } = side.actors;
      expect(await made(verify(owner, side.head))).toMatchObject({ valid: true, problems: [] });
      expectError(await verify(member, side.head), 403, 'forbidden');
      expectError(await verify(agent, side.head), 404, 'resource_not_found');
      const own = `&organization=${side.organization}`;
      const [foreign, unknown] = [await verify(owner, other.head, own), await verify(owner, nobodys, own)];
      expectError(foreign, 400, 'validation_failed');
      expect(shapeOf(foreign, undefined)).toBe(shapeOf(unknown, undefined));
    }
  });

  it('is exported without paging: a cursor that is none is refused', async () => {
    expectError(await world.sides[0].actors.owner.get(`${V1}/usage/export/?cursor=none`), 400, 'validation_failed');
  });

  describe('under one Idempotency-Key', () => {
    const keyOf = (name: string): Record<string, string> => ({ 'Idempotency-Key': `the-same-key-of-${name}` });
    const isReplayed = (answer: Answer): boolean => answer.headers.get('idempotent-replayed') === 'true';

    it('is answered to everybody with their own, at once and again', async () => {
      const principals = world.sides.flatMap((side) =>
        (['owner', 'admin', 'manager', 'worker', 'agent'] as const).map((role) => ({
          side,
          client: side.actors[role],
        })),
      );
      const first = await Promise.all(
        principals.map(({ side, client }) => execute(client, side.tool, keyOf('everybody'))),
      );
      const again = await Promise.all(
        principals.map(({ side, client }) => execute(client, side.tool, keyOf('everybody'))),
      );
      for (const [index, { side }] of principals.entries()) {
        const { status, text, body } = first[index];
        expect([status, body.result]).toEqual([200, `echo answered by the server of ${side.mark}`]);
        expect(isReplayed(first[index])).toBe(false);
        expect([again[index]?.text, isReplayed(again[index])]).toEqual([text, true]);
      }
      const [row] = await app.query<{ count: number }>(
        'SELECT count(DISTINCT principal)::int AS count FROM idempotency_keys WHERE key = $1',
        ['the-same-key-of-everybody'],
      );
      expect(row?.count).toBe(principals.length);
    });

    it('is not answered to somebody who may not, whoever was answered before', async () => {
      const [side, other] = world.sides;
      const read = `${V1}/resources/${side.resource}/read/`;
      const headers = { 'Idempotency-Key': randomUUID(), 'X-Workspace-Id': side.workspace };
      expect((await side.actors.owner.post(read, undefined, headers)).status).toBe(200);
      for (const client of [side.actors.member, ...ROLES.map((role) => other.actors[role])])
        expectError(await client.post(read, undefined, headers), 404, 'resource_not_found');
      expect(isReplayed(await side.actors.owner.post(read, undefined, headers))).toBe(true);
    });

    it('is done in each organization, where both ask for the same', async () => {
      const server = { server_id: 'twins', server_name: 'Twins', server_url: world.open.url };
      const answers = await Promise.all(
        world.sides.map((side) => side.actors.owner.post('/mcp/servers', server, keyOf('servers'))),
      );
      expect(answers.map((answer) => [answer.status, isReplayed(answer)])).toEqual([
        [200, false],
        [200, false],
      ]);
      for (const side of world.sides)
        expect((await side.actors.owner.get('/mcp/servers')).text).toContain('"server_id":"twins"');
    });

    it('is not mixed for a person in both: the key belongs to the request in the one', async () => {
      const [side, other] = world.sides;
      const ask = ({ organization, tool }: Side): Promise<Answer> =>
        world.both.client.post(`/mcp/tools/${tool}/execute?organization=${organization}`, HELLO, keyOf('both'));
      expect((await ask(side)).body.result).toContain(side.mark);
      const answer = await ask(other);
      expectError(answer, 422, 'idempotency_key_reused');
      expect(toldOf(await secretsOf(app, side, other), answer.text)).toEqual([]);
    });
  });
});
