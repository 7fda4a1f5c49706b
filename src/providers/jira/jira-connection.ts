import type { BuiltinContext, BuiltinSettings } from '../../mcp/builtin-server.js';
import { UpstreamError, type UpstreamReason } from '../../mcp/upstream.js';
import { parsedUrl } from '../../platform/egress/parse-url.js';
import { politeFetch } from '../kit/polite-fetch.js';
import { ToolFailure } from '../kit/tool.js';
import { isJsonObject, JiraClient, JiraFailure, textIn, type JiraCredentials, type JsonObject } from './jira-client.js';
import { isoTime } from './jira-time.js';

export interface ConnectedJira {
  client: JiraClient;
  version: string;
  title: string;
  timeZone: string | null;
  serverTime: string | null;
}

/** Versions of Cloud count from here; of Server and Data Center they are below a hundred. */
const FIRST_CLOUD_VERSION = 1_000;

const LONGEST_URL = 500;
const GATEWAY = 'api.atlassian.com';

const REASONS: ReadonlyMap<number, UpstreamReason> = new Map([
  [401, 'unauthorized'],
  [403, 'forbidden'],
  [404, 'not_mcp'],
  [429, 'rate_limited'],
]);
const NO_JIRA = 'Something answers at this address, but not as Jira does. Is the base URL right, its path included?';

/**
 * Asks Jira what it is and who we are. What it is it may tell anybody, so that the second question decides about the
 * credentials.
 * @throws UpstreamError, EgressError
 */
export async function connectedJira(
  { auth }: BuiltinSettings,
  { fetch, signal }: BuiltinContext,
): Promise<ConnectedJira> {
  const client = new JiraClient(politeFetch(fetch), credentialsIn(auth), 2);
  const info = await objectAt(client, 'serverInfo', signal);
  const version = textIn(info.version);
  if (version === '') throw new UpstreamError('not_mcp', NO_JIRA);
  const connected = client.as(isCloud(info) ? 3 : 2, pagesUrlOf(info, client.pagesUrl));
  const me = await objectAt(connected, 'myself', signal);
  return {
    client: connected,
    version: version.slice(0, 100),
    title: textIn(info.serverTitle).slice(0, 200) || 'Jira',
    timeZone: textIn(me.timeZone) || null,
    serverTime: isoTime(info.serverTime),
  };
}

/** Older servers do not say what they are. */
function isCloud({ deploymentType, version }: JsonObject): boolean {
  if (typeof deploymentType === 'string') return deploymentType === 'Cloud';
  return Number.parseInt(textIn(version), 10) >= FIRST_CLOUD_VERSION;
}

/** Tokens with scopes are taken by Atlassian's gateway alone, which has no pages. */
function pagesUrlOf({ baseUrl }: JsonObject, asked: string): string {
  if (parsedUrl(asked)?.hostname !== GATEWAY) return asked;
  const own = parsedUrl(textIn(baseUrl).slice(0, LONGEST_URL));
  return own?.protocol === 'https:' ? own.href.replace(/\/+$/, '') : asked;
}

async function objectAt(client: JiraClient, path: string, signal: AbortSignal): Promise<JsonObject> {
  const answer = await client.ask(path, { isOfOne: true, signal }).catch((error: unknown) => {
    throw error instanceof ToolFailure ? upstreamError(error) : error;
  });
  if (!isJsonObject(answer)) throw new UpstreamError('not_mcp', NO_JIRA);
  return answer;
}

function upstreamError(error: ToolFailure): UpstreamError {
  if (!(error instanceof JiraFailure)) return new UpstreamError('rate_limited', error.message);
  const { status, message } = error;
  const isOther = status < 400 || status === 404;
  const reason = REASONS.get(status) ?? (isOther ? 'not_mcp' : status >= 500 ? 'server_error' : 'rejected');
  return new UpstreamError(reason, isOther ? NO_JIRA : message);
}

/** With an e-mail address it is an API token of Cloud, else a personal access token. */
function credentialsIn(auth: Record<string, unknown>): JiraCredentials {
  const token = textIn(auth.api_token);
  const email = textIn(auth.email);
  // What is encoded is no header value any more that the way out would refuse.
  if (/[\0\r\n]/.test(token + email) || email.includes(':') || token === '')
    throw new UpstreamError('misconfigured', 'The API token or the e-mail address can not be sent as it is');
  const baseUrl = baseUrlIn(textIn(auth.base_url));
  const pair = Buffer.from(`${email}:${token}`, 'utf8').toString('base64');
  return {
    baseUrl,
    pagesUrl: baseUrl,
    authorization: email === '' ? `Bearer ${token}` : `Basic ${pair}`,
    secrets: email === '' ? [token] : [pair, token, email],
  };
}

function baseUrlIn(text: string): string {
  const url = parsedUrl(text);
  const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (!url || !isHttp || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '')
    throw new UpstreamError(
      'misconfigured',
      'The base URL must be that of Jira, such as https://acme.atlassian.net: http or https, without a query',
    );
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}
