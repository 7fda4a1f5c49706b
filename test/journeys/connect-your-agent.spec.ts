import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { connectAll, newAgent, type Agent } from '../support/agents.js';
import { startApp, type TestApp } from '../support/app.js';
import { newTenant } from '../support/tenants.js';
import type { Upstream } from '../support/upstreams/http-server.js';
import { startModernEra } from '../support/upstreams/modern-era.js';

interface Settings {
  mcpServers?: Record<string, Server>;
  servers?: Record<string, Server>;
  inputs?: { type: string; id: string; description: string; password?: boolean }[];
}
interface Server {
  type?: string;
  url: string;
  headers: Record<string, string>;
}

/** Under which key each client looks for servers, and how it names what is filled in: as their documentation has it. */
const CLIENTS = [
  ['Claude Code', 'mcpServers', 'http', /\$\{([A-Z_]+)\}/],
  ['VS Code', 'servers', 'http', /\$\{input:([a-z-]+)\}/],
  ['Cursor', 'mcpServers', undefined, /\$\{env:([A-Z_]+)\}/],
] as const;

describe('the settings that the README has for agents', () => {
  let app: TestApp;
  let upstream: Upstream;
  let agent: Agent;
  beforeAll(async () => {
    [app, upstream] = await Promise.all([startApp(), startModernEra()]);
    const tenant = await newTenant(app);
    await connectAll(tenant, 'tools', upstream.url);
    agent = await newAgent(app, tenant);
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
  });

  it.each(CLIENTS)('connect %s', async (client, key, type, placeholder) => {
    const settings = settingsOf(client);
    const server = settings[key]?.['control-plane'];
    expect([client, server?.type]).toEqual([client, type]);
    const { url = '', headers = {} } = server ?? {};
    const name = placeholder.exec(headers.Authorization ?? '')?.[1];
    if (client === 'VS Code') expect(settings.inputs).toEqual([expect.objectContaining({ id: name, password: true })]);
    else expect(name).toBe('CONTROL_PLANE_TOKEN');
    const filled = (text = ''): string => text.replace(placeholder, agent.token);
    const address = url
      .replace('http://127.0.0.1:3000', app.url)
      .replace(/\/mcp\/workspaces\/WORKSPACE_ID$/, agent.door);
    const connected = new Client({ name: client, version: '1' }, { versionNegotiation: { mode: 'auto' } });
    const requestInit = { headers: { Authorization: filled(headers.Authorization) } };
    await connected.connect(new StreamableHTTPClientTransport(new URL(address), { requestInit }));
    const { tools } = await connected.listTools();
    expect(tools.map((tool) => tool.name)).toContain('tools_echo');
    await connected.close();
  });
});

/** The block of JSON after the name of the client. */
function settingsOf(client: string): Settings {
  const readme = readFileSync(path.join(__dirname, '..', '..', 'README.md'), 'utf8');
  const section = readme.slice(readme.indexOf('## Connect your agent'));
  const after = section.slice(section.indexOf(`**${client}**`));
  return JSON.parse(/```json\n([\s\S]*?)```/.exec(after)?.[1] ?? '{}') as Settings;
}
