import type { Item } from '../kit/resources.js';
import { idIn, numberIn, objectIn, objectsIn, scalarsOf, textIn, timeIn, type Json } from './github-json.js';
import { isSameRepository, repositoryOfUrl, type RepositoryName } from './repository-name.js';

/**
 * What items keep of GitHub's own fields. A list of what is kept and not of what goes: rows embed whole other repositories
 * (the fork a pull request comes from, the parent of an issue), and what GitHub adds next must not be seen unread.
 */
const ISSUE_FIELDS = [
  ...['state', 'state_reason', 'locked', 'active_lock_reason', 'draft', 'comments', 'body', 'author_association'],
  ...['created_at', 'closed_at'],
];
const PULL_FIELDS = [
  ...['state', 'locked', 'active_lock_reason', 'draft', 'body', 'author_association', 'created_at', 'closed_at'],
  ...['merged_at', 'merge_commit_sha', 'merged', 'mergeable', 'mergeable_state', 'rebaseable', 'comments'],
  ...['review_comments', 'maintainer_can_modify', 'commits', 'additions', 'deletions', 'changed_files'],
];
const USER_FIELDS = ['login', 'id', 'type', 'html_url'];

export interface NumberedItem extends Item {
  number: number;
  issue_id: string;
  project: string;
}

/** An issue, or a pull request in its role as one; null where it is not of the repository, or of none that can be told. */
export function issueItem(raw: Json, of?: RepositoryName): NumberedItem | null {
  const pull = objectIn(raw.pull_request);
  const status = textIn(pull.merged_at) === null ? (textIn(raw.state) ?? 'open') : 'merged';
  const fields = { ...scalarsOf(raw, ISSUE_FIELDS), ...peopleAndLabels(raw), is_pull_request: isPullRequest(raw) };
  return numbered(raw, repositoryOfUrl(raw.repository_url), status, fields, of);
}

export function pullItem(raw: Json, of?: RepositoryName): NumberedItem | null {
  const isMerged = raw.merged === true || textIn(raw.merged_at) !== null;
  const base = objectIn(raw.base);
  const project = textIn(objectIn(base.repo).full_name);
  const fields = {
    ...scalarsOf(raw, PULL_FIELDS),
    ...peopleAndLabels(raw),
    head: scalarsOf(objectIn(raw.head), ['ref', 'sha']),
    base: scalarsOf(base, ['ref', 'sha']),
    requested_reviewers: objectsIn(raw.requested_reviewers).map(person),
  };
  return numbered(raw, project, isMerged ? 'merged' : (textIn(raw.state) ?? 'open'), fields, of);
}

/** Those of the repository; what else GitHub put into the list is dropped. */
export function itemsOf(
  rows: readonly Json[],
  toItem: (raw: Json, of?: RepositoryName) => NumberedItem | null,
  of: RepositoryName,
): NumberedItem[] {
  return rows.map((row) => toItem(row, of)).filter((item) => item !== null);
}

/** GitHub lists pull requests among issues. */
export function isPullRequest(raw: Json): boolean {
  return typeof raw.pull_request === 'object' && raw.pull_request !== null;
}

/** Lists for an agent go without the texts, which may be 64 KiB each. */
export function withoutBody({ body: _body, ...item }: NumberedItem): Json {
  return item;
}

/** A commit in a list; null where it is not of the repository. */
export function commitItem(raw: Json, of: RepositoryName): Json | null {
  const project = repositoryOfUrl(raw.url);
  const { message, author, committer } = objectIn(raw.commit);
  if (!isSameRepository(of, project)) return null;
  return {
    sha: textIn(raw.sha) ?? '',
    message: textIn(message) ?? '',
    author: { ...scalarsOf(objectIn(author), ['name', 'date']), login: textIn(objectIn(raw.author).login) },
    committed_at: timeIn(objectIn(committer).date) ?? timeIn(objectIn(author).date),
    parents: objectsIn(raw.parents).map(({ sha }) => textIn(sha) ?? ''),
    url: textIn(raw.html_url) ?? '',
    project,
  };
}

export function commentItem(raw: Json, issueNumber: number, of: RepositoryName): Json | null {
  const project = repositoryOfUrl(raw.issue_url) ?? repositoryOfUrl(raw.url);
  if (!isSameRepository(of, project)) return null;
  return {
    id: idIn(raw.id),
    issue_id: `${project}#${issueNumber}`,
    url: textIn(raw.html_url) ?? '',
    body: textIn(raw.body) ?? '',
    user: person(objectIn(raw.user)),
    created_at: timeIn(raw.created_at) ?? '',
    updated_at: timeIn(raw.updated_at) ?? '',
    project,
  };
}

function numbered(
  raw: Json,
  project: string | null,
  status: string,
  fields: Json,
  of: RepositoryName | undefined,
): NumberedItem | null {
  const number = numberIn(raw.number);
  if (project === null || number === null || (of && !isSameRepository(of, project))) return null;
  return {
    ...fields,
    id: idIn(raw.id),
    number,
    issue_id: `${project}#${number}`,
    title: textIn(raw.title) ?? '',
    url: textIn(raw.html_url) ?? '',
    status,
    updated_at: timeIn(raw.updated_at) ?? timeIn(raw.created_at) ?? '',
    project,
  };
}

function peopleAndLabels(raw: Json): Json {
  const milestone = objectIn(raw.milestone);
  return {
    user: person(objectIn(raw.user)),
    assignees: objectsIn(raw.assignees).map(person),
    labels: Array.isArray(raw.labels) ? raw.labels.map(label) : [],
    milestone:
      Object.keys(milestone).length === 0 ? null : scalarsOf(milestone, ['number', 'title', 'state', 'due_on']),
    type: textIn(objectIn(raw.type).name),
  };
}

function person(user: Json): Json {
  return scalarsOf(user, USER_FIELDS);
}

/** Older answers have plain texts. */
function label(raw: unknown): Json {
  return typeof raw === 'string' ? { name: raw } : scalarsOf(objectIn(raw), ['name', 'color', 'description']);
}
