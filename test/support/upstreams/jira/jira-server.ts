import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { failure, Routes, type FakeAnswer } from './routes.js';
import { World } from './world.js';

export interface JiraOptions {
  /** Cloud speaks v3 and takes e-mail and token; Server speaks v2 and takes a personal token. */
  mode?: 'cloud' | 'server';
  email?: string;
  token?: string;
  /** Where it lies below the host, such as `/jira`. */
  context?: string;
  /** Further issues of DEV. */
  issues?: number;
  /** Of the account. */
  timeZone?: string;
  /** A Cloud from before the current search. */
  hasOldSearch?: boolean;
  port?: number;
}

/** Instead of an answer, for the requests whose path fits, as often as `times` says. */
export type Fault = { path: RegExp; times?: number } & (
  | { kind: 'answer'; status: number; body?: unknown; text?: string; headers?: Record<string, string> }
  | { kind: 'slow'; ms: number }
  | { kind: 'hang' | 'reset' | 'cut' }
);

export interface JiraJournalEntry {
  method: string;
  /** Below `/rest/api/`, with its query. */
  path: string;
  body: Record<string, unknown>;
  headers: IncomingMessage['headers'];
  status: number;
}

export interface FakeJira {
  /** What a connection takes as base URL. */
  url: string;
  email: string;
  token: string;
  world: World;
  /** Everything that reached it, in order. */
  journal: JiraJournalEntry[];
  faults: Fault[];
  close: () => Promise<void>;
}

/** A Jira that remembers what is written to it, on a loopback port. */
export async function startJira(options: JiraOptions = {}): Promise<FakeJira> {
  const { mode = 'cloud', email = 'robot@acme.example', token = 'jira-token-1234567890', context = '' } = options;
  const { hasOldSearch = false, timeZone = 'Europe/Berlin' } = options;
  const world = new World();
  world.addMany('DEV', options.issues ?? 0);
  const routes = new Routes(world, { mode, hasOldSearch, timeZone, base: () => fake.url });
  const expected = mode === 'cloud' ? `Basic ${btoa(`${email}:${token}`)}` : `Bearer ${token}`;
  const prefix = `${context}/rest/api/`;
  const version = mode === 'cloud' ? /^[23]\// : /^2\//;

  const reply = (request: IncomingMessage, path: string, body: Record<string, unknown>): FakeAnswer => {
    if (!version.test(path)) return { status: 404, body: '<html>Not here</html>' };
    const [name = '', search = ''] = path.slice(2).split('?');
    const isOpen = name === 'serverInfo' && request.headers.authorization === undefined;
    if (!isOpen && request.headers.authorization !== expected)
      return failure(401, 'Client must be authenticated to access this resource.');
    return routes.answer({ method: request.method ?? '', path: name, query: new URLSearchParams(search), body });
  };

  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
    const url = request.url ?? '';
    const path = url.startsWith(prefix) ? url.slice(prefix.length) : url;
    const entry = { method: request.method ?? '', path, body, headers: request.headers, status: 0 };
    fake.journal.push(entry);
    const fault = takeFault(fake.faults, path);
    if (fault && (await isFaulty(fault, response))) return;
    const answer = fault?.kind === 'answer' ? fault : reply(request, path, body);
    entry.status = answer.status;
    send(response, answer);
  };

  const server = createServer((request, response) => {
    take(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const fake: FakeJira = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${context}`,
    email,
    token,
    world,
    journal: [],
    faults: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return fake;
}

function takeFault(faults: Fault[], path: string): Fault | undefined {
  const index = faults.findIndex((each) => each.path.test(path));
  const fault = faults[index];
  if (!fault) return undefined;
  fault.times = (fault.times ?? 1) - 1;
  if (fault.times <= 0) faults.splice(index, 1);
  return fault;
}

/** True where there is no answer of the usual kind to come. */
async function isFaulty(fault: Fault, response: ServerResponse): Promise<boolean> {
  if (fault.kind === 'reset') response.destroy();
  if (fault.kind === 'cut') {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
    response.write('{"issues": [');
    setTimeout(() => response.destroy(), 20).unref();
  }
  if (fault.kind === 'slow') await new Promise((resolve) => setTimeout(resolve, fault.ms).unref());
  return fault.kind === 'reset' || fault.kind === 'cut' || fault.kind === 'hang';
}

function send(response: ServerResponse, answer: FakeAnswer & { text?: string }): void {
  const type = answer.text === undefined ? 'application/json;charset=UTF-8' : 'text/html';
  const text = answer.text ?? (answer.body === undefined ? '' : JSON.stringify(answer.body));
  response.writeHead(answer.status, { 'content-type': type, ...answer.headers });
  response.end(text);
}
