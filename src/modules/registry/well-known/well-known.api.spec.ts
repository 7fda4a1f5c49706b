import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApp, type TestApp } from '../../../../test/support/app.js';
import type { Answer } from '../../../../test/support/api-client.js';
import { expectError } from '../../../../test/support/contract.js';
import { newTenant, newUser, type Tenant } from '../../../../test/support/tenants.js';
import { filesystemProgram } from '../../../../test/support/upstreams/programs.js';
import { WELL_KNOWN } from './index.js';

const REGISTRY = '/api/v1/mcp/registry/';

describe('well-known server types in the registry', () => {
  let app: TestApp;
  let acme: Tenant;
  beforeAll(async () => {
    app = await startApp();
    acme = await newTenant(app);
  });
  afterAll(() => app.close());

  it('are those at addresses, where no process may be started', async () => {
    for (const { id, qualified_name: name, transport } of WELL_KNOWN) {
      const answer = await acme.owner.get(`${REGISTRY}${id}/`);
      if (transport.type === 'stdio') expectError(answer, 404, 'resource_not_found');
      else expect([answer.status, answer.body.qualified_name]).toEqual([200, name]);
    }
  });

  it('say that effects are unverified, and declare none', async () => {
    expect((await acme.owner.get(`${REGISTRY}10/`)).body).toMatchObject({
      organization: null,
      tool_effects: {},
      effects_source: null,
      effects_verified: false,
    });
  });

  it('ask for what their servers want', async () => {
    const { auth } = (await acme.owner.get(`${REGISTRY}11/config-schema/`)).body;
    expect(auth).toMatchObject({
      required: ['scheme', 'api_token'],
      properties: { api_token: { format: 'password' } },
    });
  });
});

describe('well-known server types with STDIO_ENABLED', () => {
  let app: TestApp;
  let acme: Tenant;
  beforeAll(async () => {
    app = await startApp({ STDIO_ENABLED: 'true' });
    acme = await newTenant(app);
  });
  afterAll(() => app.close());

  it('are all there, each with its effects and what these were read from', async () => {
    for (const type of WELL_KNOWN) {
      const { status, body } = await acme.owner.get(`${REGISTRY}${type.id}/`);
      const { tool_effects, effects_source, scopes, declared_resources, session_scope } = type;
      expect(status).toBe(200);
      expect(body).toMatchObject({ tool_effects, effects_source, scopes, declared_resources, session_scope });
      expect(body.effects_verified).toBe(effects_source !== null);
      expect(body.supports_workspace_scoping).toBe(scopes.length > 0);
      expect((await acme.owner.get(`${REGISTRY}${type.id}/config-schema/`)).body).toEqual(type.config_schema);
    }
  });

  it('are changed by nobody, so that what was verified stays', async () => {
    const change = { tool_effects: { write_file: 'read' } };
    expectError(await app.admin.patch(`${REGISTRY}12/`, change), 409, 'conflict');
  });

  it('can not be copied together with the word verified', async () => {
    const { qualified_name: _name, id: _id, effects_source, ...entry } = WELL_KNOWN.find(({ id }) => id === 12) ?? {};
    const body = { ...entry, qualified_name: 'acme/files' };
    expectError(await app.admin.post(REGISTRY, { ...body, effects_source }), 400, 'validation_failed');
    expectError(await app.admin.post(REGISTRY, { ...body, effects_verified: true }), 400, 'validation_failed');
    const created = await app.admin.post(REGISTRY, body);
    expect([created.status, created.body.effects_source, created.body.effects_verified]).toEqual([201, null, false]);
  });

  it('limit a grant on server-filesystem to its folder and its level, by what they declare', async () => {
    const root = realpathSync(mkdtempSync(join(tmpdir(), 'mcp-control-plane-files-')));
    try {
      mkdirSync(join(root, 'granted'));
      for (const file of ['granted/plan.txt', 'secret.txt']) writeFileSync(join(root, file), file);
      const call = await grantedCalls(join(root, 'granted'), root);
      const read = await call('read_text_file', { path: join(root, 'granted/plan.txt') });
      expect([read.status, read.body.result]).toEqual([200, 'granted/plan.txt']);
      const outside = await call('read_text_file', { path: join(root, 'secret.txt') });
      expectError(outside, 403, 'access_denied');
      expect(outside.body.details.reason).toBe('scope_not_granted');
      const edits = [{ oldText: 'plan', newText: 'note' }];
      expect((await call('edit_file', { path: join(root, 'granted/plan.txt'), edits })).status).toBe(200);
      const overwritten = await call('write_file', { path: join(root, 'granted/plan.txt'), content: '' });
      expectError(overwritten, 403, 'access_denied');
      expect(overwritten.body.details.reason).toBe('permission_level');
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  /** A member's calls under a grant of level `write` on one folder of a server that is started on another one. */
  async function grantedCalls(folder: string, root: string): Promise<(tool: string, args: object) => Promise<Answer>> {
    const { id: _id, effects_source: _source, ...entry } = WELL_KNOWN.find(({ id }) => id === 12) ?? {};
    const type = await app.admin.post(REGISTRY, {
      ...entry,
      qualified_name: 'acme/two-folders',
      transport: { type: 'stdio', ...filesystemProgram(root) },
      declared_resources: [
        { uri: `file://${root}`, name: 'All', type: 'folder' },
        { uri: `file://${folder}`, name: 'Granted', type: 'folder', parent: `file://${root}` },
      ],
    });
    const { organization } = app;
    const post = async (path: string, body: object): Promise<Answer['body']> => {
      const answer = await app.admin.post(path, body);
      expect([path, answer.status]).toEqual([path, path.endsWith('/discover/') ? 200 : 201]);
      return answer.body;
    };
    const connection = await post('/api/v1/mcp/connections/', {
      server: type.body.id,
      organization,
      connection_name: 'Files',
      auth_data: {},
    });
    await post(`/api/v1/mcp/connections/${connection.id}/discover/`, {});
    const user = await newUser(app);
    await post(`/api/v1/organizations/${organization}/members/`, { username: user.username, role: 'member' });
    const workspace = await post('/api/v1/workspaces/', { organization, name: 'Files' });
    await post(`/api/v1/workspaces/${workspace.id}/members/`, { username: user.username, role: 'member' });
    const resources = await app.admin.get(`/api/v1/mcp/resources/?connection=${connection.id}&resource_type=folder`);
    const granted = resources.body.find((each: { resource_uri: string }) => each.resource_uri === `file://${folder}`);
    await post('/api/v1/mcp/workspace-access/', {
      workspace: workspace.id,
      connection: connection.id,
      access_name: 'One folder',
      allowed_resources: [granted.id],
      permission_level: 'write',
    });
    return (tool, args) => user.client.post(`/mcp/tools/files_${tool}/execute`, { arguments: args });
  }
});
