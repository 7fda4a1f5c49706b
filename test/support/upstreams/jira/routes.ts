import { randomUUID } from 'node:crypto';
import { JqlError, runJql } from './jql.js';
import { BEGINNING, STATUSES, TRANSITIONS, TYPES, type FakeIssue, type FakeProject, type World } from './world.js';

type Json = Record<string, unknown>;

export interface FakeRequest {
  method: string;
  /** Below `/rest/api/{version}/`. */
  path: string;
  query: URLSearchParams;
  body: Json;
}

export interface FakeAnswer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface FakeSettings {
  mode: 'cloud' | 'server';
  /** Of a Cloud from before `search/jql`. */
  hasOldSearch: boolean;
  timeZone: string;
  base: () => string;
}

const SYSTEM_FIELDS = [
  'summary',
  'description',
  'labels',
  'priority',
  'duedate',
  'parent',
  'issuetype',
  'project',
  'environment',
];

/** The endpoints of Jira that the product uses, as its documentation describes them. */
export class Routes {
  private readonly tokens = new Map<string, { jql: string; issues: readonly FakeIssue[] }>();

  constructor(
    private readonly world: World,
    private readonly settings: FakeSettings,
  ) {}

  answer(request: FakeRequest): FakeAnswer {
    const { method, path } = request;
    const [first = '', second = '', third = ''] = path.split('/').map(decodeURIComponent);
    if (method === 'GET' && path === 'serverInfo') return ok(this.serverInfo());
    if (method === 'GET' && path === 'myself') return ok({ displayName: 'Robot', timeZone: this.settings.timeZone });
    if (method === 'GET' && path === 'field') return ok(FIELDS);
    if (method === 'GET' && path === 'issuetype') return ok(TYPES);
    if (first === 'project') return this.project(request, second, third);
    if (first === 'search') return this.search(request, second);
    if (method === 'POST' && path === 'issue') return this.create(request.body);
    if (first === 'issue') return this.issue(request, second, third);
    return failure(404, 'No such resource');
  }

  private serverInfo(): Json {
    const isCloud = this.settings.mode === 'cloud';
    return {
      baseUrl: this.settings.base(),
      version: isCloud ? '1001.0.0-SNAPSHOT' : '8.20.0',
      versionNumbers: isCloud ? [1001, 0, 0] : [8, 20, 0],
      deploymentType: isCloud ? 'Cloud' : 'Server',
      buildNumber: 820_000,
      serverTime: '2023-07-14T12:35:00.000+0200',
      serverTitle: 'Acme Jira',
    };
  }

  private project({ query }: FakeRequest, idOrKey: string, more: string): FakeAnswer {
    if (idOrKey === '') return ok(this.world.projects.map((each) => this.shownProject(each)));
    if (idOrKey === 'search' && this.settings.mode === 'cloud') return ok(this.projectPage(query));
    const project = this.world.projects.find(({ id, key }) => id === idOrKey || key === idOrKey);
    if (!project) return failure(404, `No project could be found with key '${idOrKey}'.`);
    if (more === 'statuses') return ok(TYPES.map((type) => ({ ...type, statuses: STATUSES })));
    return ok({ ...this.shownProject(project), description: project.description, issueTypes: TYPES });
  }

  private projectPage(query: URLSearchParams): Json {
    const wanted = query.get('query')?.toLowerCase();
    const keys = query.getAll('keys');
    const fitting = this.world.projects.filter(
      ({ key, name }) =>
        (keys.length === 0 || keys.includes(key)) &&
        (wanted === undefined || `${key} ${name}`.toLowerCase().includes(wanted)),
    );
    const startAt = Number(query.get('startAt') ?? 0);
    const values = fitting.slice(startAt, startAt + Number(query.get('maxResults') ?? 50));
    const isLast = startAt + values.length >= fitting.length;
    return { startAt, total: fitting.length, isLast, values: values.map((each) => this.shownProject(each)) };
  }

  private search({ method, body }: FakeRequest, more: string): FakeAnswer {
    const isCurrent = more === 'jql';
    const { mode, hasOldSearch, timeZone } = this.settings;
    if (isCurrent && (mode === 'server' || hasOldSearch)) return failure(404, 'No such resource');
    if (!isCurrent && mode === 'cloud' && !hasOldSearch) return failure(410, 'The requested API has been removed.');
    if (method !== 'POST') return failure(405, 'Method Not Allowed');
    const jql = typeof body.jql === 'string' ? body.jql : '';
    if (isCurrent && /^\s*(order\s+by\b.*)?$/i.test(jql))
      return failure(400, 'Unbounded JQL queries are not allowed here.');
    const known = ['jql', 'fields', 'maxResults', isCurrent ? 'nextPageToken' : 'startAt'];
    if (Object.keys(body).some((name) => !known.includes(name))) return failure(400, 'Invalid request payload.');
    try {
      const found = runJql(this.world, jql, timeZone);
      return ok(isCurrent ? this.tokenPage(found, jql, body) : this.countedPage(found, body));
    } catch (error) {
      if (error instanceof JqlError) return failure(400, error.message);
      throw error;
    }
  }

