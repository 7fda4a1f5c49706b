import type { Position } from './cursor.js';
import { isJsonObject, JiraFailure, objectsIn, type JiraClient, type JsonObject } from './jira-client.js';

export interface SearchPage {
  issues: JsonObject[];
  /** Null: that was all. */
  next: Position | null;
}

export interface Search {
  jql: string;
  fields: readonly string[];
  maxResults: number;
  signal: AbortSignal;
}

/** A cursor that holds it is at most 4,096 characters long. */
const LONGEST_TOKEN = 2_500;
/** How an instance says that it does not have the current search. */
const NOT_OFFERED: ReadonlySet<number> = new Set([404, 405, 410]);

/**
 * Cloud's current search goes on from a token (`search/jql`, 2024); Server, Data Center and older clouds have `search`, which
 * counts.
 */
export class IssueSearch {
  private goesByTokens: boolean;

  constructor(private readonly client: JiraClient) {
    this.goesByTokens = client.isCloud;
  }

  /** @throws JiraFailure, EgressError */
  async page(search: Search, position: Position): Promise<SearchPage> {
    if (!this.goesByTokens || position.startAt !== undefined) return this.counted(search, position.startAt ?? 0);
    try {
      return await this.byToken(search, position.token);
    } catch (error) {
      const isOlder = error instanceof JiraFailure && NOT_OFFERED.has(error.status) && position.token === undefined;
      if (!isOlder) throw error;
      const page = await this.counted(search, 0);
      this.goesByTokens = false;
      return page;
    }
  }

  private async byToken({ jql, fields, maxResults, signal }: Search, token: string | undefined): Promise<SearchPage> {
    const body = { jql, fields, maxResults, ...(token === undefined ? {} : { nextPageToken: token }) };
    const answer = await this.ask('search/jql', body, signal);
    const { nextPageToken } = answer;
    const hasMore = typeof nextPageToken === 'string' && nextPageToken !== '' && nextPageToken !== token;
    if (hasMore && nextPageToken.length > LONGEST_TOKEN)
      throw new JiraFailure(200, 'Jira gave a page token that is too long');
    return {
      issues: objectsIn(answer.issues),
      next: hasMore && answer.isLast !== true ? { token: nextPageToken } : null,
    };
  }

  private async counted({ jql, fields, maxResults, signal }: Search, startAt: number): Promise<SearchPage> {
    const answer = await this.ask('search', { jql, fields, maxResults, startAt }, signal);
    const issues = objectsIn(answer.issues);
    const end = startAt + issues.length;
    return { issues, next: issues.length > 0 && end < Number(answer.total) ? { startAt: end } : null };
  }

  private async ask(path: string, body: object, signal: AbortSignal): Promise<JsonObject> {
    const answer = await this.client.ask(path, { method: 'POST', body, signal });
    if (!isJsonObject(answer)) throw new JiraFailure(200, 'Jira answered a search with something else');
    return answer;
  }
}
