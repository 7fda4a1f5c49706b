import { issueItem, type IssueItem } from './issue-item.js';
import { DEFAULT_FIELDS } from './issue-fields.js';
import { isIssueOf, noSuchIssue, projectKeys, projectOfKey, type ProjectKeys } from './issue-key.js';
import { isJsonObject, JiraFailure, type JiraClient } from './jira-client.js';

/** Single issues. Jira answers the key of a moved issue with the issue, wherever it is now: here that key names nothing. */
export class Issues {
  constructor(private readonly client: JiraClient) {}

  /** @throws ToolFailure where there is none of this key in the project that the key names */
  async get(key: string, signal: AbortSignal, fields: readonly string[] = DEFAULT_FIELDS): Promise<IssueItem> {
    const query = new URLSearchParams({ fields: fields.join(',') });
    const answer = await this.client
      .ask(`issue/${encodeURIComponent(key)}`, { query, isOfOne: true, signal })
      .catch((error: unknown) => {
        throw error instanceof JiraFailure && error.status === 404 ? noSuchIssue(key) : error;
      });
    const item = issueItem(answer, this.client.pagesUrl);
    const project = projectOfKey(key);
    if (!item || project === null || !isIssueOf(item.key, projectKeys([project]))) throw noSuchIssue(key);
    return item;
  }

  /** Whether the issue of this id or key is there and in one of the projects. */
  async isWithin(idOrKey: string, projects: ProjectKeys, signal: AbortSignal): Promise<boolean> {
    const query = new URLSearchParams({ fields: 'project' });
    const answer = await this.client
      .ask(`issue/${encodeURIComponent(idOrKey)}`, { query, isOfOne: true, signal })
      .catch((error: unknown) => {
        if (error instanceof JiraFailure && error.status === 404) return null;
        throw error;
      });
    const isAsked = isJsonObject(answer) && (answer.id === idOrKey || projectOfKey(idOrKey) !== null);
    return isAsked && isIssueOf(answer.key, projects);
  }
}
