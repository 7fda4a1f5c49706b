import type { Item } from '../kit/resources.js';
import { documentText, isDocument } from './document-text.js';
import { isIssueOf, projectOfKey, type ProjectKeys } from './issue-key.js';
import { isoTime } from './jira-time.js';
import { issueBudget, pageBudget, withinField, type NodeBudget } from './node-budget.js';

type Json = Record<string, unknown>;

/**
 * An issue as tools and resources tell it: Jira's own fields, and over them what every item has. Texts in Atlassian Document
 * Format are plain. `issuelinks` has one form for both directions, so that a rule can name where the other issue stands.
 */
export interface IssueItem extends Item {
  key: string;
  /** The key: what a mapping calls the issue by. */
  issue_id: string;
  /** Key of the project. */
  project: string;
  issue_type: string;
}

const DEEPEST = 32;
/** Keys that reach the prototype of an object when somebody copies them carelessly. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Those of a page that have a key. @throws ToolFailure where they are too much */
export function issueItems(issues: readonly unknown[], pagesUrl: string): IssueItem[] {
  const budget = pageBudget();
  return issues.flatMap((issue) => issueItem(issue, pagesUrl, budget) ?? []);
}

/** @returns null for what has no key. @throws ToolFailure where it is too much */
export function issueItem(issue: unknown, pagesUrl: string, budget = issueBudget()): IssueItem | null {
  if (!isObject(issue) || typeof issue.key !== 'string') return null;
  const projectKey = projectOfKey(issue.key);
  if (projectKey === null) return null;
  const raw = isObject(issue.fields) ? issue.fields : {};
  const fields = plainFields(raw, budget);
  return {
    ...fields,
    ...(Array.isArray(fields.issuelinks) ? { issuelinks: fields.issuelinks.flatMap(oneForm) } : {}),
    id: typeof issue.id === 'string' ? issue.id : String(Number(issue.id ?? 0)),
    key: issue.key,
    issue_id: issue.key,
    title: typeof fields.summary === 'string' ? fields.summary : '',
    url: `${pagesUrl}/browse/${issue.key}`,
    status: nameOf(fields.status),
    updated_at: isoTime(fields.updated) ?? new Date(0).toISOString(),
    project: projectKey,
    issue_type: nameOf(fields.issuetype),
  };
}

/** Without parents, subtasks and linked issues of other projects than these. */
export function within(item: IssueItem, projects: ProjectKeys): IssueItem {
  const isWithin = (issue: unknown): boolean => isObject(issue) && isIssueOf(issue.key, projects);
  const kept: Json = { ...item };
  if ('parent' in kept && !isWithin(kept.parent)) delete kept.parent;
  if ('subtasks' in kept) kept.subtasks = Array.isArray(kept.subtasks) ? kept.subtasks.filter(isWithin) : [];
  if ('issuelinks' in kept)
    kept.issuelinks = Array.isArray(kept.issuelinks)
      ? kept.issuelinks.filter((link) => isObject(link) && isWithin(link.issue))
      : [];
  return kept as IssueItem;
}

/** What Jira says of a comment. */
export function commentItem(comment: unknown, issueKey: string): Json {
  const { id, author, body, created, updated } = plainFields(isObject(comment) ? comment : {}, issueBudget());
  const name = isObject(author) ? (author.displayName ?? author.name) : null;
  return {
    id: typeof id === 'string' ? id : '',
    issue_key: issueKey,
    author: typeof name === 'string' ? name : '',
    body: typeof body === 'string' ? body : '',
    created_at: isoTime(created),
    updated_at: isoTime(updated),
  };
}

function plainFields(raw: Json, budget: NodeBudget): Json {
  const fields: Json = {};
  for (const [name, value] of Object.entries(raw))
    if (!FORBIDDEN_KEYS.has(name)) fields[name] = withinField(budget, (field) => plain(value, 1, field));
  return fields;
}

/** Documents as texts; nothing deeper than a reader needs, and no more of it; no key that is not one. */
function plain(value: unknown, depth: number, budget: NodeBudget): unknown {
  budget.left--;
  if (typeof value !== 'object' || value === null) return value;
  if (isDocument(value)) return documentText(value, budget);
  if (depth === DEEPEST) return null;
  if (Array.isArray(value)) {
    const elements: unknown[] = [];
    for (const each of value as unknown[]) {
      if (budget.left <= 0) break;
      elements.push(plain(each, depth + 1, budget));
    }
    return elements;
  }
  const members: Json = {};
  for (const [key, inner] of Object.entries(value)) {
    if (budget.left <= 0) break;
    if (!FORBIDDEN_KEYS.has(key)) members[key] = plain(inner, depth + 1, budget);
  }
  return members;
}

/** A link has an inward issue or an outward one. What has neither says nothing. */
function oneForm(link: unknown): Json[] {
  if (!isObject(link)) return [];
  const direction = isObject(link.inwardIssue) ? 'inward' : 'outward';
  const issue = direction === 'inward' ? link.inwardIssue : link.outwardIssue;
  if (!isObject(issue)) return [];
  const type = isObject(link.type) ? link.type : {};
  return [{ id: link.id, type: type.name, direction, description: type[direction], issue }];
}

function nameOf(value: unknown): string {
  return isObject(value) && typeof value.name === 'string' ? value.name : '';
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
