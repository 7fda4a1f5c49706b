import { ToolFailure, type ProviderTool } from '../kit/tool.js';
import { cursorOf, positionIn } from './cursor.js';
import { issueItem, within, type IssueItem } from './issue-item.js';
import { isIssueOf, isProjectKey, projectKeys } from './issue-key.js';
import type { JiraSession } from './jira-session.js';
import { boundedJql } from './jql/jql-scope.js';
import { ToolArguments } from './tool-arguments.js';
import { INPUT, inputOf, OUTPUT } from './tool-schemas.js';

const DEFAULT_RESULTS = 50;
const MOST_RESULTS = 100;
const MOST_PROJECTS = 1_000;
const LONGEST_JQL = 10_000;
/** Cloud refuses a search for everything. */
const EVERYTHING = 'project is not EMPTY';

export function searchTool(session: JiraSession): ProviderTool {
  return {
    name: 'search_issues',
    title: 'Search issues',
    description:
      'Finds issues by JQL, within the given projects where there are some; without JQL those updated last come first. ' +
      'JQL that names another project than those is refused.',
    inputSchema: inputOf({
      jql: INPUT.jql,
      projects: INPUT.projects,
      fields: INPUT.fields,
      max_results: { type: 'integer', minimum: 1, maximum: MOST_RESULTS, default: DEFAULT_RESULTS },
      cursor: INPUT.cursor,
    }),
    outputSchema: OUTPUT.issues,
    annotations: { readOnlyHint: true, openWorldHint: true },
    run: async (given, { signal }) => {
      const args = new ToolArguments(given);
      const fields = await session.fields.readable(args.optionalTexts('fields', 100), signal);
      const maxResults = args.optionalCount('max_results', MOST_RESULTS) ?? DEFAULT_RESULTS;
      const { jql, keys } = await queryOf(session, args, signal);
      if (keys?.length === 0) return { issues: [] };
      const position = positionIn(args.optionalText('cursor', 8_192), jql);
      const { issues, next } = await session.search.page({ jql, fields, maxResults, signal }, position);
      const items = issues.flatMap((issue) => issueItem(issue, session.client.pagesUrl) ?? []);
      return {
        issues: keys ? withinProjects(items, keys) : items,
        ...(next ? { next_cursor: cursorOf(jql, next) } : {}),
      };
    },
  };
}

/** `keys`: those of the asked projects that are there; null where none were asked for. */
async function queryOf(
  session: JiraSession,
  args: ToolArguments,
  signal: AbortSignal,
): Promise<{ jql: string; keys: string[] | null }> {
  const jql = args.optionalText('jql', LONGEST_JQL)?.trim() ?? '';
  const asked = args.optionalTexts('projects', MOST_PROJECTS);
  if (!asked) return { jql: unbounded(jql), keys: null };
  const odd = asked.find((key) => !isProjectKey(key));
  if (odd !== undefined) throw new ToolFailure(`${odd.slice(0, 100)} is not the key of a project, such as DEV`);
  const projects = await session.projects.known(asked, signal);
  const keys = projects.map(({ key }) => key);
  const names = projects.flatMap(({ id, key, name }) => [id, key, name].map((each) => each.toLowerCase()));
  const hasIssue = (id: string): Promise<boolean> => session.issues.isWithin(id, projectKeys(keys), signal);
  return { jql: await boundedJql(jql, { projects: new Set(names), keys, hasIssue }), keys };
}

function unbounded(jql: string): string {
  if (jql === '') return `${EVERYTHING} ORDER BY updated DESC`;
  return /^order\s+by\b/i.test(jql) ? `${EVERYTHING} ${jql}` : jql;
}

/** Once more by what Jira answered: a query that was read in two ways still tells nothing of another project. */
function withinProjects(items: readonly IssueItem[], keys: readonly string[]): IssueItem[] {
  const projects = projectKeys(keys);
  return items.filter(({ key }) => isIssueOf(key, projects)).map((item) => within(item, projects));
}
