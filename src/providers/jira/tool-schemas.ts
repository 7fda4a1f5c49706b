import type { ObjectSchema } from '../kit/tool.js';
import { ISSUE_KEY_PATTERN, PROJECT_KEY_PATTERN } from './issue-key.js';

const TEXT = { type: 'string' };

/** Of one item: what every issue says, beside the fields of Jira. */
export const ITEM_SCHEMA: ObjectSchema = {
  type: 'object',
  properties: {
    id: { ...TEXT, description: 'Number of the issue' },
    key: { ...TEXT, description: 'Key of the issue, such as DEV-1' },
    issue_id: { ...TEXT, description: 'The key again: what mappings call it' },
    title: { ...TEXT, description: 'Summary of the issue' },
    summary: { type: ['string', 'null'] },
    url: { ...TEXT, description: 'Its page' },
    status: { ...TEXT, description: 'Name of its status' },
    updated_at: { ...TEXT, format: 'date-time' },
    project: { ...TEXT, description: 'Key of its project' },
    issue_type: { ...TEXT, description: 'Name of its type' },
    description: { description: 'Plain text' },
    issuelinks: {
      description: 'Links, each with type, direction (inward or outward), description and the other issue',
    },
  },
  required: ['id', 'key', 'issue_id', 'title', 'url', 'status', 'updated_at', 'project', 'issue_type'],
};

const COMMENT_SCHEMA: ObjectSchema = {
  type: 'object',
  properties: {
    id: TEXT,
    issue_key: TEXT,
    author: TEXT,
    body: TEXT,
    created_at: { type: ['string', 'null'] },
    updated_at: { type: ['string', 'null'] },
  },
  required: ['id', 'issue_key', 'author', 'body', 'created_at', 'updated_at'],
};

const PROJECT_SCHEMA: ObjectSchema = {
  type: 'object',
  properties: { id: TEXT, key: TEXT, name: TEXT, type: TEXT, url: TEXT },
  required: ['id', 'key', 'name', 'type', 'url'],
};

const ISSUE_TYPE_SCHEMA: ObjectSchema = {
  type: 'object',
  properties: { id: TEXT, name: TEXT, subtask: { type: 'boolean' }, statuses: { type: 'array', items: TEXT } },
  required: ['id', 'name', 'subtask', 'statuses'],
};

const CURSOR = { ...TEXT, maxLength: 8_192 };
const NEXT_CURSOR = { ...TEXT, description: 'Pass it as cursor for what follows; missing at the end' };

export const OUTPUT = {
  issue: outputOf({ issue: ITEM_SCHEMA }, ['issue']),
  issues: outputOf({ issues: { type: 'array', items: ITEM_SCHEMA }, next_cursor: NEXT_CURSOR }, ['issues']),
  comment: outputOf({ comment: COMMENT_SCHEMA }, ['comment']),
  projects: outputOf({ projects: { type: 'array', items: PROJECT_SCHEMA }, next_cursor: NEXT_CURSOR }, ['projects']),
  issueTypes: outputOf({ issue_types: { type: 'array', items: ISSUE_TYPE_SCHEMA } }, ['issue_types']),
};

/** Arguments by name, as the tools share them. */
export const INPUT = {
  issueKey: { ...TEXT, pattern: ISSUE_KEY_PATTERN, description: 'Key of the issue, such as DEV-1' },
  projectKey: { ...TEXT, pattern: PROJECT_KEY_PATTERN, description: 'Key of the project, such as DEV' },
  projects: {
    type: 'array',
    items: { ...TEXT, pattern: PROJECT_KEY_PATTERN },
    maxItems: 1_000,
    description: 'Keys of the projects to search; a grant fills it in by itself',
  },
  issueTypes: {
    type: 'array',
    items: { ...TEXT, minLength: 1, maxLength: 255 },
    maxItems: 1_000,
    description: 'Names of the types to search; a grant with a filter on types fills it in by itself',
  },
  jql: {
    ...TEXT,
    maxLength: 10_000,
    description: 'JQL, such as: status = "In Progress" AND assignee = currentUser() ORDER BY priority DESC',
  },
  fields: {
    type: 'array',
    items: { ...TEXT, maxLength: 100 },
    maxItems: 100,
    description: "Jira's fields by their ids, such as labels, comment or customfield_10016; the usual ones if left out",
  },
  fieldValues: {
    type: 'object',
    maxProperties: 100,
    description: 'Further fields by their ids, with values as Jira takes them: {"labels": ["ui"], "parent": "DEV-1"}',
  },
  summary: { ...TEXT, minLength: 1, maxLength: 255, description: 'One line that says what it is about' },
  longText: { ...TEXT, maxLength: 32_767, description: 'Plain text; an empty line begins a paragraph' },
  cursor: { ...CURSOR, description: 'The next_cursor of the page before, with the other arguments as they were' },
};

export function inputOf(properties: Record<string, object>, required: readonly string[] = []): ObjectSchema {
  return { type: 'object', properties, ...(required.length > 0 ? { required } : {}), additionalProperties: false };
}

function outputOf(properties: Record<string, object>, required: readonly string[]): ObjectSchema {
  return { type: 'object', properties, required };
}
