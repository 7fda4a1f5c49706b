import type { StartBuiltin } from '../../mcp/builtin-server.js';
import { UpstreamError } from '../../mcp/upstream.js';
import { providerServer } from '../kit/provider-server.js';
import { ToolFailure } from '../kit/tool.js';
import { apiUrlOf, DEFAULT_API_URL } from './api-address.js';
import { codeTools } from './code-tools.js';
import { GitHubClient, isStatus, type GitHubAnswer } from './github-client.js';
import { GitHubFailure, reasonOf } from './github-failure.js';
import { objectIn, textIn } from './github-json.js';
import { issueTools } from './issue-tools.js';
import { pullTools } from './pull-tools.js';
import { githubResources } from './resources.js';
import { searchTools } from './search-tools.js';

const API_VERSION = '2022-11-28';
/** Whatever fits into a header (RFC 6750, section 2.1), so that no failure of the client quotes it. */
const TOKEN = /^[\x21-\x7e]{1,4096}$/;
const INSTRUCTIONS =
  'Issues, pull requests, files and commits of repositories at GitHub. Name a repository by owner and repo. search_issues, ' +
  'search_pull_requests and search_code look into all repositories that may be used, unless repositories names some. Lists are paged: pass next_cursor ' +
  'on as cursor.';

export const startGitHub: StartBuiltin = async ({ auth }, { fetch, signal }) => {
  const token = textIn(auth.api_token)?.trim() ?? '';
  if (!TOKEN.test(token))
    throw new UpstreamError('misconfigured', 'api_token is no token: it is empty, or has blanks in it');
  const github = new GitHubClient({ apiUrl: apiUrlOf(textIn(auth.base_url) ?? DEFAULT_API_URL), token, fetch });
  const { data, headers } = await whoAmI(github, signal).catch(refused);
  if (Object.keys(objectIn(data)).length === 0)
    throw new UpstreamError('rejected', 'base_url answers, but not as the REST API of GitHub does');
  const serverVersion = textIn(headers['x-github-enterprise-version']);
  const server = providerServer({
    info: { name: 'github', title: 'GitHub', version: serverVersion ?? API_VERSION },
    instructions: INSTRUCTIONS,
    tools: [
      ...searchTools(github, serverVersion !== null),
      ...issueTools(github),
      ...pullTools(github),
      ...codeTools(github),
    ],
    resources: githubResources(github),
  });
  const serverTime = dateOf(headers.date);
  return { server, ...(serverTime === undefined ? {} : { serverTime }) };
};

/** Tokens of an app's installation belong to nobody; they may ask what the app was installed for. */
async function whoAmI(github: GitHubClient, signal: AbortSignal): Promise<GitHubAnswer> {
  try {
    return await github.request('GET /user', {}, signal);
  } catch (error) {
    if (!isStatus(error, 403, 404)) throw error;
    // What the person's own answer said explains more than that it is no app either.
    const unlessOther = (failure: unknown): never => {
      throw isStatus(failure, 403, 404) ? error : failure;
    };
    return github.request('GET /installation/repositories', { per_page: 1 }, signal).catch(unlessOther);
  }
}

function refused(error: unknown): never {
  if (!(error instanceof ToolFailure)) throw error;
  const { message, reason, retryAfterSeconds } = error;
  const wait = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
  if (!(error instanceof GitHubFailure)) throw new UpstreamError(reason ?? 'rejected', message, wait);
  const { status } = error;
  if (status >= 300 && status < 400)
    throw new UpstreamError('redirect_refused', 'base_url redirects: use the final address of the API');
  throw new UpstreamError(reasonOf(status) ?? 'rejected', message, wait);
}

function dateOf(date: unknown): string | undefined {
  const ms = Date.parse(textIn(date) ?? '');
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}
