import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { filesystemProgram, memoryProgram, type Program } from '../../../../test/support/upstreams/programs.js';
import { requestValidation } from '../../../platform/http/validation.js';
import { SchemaChecker } from '../../../platform/schemas/schema-checker.js';
import { CreateServerType } from '../registry.dto.js';
import { renderTransport } from '../rendered-transport.js';
import { checkDeclarations } from '../scopes-check.js';
import { checkConfigSchemas, SubmittedSchemas } from '../submitted-schemas.js';
import { checkTransport } from '../transport-check.js';
import { UNVERIFIED } from './entry.js';
import { WELL_KNOWN, wellKnownTypes } from './index.js';
import { toToolsList, type AnsweredTool, type ToolsList } from './tools-list.js';
import { KUBERNETES_TOOLS } from './tools-lists/kubernetes.js';
import { NOTION_TOOLS } from './tools-lists/notion.js';
import { PLAYWRIGHT_TOOLS } from './tools-lists/playwright.js';
import { SENTRY_TOOLS } from './tools-lists/sentry.js';
import { SERVER_FILESYSTEM_TOOLS } from './tools-lists/server-filesystem.js';
import { SERVER_MEMORY_TOOLS } from './tools-lists/server-memory.js';

const LISTS: readonly ToolsList[] = [
  SERVER_FILESYSTEM_TOOLS,
  SERVER_MEMORY_TOOLS,
  NOTION_TOOLS,
  SENTRY_TOOLS,
  KUBERNETES_TOOLS,
  PLAYWRIGHT_TOOLS,
];
const BY_NAME = WELL_KNOWN.map((type) => [type.qualified_name, type] as const);
const VERIFIED = BY_NAME.filter(([, type]) => type.effects_source !== null);
const UNVERIFIED_TYPES = BY_NAME.filter(([, type]) => type.effects_source === null);

