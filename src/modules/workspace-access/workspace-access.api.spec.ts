import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, ApiClient } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError, itHidesForeignRows, itIsProtected, itRefusesBadBodies } from '../../../test/support/contract.js';
import { newMember, newTenant, type Tenant, type TestUser } from '../../../test/support/tenants.js';
import { startEverything } from '../../../test/support/upstreams/programs.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

const ACCESS = '/api/v1/mcp/workspace-access/';

describe('workspace access', () => {
  let app: TestApp;
  let upstream: OldEraUpstream;
  let everything: Awaited<ReturnType<typeof startEverything>>;
  let acme: Tenant;
  let other: Tenant;
  /** A member of the organization, who works in its workspace. */
  let member: TestUser;
  let manager: TestUser;
  let connection: string;
  let foreign: string;
  let foreignAccess: number;

  beforeAll(async () => {
    [app, upstream, everything] = await Promise.all([startApp(), startOldEra(), startEverything()]);
    [acme, other] = [await newTenant(app), await newTenant(app)];
    [member, manager] = [await newMember(app, acme, 'member'), await newMember(app, acme, 'member')];
    await join(member, acme.workspace, 'member');
    await join(manager, acme.workspace, 'manager');
    connection = await connect(acme, 'memos', upstream.url);
    foreign = await connect(other, 'memos', upstream.url);
    foreignAccess = (await grant(other.owner, { workspace: other.workspace, connection: foreign })).body.id as number;
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([upstream.close(), everything.close()]);
  });

  async function join(user: TestUser, workspace: string, role: 'manager' | 'member'): Promise<void> {
    const path = `/api/v1/workspaces/${workspace}/members/`;
    expect((await acme.owner.post(path, { username: user.username, role })).status).toBe(201);
  }
  async function connect(tenant: Tenant, name: string, url: string): Promise<string> {
    expect(
      (await tenant.owner.post('/mcp/servers', { server_id: name, server_name: name, server_url: url })).status,
    ).toBe(200);
    const { body } = await tenant.owner.get('/api/v1/mcp/connections/');
    return body.find((row: { server_id: string }) => row.server_id === name).id as string;
  }
  let names = 0;
  function grant(client: ApiClient, body: object): Promise<Answer> {
    return client.post(ACCESS, { access_name: `Grant ${++names}`, ...body });
  }
  async function newGrant(body: object = {}): Promise<number> {
    const answer = await grant(acme.owner, { workspace: acme.workspace, connection, ...body });
    expect(answer.status).toBe(201);
    return answer.body.id as number;
  }
  async function resourceId(uri: string, on = connection): Promise<number> {
    const { body } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${on}&limit=500`);
    return body.find((row: { resource_uri: string }) => row.resource_uri === uri).id as number;
  }
  async function clear(): Promise<void> {
    for (const { id } of (await acme.owner.get(ACCESS)).body) await acme.owner.delete(`${ACCESS}${id}/`);
  }
  async function until(holds: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; !(await holds()); tries++) {
      if (tries > 100) throw new Error('it never came to hold');
      await sleep(20);
    }
  }
  const idsOf = async (client: ApiClient, path = '/mcp/tools'): Promise<string[]> =>
    (await client.get(path)).body.map((row: { id: string }) => row.id);
  const execute = (client: ApiClient, tool: string, args: object, headers?: Record<string, string>): Promise<Answer> =>
    client.post(`/mcp/tools/${tool}/execute`, { arguments: args }, headers);

  itIsProtected(
    () => app.anonymous,
    () => [
      { method: 'GET', path: ACCESS },
      { method: 'POST', path: ACCESS, body: {} },
      { method: 'GET', path: `${ACCESS}1/effective/` },
      { method: 'POST', path: `${ACCESS}1/check/`, body: { tool: 'x' } },
    ],
  );
  itHidesForeignRows(
    () => acme.owner,
    () => String(foreignAccess),
    (id) => [
      { method: 'GET', path: `${ACCESS}${id}/` },
      { method: 'PATCH', path: `${ACCESS}${id}/`, body: { description: 'mine' } },
      { method: 'DELETE', path: `${ACCESS}${id}/` },
      { method: 'POST', path: `${ACCESS}${id}/add-resource/`, body: { resource_id: 1 } },
      { method: 'POST', path: `${ACCESS}${id}/remove-resource/`, body: { resource_id: 1 } },
      { method: 'GET', path: `${ACCESS}${id}/resources/` },
      { method: 'GET', path: `${ACCESS}${id}/effective/` },
      { method: 'POST', path: `${ACCESS}${id}/check/`, body: { tool: 'memos_echo' } },
    ],
  );
  itRefusesBadBodies(
    () => acme.owner,
    () => ({ method: 'POST', path: ACCESS, body: { workspace: acme.workspace, connection, access_name: 'x' } }),
  );

  describe('as in the specification', () => {
    afterEach(clear);

    it('is created, shown, listed with every filter, changed and deleted', async () => {
      const memo = await resourceId('memo://one');
      const created = await grant(acme.owner, {
        workspace: acme.workspace,
        connection,
        access_name: 'Memo Access',
        description: 'Reads memos',
        allowed_resources: [memo],
        resource_filters: { resource_names: ['*'] },
        permission_level: 'write',
        auto_sync: false,
      });
      expect(created.status).toBe(201);
      const expected = {
        id: expect.any(Number),
        workspace: { id: acme.workspace, name: acme.workspaceName },
        connection: { id: connection, connection_name: 'memos' },
        access_name: 'Memo Access',
        description: 'Reads memos',
        allowed_resources: [{ id: memo, resource_name: 'First memo', resource_type: 'resource', automatic: false }],
        allowed_resources_total: 1,
        resource_filters: { resource_names: ['*'] },
        permission_level: 'write',
        is_active: true,
        auto_sync: false,
        last_used: null,
        usage_count: 0,
        created_at: expect.stringMatching(/^\d{4}-.*Z$/),
        created_by: { id: acme.ownerId, username: expect.any(String) },
      };
      expect(created.body).toEqual(expected);
      const path = `${ACCESS}${created.body.id}/`;
      for (const client of [acme.owner, manager.client, member.client])
        expect((await client.get(path)).body).toEqual(expected);
      for (const query of [`workspace=${acme.workspace}`, `connection=${connection}`, 'is_active=true'])
        expect((await acme.owner.get(`${ACCESS}?${query}`)).body).toEqual([expected]);
      for (const query of [`workspace=${other.workspace}`, `connection=${foreign}`, 'is_active=false'])
        expect((await acme.owner.get(`${ACCESS}?${query}`)).body).toEqual([]);
      expectError(await acme.owner.get(`${ACCESS}?workspace=nonsense`), 400, 'validation_failed');
      const changed = await acme.owner.patch(path, { access_name: 'Memos', is_active: false, allowed_resources: [] });
      expect([changed.status, changed.body]).toEqual([
        200,
        { ...expected, access_name: 'Memos', is_active: false, allowed_resources: [], allowed_resources_total: 0 },
      ]);
      expect((await acme.owner.delete(path)).status).toBe(204);
      expectError(await acme.owner.get(path), 404, 'resource_not_found');
      expect((await grant(acme.owner, { workspace: acme.workspace, connection, access_name: 'memos' })).status).toBe(
        201,
      );
    });

    it('has a name of its own in the workspace on the connection', async () => {
      await newGrant({ access_name: 'Twice' });
      const again = await grant(acme.owner, { workspace: acme.workspace, connection, access_name: 'twice' });
      expectError(again, 409, 'name_taken');
      expect(again.body.details.fields).toHaveProperty('access_name');
    });

    it('is edited by admins alone', async () => {
      const id = await newGrant();
      for (const { client } of [manager, member]) {
        for (const answer of [
          await client.patch(`${ACCESS}${id}/`, { permission_level: 'admin' }),
          await client.delete(`${ACCESS}${id}/`),
          await client.post(`${ACCESS}${id}/add-resource/`, { resource_id: 1 }),
          await client.post(`${ACCESS}${id}/remove-resource/`, { resource_id: 1 }),
          await grant(client, { workspace: acme.workspace, connection }),
        ])
          expectError(answer, 403, 'forbidden');
      }
    });

    it('adds and removes resources: once, by whoever, and 404 for what is not there', async () => {
      const [id, memo] = [await newGrant({ auto_sync: false }), await resourceId('memo://one')];
      const added = {
        success: true,
        message: 'Resource added to workspace access',
        resource: { id: memo, resource_name: 'First memo', resource_type: 'resource' },
      };
      for (const _ of ['once', 'twice']) {
        const answer = await acme.owner.post(`${ACCESS}${id}/add-resource/`, { resource_id: memo });
        expect([answer.status, answer.body]).toEqual([200, added]);
      }
      expect((await acme.owner.get(`${ACCESS}${id}/`)).body.allowed_resources).toHaveLength(1);
      const removed = await acme.owner.post(`${ACCESS}${id}/remove-resource/`, { resource_id: memo });
      expect([removed.status, removed.body]).toEqual([
        200,
        { success: true, message: 'Resource removed from workspace access' },
      ]);
      expectError(
        await acme.owner.post(`${ACCESS}${id}/remove-resource/`, { resource_id: memo }),
        404,
        'resource_not_found',
      );
      for (const resource_id of ['1', 1.5, null, -1])
        expectError(await acme.owner.post(`${ACCESS}${id}/add-resource/`, { resource_id }), 400, 'validation_failed');
    });

    it('takes resources of its own connection and no others', async () => {
      const [id, theirs] = [await newGrant(), (await other.owner.get('/api/v1/mcp/resources/')).body[0].id as number];
      const second = await connect(acme, 'second', upstream.url);
      const elsewhere = await resourceId('memo://one', second);
      expectError(
        await acme.owner.post(`${ACCESS}${id}/add-resource/`, { resource_id: theirs }),
        404,
        'resource_not_found',
      );
      expectError(
        await acme.owner.post(`${ACCESS}${id}/add-resource/`, { resource_id: 2_000_000_000 }),
        404,
        'resource_not_found',
      );
      const refused = await acme.owner.post(`${ACCESS}${id}/add-resource/`, { resource_id: elsewhere });
      expectError(refused, 400, 'validation_failed');
      expect(refused.body.details.fields).toHaveProperty('resource_id');
      const body = { workspace: acme.workspace, connection };
      expectError(await grant(acme.owner, { ...body, allowed_resources: [theirs] }), 404, 'resource_not_found');
      expectError(await grant(acme.owner, { ...body, allowed_resources: [elsewhere] }), 400, 'validation_failed');
      expectError(await grant(acme.owner, { ...body, workspace: other.workspace }), 404, 'resource_not_found');
      expectError(await grant(acme.owner, { ...body, connection: foreign }), 404, 'resource_not_found');
      await acme.owner.delete('/mcp/servers/second');
    });

    it('refuses filters that the type does not declare, and values that are none', async () => {
      const refused = await grant(acme.owner, {
        workspace: acme.workspace,
        connection,
        resource_filters: { project_keys: ['DEV'], tools: 'echo', resource_names: ['', 'x'], uri_patterns: [1] },
      });
      expectError(refused, 400, 'validation_failed');
      expect(Object.keys(refused.body.details.fields).sort()).toEqual([
        'resource_filters.project_keys',
        'resource_filters.resource_names.0',
        'resource_filters.tools',
        'resource_filters.uri_patterns.0',
      ]);
    });
  });

  describe('auto-sync', () => {
    afterEach(clear);
    const allowed = async (id: number): Promise<string[]> =>
      (await acme.owner.get(`${ACCESS}${id}/resources/`)).body.map(
        (row: { resource_uri: string; state: string }) => `${row.resource_uri} ${row.state}`,
      );

    it('takes in what matches, marks it, and leaves explicit resources and exclusions alone', async () => {
      const [one, two] = [await resourceId('memo://one'), await resourceId('memo://two')];
      const id = await newGrant({
        allowed_resources: [one],
        resource_filters: { uri_patterns: ['memo://*'], resource_types: ['resource'] },
      });
      await until(async () => (await allowed(id)).length === 3);
      expect(await allowed(id)).toEqual(['memo://one explicit', 'memo://two automatic', 'memo://picture automatic']);
      await acme.owner.post(`${ACCESS}${id}/remove-resource/`, { resource_id: two });
      expect(await allowed(id)).toEqual(['memo://one explicit', 'memo://two excluded', 'memo://picture automatic']);
      await acme.owner.post(`/api/v1/mcp/connections/${connection}/discover/`);
      await acme.owner.patch(`${ACCESS}${id}/`, { resource_filters: { resource_names: ['Second*'] } });
      await until(async () => !(await allowed(id)).includes('memo://picture automatic'));
      expect(await allowed(id)).toEqual(['memo://one explicit', 'memo://two excluded']);
      await acme.owner.post(`${ACCESS}${id}/add-resource/`, { resource_id: two });
      expect(await allowed(id)).toEqual(['memo://one explicit', 'memo://two explicit']);
    });

    it('keeps out what was removed while the server did not offer it', async () => {
      const tool = (name: string) => ({ name, inputSchema: { type: 'object' } });
      const changing = await startOldEra({ tools: [tool('comes'), tool('stays')] });
      const on = await connect(acme, 'coming', changing.url);
      const id = await newGrant({ connection: on, resource_filters: { tools: ['*'] }, auto_sync: false });
      const comes = { resource_id: await resourceId('tool://coming/comes', on) };
      await acme.owner.post(`${ACCESS}${id}/add-resource/`, comes);
      const discover = async (tools: ReturnType<typeof tool>[]): Promise<void> => {
        await changing.setTools(tools);
        await acme.owner.post(`/api/v1/mcp/connections/${on}/discover/`);
      };
      await discover([tool('stays')]);
      expect((await acme.owner.post(`${ACCESS}${id}/remove-resource/`, comes)).status).toBe(200);
      await discover([tool('comes'), tool('stays')]);
      await acme.owner.patch(`${ACCESS}${id}/`, { auto_sync: true });
      await until(async () => (await allowed(id)).length === 2);
      expect(await allowed(id)).toEqual(['tool://coming/comes excluded', 'tool://coming/stays automatic']);
      await acme.owner.delete('/mcp/servers/coming');
      await changing.close();
    });

    it('takes nothing in without filters, nor while it is off', async () => {
      const [none, off] = [await newGrant(), await newGrant({ auto_sync: false, resource_filters: { tools: ['*'] } })];
      const on = await newGrant({ resource_filters: { tools: ['echo'] } });
      await until(async () => (await allowed(on)).length === 1);
      expect([await allowed(none), await allowed(off)]).toEqual([[], []]);
    });

    it('follows a discovery', async () => {
      const tool = (name: string) => ({ name, inputSchema: { type: 'object' } });
      const changing = await startOldEra({ tools: [tool('stale')] });
      const on = await connect(acme, 'changing', changing.url);
      const id = await newGrant({ connection: on, resource_filters: { tools: ['*'] } });
      await until(async () => (await allowed(id)).join() === 'tool://changing/stale automatic');
      await changing.setTools([tool('fresh')]);
      await acme.owner.post(`/api/v1/mcp/connections/${on}/discover/`);
      await until(async () => (await allowed(id)).join() === 'tool://changing/fresh automatic');
      await acme.owner.delete('/mcp/servers/changing');
      await changing.close();
    });
  });

  describe('use', () => {
    afterEach(clear);

    it('echo, step by step: granted at write, because nobody vouches for its annotation', async () => {
      const on = await connect(acme, 'everything', everything.url);
      const echo = await resourceId('tool://everything/echo', on);
      const id = (await grant(acme.owner, { workspace: acme.workspace, connection: on, permission_level: 'write' }))
        .body.id as number;
      expect(await idsOf(member.client)).toEqual([]);
      expectError(await execute(member.client, 'everything_echo', { message: 'x' }), 404, 'resource_not_found');
      await acme.owner.post(`${ACCESS}${id}/add-resource/`, { resource_id: echo });
      expect(await idsOf(member.client)).toEqual(['everything_echo']);
      expect((await execute(member.client, 'everything_echo', { message: 'x' })).body.result).toBe('Echo: x');
      const effective = await member.client.get(`${ACCESS}${id}/effective/`);
      expect(effective.body).toMatchObject({
        tools: [{ id: 'everything_echo', effect: 'write', scopes: [], unscoped: true, blocked: null }],
        resources: [],
        totals: { tools: 1, resources: 0 },
      });
      await acme.owner.patch(`${ACCESS}${id}/`, { permission_level: 'read' });
      const refused = await execute(member.client, 'everything_echo', { message: 'x' });
      expectError(refused, 403, 'access_denied');
      expect(refused.body.details).toMatchObject({
        reason: 'permission_level',
        object: { type: 'tool', id: 'everything_echo' },
        change: expect.stringContaining('write'),
        denials: [{ workspace: acme.workspace, workspace_access: id, reason: 'permission_level' }],
      });
      expect(await idsOf(member.client)).toEqual([]);
      await acme.owner.patch('/mcp/tools/everything_echo', { effect: 'read' });
      expect((await execute(member.client, 'everything_echo', { message: 'x' })).status).toBe(200);
      await acme.owner.patch('/mcp/tools/everything_echo', { effect: 'destructive' });
      await acme.owner.patch(`${ACCESS}${id}/`, { permission_level: 'write' });
      expectError(await execute(member.client, 'everything_echo', { message: 'x' }), 403, 'access_denied');
      const used = (await acme.owner.get(`${ACCESS}${id}/`)).body;
      expect([used.usage_count, Date.parse(used.last_used) > Date.now() - 60_000]).toEqual([2, true]);
      await acme.owner.delete('/mcp/servers/everything');
    });

    it('ends with the grant, at the next call', async () => {
      const id = await newGrant({
        permission_level: 'write',
        resource_filters: {},
        allowed_resources: [await resourceId('tool://memos/echo')],
      });
      expect((await execute(member.client, 'memos_echo', { message: 'x' })).status).toBe(200);
      await acme.owner.patch(`${ACCESS}${id}/`, { is_active: false });
      const off = await execute(member.client, 'memos_echo', { message: 'x' });
      expect([off.status, off.body.details.reason]).toEqual([403, 'grant_inactive']);
      await acme.owner.patch(`${ACCESS}${id}/`, { is_active: true });
      expect((await execute(member.client, 'memos_echo', { message: 'x' })).status).toBe(200);
      await acme.owner.delete(`${ACCESS}${id}/`);
      expectError(await execute(member.client, 'memos_echo', { message: 'x' }), 404, 'resource_not_found');
    });

    it('reads resources, their expansions, and lists, as granted', async () => {
      const read = (uri: string): Promise<Answer> =>
        member.client.post(`/mcp/servers/memos/resources/${encodeURIComponent(uri)}/read`);
      const [one, two] = [await resourceId('memo://one'), await resourceId('memo://two')];
      const id = await newGrant({ allowed_resources: [one] });
      expect((await member.client.get('/mcp/servers/memos/resources')).body).toMatchObject([{ uri: 'memo://one' }]);
      expect((await member.client.get('/api/v1/mcp/resources/')).body).toMatchObject([{ id: one }]);
      expect((await read('memo://one')).body.content).toBe('This is one.');
      expect((await member.client.post(`/api/v1/mcp/resources/${one}/read/`)).status).toBe(200);
      for (const answer of [
        await read('memo://two'),
        await member.client.post(`/api/v1/mcp/resources/${two}/read/`),
        await member.client.get(`/api/v1/mcp/resources/${two}/`),
      ])
        expectError(answer, 404, 'resource_not_found');
      expect((await read('memo://two')).body.details).toEqual({ resource_id: 'memo://two' });
      await acme.owner.post(`${ACCESS}${id}/add-resource/`, { resource_id: await resourceId('memo://{id}') });
      expect((await read('memo://two')).body.content).toBe('This is two.');
      expect((await member.client.get('/mcp/servers')).body).toMatchObject([
        { server_id: 'memos', tool_count: 0, resource_count: 3 },
      ]);
      // The template lets it through; the server has no such memo.
      expect((await read('memo://none')).body.details).toEqual({ resource_id: 'memo://none' });
      expect(upstream.journal.at(-1)?.params).toMatchObject({ uri: 'memo://none' });
    });

    it('can be asked for beforehand', async () => {
      const id = await newGrant({
        allowed_resources: [await resourceId('memo://one'), await resourceId('tool://memos/echo')],
      });
      const check = async (body: object, client = member.client): Promise<unknown> => {
        const answer = await client.post(`${ACCESS}${id}/check/`, body);
        return answer.status === 200 ? `${answer.body.allowed} ${answer.body.reason}` : answer.status;
      };
      expect(await check({ resource: await resourceId('memo://one') })).toBe('true granted');
      expect(await check({ resource: 'memo://one' })).toBe('true granted');
      expect(await check({ tool: 'memos_echo', arguments: { message: 'x' } })).toBe('false permission_level');
      // What is not granted is to the workspace as if it were not there; admins are told why.
      for (const body of [{ resource: 'memo://two' }, { tool: 'memos_add' }]) {
        expect(await check(body)).toBe(404);
        expect(await check(body, acme.owner)).toBe('false not_granted');
      }
      for (const body of [{ tool: 'nothing' }, { resource: 'memo:no' }, { resource: 2_000_000_000 }])
        expect([await check(body), await check(body, acme.owner)]).toEqual([404, 404]);
      expect(await check({})).toBe(400);
      expect(await check({ tool: 'memos_echo', resource: 1 })).toBe(400);
      expect(await check({ resource: { id: 1 } })).toBe(400);
    });
  });

  describe('the workspace of a call', () => {
    let second: string;
    beforeAll(async () => {
      second = (await acme.owner.post('/api/v1/workspaces/', { organization: acme.organization, name: 'Second' })).body
        .id as string;
      await join(member, second, 'member');
    });
    afterEach(clear);

    it('is the only one that allows it, or has to be named', async () => {
      const echo = await resourceId('tool://memos/echo');
      const body = { permission_level: 'write', allowed_resources: [echo] };
      await newGrant(body);
      expect((await execute(member.client, 'memos_echo', { message: 'x' })).status).toBe(200);
      const inSecond = await newGrant({ ...body, workspace: second });
      const ambiguous = await execute(member.client, 'memos_echo', { message: 'x' });
      expectError(ambiguous, 409, 'workspace_ambiguous');
      expect(ambiguous.body.details.workspaces.map((each: { id: string }) => each.id).sort()).toEqual(
        [acme.workspace, second].sort(),
      );
      const named = await execute(member.client, 'memos_echo', { message: 'x' }, { 'x-workspace-id': second });
      expect(named.status).toBe(200);
      expect((await acme.owner.get(`${ACCESS}${inSecond}/`)).body.usage_count).toBe(1);
      await acme.owner.patch(`${ACCESS}${inSecond}/`, { permission_level: 'read' });
      expect((await execute(member.client, 'memos_echo', { message: 'x' })).status).toBe(200);
      expect(
        (await execute(member.client, 'memos_echo', { message: 'x' }, { 'x-workspace-id': second })).body.details
          .reason,
      ).toBe('permission_level');
    });

    it('is charged to the oldest grant that allows it alone', async () => {
      const echo = await resourceId('tool://memos/echo');
      const low = await newGrant({ allowed_resources: [echo] });
      const older = await newGrant({ allowed_resources: [echo], permission_level: 'write' });
      const younger = await newGrant({ allowed_resources: [echo], permission_level: 'admin' });
      await execute(member.client, 'memos_echo', { message: 'x' });
      const counts = await Promise.all(
        [low, older, younger].map(async (id) => (await acme.owner.get(`${ACCESS}${id}/`)).body.usage_count as number),
      );
      expect(counts).toEqual([0, 1, 0]);
    });

    it('limits an admin who names it, and refuses what is no workspace of the caller', async () => {
      await newGrant({ allowed_resources: [await resourceId('memo://one')] });
      const headers = { 'x-workspace-id': acme.workspace };
      expect((await execute(acme.owner, 'memos_echo', { message: 'x' })).status).toBe(200);
      const refused = await execute(acme.owner, 'memos_echo', { message: 'x' }, headers);
      expect([refused.status, refused.body.details.reason]).toEqual([403, 'not_granted']);
      expect((await acme.owner.get('/mcp/tools', headers)).body).toEqual([]);
      for (const id of [other.workspace, '00000000-0000-7000-8000-000000000000'])
        expectError(
          await execute(member.client, 'memos_echo', { message: 'x' }, { 'x-workspace-id': id }),
          404,
          'resource_not_found',
        );
      const malformed = await execute(member.client, 'memos_echo', { message: 'x' }, { 'x-workspace-id': 'nonsense' });
      expectError(malformed, 400, 'validation_failed');
      expect(malformed.body.details.fields).toHaveProperty('X-Workspace-Id');
    });
  });

  describe('tokens of a workspace', () => {
    const tokens = (): string => `/api/v1/workspaces/${acme.workspace}/tokens/`;
    afterEach(clear);

    it('are shown once, act in their workspace, are nobody anywhere else, and end at once', async () => {
      const made = await manager.client.post(tokens(), { name: 'Agent', expires_in_days: 1 });
      expect(made.body).toEqual({
        id: expect.any(String),
        workspace_id: acme.workspace,
        name: 'Agent',
        expires_at: expect.any(String),
        last_used: null,
        created_at: expect.any(String),
        created_by: { id: manager.id, username: manager.username },
        token: expect.any(String),
      });
      const { token, ...shown } = made.body;
      expect((await manager.client.get(tokens())).body).toEqual([shown]);
      const agent = app.anonymous.withToken(token);
      const memo = await resourceId('memo://one');
      const id = await newGrant({
        permission_level: 'write',
        allowed_resources: [await resourceId('tool://memos/echo'), memo],
      });
      expect(await idsOf(agent)).toEqual(['memos_echo']);
      expect((await execute(agent, 'memos_echo', { message: 'x' })).status).toBe(200);
      expect((await agent.get(ACCESS)).body).toMatchObject([{ id }]);
      expect((await agent.get('/mcp/servers')).body).toMatchObject([{ server_id: 'memos' }]);
      expect((await agent.post(`/mcp/servers/memos/resources/${encodeURIComponent('memo://one')}/read`)).status).toBe(
        200,
      );
      expect((await agent.get('/api/v1/auth/me')).body).toMatchObject({
        id: made.body.id,
        kind: 'workspace_token',
        organizations: [],
        workspaces: [{ id: acme.workspace }],
      });
      expect((await agent.get('/api/v1/workspaces/')).body).toMatchObject([{ id: acme.workspace }]);
      for (const list of ['/api/v1/mcp/connections/', '/api/v1/organizations/', '/api/v1/mcp/registry/'])
        expect((await agent.get(list)).body).toEqual([]);
      expectError(await agent.get(`/api/v1/workspaces/${second()}/`), 404, 'resource_not_found');
      expectError(await agent.post(tokens(), { name: 'more' }), 403, 'forbidden');
      expectError(
        await agent.post(ACCESS, { workspace: acme.workspace, connection, access_name: 'mine' }),
        403,
        'forbidden',
      );
      expectError(
        await agent.put('/api/v1/auth/password', { current_password: 'x', new_password: 'longer than 8' }),
        403,
        'forbidden',
      );
      expectError(
        await agent.post('/mcp/servers', { server_id: 'x', server_name: 'x', server_url: upstream.url }),
        403,
        'forbidden',
      );
      await until(async () => (await manager.client.get(tokens())).body[0].last_used !== null);
      expect((await manager.client.delete(`${tokens()}${made.body.id}/`)).status).toBe(204);
      expectError(await execute(agent, 'memos_echo', { message: 'x' }), 401, 'unauthorized');
      expect((await manager.client.get(tokens())).body).toEqual([]);
      expectError(await manager.client.delete(`${tokens()}${made.body.id}/`), 404, 'resource_not_found');
    });

    it('are made by managers and admins, for a time', async () => {
      expectError(await member.client.post(tokens(), { name: 'x' }), 403, 'forbidden');
      expectError(await member.client.get(tokens()), 403, 'forbidden');
      expectError(await other.owner.get(tokens()), 404, 'resource_not_found');
      for (const expires_in_days of [0, 1.5, '30', 100_000, null])
        expectError(await acme.owner.post(tokens(), { name: 'x', expires_in_days }), 400, 'validation_failed');
      const { body } = await acme.owner.post(tokens(), { name: 'Short' });
      await app.query('UPDATE workspace_tokens SET expires_at = now() WHERE id = $1', [body.id]);
      expectError(await app.anonymous.withToken(body.token).get('/api/v1/auth/me'), 401, 'unauthorized');
    });

    function second(): string {
      return other.workspace;
    }
  });

  it('takes effect on every replica within a second', async () => {
    const replica = await startApp({}, app);
    try {
      const there = member.client.at(replica.url);
      const id = await newGrant({
        permission_level: 'write',
        allowed_resources: [await resourceId('tool://memos/echo')],
      });
      const { body } = await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/tokens/`, { name: 'Agent' });
      const agent = app.anonymous.withToken(body.token).at(replica.url);
      for (const client of [there, agent])
        await until(async () => (await execute(client, 'memos_echo', { message: 'x' })).status === 200);
      const lateness = async (change: () => Promise<Answer>, client: ApiClient, status: number): Promise<number> => {
        await change();
        const changed = performance.now();
        await until(async () => (await execute(client, 'memos_echo', { message: 'x' })).status === status);
        return performance.now() - changed;
      };
      const path = `${ACCESS}${id}/`;
      expect(await lateness(() => acme.owner.patch(path, { is_active: false }), there, 403)).toBeLessThan(1_000);
      expect(await lateness(() => acme.owner.patch(path, { is_active: true }), agent, 200)).toBeLessThan(1_000);
      const token = `/api/v1/workspaces/${acme.workspace}/tokens/${body.id}/`;
      expect(await lateness(() => acme.owner.delete(token), agent, 401)).toBeLessThan(1_000);
      const membership = `/api/v1/workspaces/${acme.workspace}/members/${member.id}/`;
      expect(await lateness(() => acme.owner.delete(membership), there, 404)).toBeLessThan(1_000);
      await join(member, acme.workspace, 'member');
    } finally {
      await replica.close();
      await clear();
    }
  });
});
