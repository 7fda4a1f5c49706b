import { projectKeys } from './issue-key.js';
import { JiraFailure, textIn } from './jira-client.js';
import type { JiraSession } from './jira-session.js';
import { quotedText } from './jql/jql-query.js';

const PAGE = 100;
const MOST_ASKED_ALONE = 20;

/**
 * Whether each key is that of an issue which is now in one of the projects. A search tells it of most of them; those that moved,
 * and those so new that the search does not know them yet, are asked for one by one.
 */
export async function areWithin(
  { search, issues }: JiraSession,
  keys: readonly string[],
  projects: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const open: string[] = [];
  for (let at = 0; at < keys.length; at += PAGE) {
    const batch = keys.slice(at, at + PAGE);
    const jql = `key in (${batch.map(quotedText).join(', ')})`;
    const page = await search.page({ jql, fields: ['project'], maxResults: PAGE, signal }, {}).catch(nullIfRefused);
    if (page === null) return false;
    const found = new Set(page.issues.map(({ key }) => textIn(key).toUpperCase()));
    open.push(...batch.filter((key) => !found.has(key)));
  }
  if (open.length > MOST_ASKED_ALONE) return false;
  const allowed = projectKeys(projects);
  for (const key of open) if (!(await issues.isWithin(key, allowed, signal))) return false;
  return true;
}

/** Jira refuses a query that names an issue which is not there. */
function nullIfRefused(error: unknown): null {
  if (error instanceof JiraFailure && error.status === 400) return null;
  throw error;
}
