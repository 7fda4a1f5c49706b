import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newAgent, type Agent } from '../support/agents.js';
import { startApp, type TestApp } from '../support/app.js';
import { startGithub, USER_TOKEN, type FakeGitHub } from '../support/upstreams/github/github.js';
import { startJira, type FakeJira } from '../support/upstreams/jira/jira-server.js';
import { everythingProgram, filesystemProgram, memoryProgram } from '../support/upstreams/programs.js';

const [JIRA, GITHUB, GENERIC_STDIO] = ['1', '2', '5'];
/** What a model would look for, and what it should be given first. */
const WANTED = [
  ['comment on an issue', /comment/],
  ['create a pull request', /pull/],
  ['write file', /files_write_file/],
  ['search issues jira', /jira_search/],
  ['knowledge about the relations of entities', /memory_create_relations/],
  ['add two numbers', /everything_get-sum|everything_add/],
  ['directory tree', /files_directory_tree/],
] as const;

/** Figures of docs/many-tools.md: five servers in one workspace, all that they offer granted. */
describe('the tools of five servers', () => {
  let app: TestApp;
  let jira: FakeJira;
  let github: FakeGitHub;
  let folder: string;
  let usual: Agent;
  let searching: Agent;

  beforeAll(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'mcp-control-plane-many-')));
    [app, jira, github] = await Promise.all([
      startApp({ EGRESS_ALLOW: '127.0.0.1', STDIO_ENABLED: 'true' }),
      startJira(),
      startGithub(),
    ]);
    const { admin: owner, organization } = app;
    const workspace = (await owner.post('/api/v1/workspaces/', { organization, name: 'Everything' })).body.id as string;
    const memory = { environment: { MEMORY_FILE_PATH: join(folder, 'memory.json') } };
    const servers: [string, string, object, object][] = [
      ['Jira', JIRA, { api_token: jira.token, base_url: jira.url, email: jira.email }, {}],
      ['GitHub', GITHUB, { base_url: github.url, api_token: USER_TOKEN }, {}],
      ['Everything', GENERIC_STDIO, {}, { ...everythingProgram() }],
      ['Files', GENERIC_STDIO, {}, { ...filesystemProgram(folder) }],
      ['Memory', GENERIC_STDIO, memory, { ...memoryProgram() }],
    ];
    for (const [name, server, auth, options] of servers) {
      const created = await owner.post('/api/v1/mcp/connections/', {
        server,
        organization,
        connection_name: name,
        auth_data: auth,
        config_options: options,
      });
      expect([name, created.status]).toEqual([name, 201]);
      await owner.post(`/api/v1/mcp/connections/${created.body.id}/discover/`);
      const { body } = await owner.get(`/api/v1/mcp/resources/?connection=${created.body.id}&limit=500`);
      const granted = await owner.post('/api/v1/mcp/workspace-access/', {
        workspace,
        connection: created.body.id,
        access_name: name,
        permission_level: 'admin',
        allowed_resources: body.map(({ id }: { id: number }) => id),
      });
      expect([name, granted.status]).toEqual([name, 201]);
    }
    [usual, searching] = await Promise.all([
      newAgent(app, { owner, workspace }),
      newAgent(app, { owner, workspace }, '?tools=search'),
    ]);
  });
  afterAll(async () => {
    await app.close();
    await Promise.all([jira.close(), github.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  const toolsOf = async (agent: Agent): Promise<{ name: string }[]> =>
    (await agent.ask('tools/list')).body.result.tools;
  const search = async (query: string, limit = 5): Promise<{ name: string }[]> => {
    const { body } = await searching.ask('tools/call', { name: 'search_tools', arguments: { query, limit } });
    return JSON.parse(body.result.content[0].text).tools;
  };
  const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

  it('cost a model less than a tenth, where it searches them, of what all of them cost', async () => {
    const [all, two] = [await toolsOf(usual), await toolsOf(searching)];
    const found = await Promise.all(WANTED.map(([query]) => search(query)));
    const largest = Math.max(...found.map(sizeOf));
    expect(all.length).toBeGreaterThan(50);
    expect(sizeOf(two) + largest).toBeLessThan(sizeOf(all) / 10);
  });

  it.each(WANTED)('are found by: %s', async (query, expected) => {
    const found = await search(query);
    expect(found[0]?.name).toMatch(expected);
  });

  it('are called by an agent as what they are: servers in the product, and programs of others', async () => {
    const note = join(folder, 'note.txt');
    const entity = { name: 'Berlin', entityType: 'city', observations: ['is sunny'] };
    const calls: [tool: string, args: object, expected: string | RegExp][] = [
      ['jira_search_issues', { jql: 'project = DEV' }, /DEV-1/],
      ['github_get_issue', { owner: 'acme', repo: 'app', issue_number: 1 }, /number/],
      ['everything_echo', { message: 'hello' }, 'hello'],
      ['files_write_file', { path: note, content: 'written by an agent' }, /wrote/i],
      ['files_read_text_file', { path: note }, 'written by an agent'],
      // Once: what is there is not created again.
      ['memory_create_entities', { entities: [entity] }, /Berlin|\[\]/],
      ['memory_search_nodes', { query: 'Berlin' }, 'is sunny'],
    ];
    const session = await usual.session();
    for (const [name, args, expected] of calls) {
      for (const ask of [usual.ask, session.ask]) {
        const { body } = await ask('tools/call', { name, arguments: args });
        expect([name, JSON.stringify(body.result)]).toEqual([name, expect.stringMatching(expected)]);
      }
    }
    await session.end();
  });
});
