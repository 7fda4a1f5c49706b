import { ToolFailure } from '../kit/tool.js';
import { isJsonObject, objectsIn, textIn, type JiraClient, type JsonObject } from './jira-client.js';
import { plainName, type JqlField } from './jql/jql-query.js';
import { Remembered } from './remembered.js';

/** What an item is made of, whatever else was asked for. */
const BASE = ['summary', 'status', 'issuetype', 'project', 'updated'];
export const DEFAULT_FIELDS = [
  ...BASE,
  ...'assignee components created creator description duedate environment fixVersions issuelinks labels parent'.split(
    ' ',
  ),
  ...'priority reporter resolution resolutiondate subtasks versions'.split(' '),
];
/** Fields whose values are no other issues, or issues in a form that is judged. */
const READABLE: ReadonlySet<string> = new Set([
  ...DEFAULT_FIELDS,
  ...'attachment comment lastViewed progress security statuscategorychangedate timeestimate timeoriginalestimate'.split(
    ' ',
  ),
  ...'timespent timetracking votes watches worklog workratio'.split(' '),
]);
/** What a write may set beside its own arguments. Nothing that moves an issue, links it or makes it another kind. */
const WRITABLE: ReadonlySet<string> = new Set(
  'assignee components duedate environment fixVersions labels parent priority reporter timetracking versions'.split(
    ' ',
  ),
);
const ARGUMENTS: ReadonlyMap<string, string> = new Map([
  ['summary', 'use the argument summary'],
  ['description', 'use the argument description'],
]);

const CUSTOM = /^customfield_\d{1,12}$/;
const MOST_FIELDS = 100;
/** Of whatever app: such a value can't be an issue or a project. */
const HARMLESS_TYPES: ReadonlySet<unknown> = new Set([
  'number',
  'date',
  'datetime',
  'user',
  'option',
  'version',
  'group',
]);
const LIST_TYPES: ReadonlySet<unknown> = new Set(['user', 'option', 'version', 'group', 'string']);
/** Jira's own kinds: their texts are texts. Those of apps may be keys, as epic links are. */
const OWN_KINDS = 'com.atlassian.jira.plugin.system.customfieldtypes:';

interface KnownField {
  id: string;
  /** What a query may call it by, as they are compared. */
  names: ReadonlySet<string>;
  schema: JsonObject;
}

/** Which fields may be read and written. What a custom field holds is looked up, because it may be another project's issue. */
export class IssueFields {
  private readonly catalogue = new Remembered<readonly KnownField[]>();

  constructor(private readonly client: JiraClient) {}

  /** @throws ToolFailure naming a field that is not to be had */
  async readable(asked: readonly string[] | undefined, signal: AbortSignal): Promise<string[]> {
    if (asked === undefined) return DEFAULT_FIELDS;
    if (asked.length > MOST_FIELDS) throw new ToolFailure(`More than ${MOST_FIELDS} fields are asked for`);
    for (const name of asked) if (!READABLE.has(name)) await this.requireHarmless(name, signal);
    return [...new Set([...BASE, ...asked])];
  }

  /**
   * @returns those of them whose texts are documents at Cloud
   * @throws ToolFailure naming a field that can't be set
   */
  async writable(names: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    if (names.length > MOST_FIELDS) throw new ToolFailure(`More than ${MOST_FIELDS} fields are to be set`);
    const documents = new Set<string>();
    for (const name of names) {
      const instead = ARGUMENTS.get(name);
      if (instead !== undefined) throw new ToolFailure(`The field ${name} can't be set here: ${instead}`);
      const schema = WRITABLE.has(name) ? null : await this.requireHarmless(name, signal);
      if (name === 'environment' || schema?.custom === `${OWN_KINDS}textarea`) documents.add(name);
    }
    return documents;
  }

  /** Of a field in a query. What the catalogue does not know may be anything, as may one of several with the same name. */
  async mayHoldIssues({ kind, name }: JqlField, signal: AbortSignal): Promise<boolean> {
    const isMeant = ({ id, names }: KnownField): boolean =>
      kind === 'custom' ? id === `customfield_${name}` : names.has(plainName(name));
    const meant = (await this.all(signal)).filter(isMeant);
    return meant.length === 0 || !meant.every(({ schema }) => isHarmless(schema));
  }

  private async requireHarmless(name: string, signal: AbortSignal): Promise<JsonObject> {
    const schema = CUSTOM.test(name) ? (await this.all(signal)).find(({ id }) => id === name)?.schema : undefined;
    if (schema && isHarmless(schema)) return schema;
    throw new ToolFailure(
      `The field ${name.slice(0, 100)} is not available: there are Jira's own fields by their ids, and custom fields ` +
        '(customfield_10001) that hold no issues or projects',
    );
  }

  private all(signal: AbortSignal): Promise<readonly KnownField[]> {
    return this.catalogue.getOr('all', async () =>
      objectsIn(await this.client.ask('field', { signal })).map(knownField),
    );
  }
}

function knownField({ id, name, clauseNames, schema }: JsonObject): KnownField {
  const names = [id, name, ...(Array.isArray(clauseNames) ? (clauseNames as unknown[]) : [])];
  return {
    id: textIn(id),
    names: new Set(names.map((each) => plainName(textIn(each)))),
    schema: isJsonObject(schema) ? schema : {},
  };
}

function isHarmless({ type, items, custom }: JsonObject): boolean {
  if (HARMLESS_TYPES.has(type)) return true;
  const isOwn = textIn(custom).startsWith(OWN_KINDS);
  return isOwn && (type === 'string' || (type === 'array' && LIST_TYPES.has(items)));
}
