import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApp, type TestApp } from '../support/app.js';
import type { Answer, ApiClient } from '../support/api-client.js';
import { newUser } from '../support/tenants.js';
import { filesystemProgram } from '../support/upstreams/programs.js';

const PATH = { '/path': '{path}' };

/** server-filesystem started on two folders, as an operator would define it. */
function filesystemType(folders: Record<string, string>): object {
  const { command, args } = filesystemProgram(...Object.values(folders));
  const onPath = (...names: string[]): object => Object.fromEntries(names.map((name) => [name, { arguments: [PATH] }]));
  return {
    qualified_name: 'acme/files',
    display_name: 'Files',
    provider_type: 'filesystem',
    supports_workspace_scoping: true,
    scoping_config_schema: { properties: { folders: { type: 'array', items: { type: 'string' } } } },
    config_schema: { auth: { type: 'object', properties: {} }, options: { type: 'object', properties: {} } },
    transport: { type: 'stdio', command, args },
    declared_resources: Object.entries(folders).map(([name, path]) => ({
      uri: `file://${path}`,
      name,
      type: 'folder',
    })),
    tool_effects: {
      read_file: 'read',
      read_text_file: 'read',
      read_media_file: 'read',
      read_multiple_files: 'read',
      list_directory: 'read',
      list_directory_with_sizes: 'read',
      directory_tree: 'read',
      search_files: 'read',
      get_file_info: 'read',
      list_allowed_directories: 'read',
      write_file: 'write',
      edit_file: 'write',
      create_directory: 'write',
      move_file: 'destructive',
    },
    scopes: [
      {
        name: 'folder',
        parts: { path: 'path' },
        resources: ['file://{+path}'],
        filters: { folders: '{path}' },
        tools: {
          ...onPath('read_file', 'read_text_file', 'read_media_file', 'list_directory', 'list_directory_with_sizes'),
          ...onPath('directory_tree', 'get_file_info', 'write_file', 'edit_file', 'create_directory'),
          read_multiple_files: { arguments: [{ '/paths/*': '{path}' }] },
          move_file: { arguments: [{ '/source': '{path}' }, { '/destination': '{path}' }] },
          search_files: {
            arguments: [PATH],
            results: [{ kind: 'lines', value: '{path}', structured: '/content', keep: ['No matches found'] }],
          },
          list_allowed_directories: {
            results: [{ kind: 'lines', value: '{path}', structured: '/content', keep: ['Allowed directories:'] }],
          },
        },
      },
    ],
  };
}

