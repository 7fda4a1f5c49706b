import { ToolFailure, type ProviderTool } from '../kit/tool.js';
import { cursorOf, positionIn } from './cursor.js';
import { issueItems, within, type IssueItem } from './issue-item.js';
import { isIssueOf, isProjectKey, projectKeys } from './issue-key.js';
import { JiraFailure } from './jira-client.js';
import type { JiraSession } from './jira-session.js';
import { boundedJql, jqlNotAccepted, jqlOfTypes, type JqlBounds } from './jql/jql-scope.js';
import { areWithin } from './named-issues.js';
import type { Project } from './project-directory.js';
import { ToolArguments } from './tool-arguments.js';
import { INPUT, inputOf, OUTPUT } from './tool-schemas.js';

const DEFAULT_RESULTS = 50;
const MOST_RESULTS = 100;
const MOST_PROJECTS = 1_000;
const MOST_TYPES = 1_000;
const LONGEST_JQL = 10_000;
/** Cloud refuses a search for everything. */
const EVERYTHING = 'project is not EMPTY';

export function searchTool(session: JiraSession): ProviderTool {
  return {
    name: 'search_issues',
    title: 'Search issues',
    description:
      'Finds issues by JQL, within the given projects and types where there are some; without JQL those updated last come ' +
      'first. JQL that names another project than those is refused.',
    inputSchema: inputOf({
      jql: INPUT.jql,
      projects: INPUT.projects,
      issue_types: INPUT.issueTypes,
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
      const query = await queryOf(session, args, signal);
      if (query === null) return { issues: [] };
      const { jql } = query;
      const position = positionIn(args.optionalText('cursor', 8_192), jql);
      const { issues, next } = await session.search
        .page({ jql, fields, maxResults, signal }, position)
        .catch(unlessBounded(query));
      const items = issueItems(issues, session.client.pagesUrl);
      return {
        issues: withinBounds(items, query),
        ...(next ? { next_cursor: cursorOf(jql, next) } : {}),
      };
    },
  };
}

function unlessBounded({ keys, types }: Query): (error: unknown) => never {
  return (error) => {
    const isTold = (keys ?? types) === null || !(error instanceof JiraFailure) || error.status !== 400;
    throw isTold ? error : jqlNotAccepted();
  };
}

interface Query {
  jql: string;
  /** Those of the asked projects that are there; null where none were asked for. */
  keys: readonly string[] | null;
  /** The same of types. */
  types: readonly string[] | null;
}

/** Null where nothing of what was asked for is there. */
async function queryOf(session: JiraSession, args: ToolArguments, signal: AbortSignal): Promise<Query | null> {
  const jql = args.optionalText('jql', LONGEST_JQL)?.trim() ?? '';
  const projects = await projectsOf(session, args, signal);
  const asked = args.optionalTexts('issue_types', MOST_TYPES);
  const types = asked ? await session.projects.typesNamed(asked, signal) : null;
  if (projects?.length === 0 || types?.length === 0) return null;
  if (!projects) return { jql: types ? jqlOfTypes(jql, types) : unbounded(jql), keys: null, types };
  const keys = projects.map(({ key }) => key);
  const names = projects.flatMap(({ id, key, name }) => [id, key, name].map((each) => each.toLowerCase()));
  const bounds: JqlBounds = {
    projects: new Set(names),
    keys,
    hasIssue: (issue) => session.issues.isWithin(issue, projectKeys(keys), signal),
    haveIssues: (issues) => areWithin(session, issues, keys, signal),
    mayHoldIssues: (field) => session.fields.mayHoldIssues(field, signal),
  };
  return { jql: await boundedJql(jql, bounds, types), keys, types };
}

async function projectsOf(session: JiraSession, args: ToolArguments, signal: AbortSignal): Promise<Project[] | null> {
  const asked = args.optionalTexts('projects', MOST_PROJECTS);
  if (!asked) return null;
  const odd = asked.find((key) => !isProjectKey(key));
  if (odd !== undefined) throw new ToolFailure(`${odd.slice(0, 100)} is not the key of a project, such as DEV`);
  return session.projects.known(asked, signal);
}

function unbounded(jql: string): string {
  if (jql === '') return `${EVERYTHING} ORDER BY updated DESC`;
  return /^order\s+by\b/i.test(jql) ? `${EVERYTHING} ${jql}` : jql;
}

/** Once more by what Jira answered: a query that was read in two ways still tells nothing of anything else. */
function withinBounds(items: readonly IssueItem[], { keys, types }: Query): IssueItem[] {
  const projects = keys && projectKeys(keys);
  const names = types && new Set(types.map((name) => name.toLowerCase()));
  return items
    .filter(({ key, issue_type: type }) => {
      const isOfType = names === null || names.has(type.toLowerCase());
      return isOfType && (projects === null || isIssueOf(key, projects));
    })
    .map((item) => (projects ? within(item, projects) : item));
}