  /** A token stands for what was found at first, so that nothing is skipped when an issue changes meanwhile. */
  private tokenPage(found: readonly FakeIssue[], jql: string, { nextPageToken, maxResults, fields }: Json): Json {
    const token = typeof nextPageToken === 'string' ? nextPageToken : null;
    const rest = token === null ? { jql, issues: found } : this.tokens.get(token);
    if (rest?.jql !== jql) throw new JqlError('The next page token is not one of this query.');
    const most = Number(maxResults ?? 50);
    const names = (fields as string[] | undefined) ?? ['id'];
    const issues = rest.issues.slice(0, most).map((issue) => this.shownIssue(issue, names));
    if (rest.issues.length <= most) return { issues, isLast: true };
    const next = randomUUID();
    this.tokens.set(next, { jql, issues: rest.issues.slice(most) });
    return { issues, isLast: false, nextPageToken: next };
  }

  private countedPage(found: readonly FakeIssue[], { startAt, maxResults, fields }: Json): Json {
    const at = Number(startAt ?? 0);
    const page = found.slice(at, at + Math.min(1_000, Number(maxResults ?? 50)));
    const issues = page.map((issue) => this.shownIssue(issue, fields as string[] | undefined));
    return { startAt: at, maxResults, total: found.length, issues };
  }

  private issue({ method, query, body }: FakeRequest, idOrKey: string, more: string): FakeAnswer {
    const issue = this.world.find(idOrKey);
    if (!issue) return failure(404, 'Issue does not exist or you do not have permission to see it.');
    const fields = query.get('fields')?.split(',');
    if (more === '' && method === 'GET') return ok(this.shownIssue(issue, fields));
    if (more === '' && method === 'PUT') return this.edit(issue, body.fields as Json);
    if (more === 'transitions' && method === 'GET') return ok({ transitions: TRANSITIONS.map(shownTransition) });
    if (more === 'transitions' && method === 'POST') return this.transition(issue, body);
    if (more === 'comment' && method === 'POST') return this.comment(issue, body.body);
    return failure(405, 'Method Not Allowed');
  }

  private create({ fields = {} }: { fields?: Json }): FakeAnswer {
    const named = fields.project as { id?: string; key?: string } | undefined;
    const project = this.world.projects.find(({ id, key }) => id === named?.id || key === named?.key);
    const typed = fields.issuetype as { id?: string; name?: string } | undefined;
    const type = TYPES.find(({ id, name }) => id === typed?.id || name === typed?.name);
    if (!project) return failure(400, undefined, { project: 'valid project is required' });
    if (!type) return failure(400, undefined, { issuetype: 'Specify a valid issue type' });
    const odd = this.oddText(fields);
    if (odd) return odd;
    const issue = this.world.add(project.key, type.name, String(fields.summary));
    this.edit(issue, fields);
    return { status: 201, body: { id: issue.id, key: this.world.keyOf(issue) } };
  }

  private edit(issue: FakeIssue, fields: Json): FakeAnswer {
    const unknown = Object.keys(fields).find(
      (name) => !SYSTEM_FIELDS.includes(name) && !FIELDS.some(({ id }) => id === name),
    );
    if (unknown !== undefined)
      return failure(400, undefined, {
        [unknown]: `Field '${unknown}' cannot be set. It is not on the appropriate screen.`,
      });
    const odd = this.oddText(fields);
    if (odd) return odd;
    const { summary, description, parent, project: _project, issuetype: _type, ...others } = fields;
    if (typeof summary === 'string') issue.summary = summary;
    if (description !== undefined) issue.description = description;
    if (parent !== undefined) issue.parent = this.world.find((parent as { key: string } | null)?.key ?? '')?.id ?? null;
    Object.assign(issue.fields, others);
    this.world.touch(issue);
    return { status: 204 };
  }

  private transition(issue: FakeIssue, body: Json): FakeAnswer {
    const { id } = (body.transition ?? {}) as { id?: string };
    const transition = TRANSITIONS.find((each) => each.id === id);
    if (!transition) return failure(400, `It seems that you have tried to perform an illegal workflow operation.`);
    const { comment = [] } = (body.update ?? {}) as { comment?: { add: { body: unknown } }[] };
    for (const { add } of comment) this.comment(issue, add.body);
    issue.status = transition.to;
    this.world.touch(issue);
    return { status: 204 };
  }

  private comment(issue: FakeIssue, body: unknown): FakeAnswer {
    const odd = this.oddText({ description: body });
    if (odd) return odd;
    const comment = { id: String(40_000 + issue.comments.length), body, created: issue.updated };
    issue.comments.push(comment);
    this.world.touch(issue);
    return { status: 201, body: this.shownComment(comment) };
  }

