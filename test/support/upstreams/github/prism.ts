import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../free-port.js';

type Json = Record<string, unknown>;

const load = createRequire(join(process.cwd(), 'package.json'));
/** What the product asks for. */
const PATHS = [
  '/user',
  '/user/repos',
  '/installation/repositories',
  '/search/issues',
  '/search/code',
  '/repos/{owner}/{repo}',
  '/repos/{owner}/{repo}/issues',
  '/repos/{owner}/{repo}/issues/{issue_number}',
  '/repos/{owner}/{repo}/issues/{issue_number}/comments',
  '/repos/{owner}/{repo}/pulls',
  '/repos/{owner}/{repo}/pulls/{pull_number}',
  '/repos/{owner}/{repo}/branches',
  '/repos/{owner}/{repo}/commits',
  '/repos/{owner}/{repo}/contents/{path}',
];

export interface PrismGitHub {
  /** Of the API. */
  url: string;
  close: () => Promise<void>;
}

/** Prism with GitHub's own description of its API, in a process of its own. What is written to it is not read back. */
export async function startPrismGitHub(): Promise<PrismGitHub> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-control-plane-prism-'));
  const file = join(folder, 'github.json');
  writeFileSync(file, JSON.stringify(usedPart()));
  const port = await freePort();
  const program = load.resolve('@stoplight/prism-cli/dist/index.js');
  const child = spawn(process.execPath, [program, 'mock', '-h', '127.0.0.1', '-p', String(port), file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await listening(child);
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}/api/v3`, close };
}

/** The whole description takes Prism 18 s to load; this part of it less than one. */
function usedPart(): Json {
  const text = readFileSync(load.resolve('@octokit/openapi/generated/api.github.com.json'), 'utf8');
  const whole = JSON.parse(text) as { paths: Record<string, unknown>; components: Record<string, Json> };
  const paths = Object.fromEntries(PATHS.map((path) => [`/api/v3${path}`, whole.paths[path]]));
  const components: Record<string, Json> = {};
  const open: unknown[] = [paths];
  while (open.length > 0) for (const name of referencesIn(open.pop())) keep(name);
  return {
    openapi: '3.0.3',
    info: { title: 'GitHub', version: '1' },
    // The description declares none, so that nobody would be refused.
    security: [{ token: [] }],
    paths: prepared(paths, components.examples ?? {}),
    components: {
      ...(prepared(components, components.examples ?? {}) as Json),
      securitySchemes: { token: { type: 'apiKey', in: 'header', name: 'Authorization' } },
    },
  };

  function keep([kind, name]: [string, string]): void {
    const kept = (components[kind] ??= {});
    if (Object.hasOwn(kept, name)) return;
    kept[name] = whole.components[kind]?.[name];
    open.push(kept[name]);
  }
}

function referencesIn(document: unknown): [kind: string, name: string][] {
  const found = JSON.stringify(document).matchAll(/"#\/components\/([^/"]+)\/([^"]+)"/g);
  return [...found].map(([, kind = '', name = '']) => [kind, name]);
}

/**
 * Examples that are references to an example, envelope and all, as what stands in it. The issues of the examples are pull
 * requests, which lists of issues leave out: here they are issues.
 */
function prepared(document: unknown, examples: Json): unknown {
  if (Array.isArray(document)) return document.map((each) => prepared(each, examples));
  if (typeof document !== 'object' || document === null) return document;
  const kept = Object.entries(document).filter(([key]) => key !== 'pull_request');
  return Object.fromEntries(
    kept.map(([key, value]) => {
      const reference = key === 'value' ? (value as { $ref?: string } | null)?.$ref : undefined;
      const example = examples[reference?.split('/').at(-1) ?? ''] as { value: unknown } | undefined;
      return [key, prepared(example ? example.value : value, examples)];
    }),
  );
}

async function listening(child: ChildProcess): Promise<void> {
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Prism does not start: ${output}`)), 60_000);
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      if (!output.includes('Prism is listening')) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('exit', () => {
      clearTimeout(timer);
      reject(new Error(`Prism ended: ${output}`));
    });
  });
}
