import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ApiClient } from '../support/api-client.js';
import { ProductCopy } from './product-copy.js';

const TOKEN = 'a token of the notice boards';
const BOARDS = ['hall', 'kitchen'];

/** The notice boards themselves. */
function startBoards(): Promise<Server> {
  const notices = BOARDS.map((board) => ({ id: `${board}-1`, board, text: `Welcome to the ${board}` }));
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const answer = (status: number, body: unknown): void => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      };
      if (request.headers.authorization !== `Bearer ${TOKEN}`) return answer(401, {});
      if (request.url === '/boards')
        return answer(
          200,
          BOARDS.map((id) => ({ id, name: `Board ${id}` })),
        );
      const board = /^\/boards\/(\w+)\/notices$/.exec(request.url ?? '')?.[1];
      if (board === undefined || !BOARDS.includes(board)) return answer(404, {});
      if (request.method === 'POST') {
        const { text } = JSON.parse(Buffer.concat(chunks).toString()) as { text: string };
        notices.push({ id: `${board}-${notices.length}`, board, text });
        return answer(201, notices.at(-1));
      }
      answer(
        200,
        notices.filter((notice) => notice.board === board),
      );
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

// What CONTRIBUTING.md promises: a folder, a line in providers/index.ts, and nothing else.
describe('adding a provider', () => {
  let copy: ProductCopy;
  let boards: Server;
  let client: ApiClient;
  beforeAll(async () => {
    boards = await startBoards();
    copy = new ProductCopy();
    copy.add('test/extension/provider', 'src/providers/notices');
    copy.edit('src/providers/index.ts', (text) =>
      `import { NOTICES } from './notices/notices.provider.js';\n${text}`.replace(
        /\[([^[\]]*)\];\s*$/,
        '[NOTICES, $1];\n',
      ),
    );
    client = (await copy.start()).client;
  }, 180_000);
  afterAll(async () => {
    await copy.remove();
    boards.close();
  }, 60_000);

  it('takes a folder and a line, and it is connected, discovered, granted, called, metered and audited like all others', async () => {
    const me = (await client.get('/api/v1/auth/me')).body;
    const [workspace] = me.workspaces as { id: string }[];
    const listed = await client.get('/api/v1/mcp/registry/?provider_type=notices');
    expect(listed.body).toMatchObject([{ id: '900', qualified_name: 'notices/mcp-server', transport: 'builtin' }]);
    const connect = (api_token: string, connection_name: string) =>
      client.post('/api/v1/mcp/connections/', {
        server: 900,
        organization: me.organizations[0].id,
        connection_name,
        auth_data: { base_url: `http://127.0.0.1:${(boards.address() as AddressInfo).port}`, api_token },
      });
    const locked = (await connect('a wrong token of theirs', 'Locked')).body.id as string;
    expect((await client.post(`/api/v1/mcp/connections/${locked}/test/`)).body).toMatchObject({
      success: false,
      details: { reason: 'unauthorized' },
    });

    const connection = (await connect(TOKEN, 'Boards')).body.id as string;
    expect((await client.post(`/api/v1/mcp/connections/${connection}/test/`)).body.success).toBe(true);
    expect((await client.post(`/api/v1/mcp/connections/${connection}/discover/`)).body.resources_found).toBe(4);
    const [hall] = (await client.get(`/api/v1/mcp/resources/?connection=${connection}&search=hall`)).body;
    expect(hall).toMatchObject({ resource_uri: 'notices://hall', resource_type: 'board', external_id: 'hall' });

    const grant = await client.post('/api/v1/mcp/workspace-access/', {
      workspace: workspace?.id,
      connection,
      access_name: 'The hall',
      allowed_resources: [hall.id],
      permission_level: 'write',
    });
    const { body } = await client.post(`/api/v1/workspaces/${workspace?.id}/tokens/`, { name: 'Agent' });
    const agent = client.withToken(body.token as string);
    const call = (tool: string, args: object) => agent.post(`/mcp/tools/boards_${tool}/execute`, { arguments: args });
    expect((await call('pin_notice', { board: 'hall', text: 'Mind the step' })).status).toBe(200);
    expect((await call('list_notices', { board: 'hall' })).text).toContain('Mind the step');
    const refused = await call('list_notices', { board: 'kitchen' });
    expect([refused.status, refused.body.details.reason]).toEqual([403, 'scope_not_granted']);
    const read = await agent.post(`/api/v1/mcp/resources/${hall.id}/read/`);
    expect(read.body.content).toContain('Mind the step');

    const usage = await client.get(`/api/v1/mcp/usage/?workspace_access=${grant.body.id}`);
    expect(usage.body).toMatchObject([
      { resource: { resource_name: 'Board hall' }, request_count: 3, denied_count: 0 },
      { resource: { resource_name: 'List notices' }, request_count: 0, denied_count: 1 },
    ]);
  });
});
