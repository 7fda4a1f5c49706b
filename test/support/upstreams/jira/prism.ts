import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../free-port.js';

type Json = Record<string, unknown>;

/** Atlassian's description of Jira Cloud, which lies beside the repository and is read where it is. */
const DESCRIPTION = join(process.cwd(), '..', 'shared', 'data', 'jira-platform-swagger-2022.json');

/** What the product asks for. The description is older than the current search. */
const PATHS = [
  'serverInfo',
  'myself',
  'field',
  'search',
  'issue',
  'issue/{issueIdOrKey}',
  'issue/{issueIdOrKey}/comment',
  'issue/{issueIdOrKey}/transitions',
  'project/search',
  'project/{projectIdOrKey}',
  'project/{projectIdOrKey}/statuses',
];

export const hasJiraDescription = existsSync(DESCRIPTION);

export interface PrismJira {
  url: string;
  close: () => Promise<void>;
}

/** Prism with Jira's own description of its API, in a process of its own. What is written to it is not read back. */
export async function startPrismJira(): Promise<PrismJira> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-control-plane-prism-'));
  const file = join(folder, 'jira.json');
  writeFileSync(file, JSON.stringify(usedPart()));
  const port = await freePort();
  const program = createRequire(join(process.cwd(), 'package.json')).resolve('@stoplight/prism-cli/dist/index.js');
  // It wants its own way of errors nowhere: Jira's examples are not all of the form that its schemas say.
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
  return { url: `http://127.0.0.1:${port}`, close };
}

function usedPart(): Json {
  const whole = JSON.parse(readFileSync(DESCRIPTION, 'utf8')) as Json & { paths: Json };
  const paths = PATHS.map((path) => [`/rest/api/3/${path}`, prepared(whole.paths[`/rest/api/3/${path}`])] as const);
  // Version 2 says the same of the server.
  const serverInfo = prepared(whole.paths['/rest/api/3/serverInfo']);
  return {
    ...whole,
    servers: undefined,
    paths: { ...Object.fromEntries(paths), '/rest/api/2/serverInfo': serverInfo },
  };
}

/** Its examples are JSON in strings, one of them for an answer that has no content. Tokens of OAuth are not spoken of here. */
function prepared(document: unknown): unknown {
  if (Array.isArray(document)) return document.map(prepared);
  if (typeof document !== 'object' || document === null) return document;
  const entries = Object.entries(document).map(([key, value]): [string, unknown] => {
    if (key === 'example' && typeof value === 'string') return [key, parsed(value)];
    if (key === 'security' && Array.isArray(value))
      return [key, (value as Json[]).filter((each) => !('OAuth2' in each))];
    return [key, key === '204' ? { description: 'No content' } : prepared(value)];
  });
  return Object.fromEntries(entries);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

async function listening(child: ChildProcess): Promise<void> {
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`Prism does not start: ${output}`)), 60_000);
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      end();
    };
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes('Prism is listening')) settle(resolve);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('exit', () => settle(() => reject(new Error(`Prism ended: ${output}`))));
  });
}
