import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';
import { call, PoolHarness, targetOf, until } from '../../test/support/upstreams/pool-harness.js';
import {
  everythingProgram,
  filesystemProgram,
  hostileProgram,
  memoryProgram,
  startEverything,
  type Program,
} from '../../test/support/upstreams/programs.js';
import type { UpstreamTarget } from './upstream.js';

const harness = new PoolHarness();
const SECRET = 'sk-very-secret-value';

function target(
  program: Program,
  more: Partial<UpstreamTarget> = {},
  env: Record<string, string> = {},
): UpstreamTarget {
  return targetOf({ type: 'stdio', ...program, env }, more);
}

function structured<T>(result: unknown): T {
  return (result as { structuredContent: T }).structuredContent;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('the official servers', () => {
  it('everything: listed, called, with progress', async () => {
    const pool = harness.pool();
    const everything = target(everythingProgram());
    expect(await pool.describe(everything)).toMatchObject({ era: 'legacy', instructions: expect.any(String) });
    const { items } = await pool.list(everything, 'tools/list');
    expect(items).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'echo' })]));
    expect((await pool.list(everything, 'resources/templates/list')).items.length).toBeGreaterThan(0);
    expect((await pool.list(everything, 'prompts/list')).items.length).toBeGreaterThan(0);
    const params = { name: 'trigger-long-running-operation', arguments: { duration: 0.4, steps: 4 } };
    const steps: number[] = [];
    await pool.request(everything, 'tools/call', params, { onProgress: ({ progress }) => steps.push(progress) });
    expect(steps).toEqual([1, 2, 3, 4]);
  });

  it('everything: its environment reaches it, and does not come back', async () => {
    const pool = harness.pool();
    const everything = target(everythingProgram(), {}, { API_KEY: SECRET });
    const { content } = (await call(pool, everything, 'get-env')) as { content: { text: string }[] };
    expect(JSON.parse(content[0]?.text ?? '')).toMatchObject({ API_KEY: '***' });
  });

  it('everything over HTTP, whose unknown sessions are a 400', async () => {
    const server = await harness.running(startEverything());
    const pool = harness.pool();
    const everything = targetOf(server, { timeoutMs: 10_000 });
    expect(await call(pool, everything, 'echo', { message: 'hi' })).toMatchObject({ content: [{ text: 'Echo: hi' }] });
    expect(await call(pool, everything, 'get-tiny-image')).toMatchObject({
      content: expect.arrayContaining([expect.objectContaining({ type: 'image' })]),
    });
  });

  it('filesystem and memory', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mcp-files-'));
    await writeFile(join(folder, 'a.txt'), 'content of a');
    const pool = harness.pool();
    const files = target(filesystemProgram(folder), { connectionId: 'files' });
    const path = join(folder, 'a.txt');
    expect(await call(pool, files, 'read_text_file', { path })).toMatchObject({ content: [{ text: 'content of a' }] });
    const env = { MEMORY_FILE_PATH: join(folder, 'graph.json') };
    const memory = target(memoryProgram(), { connectionId: 'memory' }, env);
    const entities = [{ name: 'Ann', entityType: 'person', observations: [] }];
    await call(pool, memory, 'create_entities', { entities });
    expect(JSON.stringify(await call(pool, memory, 'read_graph'))).toContain('Ann');
    await rm(folder, { recursive: true });
  });
});

