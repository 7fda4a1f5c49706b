import { Octokit } from '@octokit/rest';
import { politeFetch, type Fetch } from '../kit/polite-fetch.js';
import { documentIn, failureOf, GitHubFailure, notThere, unreadable } from './github-failure.js';
import { objectIn, type Json } from './github-json.js';

export interface GitHubAnswer {
  data: unknown;
  headers: Json;
}

export type RouteParameters = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface GitHubAccess {
  /** Of the REST API, without a slash at its end. */
  apiUrl: string;
  token: string;
  fetch: Fetch;
}

/** Media type and version are part of what the API promises; the agent says no more of us than it must. */
const HEADERS = {
  accept: 'application/vnd.github+json, application/json',
  'x-github-api-version': '2022-11-28',
  'user-agent': 'mcp-control-plane',
};

const nothing = (): void => undefined;
/** The client's own log is the console, and its warnings name addresses. */
const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/**
 * GitHub's REST API over the guarded fetch. Redirects are not followed: GitHub answers with them where a repository was
 * renamed or an issue transferred, and what was granted under a name is not what took it over (301 of a read, 307 of a
 * write).
 */
export class GitHubClient {
  private readonly octokit: Octokit;
  private readonly token: string;

  constructor({ apiUrl, token, fetch }: GitHubAccess) {
    this.token = token;
    const request = { fetch: asText(politePerLimit(fetch)), log: SILENT, redirect: 'manual' as const };
    this.octokit = new Octokit({ auth: token, baseUrl: apiUrl, log: SILENT, request });
  }

  /**
   * @param route as in GitHub's documentation: `GET /repos/{owner}/{repo}`. RouteParameters that it does not name go into the
   * query, or into the body of a write.
   * @throws GitHubFailure, ToolFailure; EgressError where GitHub can't be reached
   */
  async request(route: string, parameters: RouteParameters, signal: AbortSignal): Promise<GitHubAnswer> {
    const answer = await this.answerTo(route, parameters, signal);
    if (answer.status >= 300) throw notThere(answer.status);
    return { data: documentIn(answer.data), headers: objectIn(answer.headers) };
  }

  /** The same where an object is answered. */
  async object(route: string, parameters: RouteParameters, signal: AbortSignal): Promise<Json> {
    const { data } = await this.request(route, parameters, signal);
    if (typeof data !== 'object' || data === null || Array.isArray(data)) throw unreadable();
    return data as Json;
  }

  /** The same where a list is answered. */
  async list(
    route: string,
    parameters: RouteParameters,
    signal: AbortSignal,
  ): Promise<{ rows: Json[]; headers: Json }> {
    const { data, headers } = await this.request(route, parameters, signal);
    if (!Array.isArray(data)) throw unreadable();
    return { rows: data.map(objectIn), headers };
  }

  private async answerTo(
    route: string,
    parameters: RouteParameters,
    signal: AbortSignal,
  ): Promise<{ status: number; data: unknown; headers: unknown }> {
    try {
      return await this.octokit.request(route, { ...parameters, headers: HEADERS, request: { signal } });
    } catch (error) {
      throw failureOf(error, { token: this.token, isWrite: !route.startsWith('GET ') });
    }
  }
}

/**
 * Bodies come to the client as text, and are parsed here: its own parser keeps large numbers by regular expressions, which take
 * minutes for 8 MB that end within a string.
 */
function asText(fetch: Fetch): Fetch {
  return async (input, init) => {
    const answer = await fetch(input, init);
    answer.headers.set('content-type', 'text/plain; charset=utf-8');
    return answer;
  };
}

/** Searches have limits of their own, far below that of everything else: a used up one must not stop the others. */
function politePerLimit(fetch: Fetch): Fetch {
  const limits = { code: politeFetch(fetch), issues: politeFetch(fetch), core: politeFetch(fetch) };
  return (input, init) => {
    const search = /\/search\/(code|issues)(?:\?|$)/.exec(String(input))?.[1];
    return limits[search === 'code' || search === 'issues' ? search : 'core'](input, init);
  };
}

/** Nothing there, or something else by now. */
export function isNotThere(error: unknown): boolean {
  return error instanceof GitHubFailure && (error.status === 404 || (error.status >= 300 && error.status < 400));
}

export function isStatus(error: unknown, ...statuses: number[]): boolean {
  return error instanceof GitHubFailure && statuses.includes(error.status);
}
