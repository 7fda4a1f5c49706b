import { ToolFailure } from '../../kit/tool.js';
import { isSameKey, projectOfKey } from '../issue-key.js';
import { parsedJql } from './jql-parser.js';
import {
  plainName,
  quotedText,
  writtenCondition,
  writtenOrder,
  type JqlCondition,
  type JqlField,
  type JqlOperand,
  type JqlQuery,
} from './jql-query.js';

/** What a query may name. */
export interface JqlBounds {
  /** Keys, names and ids of the projects that are allowed, as Jira compares them: in lower case. */
  projects: ReadonlySet<string>;
  /** Keys alone, as Jira writes them. */
  keys: readonly string[];
  /** Whether the issue of this id is in one of them. */
  hasIssue: (id: string) => Promise<boolean>;
  /** Whether each of these keys, all of the projects by their names, is that of an issue in one of them. */
  haveIssues: (keys: readonly string[]) => Promise<boolean>;
  /** Whether a field that is none of Jira's well-known ones may hold issues. */
  mayHoldIssues: (field: JqlField) => Promise<boolean>;
}

const PROJECT_FIELDS: ReadonlySet<string> = new Set(['project', 'space', 'projectkey', 'parentproject', 'parentspace']);
const ISSUE_FIELDS: ReadonlySet<string> = new Set(
  [
    'key',
    'issuekey',
    'issue',
    'id',
    'parent',
    'parentissue',
    'epiclink',
    'parentlink',
    'issuelink',
    'linkedissue',
  ].concat([
    'workitem',
    'workitemkey',
    'linkedworkitem',
    'parentworkitem',
    'subtasks',
    'subtask',
    'epic',
    'parentepic',
  ]),
);
/** Stored queries say what their owner likes. */
const STORED_QUERIES: ReadonlySet<string> = new Set(['filter', 'request', 'savedfilter', 'searchrequest']);
/** Jira's own fields whose values are neither projects nor issues, so that `fixVersion = RC-1` is no issue. */
const PLAIN_FIELDS: ReadonlySet<string> = new Set(
  `affectedversion assignee attachments category comment component created createddate creator description due duedate
  environment fixversion hierarchylevel issuetype labels lastviewed level originalestimate priority projecttype remainingestimate
  reporter resolution resolutiondate resolved sprint status statuscategory statuscategorychangeddate summary text timeestimate
  timeoriginalestimate timespent type updated updateddate voter votes watcher watchers worklogauthor worklogcomment worklogdate
  workratio workitemtype storypoints team`.split(/\s+/),
);

/** Functions whose arguments are neither issues nor projects nor queries. Of others nobody knows what they name. */
const PLAIN_FUNCTIONS: ReadonlySet<string> = new Set(
  `cascadeoption choiceoption componentsleadbyuser currentlogin currentuser endofday endofmonth endofweek endofyear issuehistory
  lastlogin membersof now opensprints closedsprints futuresprints projectsleadbyuser projectswhereuserhaspermission
  projectswhereuserhasrole standardissuetypes startofday startofmonth startofweek startofyear subtaskissuetypes updatedby
  votedissues watchedissues workitemhistory standardworktypes subtaskworktypes`.split(/\s+/),
);
const PROJECT_FUNCTIONS: ReadonlySet<string> = new Set(
  'earliestunreleasedversion latestreleasedversion releasedversions unreleasedversions'.split(' '),
);
/** Their first argument is an issue, and what follows is no issue. */
const ISSUE_FUNCTIONS: ReadonlySet<string> = new Set(
  'childissuesof linkedissue linkedissues linkedworkitem linkedworkitems parentissuesof portfoliochildissuesof'.split(
    ' ',
  ),
);

const MOST_LOOKUPS = 20;
const DEFAULT_ORDER = 'updated DESC';

/**
 * The caller's query within the projects: nothing in it can reach beyond, because it is written anew in brackets of its own;
 * and what names another project is refused, so that nobody takes an empty answer for one about it.
 * @throws ToolFailure
 */
export async function boundedJql(jql: string, bounds: JqlBounds, types: readonly string[] | null): Promise<string> {
  const query = parsedJql(jql);
  if (query.condition) await requireWithin(query.condition, bounds);
  return writtenWithin(query, [oneOf('project', bounds.keys), ...(types ? [oneOf('issuetype', types)] : [])]);
}

/**
 * Jira's own words about a query would tell what exists elsewhere: it refuses what does not exist, and finds nothing of what
 * exists beyond the bounds. So the same is said of both.
 */
