import { ToolFailure, type ObjectSchema } from '../kit/tool.js';
import type { GitHubClient } from './github-client.js';
import type { Json } from './github-json.js';
import { commentItem } from './items.js';
import type { RepositoryName } from './repository-name.js';
import { outputOf } from './tool-arguments.js';

/** GitHub takes bodies of 65,536 characters. */
export const BODY = { type: 'string', maxLength: 65_536, description: 'GitHub Flavored Markdown' };
const TEXTS = ['id', 'issue_id', 'url', 'body', 'created_at', 'project'];
export const COMMENT_OUTPUT: ObjectSchema = outputOf(
  Object.fromEntries(TEXTS.map((name) => [name, { type: 'string' }])),
);
export const ADDS = { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true };

/** GitHub has one route for comments on issues and on pull requests: that it is the right one of them is to be seen before. */
export async function addedComment(
  github: GitHubClient,
  name: RepositoryName,
  { number, body }: { number: number; body: string },
  signal: AbortSignal,
): Promise<Json> {
  const route = 'POST /repos/{owner}/{repo}/issues/{issue_number}/comments';
  const raw = await github.object(route, { ...name, issue_number: number, body }, signal);
  return commentItem(raw, number, name) ?? strangeAnswer();
}

export function strangeAnswer(): never {
  throw new ToolFailure(
    'GitHub carried this out, and answered with something else than was asked for: look before trying again',
  );
}