describe('a process', () => {
  it('sees its own environment and a PATH, nothing else, and no shell reads its arguments', async () => {
    const program = hostileProgram('$HOME; echo', '`id`');
    const result = await call(harness.pool(), target(program, {}, { API_TOKEN: SECRET }), 'env');
    const { env, cwd } = structured<{ env: Record<string, string>; cwd: string }>(result);
    expect(Object.keys(env).sort()).toEqual(['API_TOKEN', 'PATH']);
    expect(env.PATH).toContain(':/usr/bin:');
    expect(cwd).toBe(tmpdir());
  });

  it('is one per principal', async () => {
    const pool = harness.pool();
    const pids = await Promise.all(
      ['a', 'b', 'a'].map(async (principal) => {
        const result = await call(pool, target(hostileProgram(), { principal }), 'pid');
        return structured<{ pid: number }>(result).pid;
      }),
    );
    expect(pids[0]).toBe(pids[2]);
    expect(pids[0]).not.toBe(pids[1]);
  });

  it('keeps 200 concurrent calls apart', async () => {
    const pool = harness.pool({ queuePerConnection: 200 });
    const markers = Array.from({ length: 200 }, (_, index) => `marker ${index}`);
    const answers = await Promise.all(
      markers.map((message) => call(pool, target(hostileProgram()), 'echo', { message })),
    );
    expect(answers.map((answer) => (answer as { content: { text: string }[] }).content[0]?.text)).toEqual(markers);
  });

  it('may chatter, answer for others, and answer twice', async () => {
    const pool = harness.pool();
    expect(await call(pool, target(hostileProgram()), 'chatter')).toEqual({
      content: [{ type: 'text', text: 'first' }],
    });
    expect(await call(pool, target(hostileProgram()), 'echo', { message: 'x' })).toMatchObject({
      content: [{ text: 'x' }],
    });
  });

  it('is told what was cancelled, and says what changed', async () => {
    const pool = harness.pool();
    const program = target(hostileProgram());
    await pool.describe(program);
    const abort = new AbortController();
    const hanging = call(pool, program, 'hang', {}, abort.signal);
    setTimeout(() => abort.abort(), 50);
    await expect(hanging).rejects.toMatchObject({ reason: 'cancelled', mayHaveArrived: true });
    expect(structured<{ cancelled: number[] }>(await call(pool, program, 'cancelled')).cancelled).toEqual([1]);
    await call(pool, program, 'change');
    await until(() => harness.changes.length === 1);
  });

  it('of 2026-07-28 only is spoken to in its own way', async () => {
    const pool = harness.pool();
    const modern = target(hostileProgram('--modern'));
    expect(await pool.describe(modern)).toMatchObject({ era: 'modern', protocolVersion: '2026-07-28' });
    expect(await call(pool, modern, 'echo', { message: 'x' })).toMatchObject({ content: [{ text: 'x' }] });
    const again = { ...modern, principal: 'second' };
    expect(await call(pool, again, 'echo', { message: 'y' })).toMatchObject({ content: [{ text: 'y' }] });
  });

  it('that answers and ends has answered', async () => {
    const pool = harness.pool();
    expect(await call(pool, target(hostileProgram()), 'answer-and-exit')).toMatchObject({
      content: [{ text: 'last words' }],
    });
    await until(() => pool.statistics().sessions === 0);
    expect(await call(pool, target(hostileProgram()), 'echo', { message: 'x' })).toMatchObject({
      content: [{ text: 'x' }],
    });
  });

  it('that crashes fails its calls, with its last words but not its secrets, and is started again', async () => {
    const pool = harness.pool();
    const program = target(hostileProgram(), {}, { API_TOKEN: SECRET });
    const bystander = call(pool, program, 'hang');
    bystander.catch(() => undefined);
    const error = await call(pool, program, 'crash').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      reason: 'process_failed',
      mayHaveArrived: true,
      message: expect.stringContaining('code 1'),
    });
    const { stderr } = error as { stderr: string };
    expect(stderr).toMatch(/token \*\*\* in the log$/);
    expect(stderr.length).toBeLessThanOrEqual(4096);
    expect(JSON.stringify(error)).not.toContain(SECRET);
    await expect(bystander).rejects.toMatchObject({ reason: 'process_failed' });
    expect(await call(pool, program, 'echo', { message: 'x' })).toMatchObject({ content: [{ text: 'x' }] });
  });

  it('that cannot be started or ends at once fails with the reason', async () => {
    const pool = harness.pool();
    const missing = target({ command: '/nowhere/server', args: [] });
    await expect(call(pool, missing, 'echo')).rejects.toMatchObject({
      reason: 'process_failed',
      mayHaveArrived: false,
      message: expect.stringContaining('ENOENT'),
    });
    const broken = target(hostileProgram(), { connectionId: 'broken' }, { API_TOKEN: `${SECRET}\0` });
    const refusal = await call(pool, broken, 'echo').catch((thrown: unknown) => thrown);
    expect(refusal).toMatchObject({ reason: 'misconfigured', mayHaveArrived: false });
    expect(String(refusal)).not.toContain(SECRET);
    const dying = target(hostileProgram('--dies'), { connectionId: 'dying' }, { API_TOKEN: SECRET });
    await expect(call(pool, dying, 'echo')).rejects.toMatchObject({
      reason: 'process_failed',
      stderr: 'cannot start with ***',
    });
    const silent = target({ command: 'sleep', args: ['60'] }, { connectionId: 'silent', timeoutMs: 200 });
    await expect(call(pool, silent, 'echo')).rejects.toMatchObject({ reason: 'timeout', mayHaveArrived: false });
  });

  it.each(['huge', 'huge-id-first'])('whose line is too long fails that call only (%s)', async (tool) => {
    const pool = harness.pool({ maxMessageBytes: 1_000_000 });
    const program = target(hostileProgram());
    await pool.describe(program);
    const other = call(pool, { ...program, timeoutMs: 700 }, 'hang');
    other.catch(() => undefined);
    await expect(call(pool, program, tool)).rejects.toMatchObject({ reason: 'too_large' });
    expect(await call(pool, program, 'echo', { message: 'x' })).toMatchObject({ content: [{ text: 'x' }] });
    await expect(other).rejects.toMatchObject({ reason: 'timeout' });
  });

  it('that floods its output, or reads no input, is ended', async () => {
    const pool = harness.pool({ maxNoiseBytes: 4_000_000, maxMessageBytes: 1_000_000 });
    const flooding = target(hostileProgram(), { connectionId: 'flooding' });
    await expect(call(pool, flooding, 'flood')).rejects.toMatchObject({ reason: 'protocol_error' });
    const deaf = target(hostileProgram('--deaf'), { connectionId: 'deaf', timeoutMs: 100 });
    await pool.describe({ ...deaf, timeoutMs: 5000 });
    const message = 'x'.repeat(600_000);
    for (let calls = 0; calls < 2; calls++) {
      await expect(call(pool, deaf, 'echo', { message })).rejects.toMatchObject({ reason: 'timeout' });
    }
    // Ended when more waits to be read than one message may have; the next call starts another.
    await until(() => pool.statistics().sessions === 0);
  });
});

