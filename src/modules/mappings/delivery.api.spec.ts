import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from '../../../test/support/api-client.js';
import { startApp, type TestApp } from '../../../test/support/app.js';
import { expectError } from '../../../test/support/contract.js';
import { newTenant, type Tenant } from '../../../test/support/tenants.js';
import { startOldEra, type OldEraUpstream } from '../../../test/support/upstreams/old-era.js';

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

describe('what leaves a mapping', () => {
  let app: TestApp;
  let upstream: OldEraUpstream;
  let receiver: Server;
  let acme: Tenant;
  let grant: number;
  let tool: number;
  /** The records of the server, by id. */
  let records = new Map<string, { id: string; title: string; points: number }>();
  let received: Received[] = [];
  let status = 200;
  /** The tool that writes says it in words. */
  let isTerse = false;

  const text = { type: 'string' };
  beforeAll(async () => {
    upstream = await startOldEra({
      tools: [
        { name: 'list_records', inputSchema: { type: 'object', properties: {} } },
        { name: 'get_record', inputSchema: { type: 'object', properties: { id: text } } },
        {
          name: 'update_record',
          inputSchema: { type: 'object', properties: { id: text, title: text }, required: ['id', 'title'] },
        },
      ],
      call: (name, { id, title }) => {
        const record = records.get(String(id));
        if (name === 'update_record' && record) records.set(record.id, { ...record, title: String(title) });
        if (name === 'update_record' && isTerse) return { content: [{ type: 'text', text: 'Record updated.' }] };
        const answer = name === 'list_records' ? [...records.values()] : { record: records.get(String(id)) ?? null };
        return { content: [{ type: 'text', text: JSON.stringify(answer) }] };
      },
    });
    receiver = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
        response.writeHead(status).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    app = await startApp();
    acme = await newTenant(app);
    await acme.owner.post('/mcp/servers', { server_id: 'crm', server_name: 'CRM', server_url: upstream.url });
    const connection = (await acme.owner.get('/api/v1/mcp/connections/')).body[0].id as string;
    const { body } = await acme.owner.get(`/api/v1/mcp/resources/?connection=${connection}&resource_type=tool`);
    tool = body.find((row: { resource_uri: string }) => row.resource_uri.endsWith('/list_records')).id;
    for (const name of ['list_records', 'get_record'])
      await acme.owner.patch(`/mcp/tools/crm_${name}`, { effect: 'read' });
    const created = await acme.owner.post('/api/v1/mcp/workspace-access/', {
      workspace: acme.workspace,
      connection,
      access_name: 'Records',
      allowed_resources: body.map(({ id }: { id: number }) => id),
      permission_level: 'write',
    });
    grant = created.body.id as number;
  });
  beforeEach(() => {
    [received, status] = [[], 200];
    records = new Map(['1', '2', '3'].map((id) => [id, { id, title: `Record ${id}`, points: Number(id) }]));
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
    receiver.close();
  });

  let components = 0;
  async function created(more: object = {}): Promise<string> {
    const { body } = await acme.owner.post('/api/v1/mcp/mappings/', {
      workspace_access: grant,
      resource: tool,
      component_type: 'tool',
      component_id: `component-${++components}`,
      mapping_config: { field_mappings: { key: '{{context.id}}', name: '{{context.title}}' }, ...more },
    });
    return `/api/v1/mcp/mappings/${body.id}/`;
  }
  const hook = (): string => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const sync = (path: string, body?: object): Promise<Answer> => acme.owner.post(`${path}sync/`, body);
  async function arrived(count: number): Promise<Received[]> {
    for (let tries = 0; received.length < count && tries < 200; tries++) await sleep(50);
    expect(received).toHaveLength(count);
    return received;
  }
  const dataOf = ({ body }: Received): { upserted: { external_id: string; data: unknown }[]; deleted: string[] } =>
    (JSON.parse(body) as { data: { upserted: { external_id: string; data: unknown }[]; deleted: string[] } }).data;

  describe('by its webhook', () => {
    it('is what changed, signed by a secret that is shown once', async () => {
      const path = await created();
      const set = await acme.owner.put(`${path}webhook/`, { url: hook() });
      expect([set.status, set.body]).toEqual([
        200,
        { url: hook(), created_at: expect.any(String), secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/) },
      ]);
      expect((await acme.owner.get(`${path}webhook/`)).body).toEqual({ url: hook(), created_at: expect.any(String) });
      await sync(path);
      const [first] = await arrived(1);
      const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = first?.headers ?? {};
      const key = Buffer.from((set.body.secret as string).replace('whsec_', ''), 'base64');
      const expected = createHmac('sha256', key)
        .update(`${String(id)}.${String(at)}.${first?.body}`)
        .digest('base64');
      expect(signature).toBe(`v1,${expected}`);
      expect(Math.abs(Number(at) - Date.now() / 1_000)).toBeLessThan(5);
      expect(JSON.parse(first?.body ?? '')).toMatchObject({
        type: 'mapping.items_changed',
        data: { component_type: 'tool', component_id: `component-${components}`, sync_id: expect.any(String) },
      });
      expect(first && dataOf(first).upserted).toEqual(
        ['1', '2', '3'].map((key) => ({ external_id: key, data: { key, name: `Record ${key}` } })),
      );
      records.delete('3');
      records.set('1', { id: '1', title: 'Changed', points: 1 });
      await sync(path);
      const all = await arrived(3);
      expect(all.slice(1).map(dataOf)).toEqual(
        expect.arrayContaining([
          expect.objectContaining({
            upserted: [{ external_id: '1', data: { key: '1', name: 'Changed' } }],
            deleted: [],
          }),
          expect.objectContaining({ upserted: [], deleted: ['3'] }),
        ]),
      );
      await sync(path);
      await sleep(300);
      expect(received).toHaveLength(3);
      const { body } = await acme.owner.get(`${path}deliveries/?status=delivered`);
      expect(body).toMatchObject([{ upserted: 3, attempts: 1, last_status: 200 }, {}, {}]);
    });

    it('is tried again under the same id, given up after a day, and sent again when asked', async () => {
      const path = await created();
      await acme.owner.put(`${path}webhook/`, { url: hook() });
      status = 500;
      await sync(path);
      await arrived(1);
      for (let tries = 0; tries < 100; tries++) {
        const { body } = await acme.owner.get(`${path}deliveries/`);
        if (body[0].attempts === 1) break;
        await sleep(50);
      }
      // As if a day had passed.
      await app.query("UPDATE mapping_deliveries SET attempts = 10 WHERE status = 'pending'");
      await app.query('UPDATE graphile_worker._private_jobs SET run_at = now() WHERE run_at > now()');
      await arrived(2);
      expect(received[0]?.headers['webhook-id']).toBe(received[1]?.headers['webhook-id']);
      let dead: { id: string; last_error: string; attempts: number }[] = [];
      for (let tries = 0; dead.length === 0 && tries < 100; tries++) {
        await sleep(50);
        dead = (await acme.owner.get(`${path}deliveries/?status=dead`)).body;
      }
      expect(dead).toMatchObject([{ attempts: 11, last_status: 500, last_error: 'answered 500' }]);
      status = 204;
      expect((await acme.owner.post(`${path}deliveries/${dead[0]?.id}/resend/`)).status).toBe(200);
      await arrived(3);
      expect(received[2]?.headers['webhook-id']).toBe(dead[0]?.id);
      expect(received[2]?.body).toBe(received[0]?.body);
    });

    it('goes to no address that is not allowed, and to none that was removed', async () => {
      const path = await created();
      for (const url of ['http://169.254.169.254/', 'http://10.0.0.1/hook', 'ftp://example.com/'])
        expectError(await acme.owner.put(`${path}webhook/`, { url }), 400, 'address_refused');
      expectError(await acme.owner.put(`${path}webhook/`, { url: 7 }), 400, 'validation_failed');
      expectError(await acme.owner.get(`${path}webhook/`), 404, 'resource_not_found');
      await acme.owner.put(`${path}webhook/`, { url: hook() });
      expect((await acme.owner.delete(`${path}webhook/`)).status).toBe(204);
      const [gone] = await app.query<{ id: string }>(
        "INSERT INTO mapping_deliveries (id, mapping_id, payload, status) VALUES (gen_random_uuid(), $1, '{}', 'dead') RETURNING id",
        [path.split('/').at(-2)],
      );
      expectError(await acme.owner.post(`${path}deliveries/${gone?.id}/resend/`), 409, 'conflict');
      await sync(path);
      await sleep(300);
      expect(received).toEqual([]);
    });
  });

  describe('by pushing an item', () => {
    const push = {
      tool: 'update_record',
      arguments: { id: '{{context.key}}', title: '{{context.name}}' },
      read: { tool: 'get_record', arguments: { id: '{{context.external_id}}' }, item: '/record' },
    };

    it('changes the record, and what is stored of it', async () => {
      const path = await created({ push });
      await sync(path);
      const pushed = await acme.owner.post(`${path}items/2/push/`, { data: { name: 'From here' } });
      expect([pushed.status, pushed.body]).toEqual([
        200,
        { success: true, message: 'The item was pushed', external_id: '2' },
      ]);
      expect(records.get('2')).toEqual({ id: '2', title: 'From here', points: 2 });
      const [item] = (await acme.owner.get(`${path}items/?external_id=2`)).body;
      expect(item.data).toEqual({ key: '2', name: 'From here' });
      expect((await sync(path)).body).toMatchObject({ items_written: 0 });
      const [write] = (await acme.owner.get('/api/v1/mcp/calls/?limit=5')).body.filter(
        (call: { tool?: { id: string }; door: string }) => call.door === 'mapping',
      );
      expect(write).toMatchObject({ outcome: 'ok', workspace_access: grant });
    });

    it('is refused where the record changed since the last sync', async () => {
      const path = await created({ push });
      await sync(path);
      records.set('2', { id: '2', title: 'Changed there', points: 2 });
      const refused = await acme.owner.post(`${path}items/2/push/`, { data: { name: 'From here' } });
      expectError(refused, 409, 'upstream_changed');
      expect(refused.body.details.current).toEqual({ key: '2', name: 'Changed there' });
      expect(records.get('2')?.title).toBe('Changed there');
      await sync(path);
      expect((await acme.owner.post(`${path}items/2/push/`, { data: { name: 'From here' } })).status).toBe(200);
    });

    it('is refused where it can not be done', async () => {
      const without = await created();
      await sync(without);
      expectError(await acme.owner.post(`${without}items/2/push/`, { data: {} }), 409, 'conflict');
      const path = await created({ push: { ...push, arguments: { id: '{{context.nothing}}' } } });
      await sync(path);
      expectError(await acme.owner.post(`${path}items/9/push/`, { data: {} }), 404, 'resource_not_found');
      const unfit = await acme.owner.post(`${path}items/2/push/`, { data: {} });
      expect(unfit.body.details.fields).toEqual({
        data: ['has nothing for {{context.nothing}} of mapping_config.push'],
      });
      const writing = await created({ push: { ...push, read: { ...push.read, tool: 'update_record' } } });
      await sync(writing);
      expectError(await acme.owner.post(`${writing}items/2/push/`, { data: {} }), 403, 'access_denied');
    });

    it('changes no other record, and nothing that the item does not have', async () => {
      const path = await created({ push });
      await sync(path);
      const before = [...records.values()];
      for (const data of [{ external_id: '2' }, { other: 1 }]) {
        const refused = await acme.owner.post(`${path}items/3/push/`, { data: { name: 'Mine', ...data } });
        expectError(refused, 400, 'validation_failed');
      }
      const byKey = { ...push.read, arguments: { id: '{{context.key}}' } };
      const keyed = await created({ push: { ...push, read: byKey } });
      await sync(keyed);
      expectError(await acme.owner.post(`${keyed}items/3/push/`, { data: { key: '2' } }), 400, 'validation_failed');
      expect([...records.values()]).toEqual(before);
    });

    it('counts as done whatever the tool says of it, and is done by one at a time', async () => {
      const path = await created({ push });
      await sync(path);
      isTerse = true;
      const send = (name: string): Promise<Answer> => acme.owner.post(`${path}items/1/push/`, { data: { name } });
      const answers = await Promise.all([send('X'), send('Y')]);
      isTerse = false;
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
      const done = answers.find(({ status }) => status === 200);
      expect(done?.body.success).toBe(true);
      expect(['X', 'Y']).toContain(records.get('1')?.title);
    });

    it('happens once for a key, whatever is sent again', async () => {
      const path = await created({ push });
      await sync(path);
      const key = { 'idempotency-key': `push-${Date.now()}` };
      const send = (): Promise<Answer> => acme.owner.post(`${path}items/1/push/`, { data: { name: 'Once' } }, key);
      const [first, again] = [await send(), await send()];
      expect([first.status, again.status, again.body]).toEqual([200, 200, first.body]);
      const writes = upstream.journal.filter(({ params }) => params?.name === 'update_record');
      expect(writes.filter(({ params }) => JSON.stringify(params).includes('Once'))).toHaveLength(1);
    });
  });
});
