import { IssueFields } from './issue-fields.js';
import { IssueSearch } from './issue-search.js';
import { Issues } from './issues.js';
import type { JiraClient } from './jira-client.js';
import { ProjectDirectory } from './project-directory.js';

/** One account at one Jira, with what was learned about them. */
export interface JiraSession {
  client: JiraClient;
  /** Of the account: in it Jira reads the dates of a query. */
  timeZone: string | null;
  search: IssueSearch;
  issues: Issues;
  projects: ProjectDirectory;
  fields: IssueFields;
}

export function jiraSession(client: JiraClient, timeZone: string | null): JiraSession {
  return {
    client,
    timeZone,
    search: new IssueSearch(client),
    issues: new Issues(client),
    projects: new ProjectDirectory(client),
    fields: new IssueFields(client),
  };
}
