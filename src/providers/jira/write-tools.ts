import { ToolFailure, type ProviderTool } from '../kit/tool.js';
import { textDocument } from './document-text.js';
import { commentItem, type IssueItem } from './issue-item.js';
import { isIssueOf, projectKeys, projectOfKey } from './issue-key.js';
import { isJsonObject, objectsIn, textIn, type JsonObject } from './jira-client.js';
import type { JiraSession } from './jira-session.js';
import { ToolArguments } from './tool-arguments.js';
import { INPUT, inputOf, OUTPUT } from './tool-schemas.js';

const LONGEST_SUMMARY = 255;
const LONGEST_TEXT = 32_767;

/** Each looks the issue up first, so that a key whose issue has moved elsewhere writes nothing, and answers what it became. */
export function writeTools(session: JiraSession): ProviderTool[] {
  return [createIssue(session), updateIssue(session), transitionIssue(session), addComment(session)];
}

function createIssue(session: JiraSession): ProviderTool {
  return {
    name: 'create_issue',
    title: 'Create an issue',
    description: 'Creates an issue and answers it. list_issue_types says which types the project has.',
    inputSchema: inputOf(
      {
        project_key: INPUT.projectKey,
        issue_type: { type: 'string', minLength: 1, maxLength: 255, description: 'Name of its type, such as Bug' },
        summary: INPUT.summary,
        description: INPUT.longText,
        fields: INPUT.fieldValues,
      },
      ['project_key', 'issue_type', 'summary'],
    ),
    outputSchema: OUTPUT.issue,
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    run: async (given, { signal }) => {
      const args = new ToolArguments(given);
      const project = await session.projects.get(args.projectKey('project_key'), signal);
      const name = args.text('issue_type', 255).trim();
      const types = await session.projects.issueTypes(project, signal);
      const type = types.find((each) => each.name.toLowerCase() === name.toLowerCase());
      if (!type) throw new ToolFailure(`${project.key} has no issue type ${name}: see list_issue_types`);
      const fields = {
        ...(await extraFields(session, args, project.key, signal)),
        ...textsOf(session, { summary: args.text('summary', LONGEST_SUMMARY), description: descriptionIn(args) }),
        project: { id: project.id },
        issuetype: { id: type.id },
      };
      const created = await session.client.ask('issue', { method: 'POST', body: { fields }, signal });
      const key = isJsonObject(created) ? textIn(created.key) : '';
      if (!isIssueOf(key, projectKeys([project.key])))
        throw new ToolFailure('Jira did not say what it created: search for it');
      return { issue: await readBack(session, key, 'created', signal) };
    },
  };
}

function updateIssue(session: JiraSession): ProviderTool {
  return {
    name: 'update_issue',
    title: 'Update an issue',
    description:
      'Changes fields of an issue and answers what it became. What is left out stays. It neither moves an issue to another ' +
      'project nor changes its type, and its status changes by transition_issue.',
    inputSchema: inputOf(
      { issue_key: INPUT.issueKey, summary: INPUT.summary, description: INPUT.longText, fields: INPUT.fieldValues },
      ['issue_key'],
    ),
    outputSchema: OUTPUT.issue,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
    run: async (given, { signal }) => {
      const args = new ToolArguments(given);
      const issue = await session.issues.get(args.issueKey('issue_key'), signal);
      const fields = {
        ...(await extraFields(session, args, issue.project, signal)),
        ...textsOf(session, {
          summary: args.optionalText('summary', LONGEST_SUMMARY),
          description: descriptionIn(args),
        }),
      };
      if (Object.keys(fields).length === 0) throw new ToolFailure('Nothing is to be changed: name a field');
      await session.client.ask(pathOf(issue), { method: 'PUT', body: { fields }, signal });
      return { issue: await readBack(session, issue.key, 'changed', signal) };
    },
  };
}

function transitionIssue(session: JiraSession): ProviderTool {
  return {
    name: 'transition_issue',
    title: 'Change the status of an issue',
    description: 'Takes an issue through a transition of its workflow, by the name or the id of the transition.',
    inputSchema: inputOf(
      {
        issue_key: INPUT.issueKey,
        transition: { type: 'string', minLength: 1, maxLength: 255, description: 'Such as Done, or 31' },
        comment: { ...INPUT.longText, description: 'A comment to go with it' },
      },
      ['issue_key', 'transition'],
    ),
    outputSchema: OUTPUT.issue,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    run: async (given, { signal }) => {
      const args = new ToolArguments(given);
      const wanted = args.text('transition', 255).trim();
      const comment = args.optionalText('comment', LONGEST_TEXT);
      const issue = await session.issues.get(args.issueKey('issue_key'), signal);
      const path = `${pathOf(issue)}/transitions`;
      const answer = await session.client.ask(path, { signal });
      const id = transitionIn(objectsIn(isJsonObject(answer) ? answer.transitions : null), wanted);
      const body = {
        transition: { id },
        ...(comment ? { update: { comment: [{ add: { body: textFor(session, comment) } }] } } : {}),
      };
      await session.client.ask(path, { method: 'POST', body, signal });
      return { issue: await readBack(session, issue.key, 'changed', signal) };
    },
  };
}

