import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApp, type TestApp } from '../support/app.js';
import { everythingProgram, filesystemProgram, memoryProgram, type Program } from '../support/upstreams/programs.js';

const GENERIC_STDIO = '5';

describe('servers that are processes', () => {
  let app: TestApp;
  let folder: string;
  beforeAll(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'mcp-control-plane-stdio-')));
    writeFileSync(join(folder, 'hello.txt'), 'hello from a file');
    app = await startApp({ STDIO_ENABLED: 'true' });
  });
  afterAll(async () => {
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function connect(
    name: string,
    { command, args }: Program,
    environment?: Record<string, string>,
  ): Promise<string> {
    const created = await app.admin.post('/api/v1/mcp/connections/', {
      server: GENERIC_STDIO,
      organization: app.organization,
      connection_name: name,
      auth_data: environment === undefined ? {} : { environment },
      config_options: { command, args },
    });
    expect(created.status).toBe(201);
    return created.body.id as string;
  }
  const execute = (tool: string, args: object) => app.admin.post(`/mcp/tools/${tool}/execute`, { arguments: args });

  it('server-filesystem reads files of its folder and refuses others', async () => {
    const id = await connect('Files', filesystemProgram(folder));
    const tested = await app.admin.post(`/api/v1/mcp/connections/${id}/test/`);
    expect(tested.body).toMatchObject({ success: true, details: { version: expect.any(String) } });
    expect((await app.admin.post(`/api/v1/mcp/connections/${id}/discover/`)).body).toMatchObject({
      success: true,
      complete: true,
    });
    expect((await execute('files_read_text_file', { path: join(folder, 'hello.txt') })).body).toMatchObject({
      result: 'hello from a file',
      is_error: false,
    });
    expect((await execute('files_read_text_file', { path: '/etc/passwd' })).body.is_error).toBe(true);
    expect(
      (await execute('files_write_file', { path: join(folder, 'new.txt'), content: 'written' })).body.is_error,
    ).toBe(false);
    expect(readFileSync(join(folder, 'new.txt'), 'utf8')).toBe('written');
  });

  it('server-memory remembers from one call to the next', async () => {
    const id = await connect('Memory', memoryProgram(), { MEMORY_FILE_PATH: join(folder, 'memory.json') });
    await app.admin.post(`/api/v1/mcp/connections/${id}/discover/`);
    const entity = { name: 'Berlin', entityType: 'city', observations: ['is sunny'] };
    expect((await execute('memory_create_entities', { entities: [entity] })).status).toBe(200);
    expect((await execute('memory_search_nodes', { query: 'Berlin' })).body.result).toContain('is sunny');
  });

  it('server-memory gives its entities to a mapping, by a tool that an admin knows to read only', async () => {
    const [workspace] = (await app.admin.get('/api/v1/auth/me')).body.workspaces;
    const connection = (await app.admin.get('/api/v1/mcp/connections/')).body.find(
      (row: { server_id: string }) => row.server_id === 'memory',
    );
    const tools = (await app.admin.get(`/api/v1/mcp/resources/?connection=${connection.id}&resource_type=tool`)).body;
    const readGraph = tools.find((row: { resource_uri: string }) => row.resource_uri.endsWith('/read_graph')).id;
    const grant = await app.admin.post('/api/v1/mcp/workspace-access/', {
      workspace: workspace.id,
      connection: connection.id,
      access_name: 'Entities',
      allowed_resources: [readGraph],
    });
    const create = () =>
      app.admin.post('/api/v1/mcp/mappings/', {
        workspace_access: grant.body.id,
        resource: readGraph,
        component_type: 'agent',
        component_id: 'guide',
        mapping_config: {
          field_mappings: { place: '{{context.name}}', facts: '{{context.observations}}' },
          items: '/entities',
          item_id: '/name',
        },
      });
    expect((await create()).body.details).toEqual({ reason: 'permission_level', effect: 'write' });
    await app.admin.patch('/mcp/tools/memory_read_graph', { effect: 'read' });
    const mapping = `/api/v1/mcp/mappings/${(await create()).body.id}/`;
    expect((await app.admin.post(`${mapping}sync/`)).body).toMatchObject({ items_synced: 1, items_failed: 0 });
    const [item] = (await app.admin.get(`${mapping}items/`)).body;
    expect([item.external_id, item.data]).toEqual(['Berlin', { place: 'Berlin', facts: ['is sunny'] }]);
    await execute('memory_delete_entities', { entityNames: ['Berlin'] });
    expect((await app.admin.post(`${mapping}sync/`, { confirm_deletions: true })).body.items_deleted).toBe(1);
  });

  it('server-everything sees the environment of its connection and nothing of ours, and cannot give it away', async () => {
    const id = await connect('Everything', everythingProgram(), { API_KEY: 'only-this-one' });
    await app.admin.post(`/api/v1/mcp/connections/${id}/discover/`);
    const environment = JSON.parse((await execute('everything_get-env', {})).body.result) as Record<string, string>;
    // It is there, and masked on its way out.
    expect(environment.API_KEY).toBe('***');
    expect(Object.keys(environment).filter((name) => name !== 'API_KEY' && name !== 'PATH')).toEqual([]);
    expect((await execute('everything_echo', { message: 'over stdio' })).body.result).toBe('Echo: over stdio');
  });

  it('a crashed process is started again for the next call', async () => {
    const id = await connect('Crashing', everythingProgram());
    await app.admin.post(`/api/v1/mcp/connections/${id}/discover/`);
    await app.admin.patch(`/api/v1/mcp/connections/${id}/`, { is_active: false });
    expect((await execute('crashing_echo', { message: 'x' })).status).toBe(404);
    await app.admin.patch(`/api/v1/mcp/connections/${id}/`, { is_active: true });
    expect((await execute('crashing_echo', { message: 'again' })).body.result).toBe('Echo: again');
  });
});