export function jqlNotAccepted(): ToolFailure {
  return new ToolFailure("Jira does not accept the JQL: a field or value in it is not known, or can't be used so");
}

async function requireWithin(condition: JqlCondition, bounds: JqlBounds): Promise<void> {
  const check = new BoundsCheck(bounds);
  await check.condition(condition);
  if (!(await bounds.haveIssues([...check.named]))) throw jqlNotAccepted();
}

/** The query within types of issues, whatever projects it names. @throws ToolFailure */
export function jqlOfTypes(jql: string, types: readonly string[]): string {
  return writtenWithin(parsedJql(jql), [oneOf('issuetype', types)]);
}

function oneOf(field: string, values: readonly string[]): string {
  return `${field} in (${values.map(quotedText).join(', ')})`;
}

function writtenWithin({ condition, orderBy }: JqlQuery, bounds: readonly string[]): string {
  const where = [...bounds, ...(condition ? [`(${writtenCondition(condition)})`] : [])].join(' AND ');
  return `${where} ORDER BY ${orderBy.length > 0 ? writtenOrder(orderBy) : DEFAULT_ORDER}`;
}

class BoundsCheck {
  /** Keys of issues that the query names. */
  readonly named = new Set<string>();
  private lookups = 0;

  constructor(private readonly bounds: JqlBounds) {}

  async condition(condition: JqlCondition): Promise<void> {
    if (condition.kind === 'not') return this.condition(condition.condition);
    if (condition.kind !== 'clause') {
      for (const each of condition.conditions) await this.condition(each);
      return;
    }
    const { field, operand, predicates } = condition;
    if (STORED_QUERIES.has(plainName(field.name)))
      throw new ToolFailure(
        `${field.name} at character ${field.at}: a stored query can't be used within granted projects`,
      );
    for (const each of [operand, ...predicates.map((predicate) => predicate.operand)])
      if (each) await this.operand(field, each);
  }

  private async operand(field: JqlField, operand: JqlOperand): Promise<void> {
    if (operand.kind === 'list') for (const each of operand.operands) await this.operand(field, each);
    else if (operand.kind === 'function') await this.function(operand);
    else if (operand.kind === 'value') await this.value(field, operand.value.trim(), operand.at);
  }

  private async value(field: JqlField, value: string, at: number): Promise<void> {
    const name = plainName(field.name);
    if (field.kind === 'name' && PROJECT_FIELDS.has(name)) return this.project(value, at);
    if (field.kind === 'name' && ISSUE_FIELDS.has(name)) return this.issue(value, at);
    if (field.kind === 'name' && PLAIN_FIELDS.has(name)) return;
    // A custom field may be an epic link under another name, which takes ids as well. Jira reads the digits of every script.
    const isKey = projectOfKey(value.normalize('NFKC').toUpperCase()) !== null;
    const isNumber = /^[+-]?\p{Nd}+$/u.test(value);
    if (isKey || (isNumber && (await this.bounds.mayHoldIssues(field)))) await this.issue(value, at);
  }

  private async function({ name, args, at }: Extract<JqlOperand, { kind: 'function' }>): Promise<void> {
    const known = name.toLowerCase();
    const [first] = args;
    if (PLAIN_FUNCTIONS.has(known) || args.length === 0) return;
    if (PROJECT_FUNCTIONS.has(known)) for (const each of args) this.project(each.trim(), at);
    else if (ISSUE_FUNCTIONS.has(known) && first !== undefined) await this.issue(first.trim(), at);
    else throw new ToolFailure(`${name}() at character ${at}: what this function names can't be told`);
  }

  private project(value: string, at: number): void {
    if (!this.bounds.projects.has(value.toLowerCase())) throw notWithin(value, at);
  }

  /** By its key, which names the project, or by its id, which Jira has to be asked about. */
  private async issue(value: string, at: number): Promise<void> {
    const key = projectOfKey(value);
    if (key !== null && this.bounds.keys.some((allowed) => isSameKey(allowed, key))) {
      this.named.add(value.toUpperCase());
      return;
    }
    if (key === null && /^\d{1,18}$/.test(value)) {
      if (++this.lookups > MOST_LOOKUPS)
        throw new ToolFailure(`The JQL names more than ${MOST_LOOKUPS} issues by their ids`);
      if (await this.bounds.hasIssue(value)) return;
    }
    throw notWithin(value, at);
  }
}

function notWithin(value: string, at: number): ToolFailure {
  return new ToolFailure(
    `${value.slice(0, 100)} at character ${at} of the JQL is not within the projects of this search`,
  );
}
