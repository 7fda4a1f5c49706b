import { EgressError } from '../../platform/egress/egress-error.js';
import type { Fetch } from '../kit/polite-fetch.js';
import { ToolFailure } from '../kit/tool.js';
import { failureText } from './jira-failure.js';
import { TOO_LARGE, whyNotRead } from './modest-json.js';

export type JsonObject = Record<string, unknown>;

export interface JiraCredentials {
  /** With a context path where there is one, and no slash at its end. */
  baseUrl: string;
  authorization: string;
  /** Where people read issues: elsewhere, where the API has a gateway before it. */
  pagesUrl: string;
  /** What no message may show. */
  secrets: readonly string[];
}

export interface JiraRequest {
  method?: 'GET' | 'POST' | 'PUT';
  query?: URLSearchParams;
  body?: object;
  /** The answer speaks of one thing, and may be so much smaller than a list. */
  isOfOne?: true;
  signal: AbortSignal;
}

const OF_ONE = { bytes: 5 * 1024 * 1024, values: 100_000 };
const OF_MANY = { bytes: 10 * 1024 * 1024, values: 300_000 };

function limitsOf({ isOfOne }: JiraRequest): typeof OF_ONE {
  return isOfOne ? OF_ONE : OF_MANY;
}

/** Jira said no. */
export class JiraFailure extends ToolFailure {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Jira's REST API: v3 of Cloud, v2 of Server and Data Center. They differ in the search and in the form of texts only:
 * https://developer.atlassian.com/cloud/jira/platform/rest/v3/ and
 * https://docs.atlassian.com/software/jira/docs/api/REST/9.12.0/.
 */
export class JiraClient {
  constructor(
    private readonly fetch: Fetch,
    private readonly credentials: JiraCredentials,
    readonly version: 2 | 3,
  ) {}

  get pagesUrl(): string {
    return this.credentials.pagesUrl;
  }

  get isCloud(): boolean {
    return this.version === 3;
  }

  as(version: 2 | 3, pagesUrl: string): JiraClient {
    return new JiraClient(this.fetch, { ...this.credentials, pagesUrl }, version);
  }

  /**
   * @param path below `/rest/api/{version}/`; what comes from outside is encoded in it
   * @returns the JSON of a 2xx, null where it has no content
   * @throws JiraFailure for every other answer, EgressError where there is none
   */
  async ask(path: string, request: JiraRequest): Promise<unknown> {
    const response = await this.send(path, request);
    const text = await response.text();
    const unreadable = whyNotRead(text, limitsOf(request).values);
    const document = unreadable === null ? parsed(text) : undefined;
    if (!response.ok)
      throw new JiraFailure(response.status, failureText(response.status, document, this.credentials.secrets));
    if (unreadable !== null) throw new JiraFailure(response.status, unreadable);
    if (text.trim() === '') return null;
    if (document === undefined) throw new JiraFailure(response.status, 'Jira answered something that is no JSON');
    return document;
  }

  private async send(path: string, request: JiraRequest): ReturnType<Fetch> {
    const { method = 'GET', query, body, signal } = request;
    const { baseUrl, authorization } = this.credentials;
    const search = query && query.size > 0 ? `?${query.toString()}` : '';
    const headers: Record<string, string> = { accept: 'application/json', authorization };
    if (body) headers['content-type'] = 'application/json';
    // Jira refuses requests that look like those of a browser unless they say that no page made them.
    if (method !== 'GET') headers['x-atlassian-token'] = 'no-check';
    const { bytes: maxBytes } = limitsOf(request);
    const init = { method, headers, signal, maxBytes, ...(body ? { body: written(body) } : {}) };
    try {
      return await this.fetch(`${baseUrl}/rest/api/${this.version}/${path}${search}`, init);
    } catch (error) {
      if (error instanceof EgressError && error.reason === 'too_large') throw new JiraFailure(200, TOO_LARGE);
      throw error;
    }
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

export function textIn(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

/** @throws ToolFailure for what is nested so deeply that it can't be written */
function written(body: object): string {
  try {
    return JSON.stringify(body);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ToolFailure('The values of the fields are nested too deeply');
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