function addComment(session: JiraSession): ProviderTool {
  return {
    name: 'add_comment',
    title: 'Comment on an issue',
    description: 'Adds a comment to an issue and answers the comment.',
    inputSchema: inputOf({ issue_key: INPUT.issueKey, body: { ...INPUT.longText, minLength: 1 } }, [
      'issue_key',
      'body',
    ]),
    outputSchema: OUTPUT.comment,
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    run: async (given, { signal }) => {
      const args = new ToolArguments(given);
      const text = args.text('body', LONGEST_TEXT);
      const issue = await session.issues.get(args.issueKey('issue_key'), signal);
      const body = { body: textFor(session, text) };
      const comment = await session.client.ask(`${pathOf(issue)}/comment`, { method: 'POST', body, signal });
      return { comment: commentItem(comment, issue.key) };
    },
  };
}

/** Whoever reads of a failure must not do it once more. */
async function readBack(session: JiraSession, key: string, done: string, signal: AbortSignal): Promise<IssueItem> {
  try {
    return await session.issues.get(key, signal);
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    throw new ToolFailure(`${key} was ${done}, but could not be read back: ${error.message}`);
  }
}

/** By its number: what was looked up is what is written to. */
function pathOf({ id }: IssueItem): string {
  return `issue/${encodeURIComponent(id)}`;
}

/** @throws ToolFailure where none or several are meant */
function transitionIn(transitions: readonly JsonObject[], wanted: string): string {
  const byId = transitions.find(({ id }) => textIn(id) === wanted);
  const meant = byId ? [byId] : transitions.filter(({ name }) => textIn(name).toLowerCase() === wanted.toLowerCase());
  const [only, ...others] = meant;
  if (only && others.length === 0) return textIn(only.id);
  const listed =
    transitions
      .map(({ id, name }) => `${textIn(name)} (${textIn(id)})`)
      .join(', ')
      .slice(0, 2_000) || 'none';
  const fault = only ? 'stands for several transitions' : 'is not a transition of the issue now';
  throw new ToolFailure(`${wanted} ${fault}. There are: ${listed}`);
}

async function extraFields(
  session: JiraSession,
  args: ToolArguments,
  projectKey: string,
  signal: AbortSignal,
): Promise<JsonObject> {
  const given = args.optionalObject('fields');
  const documents = await session.fields.writable(Object.keys(given), signal);
  const fields = Object.entries(given).map(([name, value]) => [
    name,
    documents.has(name) && typeof value === 'string' ? textFor(session, value) : value,
  ]);
  const { parent, ...others } = Object.fromEntries(fields) as JsonObject;
  return parent === undefined ? others : { ...others, parent: await parentOf(session, parent, projectKey, signal) };
}

/** Nothing gets below an issue of another project. */
async function parentOf(
  session: JiraSession,
  parent: unknown,
  projectKey: string,
  signal: AbortSignal,
): Promise<unknown> {
  if (parent === null) return null;
  const members = isJsonObject(parent) ? Object.keys(parent) : [];
  const key = isJsonObject(parent) && members.length === 1 ? parent.key : parent;
  if (typeof key !== 'string' || projectOfKey(key) === null)
    throw new ToolFailure('parent must be the key of an issue, such as DEV-1');
  if (!isIssueOf(key, projectKeys([projectKey]))) throw new ToolFailure(`parent must be an issue of ${projectKey}`);
  return { key: (await session.issues.get(key, signal)).key };
}

function descriptionIn(args: ToolArguments): string | undefined {
  return args.optionalText('description', LONGEST_TEXT);
}

function textsOf(
  session: JiraSession,
  texts: { summary: string | undefined; description: string | undefined },
): JsonObject {
  const { summary, description } = texts;
  if (summary?.trim() === '') throw new ToolFailure('summary must not be empty');
  return {
    // Jira refuses line ends in it.
    ...(summary === undefined ? {} : { summary: summary.replaceAll(/\s+/g, ' ').trim() }),
    ...(description === undefined ? {} : { description: textFor(session, description) }),
  };
}

function textFor({ client }: JiraSession, text: string): unknown {
  return client.isCloud ? textDocument(text) : text;
}
