import type { ProviderTool } from '../kit/tool.js';
import { addedComment, ADDS, BODY, COMMENT_OUTPUT } from './comments.js';
import type { GitHubClient } from './github-client.js';
import { notThere } from './github-failure.js';
import { itemsOf, pullItem, withoutBody, type NumberedItem } from './items.js';
import { nextPage, pageAt } from './paging.js';
import { checkedBranch, type RepositoryName } from './repository-name.js';
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

const PULL = { ...REPOSITORY_INPUT, pull_number: NUMBER };
const STATES = ['open', 'closed', 'all'] as const;
/** Bodies of 64 KiB, in characters of four bytes, are within the 10 MiB of an answer. */
const PER_PAGE = 30;

export function pullTools(github: GitHubClient): ProviderTool[] {
  return [listPullRequests(github), getPullRequest(github), addPullRequestComment(github)];
}

function listPullRequests(github: GitHubClient): ProviderTool {
  return {
    name: 'list_pull_requests',
    title: 'List pull requests',
    description: 'Pull requests of a repository, latest update first, without their texts: get_pull_request has them',
    inputSchema: inputOf(
      {
        ...REPOSITORY_INPUT,
        state: { enum: STATES, default: 'open' },
        base: text('Only those into this branch', 255),
        ...CURSOR_INPUT,
      },
      ['owner', 'repo'],
    ),
    outputSchema: pageOf('pull_requests', NUMBERED_OUTPUT),
    annotations: READS,
    run: async (input, { signal }) => {
      const args = new ToolArguments(input);
      const name = args.repository();
      const base = args.optionalText('base');
      const filters = { state: args.word('state', STATES), base: base === undefined ? undefined : checkedBranch(base) };
      const order = { sort: 'updated', direction: 'desc', per_page: PER_PAGE };
      const page = pageAt(args.optionalText('cursor'));
      const asked = { ...name, ...filters, ...order, ...page };
      const { rows, headers } = await github.list('GET /repos/{owner}/{repo}/pulls', asked, signal);
      const next = nextPage(headers);
      return {
        pull_requests: itemsOf(rows, pullItem, name).map(withoutBody),
        ...(next === undefined ? {} : { next_cursor: next }),
      };
    },
  };
}

function getPullRequest(github: GitHubClient): ProviderTool {
  return {
    name: 'get_pull_request',
    title: 'Get a pull request',
    description: 'A pull request with its text, its branches, whether it can be merged, and how much it changes',
    inputSchema: inputOf(PULL, ['owner', 'repo', 'pull_number']),
    outputSchema: NUMBERED_OUTPUT,
    annotations: READS,
    run: async (input, { signal }) => {
      const args = new ToolArguments(input);
      return existingPull(github, args.repository(), args.number('pull_number'), signal);
    },
  };
}

function addPullRequestComment(github: GitHubClient): ProviderTool {
  return {
    name: 'add_pull_request_comment',
    title: 'Comment on a pull request',
    description: 'Adds a comment to the conversation of a pull request',
    inputSchema: inputOf({ ...PULL, body: { ...BODY, minLength: 1 } }, ['owner', 'repo', 'pull_number', 'body']),
    outputSchema: COMMENT_OUTPUT,
    annotations: ADDS,
    run: async (input, { signal }) => {
      const args = new ToolArguments(input);
      const name = args.repository();
      const number = args.number('pull_number');
      const comment = { number, body: args.text('body') };
      await existingPull(github, name, number, signal);
      return addedComment(github, name, comment, signal);
    },
  };
}

async function existingPull(
  github: GitHubClient,
  name: RepositoryName,
  number: number,
  signal: AbortSignal,
): Promise<NumberedItem> {
  const asked = { ...name, pull_number: number };
  const item = pullItem(await github.object('GET /repos/{owner}/{repo}/pulls/{pull_number}', asked, signal), name);
  if (item?.number !== number) throw notThere();
  return item;
}