describe('a server of two folders, one of them granted', () => {
  let app: TestApp;
  let root: string;
  let granted: string;
  let secret: string;
  let member: ApiClient;
  let access: string;

  beforeAll(async () => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'mcp-control-plane-folders-')));
    [granted, secret] = [join(root, 'granted'), join(root, 'secret')];
    for (const folder of [granted, secret, join(granted, 'sub')]) mkdirSync(folder);
    writeFileSync(join(granted, 'plan.txt'), 'the plan');
    writeFileSync(join(granted, 'sub', 'note.txt'), 'a note');
    writeFileSync(join(secret, 'plan.txt'), 'the SECRET plan');
    symlinkSync(secret, join(granted, 'link'));
    app = await startApp({ STDIO_ENABLED: 'true' });
    const user = await newUser(app);
    member = user.client;
    const workspace = (await app.admin.post('/api/v1/workspaces/', { organization: app.organization, name: 'Files' }))
      .body.id as string;
    await app.admin.post(`/api/v1/organizations/${app.organization}/members/`, {
      username: user.username,
      role: 'member',
    });
    await app.admin.post(`/api/v1/workspaces/${workspace}/members/`, { username: user.username, role: 'member' });
    const type = await app.admin.post('/api/v1/mcp/registry/', filesystemType({ Granted: granted, Secret: secret }));
    expect([type.status, type.body.details]).toEqual([201, undefined]);
    const connection = await app.admin.post('/api/v1/mcp/connections/', {
      server: type.body.id,
      organization: app.organization,
      connection_name: 'Files',
      auth_data: {},
    });
    const path = `/api/v1/mcp/connections/${connection.body.id}`;
    expect((await app.admin.post(`${path}/discover/`)).body).toMatchObject({ success: true, complete: true });
    const folders = await app.admin.get(`/api/v1/mcp/resources/?connection=${connection.body.id}&resource_type=folder`);
    expect(folders.body).toMatchObject([
      { resource_uri: `file://${granted}`, resource_name: 'Granted', operations: [] },
      { resource_uri: `file://${secret}`, resource_name: 'Secret' },
    ]);
    const grant = await app.admin.post('/api/v1/mcp/workspace-access/', {
      workspace,
      connection: connection.body.id,
      access_name: 'One folder',
      allowed_resources: [folders.body[0].id],
      permission_level: 'admin',
    });
    expect(grant.status).toBe(201);
    access = `/api/v1/mcp/workspace-access/${grant.body.id}/`;
  }, 60_000);
  afterAll(async () => {
    await app.close();
    rmSync(root, { recursive: true, force: true });
  });

  const call = (tool: string, args: object): Promise<Answer> =>
    member.post(`/mcp/tools/files_${tool}/execute`, { arguments: args });
  const outcome = ({ status, body }: Answer): unknown => (status === 200 ? body.result : body.details.reason);

  it('offers every tool, each bound to the folder', async () => {
    const { tools } = (await member.get(`${access}effective/`)).body;
    expect(tools).toHaveLength(14);
    expect(tools.every((tool: { scopes: string[] }) => tool.scopes.join() === 'folder')).toBe(true);
  });

  it('reads, writes and lists inside the folder', async () => {
    expect(outcome(await call('read_text_file', { path: join(granted, 'plan.txt') }))).toBe('the plan');
    expect(
      outcome(await call('read_multiple_files', { paths: [join(granted, 'plan.txt'), join(granted, 'sub/note.txt')] })),
    ).toContain('a note');
    expect(outcome(await call('write_file', { path: join(granted, 'new.txt'), content: 'new' }))).toContain(
      'Successfully',
    );
    expect(
      outcome(await call('move_file', { source: join(granted, 'new.txt'), destination: join(granted, 'sub/old.txt') })),
    ).toContain('Successfully');
    expect(outcome(await call('directory_tree', { path: `${granted}/` }))).toContain('plan.txt');
    expect(readFileSync(join(granted, 'sub/old.txt'), 'utf8')).toBe('new');
  });

  it('stops every tool in the other folder, whatever way the path is written', async () => {
    const target = join(secret, 'plan.txt');
    const inside = join(granted, 'plan.txt');
    const attempts: [tool: string, args: object, reason: string][] = [
      ...['read_file', 'read_text_file', 'read_media_file', 'get_file_info'].map((tool): [string, object, string] => [
        tool,
        { path: target },
        'scope_not_granted',
      ]),
      ...['list_directory', 'list_directory_with_sizes', 'directory_tree'].map((tool): [string, object, string] => [
        tool,
        { path: secret },
        'scope_not_granted',
      ]),
      ['write_file', { path: join(secret, 'x'), content: 'x' }, 'scope_not_granted'],
      ['edit_file', { path: target, edits: [{ oldText: 'the', newText: 'a' }] }, 'scope_not_granted'],
      ['create_directory', { path: join(secret, 'new') }, 'scope_not_granted'],
      ['search_files', { path: secret, pattern: '*' }, 'scope_not_granted'],
      ['search_files', { path: root, pattern: '*' }, 'scope_not_granted'],
      ['read_multiple_files', { paths: [inside, target] }, 'scope_not_granted'],
      ['read_multiple_files', { paths: [target] }, 'scope_not_granted'],
      ['move_file', { source: inside, destination: join(secret, 'x') }, 'scope_not_granted'],
      ['move_file', { source: target, destination: join(granted, 'x') }, 'scope_not_granted'],
      ['read_text_file', { path: `${granted}-x/plan.txt` }, 'scope_not_granted'],
      ...[
        `${granted}/../secret/plan.txt`,
        `${granted}/sub/../../secret/plan.txt`,
        `${granted}/./plan.txt`,
        `${granted}//plan.txt`,
        `${granted}/.."/secret/plan.txt`,
        ` ${target}`,
        `"${target}"`,
        'plan.txt',
        '../secret/plan.txt',
        '~/secret',
        `file://${target}`,
        `${granted}\\..\\secret\\plan.txt`,
        `${granted}/\u0000../secret/plan.txt`,
        '',
      ].map((path): [string, object, string] => ['read_text_file', { path }, 'scope_value_unreadable']),
      ['read_text_file', { path: [target] }, 'scope_value_unreadable'],
      ['read_text_file', {}, 'scope_undecided'],
      ['read_multiple_files', { paths: [] }, 'scope_undecided'],
      ['move_file', { source: inside, destination: '../secret/x' }, 'scope_value_unreadable'],
    ];
    const refused = [];
    for (const [tool, args] of attempts) {
      const { status, body } = await call(tool, args);
      refused.push([tool, args, status === 403 ? body.details.reason : `${status}`]);
    }
    expect(refused).toEqual(attempts);
    expect(readFileSync(target, 'utf8')).toBe('the SECRET plan');
  });

  it('shows nothing of the other folder in results', async () => {
    const listed = await call('list_allowed_directories', {});
    expect(listed.body).toEqual({
      result: `Allowed directories:\n${granted}`,
      content: [{ type: 'text', text: `Allowed directories:\n${granted}` }],
      structured_content: { content: `Allowed directories:\n${granted}` },
      is_error: false,
    });
    const found = await call('search_files', { path: granted, pattern: '**/*plan*' });
    expect([found.status, found.text.includes('SECRET'), found.body.result]).toEqual([
      200,
      false,
      join(granted, 'plan.txt'),
    ]);
    expect(outcome(await call('search_files', { path: granted, pattern: 'nowhere' }))).toBe('No matches found');
  });

  it('narrows by a filter, and says beforehand what it will say', async () => {
    await app.admin.patch(access, { resource_filters: { folders: [join(granted, 'sub')] } });
    const check = await member.post(`${access}check/`, {
      tool: 'files_read_text_file',
      arguments: { path: join(granted, 'plan.txt') },
    });
    expect(check.body).toMatchObject({ allowed: false, reason: 'filtered_out' });
    expect(outcome(await call('read_text_file', { path: join(granted, 'sub/note.txt') }))).toBe('a note');
    await app.admin.patch(access, { resource_filters: {} });
    const outside = await member.post(`${access}check/`, {
      tool: 'files_move_file',
      arguments: { source: join(granted, 'plan.txt'), destination: join(secret, 'x') },
    });
    expect(outside.body).toEqual({
      allowed: false,
      reason: 'scope_not_granted',
      details: {
        object: { type: 'argument', id: '/destination', value: join(secret, 'x') },
        rule: 'This folder is not granted',
        change: 'Add the resource of this folder to the grant',
      },
    });
  });

  // docs/scopes.md says so: what a link inside a granted folder points at is for the server to judge.
  it('leaves symbolic links inside the folder to the server', async () => {
    expect(outcome(await call('read_text_file', { path: join(granted, 'link/plan.txt') }))).toBe('the SECRET plan');
  });
});
