import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { connectAll, newAgent, type Agent } from '../support/agents.js';
import { startApp, type TestApp } from '../support/app.js';
import { newTenant } from '../support/tenants.js';
import { startOldConformance } from '../support/upstreams/conformance/old-era.js';
import type { Upstream } from '../support/upstreams/http-server.js';
import { node } from './suites.js';

const INSPECTOR = path.join(__dirname, 'node_modules', '@modelcontextprotocol', 'inspector');

describe("the Inspector's command line, at the endpoint of a workspace", () => {
  let app: TestApp;
  let upstream: Upstream;
  let home: string;
  let agent: Agent;
  beforeAll(async () => {
    app = await startApp();
    upstream = await startOldConformance();
    home = mkdtempSync(path.join(os.tmpdir(), 'mcp-control-plane-inspector-'));
    const tenant = await newTenant(app);
    await connectAll(tenant, 'suite', upstream.url);
    agent = await newAgent(app, tenant);
  });
  afterAll(async () => {
    await app.close();
    await upstream.close();
    rmSync(home, { recursive: true, force: true });
  });

  function inspect(...parameters: string[]): Promise<string> {
    const launcher = path.join(INSPECTOR, 'clients', 'launcher', 'build', 'index.js');
    const given = [
      '--cli',
      app.url + agent.door,
      '--transport',
      'http',
      '--header',
      `Authorization: Bearer ${agent.token}`,
      ...parameters,
    ];
    return new Promise((resolve, reject) => {
      const options = { timeout: 60_000, env: { ...process.env, HOME: home } };
      execFile(node(), [launcher, ...given], options, (error, stdout, stderr) =>
        error ? reject(new Error(`${stderr}\n${stdout}`)) : resolve(stdout),
      );
    });
  }

  it('lists tools under their public names', async () => {
    const { tools } = JSON.parse(await inspect('--method', 'tools/list')) as { tools: { name: string }[] };
    expect(tools.map(({ name }) => name)).toContain('suite_test_simple_text');
  });

  it('calls one', async () => {
    const answer = await inspect('--method', 'tools/call', '--tool-name', 'suite_test_simple_text');
    expect(JSON.parse(answer)).toMatchObject({
      content: [{ type: 'text', text: 'This is a simple text response for testing.' }],
    });
  });

  it('reads a resource and gets a prompt', async () => {
    const read = await inspect('--method', 'resources/read', '--uri', 'test://static-text');
    expect(JSON.parse(read).contents[0].uri).toBe('test://static-text');
    const got = await inspect('--method', 'prompts/get', '--prompt-name', 'suite_test_simple_prompt');
    expect(JSON.parse(got).messages).toHaveLength(1);
  });
});