describe('the end of a process', () => {
  it('comes with the session: its descendants too, and whatever it thinks of SIGTERM', async () => {
    const pool = harness.pool();
    const program = target(hostileProgram('--stubborn'));
    const { pid } = structured<{ pid: number }>(await call(pool, program, 'pid'));
    const grandchild = structured<{ pid: number }>(await call(pool, program, 'grandchild')).pid;
    expect([pid, grandchild].map(isAlive)).toEqual([true, true]);
    await pool.closeConnection('connection');
    await until(() => !isAlive(pid) && !isAlive(grandchild));
  });

  it('comes when nobody used it for a while', async () => {
    const pool = harness.pool({ sessionIdleMs: 60 });
    const { pid } = structured<{ pid: number }>(await call(pool, target(hostileProgram()), 'pid'));
    await until(() => !isAlive(pid));
  });

  it('comes with the product, also when it exits without closing anything', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mcp-exit-'));
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
    for (const name of ['server-process', 'masker', 'upstream']) {
      const source = await readFile(join(process.cwd(), `src/mcp/${name}.ts`), 'utf8');
      const compilerOptions = { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 };
      await writeFile(join(folder, `${name}.js`), transpileModule(source, { compilerOptions }).outputText);
    }
    const { command, args } = hostileProgram('--stubborn');
    const options = JSON.stringify({ command, args, env: {}, limits: { processGraceMs: 2000 } });
    const script = `import { ServerProcess } from './server-process.js';
      const server = new ServerProcess(${options}, { onData() {}, onExit() {} });
      await server.spawned;
      console.log(server.pid);
      process.exit(7);`;
    await writeFile(join(folder, 'main.js'), script);
    const run = promisify(execFile)(process.execPath, [join(folder, 'main.js')]);
    const failure = (await run.catch((error: unknown) => error)) as { code: number; stdout: string };
    expect(failure.code).toBe(7);
    const pid = Number(failure.stdout);
    expect(pid).toBeGreaterThan(1);
    await until(() => !isAlive(pid));
    await rm(folder, { recursive: true });
  });
});
