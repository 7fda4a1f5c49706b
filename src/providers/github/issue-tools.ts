import { ToolFailure, type ProviderTool } from '../kit/tool.js';
import { addedComment, ADDS, BODY, COMMENT_OUTPUT, strangeAnswer } from './comments.js';
import type { GitHubClient } from './github-client.js';
import { notThere } from './github-failure.js';
import { isPullRequest, issueItem, itemsOf, withoutBody, type NumberedItem } from './items.js';
import { nextPage, pageAt } from './paging.js';
import { isSameRepository, type RepositoryName } from './repository-name.js';
import {
  CURSOR_INPUT,
  inputOf,
  NUMBER,
  NUMBERED_OUTPUT,
  pageOf,
  READS,
  REPOSITORY_INPUT,
  text,
  ToolArguments,
} from './tool-arguments.js';

const ISSUE = { ...REPOSITORY_INPUT, issue_number: NUMBER };
const STATES = ['open', 'closed', 'all'] as const;
const CLOSED_BECAUSE = ['completed', 'not_planned', 'duplicate', 'reopened'] as const;
const NAMES = { type: 'array', items: text('', 255), maxItems: 100 };
const TITLE = text('', 256);
const CHANGEABLE = { title: TITLE, body: BODY, labels: NAMES, assignees: { ...NAMES, maxItems: 10 } };
/** Bodies of 64 KiB, in characters of four bytes, are within the 10 MiB of an answer. */
const PER_PAGE = 30;

const LIST = 'GET /repos/{owner}/{repo}/issues';
const ONE = '/repos/{owner}/{repo}/issues/{issue_number}';

export function issueTools(github: GitHubClient): ProviderTool[] {
  return [listIssues(github), getIssue(github), createIssue(github), updateIssue(github), addComment(github)];
}

function listIssues(github: GitHubClient): ProviderTool {
  return {
    name: 'list_issues',
    title: 'List issues',
    description:
      'Issues of a repository, latest update first, without their bodies: get_issue has them. Pull requests are left out, so ' +
      'that a page may be short or empty and others follow',
    inputSchema: inputOf(
      {
        ...REPOSITORY_INPUT,
        state: { enum: STATES, default: 'open' },
        labels: { ...NAMES, description: 'Only issues that have all of these' },
        since: { type: 'string', format: 'date-time', description: 'Only issues updated at or after this time' },
        ...CURSOR_INPUT,
      },
      ['owner', 'repo'],
    ),
    outputSchema: pageOf('issues', NUMBERED_OUTPUT),
    annotations: READS,
    run: async (input, { signal }) => {
      const args = new ToolArguments(input);
      const name = args.repository();
      const labels = args.texts('labels');
      if (labels?.some((label) => label.includes(','))) throw new ToolFailure('A label has no comma in its name');
      const filters = { state: args.word('state', STATES), labels: labels?.join(','), since: args.time('since') };
      const page = { sort: 'updated', per_page: PER_PAGE, ...pageAt(args.optionalText('cursor')) };
      const { rows, headers } = await github.list(LIST, { ...name, ...filters, ...page }, signal);
      const issues = itemsOf(
        rows.filter((row) => !isPullRequest(row)),
        issueItem,
        name,
      );
      const next = nextPage(headers);
      return { issues: issues.map(withoutBody), ...(next === undefined ? {} : { next_cursor: next }) };
    },
  };
}

function getIssue(github: GitHubClient): ProviderTool {
  return {
    name: 'get_issue',
    title: 'Get an issue',
    description: 'An issue with its body, labels and assignees; get_pull_request has pull requests',
    inputSchema: inputOf(ISSUE, ['owner', 'repo', 'issue_number']),
    outputSchema: NUMBERED_OUTPUT,
    annotations: READS,
    run: async (input, { signal }) => {
      const args = new ToolArguments(input);
      return existingIssue(github, args.repository(), args.number('issue_number'), signal);
    },
  };
}

