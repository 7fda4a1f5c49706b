import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError, itHidesForeignRows, itIsProtected, itRefusesBadBodies } from '../../../test/support/contract.js';
import { expectTotalsToEqualRows } from '../../../test/support/ledger.js';
import { newMember, newTenant, type Tenant, type TestUser } from '../../../test/support/tenants.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

const MAPPINGS = '/api/v1/mcp/mappings/';
const FIELDS = { field_mappings: { issue_key: '{{context.key}}', summary: '{{context.title}}' } };

interface Entry {
  id: string | number | null;
  key?: string;
  title?: string;
}

describe('mappings', () => {
  let app: TestApp;
  let upstream: OldEraUpstream;
  let acme: Tenant;
  let other: Tenant;
  let member: TestUser;
  let manager: TestUser;
  let connection: string;
  let grant: number;
  /** What the upstream has now, and how it fails. */
  let entries: Entry[] = [];
  let answer: (() => string) | null = null;
  /** Always the same entries, and always another page. */
  let isEndless = false;
  const ids = new Map<string, number>();

  const text = { type: 'string' };
  beforeAll(async () => {
    upstream = await startOldEra({
      tools: [
        { name: 'list_entries', inputSchema: { type: 'object', properties: { page: { type: 'object' }, kind: text } } },
        { name: 'add_entry', inputSchema: { type: 'object', properties: { id: text } } },
      ],
      call: (_name, { page }) => {
        const from = Number((page as { at?: string } | undefined)?.at ?? 0);
        if (isEndless)
          return { content: [{ type: 'text', text: JSON.stringify({ result: { entries }, next: String(from + 1) }) }] };
        const found = {
          result: { entries: entries.slice(from, from + 2) },
          ...(from + 2 < entries.length ? { next: String(from + 2) } : {}),
        };
        return { content: [{ type: 'text', text: JSON.stringify(found) }] };
      },
      resources: {
        listed: [
          { uri: 'crm://entries', name: 'Entries', mimeType: 'application/json' },
          { uri: 'crm://hidden', name: 'Hidden', mimeType: 'application/json' },
        ],
        read: () => answer?.() ?? JSON.stringify({ entries }),
      },
    });
    app = await startApp();
    [acme, other] = [await newTenant(app), await newTenant(app)];
    [member, manager] = [await newMember(app, acme, 'member'), await newMember(app, acme, 'member')];
    for (const [user, role] of [
      [member, 'member'],
      [manager, 'manager'],
    ] as const)
      await acme.owner.post(`/api/v1/workspaces/${acme.workspace}/members/`, { username: user.username, role });
    await acme.owner.post('/mcp/servers', { server_id: 'crm', server_name: 'CRM', server_url: upstream.url });
    connection = (await acme.owner.get('/api/v1/mcp/connections/')).body[0].id;
    const { body } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}`);
    for (const { id, resource_uri } of body) ids.set(resource_uri, id);
    await acme.owner.patch('/mcp/tools/crm_list_entries', { effect: 'read' });
    const created = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection,
      access_name: 'Entries',
      allowed_resources: [id('crm://entries'), id('tool://crm/list_entries'), id('tool://crm/add_entry')],
      permission_level: 'write',
    });
    grant = created.body.id as number;
  });
  beforeEach(() => {
    answer = null;
    entries = [
      { id: 1, key: 'A-1', title: 'One' },
      { id: 2, key: 'A-2', title: 'Two' },
      { id: 3, key: 'A-3', title: 'Three' },
    ];
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  const id = (uri: string): number => ids.get(uri) ?? 0;
  let components = 0;
  const create = (body: object = {}, client = manager.client): Promise<Answer> =>
    client.post(MAPPINGS, {
      workspace_access: grant,
      resource: id('crm://entries'),
      component_type: 'workflow',
      component_id: `component-${++components}`,
      mapping_config: { ...FIELDS, items: '/entries' },
      ...body,
    });
  async function created(body: object = {}): Promise<string> {
    const answered = await create(body);
    expect([answered.status, answered.body.details]).toEqual([201, undefined]);
    return `${MAPPINGS}${answered.body.id}/`;
  }
  const sync = (path: string, body?: object): Promise<Answer> => manager.client.post(`${path}sync/`, body);
  const data = async (path: string): Promise<unknown[]> =>
    (await member.client.get(`${path}items/`)).body.map((item: { data: unknown }) => item.data);

  describe('like everything else', () => {
    let path: string;
    beforeAll(async () => {
      path = await created();
    });
    itIsProtected(
      () => app.anonymous,
      () => [
        { method: 'GET', path: MAPPINGS },
        { method: 'POST', path: `${path}sync/` },
      ],
    );
    itHidesForeignRows(
      () => other.owner,
      () => path.split('/').at(-2) ?? '',
      (foreign) => [
        { method: 'GET', path: `${MAPPINGS}${foreign}/` },
        { method: 'PATCH', path: `${MAPPINGS}${foreign}/`, body: { is_active: false } },
        { method: 'DELETE', path: `${MAPPINGS}${foreign}/` },
        { method: 'POST', path: `${MAPPINGS}${foreign}/sync/` },
        { method: 'POST', path: `${MAPPINGS}${foreign}/preview/` },
        { method: 'GET', path: `${MAPPINGS}${foreign}/items/` },
        { method: 'GET', path: `${MAPPINGS}${foreign}/syncs/` },
      ],
    );
    itRefusesBadBodies(
      () => manager.client,
      () => ({
        method: 'POST',
        path: MAPPINGS,
        body: {
          workspace_access: grant,
          resource: id('crm://entries'),
          component_type: 'agent',
          component_id: 'bad bodies',
          mapping_config: FIELDS,
        },
      }),
    );
  });

  it('are listed as the specification shows them, with all filters', async () => {
    const made = await create({
      component_type: 'template',
      component_id: 'shown',
      sync_frequency: 3600,
      is_active: false,
    });
    expect(made.body).toEqual({
      id: expect.any(Number),
      workspace_access: grant,
      resource: { id: id('crm://entries'), resource_name: 'Entries', resource_type: 'resource' },
      component_type: 'template',
      component_id: 'shown',
      mapping_config: { ...FIELDS, items: '/entries' },
      last_synced: null,
      sync_frequency: 3600,
      is_active: false,
      created_at: expect.stringMatching(/Z$/),
    });
    const list = (query: string): Promise<Answer> => member.client.get(`${MAPPINGS}?${query}`);
    const query = `workspace_access=${grant}&resource=${id('crm://entries')}&component_type=template&component_id=shown`;
    expect((await list(query)).body).toEqual([made.body]);
    expect((await list('component_id=nobody')).body).toEqual([]);
    expect((await list('workspace_access=2000000000')).body).toEqual([]);
    for (const bad of ['workspace_access=x', 'resource=-1', 'component_type=thing', 'surprise=1'])
      expectError(await list(bad), 400, 'validation_failed');
  });

  it('are edited by managers of the workspace and admins, and read by its members', async () => {
    const path = await created();
    expectError(await create({}, member.client), 403, 'forbidden');
    expectError(await member.client.post(`${path}sync/`), 403, 'forbidden');
    expectError(await member.client.delete(path), 403, 'forbidden');
    expect((await member.client.get(path)).status).toBe(200);
    expect((await acme.owner.patch(path, { sync_frequency: 60 })).body.sync_frequency).toBe(60);
    expect((await manager.client.delete(path)).status).toBe(204);
    expectError(await manager.client.get(path), 404, 'resource_not_found');
  });

  it('refuse what can not work, with the place', async () => {
    const fields = async (config: unknown): Promise<unknown> =>
      (await create({ mapping_config: config })).body.details.fields;
    expect(await fields({ field_mappings: { a: { b: ['{{context.x}', 1] } } })).toEqual({
      'mapping_config.field_mappings.a.b[0]': ['is no template: expected }} or |default:, at character 12'],
    });
    expect(await fields({ field_mappings: {}, items: 'entries', surprise: 1 })).toEqual({
      'mapping_config.surprise': ['is not a known field'],
      'mapping_config.field_mappings': ['must not be empty'],
      'mapping_config.items': ['must be a JSON Pointer such as /issues (RFC 6901)'],
    });
    for (const frequency of [-1, 59, 1.5, 'often', null])
      expectError(await create({ sync_frequency: frequency }), 400, 'validation_failed');
    expectError(await create({ resource: 2_000_000_000 }), 404, 'resource_not_found');
    expectError(await create({ workspace_access: 2_000_000_000 }), 404, 'resource_not_found');
    expectError(await create({ resource: id('tool://crm/add_entry') }), 403, 'access_denied');
    const path = await created({ component_id: 'twice' });
    expectError(await create({ component_id: 'twice' }), 409, 'conflict');
    expect(path).toBeDefined();
  });

  it('bring records into the shape of the component, through the grant and the ledger', async () => {
    const path = await created();
    const synced = await sync(path);
    expect([synced.status, synced.body]).toEqual([
      200,
      {
        success: true,
        message: 'Synchronization triggered',
        sync_id: expect.any(String),
        items_synced: 3,
        items_failed: 0,
        items_written: 3,
        items_deleted: 0,
        status: 'completed',
      },
    ]);
    expect(await data(path)).toEqual([
      { issue_key: 'A-1', summary: 'One' },
      { issue_key: 'A-2', summary: 'Two' },
      { issue_key: 'A-3', summary: 'Three' },
    ]);
    expect((await member.client.get(path)).body.last_synced).toMatch(/Z$/);
    const [call] = (await acme.owner.get('/api/v1/mcp/calls/?limit=1')).body;
    expect(call).toMatchObject({
      door: 'mapping',
      workspace_access: grant,
      outcome: 'ok',
      request_id: synced.body.sync_id,
    });
    const [run] = (await member.client.get(`${path}syncs/`)).body;
    expect(run).toMatchObject({ id: synced.body.sync_id, status: 'completed', mode: 'complete', trigger: 'manual' });
    await expectTotalsToEqualRows(app);
  });

  it('write only what changed, and delete what is gone', async () => {
    const path = await created();
    await sync(path);
    entries = [entries[2] ?? { id: 3 }, { id: 2, key: 'A-2', title: 'Two, changed' }];
    expect((await sync(path)).body).toMatchObject({ items_synced: 2, items_written: 1, items_deleted: 1 });
    expect((await sync(path)).body).toMatchObject({ items_synced: 2, items_written: 0, items_deleted: 0 });
    expect(await data(path)).toEqual([
      { issue_key: 'A-2', summary: 'Two, changed' },
      { issue_key: 'A-3', summary: 'Three' },
    ]);
  });

  it('do not delete more than half unless somebody confirms it', async () => {
    const path = await created();
    await sync(path);
    entries = [];
    expect((await sync(path)).body).toMatchObject({ success: false, status: 'needs_confirmation', items_deleted: 0 });
    expect(await data(path)).toHaveLength(3);
    expect((await sync(path, { confirm_deletions: true })).body).toMatchObject({ success: true, items_deleted: 3 });
    expect(await data(path)).toEqual([]);
  });

  it('list what failed with its reason, keep what it was, and try it again', async () => {
    const path = await created();
    await sync(path);
    entries = [
      { id: 1, key: 'A-1' },
      { id: 2, key: 'A-2', title: 'Two' },
      { id: null, key: 'A-9' },
      { id: 3, key: 'A-3', title: 'Three' },
    ];
    const { body } = await sync(path);
    expect(body).toMatchObject({ items_synced: 2, items_failed: 2, items_deleted: 0 });
    expect((await member.client.get(`${path}syncs/${body.sync_id}/`)).body.failures).toEqual([
      { external_id: '1', reason: 'The item has nothing for {{context.title}}' },
      { external_id: null, reason: 'The item has no usable id' },
    ]);
    const [failed] = (await member.client.get(`${path}items/?status=failed`)).body;
    expect(failed).toMatchObject({
      external_id: '1',
      data: { summary: 'One' },
      error: 'The item has nothing for {{context.title}}',
    });
    const changed = {
      field_mappings: { ...FIELDS.field_mappings, summary: '{{context.title|default:"-"}}' },
      items: '/entries',
    };
    await manager.client.patch(path, { mapping_config: changed });
    expect((await sync(path)).body).toMatchObject({ items_synced: 3, items_failed: 1 });
    expect(await data(path)).toContainEqual({ issue_key: 'A-1', summary: '-' });
  });

  it('read a tool page by page, with its arguments', async () => {
    const config = {
      ...FIELDS,
      items: '/result/entries',
      arguments: { kind: 'all' },
      cursor: { next: '/next', argument: '/page/at' },
    };
    const path = await created({ resource: id('tool://crm/list_entries'), mapping_config: config });
    expect((await sync(path)).body).toMatchObject({ items_synced: 3 });
    entries = [...entries, entries[0] ?? { id: 1 }, { id: 4, key: 'A-4', title: 'Four' }];
    expect((await sync(path)).body).toMatchObject({ items_synced: 4, items_written: 1 });
  });

  it('show what they would give, and write nothing', async () => {
    const path = await created({
      mapping_config: { field_mappings: { whole: '{{context}}', fixed: [1, null] }, items: '/entries' },
    });
    expect((await manager.client.post(`${path}preview/`)).body.items[0]).toEqual({
      external_id: '1',
      data: { whole: { id: 1, key: 'A-1', title: 'One' }, fixed: [1, null] },
      error: null,
    });
    expect(await data(path)).toEqual([]);
  });

  it('say what went wrong: no list, no JSON, not granted any more, switched off', async () => {
    const path = await created();
    answer = () => '{"entries": 7}';
    expectError(await sync(path), 502, 'upstream_error');
    answer = () => 'no JSON';
    const failed = await sync(path);
    expect(failed.body).toMatchObject({ message: 'The answer is no JSON', details: { sync_id: expect.any(String) } });
    expect((await member.client.get(`${path}syncs/${failed.body.details.sync_id}/`)).body).toMatchObject({
      status: 'failed',
      error: { code: 'upstream_error', message: 'The answer is no JSON' },
    });
    answer = null;
    const made = await create({ resource: id('crm://hidden') }, acme.owner);
    const hidden = `${MAPPINGS}${made.body.id}/`;
    expectError(await sync(hidden), 404, 'resource_not_found');
    await acme.owner.patch(`/api/v1/mcp/workspace-access/${grant}/`, { is_active: false });
    expect((await sync(path)).body).toMatchObject({ error: 'access_denied', details: { reason: 'grant_inactive' } });
    await acme.owner.patch(`/api/v1/mcp/workspace-access/${grant}/`, { is_active: true });
    await manager.client.patch(path, { is_active: false });
    expectError(await sync(path), 409, 'conflict');
  });

  it('are of resources that whoever makes them sees', async () => {
    expectError(await create({ resource: id('crm://hidden') }), 404, 'resource_not_found');
    expect((await create({ resource: id('crm://hidden') }, acme.owner)).status).toBe(201);
  });

  it('fail with a record that is too large, too deep or without a usable id, and with that one alone', async () => {
    const deep = JSON.parse(`${'['.repeat(1_000)}${']'.repeat(1_000)}`) as unknown;
    const odd: object[] = [
      { id: 'long', key: 'A-4', title: 'x'.repeat(90_000) },
      { id: 'deep', key: 'A-5', title: deep },
      { id: '\u6f22'.repeat(1_000), key: 'A-6', title: 'Long id' },
      { id: 12345678901234567890, key: 'A-7', title: 'Rounded id' },
    ];
    answer = () => JSON.stringify({ entries: [...entries, ...odd] });
    const many = { field_mappings: { many: '{{context.title}}'.repeat(700) }, items: '/entries' };
    const path = await created({ mapping_config: many });
    const { body } = await sync(path);
    expect([body.items_synced, body.items_failed, body.status]).toEqual([3, 4, 'completed']);
    const [{ failures }] = (await member.client.get(`${path}syncs/`)).body;
    expect(failures.map(({ reason }: { reason: string }) => reason)).toEqual(
      expect.arrayContaining([
        'The item would have more than 262144 characters',
        'The item is nested deeper than 100',
        'The item has no usable id',
      ]),
    );
    const preview = await manager.client.post(`${path}preview/`);
    expect(preview.text.length).toBeLessThan(1_000_000);
  });

  it('take no new ids for what is there already', async () => {
    const path = await created();
    await sync(path);
    const last = async (): Promise<unknown> =>
      app.query("SELECT last_value FROM pg_sequences WHERE sequencename = 'mapping_items_id_seq'");
    const before = await last();
    for (let times = 0; times < 3; times++) await sync(path);
    expect(await last()).toEqual(before);
  });

  it('give a list up that has no end, and can be removed while they are synced', async () => {
    const config = { ...FIELDS, items: '/result/entries', cursor: { next: '/next', argument: '/page/at' } };
    const path = await created({ resource: id('tool://crm/list_entries'), mapping_config: config });
    const other = await created({ resource: id('tool://crm/list_entries'), mapping_config: config });
    isEndless = true;
    const started = await manager.client.post(`${other}sync/`, {}, { prefer: 'respond-async' });
    expect(started.status).toBe(202);
    await sleep(100);
    expect((await manager.client.delete(other)).status).toBe(204);
    const failed = await sync(path);
    isEndless = false;
    expectError(failed, 502, 'upstream_error');
    expect(failed.body.message).toContain('no end');
  });

  it('answer 202 where asked, and run one sync at a time', async () => {
    const path = await created();
    const accepted = await app.admin
      .withToken(manager.client.token ?? '')
      .send('POST', `${path}sync/`, {}, { prefer: 'respond-async' });
    expect([accepted.status, accepted.headers.get('location')]).toEqual([202, `${path}syncs/${accepted.body.id}/`]);
    const second = await sync(path);
    if (second.status !== 200) expectError(second, 409, 'sync_running');
    for (let tries = 0; tries < 100; tries++) {
      const { body } = await member.client.get(`${path}syncs/${accepted.body.id}/`);
      if (body.status === 'completed') return;
      await sleep(50);
    }
    throw new Error('never ended');
  });

  it('are synced on schedule, and wait while the grant is off', async () => {
    const path = await created({ sync_frequency: 60 });
    const synced = async (): Promise<number> => (await member.client.get(`${path}syncs/`)).body.length;
    for (let tries = 0; tries < 100 && (await data(path)).length < 3; tries++) await sleep(100);
    expect([await synced(), (await data(path)).length]).toEqual([1, 3]);
    await acme.owner.patch(`/api/v1/mcp/workspace-access/${grant}/`, { is_active: false });
    await app.query("UPDATE mappings SET next_sync_at = now() - interval '1 day'");
    await sleep(3_000);
    expect(await synced()).toBe(1);
    await acme.owner.patch(`/api/v1/mcp/workspace-access/${grant}/`, { is_active: true });
    for (let tries = 0; tries < 100 && (await synced()) < 2; tries++) await sleep(100);
    await sleep(3_000);
    expect(await synced()).toBe(2);
  });
});