describe('well-known server types', () => {
  const checker = new SchemaChecker({ warn: () => undefined });
  afterAll(() => checker.close());

  it('have ids and names that are part of the API', () => {
    expect(WELL_KNOWN.map(({ id, qualified_name: name }) => [id, name])).toEqual([
      [10, 'github/remote-mcp-server'],
      [11, 'atlassian/remote-mcp-server'],
      [12, 'modelcontextprotocol/server-filesystem'],
      [13, 'modelcontextprotocol/server-memory'],
      [14, 'notion/notion-mcp-server'],
      [15, 'sentry/mcp-server'],
      [16, 'containers/kubernetes-mcp-server'],
      [17, 'microsoft/playwright-mcp'],
    ]);
  });

  it.each(BY_NAME)('%s stands in docs/server-types.md as it is', (_name, type) => {
    const cells = readFileSync(join(process.cwd(), 'docs/server-types.md'), 'utf8')
      .split('\n')
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .find(([, id]) => id === String(type.id));
    const { package: name, version } = type.effects_source ?? {};
    const source = name === undefined ? 'unverified' : `\`${name}\` ${version}`;
    expect(cells?.slice(2, 3)).toEqual([`\`${type.qualified_name}\``]);
    expect(cells?.[3]).toMatch(type.transport.type === 'stdio' ? /^process/ : `\`${type.transport.url}\``);
    expect(cells?.[4]).toBe(source);
  });

  it.each(BY_NAME)('%s passes all that is asked of a type that somebody creates', async (_name, type) => {
    const { id: _id, effects_source: _source, ...body } = type;
    await requestValidation().transform(body, { type: 'body', metatype: CreateServerType });
    checkConfigSchemas(body.config_schema);
    await new SubmittedSchemas(checker).check({
      'config_schema.auth': body.config_schema.auth,
      'config_schema.options': body.config_schema.options,
      scoping_config_schema: body.scoping_config_schema,
    });
    expect(checkTransport({ ...body.transport }, body.config_schema)).toEqual(body.transport);
    checkDeclarations(body, body.scoping_config_schema);
  });

  it('that are processes are there only where processes are allowed', () => {
    expect(wellKnownTypes(false).map(({ id }) => id)).toEqual([10, 11]);
    expect(wellKnownTypes(true)).toHaveLength(WELL_KNOWN.length);
  });

  it('send the credentials in the way that each vendor documents', () => {
    const headersOf = (id: number, auth: object, options: object = {}): unknown => {
      const row = wellKnownTypes(true).find((each) => each.id === id);
      return row && renderTransport(row, { auth: { ...auth }, options: { ...options } }).transport;
    };
    expect(headersOf(10, { api_token: 'a' }, { toolsets: 'repos,issues', readonly: true })).toMatchObject({
      url: 'https://api.githubcopilot.com/mcp/',
      headers: { Authorization: 'Bearer a', 'X-MCP-Toolsets': 'repos,issues', 'X-MCP-Readonly': 'true' },
    });
    expect(headersOf(11, { scheme: 'Basic', api_token: 'YTpi' })).toMatchObject({
      url: 'https://mcp.atlassian.com/v1/mcp',
      headers: { Authorization: 'Basic YTpi' },
    });
    expect(headersOf(14, { api_token: 'b' })).toMatchObject({ command: 'npx', env: { NOTION_TOKEN: 'b' } });
    expect(headersOf(15, { access_token: 'c' })).toMatchObject({ env: { SENTRY_ACCESS_TOKEN: 'c' } });
  });

  describe('verified effects', () => {
    it.each(VERIFIED)('%s cites the version that it starts, and a list that is kept', (_name, type) => {
      const list = LISTS.find((each) => each.package === type.effects_source?.package);
      expect(type.effects_source).toEqual({
        package: list?.package,
        version: list?.version,
        tools_list: `sha256:${list?.sha256}`,
      });
      expect(type.transport).toMatchObject({ type: 'stdio', command: 'npx' });
      const args = type.transport.type === 'stdio' ? type.transport.args : [];
      expect(args.slice(0, 2)).toEqual(['-y', `${list?.package}@${list?.version}`]);
    });

    it.each(VERIFIED)('%s says of each tool in the list, and of no other, what it does', (_name, type) => {
      const list = LISTS.find((each) => each.package === type.effects_source?.package);
      const listed = list?.tools.map((tool) => tool.name) ?? [];
      expect(Object.keys(type.tool_effects).sort()).toEqual([...listed].sort());
    });

    it.each(VERIFIED)('%s names in its scopes only tools and arguments that there are', (_name, type) => {
      const list = LISTS.find((each) => each.package === type.effects_source?.package);
      for (const scope of type.scopes) {
        for (const [name, { arguments: places = [] }] of Object.entries(scope.tools ?? {})) {
          const properties = list?.tools.find((tool) => tool.name === name)?.properties ?? {};
          const named = places.flatMap((place) => Object.keys(place).map((pointer) => pointer.split('/')[1]));
          expect(Object.keys(properties)).toEqual(expect.arrayContaining(named));
        }
      }
    });

    it('bind every tool of server-filesystem to a folder', () => {
      const [scope] = WELL_KNOWN.find(({ id }) => id === 12)?.scopes ?? [];
      expect(Object.keys(scope?.tools ?? {}).sort()).toEqual(
        SERVER_FILESYSTEM_TOOLS.tools.map(({ name }) => name).sort(),
      );
    });

    it.each(UNVERIFIED_TYPES)('%s declares none and says so', (_name, type) => {
      expect(type.tool_effects).toEqual({});
      expect(type.description).toContain(UNVERIFIED);
    });
  });

  describe('kept lists', () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mcp-control-plane-lists-')));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it.each<[string, ToolsList, () => Program]>([
      ['server-filesystem', SERVER_FILESYSTEM_TOOLS, () => filesystemProgram(folder)],
      ['server-memory', SERVER_MEMORY_TOOLS, () => memoryProgram()],
    ])('of %s are what that version answers', async (name, list, program) => {
      const { version } = JSON.parse(
        readFileSync(join(process.cwd(), 'node_modules/@modelcontextprotocol', name, 'package.json'), 'utf8'),
      ) as { version: string };
      const tools = await answeredTools(program());
      expect(toToolsList({ package: `@modelcontextprotocol/${name}`, version }, tools)).toEqual(list);
    });

    it('hold no text of others', () => {
      const words = (list: ToolsList): string[] =>
        list.tools.flatMap(({ name, properties, required, annotations }) => [
          name,
          ...Object.entries(properties).flat(),
          ...required,
          ...Object.keys(annotations),
        ]);
      for (const list of LISTS) for (const word of words(list)) expect(word).toMatch(/^[A-Za-z_|-]{1,64}$/);
    });
  });
});

/** As it came over the wire, since the digest is of all of it. */
async function answeredTools({ command, args }: Program): Promise<AnsweredTool[]> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  try {
    const clientInfo = { name: 'well-known', version: '1' };
    const send = (message: object): boolean => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
    send({ id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo } });
    for await (const line of createInterface({ input: child.stdout })) {
      const { id, result } = JSON.parse(line) as {
        id?: number;
        result: { tools: AnsweredTool[]; nextCursor?: string };
      };
      if (id === 1) {
        send({ method: 'notifications/initialized' });
        send({ id: 2, method: 'tools/list', params: {} });
      }
      if (id === 2 && result.nextCursor === undefined) return result.tools;
      if (id === 2) throw new Error('it answers in pages');
    }
    throw new Error('it ended without an answer');
  } finally {
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
  }
}