function createIssue(github: GitHubClient): ProviderTool {
  return {
    name: 'create_issue',
    title: 'Create an issue',
    description: 'Opens an issue. Labels and assignees are set only where the token may write to the repository',
    inputSchema: inputOf({ ...REPOSITORY_INPUT, ...CHANGEABLE }, ['owner', 'repo', 'title']),
    outputSchema: NUMBERED_OUTPUT,
    annotations: ADDS,
    run: async (input, { signal }) => {
      const args = new ToolArguments(input);
      const name = args.repository();
      const content = { title: args.text('title'), ...changesIn(args) };
      await requireRepository(github, name, signal);
      const raw = await github.object('POST /repos/{owner}/{repo}/issues', { ...name, ...content }, signal);
      return issueItem(raw, name) ?? strangeAnswer();
    },
  };
}

function updateIssue(github: GitHubClient): ProviderTool {
  return {
    name: 'update_issue',
    title: 'Update an issue',
    description: 'Changes what is given and leaves the rest. labels and assignees replace those that are there',
    inputSchema: inputOf(
      { ...ISSUE, ...CHANGEABLE, state: { enum: ['open', 'closed'] }, state_reason: { enum: CLOSED_BECAUSE } },
      ['owner', 'repo', 'issue_number'],
    ),
    outputSchema: NUMBERED_OUTPUT,
    annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
    run: async (input, { signal }) => {
      const args = new ToolArguments(input);
      const name = args.repository();
      const number = args.number('issue_number');
      const changes = {
        title: args.optionalText('title'),
        ...changesIn(args),
        state: args.word('state', ['open', 'closed']),
        state_reason: args.word('state_reason', CLOSED_BECAUSE),
      };
      if (Object.values(changes).every((value) => value === undefined))
        throw new ToolFailure('There is nothing to change');
      await existingIssue(github, name, number, signal);
      const raw = await github.object(`PATCH ${ONE}`, { ...name, issue_number: number, ...changes }, signal);
      return issueItem(raw, name) ?? strangeAnswer();
    },
  };
}

function addComment(github: GitHubClient): ProviderTool {
  return {
    name: 'add_comment',
    title: 'Comment on an issue',
    description: 'Adds a comment to an issue; add_pull_request_comment does to a pull request',
    inputSchema: inputOf({ ...ISSUE, body: { ...BODY, minLength: 1 } }, ['owner', 'repo', 'issue_number', 'body']),
    outputSchema: COMMENT_OUTPUT,
    annotations: ADDS,
    run: async (input, { signal }) => {
      const args = new ToolArguments(input);
      const name = args.repository();
      const number = args.number('issue_number');
      const comment = { number, body: args.text('body') };
      await existingIssue(github, name, number, signal);
      return addedComment(github, name, comment, signal);
    },
  };
}

function changesIn(args: ToolArguments): { body?: string; labels?: string[]; assignees?: string[] } {
  return { body: args.optionalText('body'), labels: args.texts('labels'), assignees: args.texts('assignees') };
}

/**
 * Before a write as well: an old name of a repository, or the number of a transferred issue, is nothing that may be written to.
 * To GitHub a pull request is an issue too; here it is not, since pull requests may be taken out where issues are granted.
 */
async function existingIssue(
  github: GitHubClient,
  name: RepositoryName,
  number: number,
  signal: AbortSignal,
): Promise<NumberedItem> {
  const raw = await github.object(`GET ${ONE}`, { ...name, issue_number: number }, signal);
  const item = issueItem(raw, name);
  if (item?.number !== number) throw notThere();
  if (isPullRequest(raw)) throw new ToolFailure('This is a pull request: the tools for pull requests have it');
  return item;
}

async function requireRepository(github: GitHubClient, name: RepositoryName, signal: AbortSignal): Promise<void> {
  const { full_name: fullName } = await github.object('GET /repos/{owner}/{repo}', { ...name }, signal);
  if (!isSameRepository(name, fullName)) throw notThere();
}