  /** Cloud's v3 takes documents, and Server's v2 takes texts. */
  private oddText({ description, environment, customfield_10030: area }: Json): FakeAnswer | null {
    const texts = [description, environment, area].filter((text) => text !== undefined && text !== null);
    const isCloud = this.settings.mode === 'cloud';
    const isRight = (text: unknown): boolean =>
      isCloud === (typeof text === 'object' && (text as { type?: unknown }).type === 'doc');
    if (texts.every(isRight)) return null;
    return failure(400, undefined, {
      description: 'Operation value must be an Atlassian Document (see the documentation)',
    });
  }

  private shownIssue(issue: FakeIssue, asked: readonly string[] = ['*navigable']): Json {
    const all = this.fieldsOf(issue);
    const names = asked.includes('*navigable') || asked.includes('*all') ? Object.keys(all) : asked;
    const fields = Object.fromEntries(names.filter((name) => name in all).map((name) => [name, all[name]]));
    return {
      id: issue.id,
      key: this.world.keyOf(issue),
      self: `${this.settings.base()}/rest/api/issue/${issue.id}`,
      fields,
    };
  }

  private fieldsOf(issue: FakeIssue): Json {
    const { world } = this;
    const parent = world.issues.find(({ id }) => id === issue.parent);
    return {
      customfield_10014: null,
      customfield_10016: null,
      customfield_10020: null,
      customfield_10030: null,
      ...issue.fields,
      summary: issue.summary,
      description: issue.description,
      status: { name: issue.status },
      issuetype: typeNamed(issue.type),
      project: this.shownProject(issue.project),
      created: jiraTime(issue.created),
      updated: jiraTime(issue.updated),
      comment: { comments: issue.comments.map((each) => this.shownComment(each)) },
      ...(parent ? { parent: this.briefly(parent) } : {}),
      subtasks: world.issues.filter((each) => each.parent === issue.id).map((each) => this.briefly(each)),
      issuelinks: world.links.flatMap(({ id, type, from, to }) => {
        const other = world.issues.find((each) => each.id === (from === issue.id ? to : from));
        if ((from !== issue.id && to !== issue.id) || !other) return [];
        return [{ id, type, [from === issue.id ? 'outwardIssue' : 'inwardIssue']: this.briefly(other) }];
      }),
    };
  }

  private briefly(issue: FakeIssue): Json {
    const { summary, status, type } = issue;
    const fields = { summary, status: { name: status }, issuetype: typeNamed(type) };
    return { id: issue.id, key: this.world.keyOf(issue), fields };
  }

  private shownProject({ id, key, name }: FakeProject): Json {
    return { id, key, name, projectTypeKey: 'software', self: `${this.settings.base()}/rest/api/project/${id}` };
  }

  private shownComment({ id, body, created }: { id: string; body: unknown; created: number }): Json {
    return { id, author: { displayName: 'Robot' }, body, created: jiraTime(created), updated: jiraTime(created) };
  }
}

const OWN_KINDS = 'com.atlassian.jira.plugin.system.customfieldtypes:';
const FIELDS = [
  ...['summary', 'description', 'labels', 'priority'].map((id) => ({ id, name: id, schema: { type: 'string' } })),
  customField('10014', 'Epic Link', { type: 'any', custom: 'com.pyxis.greenhopper.jira:gh-epic-link' }),
  customField('10016', 'Estimate', { type: 'number', custom: 'com.pyxis.greenhopper.jira:jsw-story-points' }),
  customField('10020', 'Note', { type: 'string', custom: `${OWN_KINDS}textfield` }),
  customField('10030', 'Area', { type: 'string', custom: `${OWN_KINDS}textarea` }),
  customField('10040', 'Other project', { type: 'project', custom: `${OWN_KINDS}project` }),
  customField('10050', 'Some picker', { type: 'string', custom: 'com.example.app:issue-picker' }),
  customField('10051', 'Twice', { type: 'number', custom: `${OWN_KINDS}float` }),
  customField('10052', 'Twice', { type: 'string', custom: 'com.example.app:issue-picker' }),
];

function customField(number: string, name: string, schema: Json): Json {
  return { id: `customfield_${number}`, name, custom: true, clauseNames: [`cf[${number}]`, name], schema };
}

export function failure(status: number, message?: string, errors: Json = {}): FakeAnswer {
  return { status, body: { errorMessages: message === undefined ? [] : [message], errors } };
}

function ok(body: unknown): FakeAnswer {
  return { status: 200, body };
}

function typeNamed(name: string): Json {
  return { ...(TYPES.find((type) => type.name === name) ?? { name }) };
}

function shownTransition({ id, name, to }: (typeof TRANSITIONS)[number]): Json {
  return { id, name, to: STATUSES.find((status) => status.name === to) };
}

/** As Jira writes it: milliseconds, and an offset without a colon. */
export function jiraTime(time: number = BEGINNING): string {
  return new Date(time + 7_200_000).toISOString().replace('Z', '+0200');
}
