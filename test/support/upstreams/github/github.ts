import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from '../http-server.js';
import { Documents, type Document } from './documents.js';
import { error, Routes, Rows, type Reply } from './routes.js';
import { FakeWorld } from './world.js';

/** One request that reached the fake. */
export interface GitHubRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: unknown;
  status: number;
  /** Against the rate limit; a 304 does not. */
  isCounted: boolean;
}

interface RateLimit {
  limit: number;
  remaining: number;
  /** Milliseconds since 1970. */
  reset: number;
}

/** What the next matching request gets instead of its answer. `cut`: half of an answer, then the connection is gone. */
export type Fault = Reply | { text: string; type: string; status?: number } | 'cut' | { slowMs: number };

export interface FakeGitHub {
  /** What somebody would type as `base_url`. */
  url: string;
  world: FakeWorld;
  requests: GitHubRequest[];
  limits: Record<'core' | 'search' | 'code_search', RateLimit>;
  /** So many of the next requests whose path fits get this instead. */
  fail: (path: RegExp, fault: Fault, times?: number) => void;
  close: () => Promise<void>;
}

export interface FakeGitHubOptions {
  /** GitHub Enterprise Server of this version, whose search is the older one. */
  enterprise?: string;
  port?: number;
}

export const USER_TOKEN = 'ghp_fakeTokenOfAPerson000000000000000001';
export const INSTALLATION_TOKEN = 'ghs_fakeTokenOfAnInstallation0000000002';
/** Of a person who may not write. */
export const READER_TOKEN = 'github_pat_fakeTokenOfAReader0000000003';
const LOGINS: Readonly<Record<string, string>> = {
  [USER_TOKEN]: 'octocat',
  [INSTALLATION_TOKEN]: 'robot[bot]',
  [READER_TOKEN]: 'reader',
};

/** A stateful GitHub, from what its REST API documents, on a loopback port. */
export async function startGithub({ enterprise, port }: FakeGitHubOptions = {}): Promise<FakeGitHub> {
  const world = new FakeWorld();
  let origin = '';
  const prefix = (): string => `${origin}/api/v3`;
  const routes = new Routes(world, new Documents(world, prefix), { advancedSearch: enterprise === undefined, prefix });
  const requests: GitHubRequest[] = [];
  const faults: { path: RegExp; fault: Fault; left: number }[] = [];
  const limits = {
    core: { limit: 5_000, remaining: 5_000, reset: Date.now() + 3_600_000 },
    search: { limit: 30, remaining: 30, reset: Date.now() + 60_000 },
    code_search: { limit: 10, remaining: 10, reset: Date.now() + 60_000 },
  };

  const take = async (request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '', origin);
    const entry: GitHubRequest = {
      method: request.method ?? '',
      path: pathname.replace(/^\/api\/v3/, ''),
      query: searchParams,
      headers: request.headers,
      body,
      status: 0,
      isCounted: false,
    };
    requests.push(entry);
    const fault = faults.find(({ path, left }) => left > 0 && path.test(entry.path));
    if (fault) fault.left--;
    if (fault && (await strike(fault.fault, response, entry))) return;
    answer(entry, response);
  };

  const answer = (entry: GitHubRequest, response: ServerResponse): void => {
    const resource = /^\/search\/(issues|code)/.exec(entry.path)?.[1];
    const name = resource === 'code' ? 'code_search' : resource === 'issues' ? 'search' : 'core';
    const limit = limits[name];
    if (Date.now() >= limit.reset) Object.assign(limit, { remaining: limit.limit, reset: Date.now() + 60_000 });
    const reply = limit.remaining <= 0 ? error(403, 'API rate limit exceeded for user ID 1.') : replyTo(entry);
    const { status, text, headers } = written(entry, reply);
    const etag = `W/"${createHash('sha256').update(text).digest('hex')}"`;
    const isKnown = status === 200 && entry.headers['if-none-match'] === etag;
    entry.status = isKnown ? 304 : status;
    entry.isCounted = !isKnown && limit.remaining > 0;
    if (entry.isCounted) limit.remaining--;
    response.writeHead(entry.status, {
      ...(enterprise === undefined ? {} : { 'x-github-enterprise-version': enterprise }),
      'x-ratelimit-limit': limit.limit,
      'x-ratelimit-remaining': limit.remaining,
      'x-ratelimit-reset': Math.ceil(limit.reset / 1_000),
      'x-ratelimit-resource': name,
      ...(status === 200 ? { etag } : {}),
      ...(isKnown ? {} : { 'content-type': 'application/json; charset=utf-8' }),
      ...headers,
    });
    response.end(isKnown ? undefined : text);
  };

  const replyTo = (entry: GitHubRequest): Reply | Rows => {
    const token = /^(?:token|bearer) (.+)$/i.exec(entry.headers.authorization ?? '')?.[1] ?? '';
    const login = Object.hasOwn(LOGINS, token) ? LOGINS[token] : undefined;
    if (login === undefined) return error(401, 'Bad credentials');
    const isWrite = entry.method !== 'GET';
    if (isWrite && token === READER_TOKEN)
      return {
        ...error(403, 'Resource not accessible by personal access token'),
        headers: { 'x-accepted-github-permissions': 'issues=write; pull_requests=write' },
      };
    const { method, path, query, body } = entry;
    const isInstallation = token === INSTALLATION_TOKEN;
    return routes.answer({ method, path, query, body: (body ?? {}) as Document, login, isInstallation });
  };

  const written = (
    entry: GitHubRequest,
    reply: Reply | Rows,
  ): { status: number; text: string; headers: Record<string, string> } => {
    if (!(reply instanceof Rows))
      return { status: reply.status, text: JSON.stringify(reply.body), headers: reply.headers ?? {} };
    const size = Math.min(Number(entry.query.get('per_page') ?? 30), 100);
    const page = Number(entry.query.get('page') ?? 1);
    const rows = reply.all.slice((page - 1) * size, page * size);
    const next = new URLSearchParams(entry.query);
    next.set('page', String(page + 1));
    const link = `<${prefix()}${entry.path}?${next.toString()}>; rel="next", <${prefix()}${entry.path}?page=99>; rel="last"`;
    return {
      status: 200,
      text: JSON.stringify(reply.wrap(rows)),
      headers: page * size < reply.all.length ? { link } : {},
    };
  };

  const server = await serve('', (request, response, body) => take(request, response, body), port);
  origin = server.url;
  return {
    url: enterprise === undefined ? prefix() : origin,
    world,
    requests,
    limits,
    fail: (path, fault, times = 1) => void faults.push({ path, fault, left: times }),
    close: server.close,
  };
}

/** True where it was all there is. */
async function strike(fault: Fault, response: ServerResponse, entry: GitHubRequest): Promise<boolean> {
  if (fault === 'cut') {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
    response.write('{"id":');
    setTimeout(() => response.destroy(), 10).unref();
    return true;
  }
  if ('slowMs' in fault) {
    await sleep(fault.slowMs, undefined, { ref: false });
    return false;
  }
  const isText = 'text' in fault;
  entry.status = fault.status ?? 200;
  const headers = isText ? {} : (fault.headers ?? {});
  response.writeHead(entry.status, {
    'content-type': isText ? fault.type : 'application/json; charset=utf-8',
    ...headers,
  });
  response.end(isText ? fault.text : JSON.stringify(fault.body));
  return true;
}
