import type { ProviderTool } from '../kit/tool.js';
import { cursorOf, positionIn } from './cursor.js';
import type { JiraSession } from './jira-session.js';
import type { Project } from './project-directory.js';
import { searchTool } from './search-tool.js';
import { ToolArguments } from './tool-arguments.js';
import { INPUT, inputOf, OUTPUT } from './tool-schemas.js';

const READS = { readOnlyHint: true, openWorldHint: true };

export function readTools(session: JiraSession): ProviderTool[] {
  return [searchTool(session), getIssue(session), listProjects(session), listIssueTypes(session)];
}

function getIssue({ issues, fields }: JiraSession): ProviderTool {
  return {
    name: 'get_issue',
    title: 'Get an issue',
    description:
      'One issue by its key, with its parent, subtasks and links. Ask for the field comment to read its comments. A key ' +
      'whose issue has moved to another project names nothing.',
    inputSchema: inputOf({ issue_key: INPUT.issueKey, fields: INPUT.fields }, ['issue_key']),
    outputSchema: OUTPUT.issue,
    annotations: READS,
    run: async (given, { signal }) => {
      const args = new ToolArguments(given);
      const key = args.issueKey('issue_key');
      const wanted = await fields.readable(args.optionalTexts('fields', 100), signal);
      return { issue: await issues.get(key, signal, wanted) };
    },
  };
}

function listProjects({ projects, client }: JiraSession): ProviderTool {
  return {
    name: 'list_projects',
    title: 'List projects',
    description: 'The projects that the account sees, a page at a time; query narrows them by key or name.',
    inputSchema: inputOf({ query: { type: 'string', maxLength: 255 }, cursor: INPUT.cursor }),
    outputSchema: OUTPUT.projects,
    annotations: READS,
    run: async (given, { signal }) => {
      const args = new ToolArguments(given);
      const query = args.optionalText('query', 255)?.trim() || undefined;
      const question = `projects ${query ?? ''}`;
      const page = await projects.page(query, positionIn(args.optionalText('cursor', 8_192), question), signal);
      const shown = page.projects.map((project) => toProject(project, client.pagesUrl));
      return { projects: shown, ...(page.next ? { next_cursor: cursorOf(question, page.next) } : {}) };
    },
  };
}

function listIssueTypes({ projects }: JiraSession): ProviderTool {
  return {
    name: 'list_issue_types',
    title: 'List issue types',
    description: 'The types that an issue of the project can have, with the statuses of each.',
    inputSchema: inputOf({ project_key: INPUT.projectKey }, ['project_key']),
    outputSchema: OUTPUT.issueTypes,
    annotations: READS,
    run: async (given, { signal }) => {
      const project = await projects.get(new ToolArguments(given).projectKey('project_key'), signal);
      return { issue_types: await projects.issueTypes(project, signal) };
    },
  };
}

export function toProject({ id, key, name, type }: Project, pagesUrl: string): Record<string, string> {
  return { id, key, name, type, url: `${pagesUrl}/browse/${key}` };
}
