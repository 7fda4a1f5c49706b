import type { ItemWindow, ProviderResource, ProviderResources, Reading } from '../kit/resources.js';
import { ToolFailure } from '../kit/tool.js';
import { cursorOf, positionIn, type Position } from './cursor.js';
import { DEFAULT_FIELDS } from './issue-fields.js';
import { issueItems, type IssueItem } from './issue-item.js';
import { isIssueOf, projectKeys } from './issue-key.js';
import { isoTime, jqlMinute } from './jira-time.js';
import { textIn } from './jira-client.js';
import type { JiraSession } from './jira-session.js';
import { quotedText } from './jql/jql-query.js';
import type { SearchPage } from './issue-search.js';
import type { Project } from './project-directory.js';
import { toProject } from './read-tools.js';
import { ITEM_SCHEMA } from './tool-schemas.js';

const URI = /^jira:\/\/([A-Za-z][A-Za-z0-9_]{0,254})(\/issues)?$/;
const PROJECTS = 'resources';
const ITEMS_A_PAGE = 100;
const SETTLES_MS = 5 * 60_000;

/** Every project, and below it the list of its issues. */
export function jiraResources(session: JiraSession): ProviderResources {
  return {
    templates: [],
    list: async (cursor, signal) => {
      const { projects, next } = await session.projects.page(undefined, positionIn(cursor, PROJECTS), signal);
      return {
        resources: projects.flatMap(resourcesOf),
        ...(next ? { nextCursor: cursorOf(PROJECTS, next) } : {}),
      };
    },
    read: async (uri, window, signal) => {
      const [, key, isList] = URI.exec(uri) ?? [];
      const [project] = key === undefined ? [] : await session.projects.known([key], signal);
      if (!project || project.key !== key) return null;
      if (isList === undefined) return projectText(session, project, signal);
      return new IssueItems(session, project, signal).read(window);
    },
  };
}

function resourcesOf({ id, key, name }: Project): ProviderResource[] {
  const uri = `jira://${key}`;
  return [
    {
      uri,
      name,
      description: `The ${key} project`,
      mimeType: 'application/json',
      type: 'project',
      externalId: id,
      operations: ['read'],
    },
    {
      uri: `${uri}/issues`,
      name: `${name} Issues`,
      description: `Issues in the ${key} project`,
      mimeType: 'application/json',
      type: 'issue',
      parent: uri,
      externalId: id,
      operations: ['read', 'create', 'update'],
      schema: ITEM_SCHEMA,
    },
  ];
}

async function projectText(session: JiraSession, project: Project, signal: AbortSignal): Promise<Reading> {
  const described = await session.projects.described(project, signal);
  // Without its issue types: a filter on types does not reach this text.
  const document = { ...toProject(project, session.client.pagesUrl), description: textIn(described.description) };
  return { kind: 'text', text: JSON.stringify(document), mimeType: 'application/json' };
}

/** Issues of one project, those updated longest ago first, so that what changes while it is read comes again at the end. */
class IssueItems {
  constructor(
    private readonly session: JiraSession,
    private readonly project: Project,
    private readonly signal: AbortSignal,
  ) {}

  async read(window: ItemWindow): Promise<Reading> {
    const position = positionIn(window.cursor, this.project.key);
    const asked = window.cursor === undefined ? window.since : position.since;
    const since = asked === undefined ? null : timeOf(asked);
    const page = await this.page(since, position);
    const own = projectKeys([this.project.key]);
    const items = issueItems(page.issues, this.session.client.pagesUrl).filter(
      (item) => isIssueOf(item.key, own) && (page.since === null || item.updated_at >= page.since),
    );
    const before = position.checkpoint ?? since;
    const checkpoint = latest([before, this.settled(latest(items.map((item) => item.updated_at)))]);
    const { next } = page;
    return {
      kind: 'items',
      items,
      checkpoint,
      ...(next ? { nextCursor: cursorOf(this.project.key, { ...next, ...marksOf(page, items, checkpoint) }) } : {}),
    };
  }

  /**
   * Cloud's search may show an older change after a newer one, seconds to minutes later: what is so new is read once more.
   * https://developer.atlassian.com/cloud/jira/platform/search-and-reconcile/
   */
  private settled(time: string | null): string | null {
    if (time === null || !this.session.client.isCloud) return time;
    const certain = new Date(Date.now() - SETTLES_MS).toISOString();
    return time < certain ? time : certain;
  }

  /**
   * Where Jira counts, an issue that is updated in between leaves its place, and the one after the last would be skipped. So
   * the last one is asked for again: where it is not where it was, the listing begins anew with what was updated since it.
   */
  private async page(since: string | null, position: Position): Promise<SearchPage & { since: string | null }> {
    const { startAt = 0, last, updated } = position;
    if (startAt === 0) return { ...(await this.ask(since, position, ITEMS_A_PAGE)), since };
    const page = await this.ask(since, { startAt: startAt - 1 }, ITEMS_A_PAGE + 1);
    const [first, ...rest] = page.issues;
    if (first && textIn(first.id) === last) return { ...page, issues: rest, since };
    const again = updated === undefined ? since : timeOf(updated);
    return { ...(await this.ask(again, {}, ITEMS_A_PAGE)), since: again };
  }

  private ask(since: string | null, position: Position, maxResults: number): Promise<SearchPage> {
    const { session, project, signal } = this;
    const from =
      since === null
        ? ''
        : ` AND updated >= "${jqlMinute(new Date(Math.max(0, Date.parse(since))), session.timeZone)}"`;
    const jql = `project = ${quotedText(project.key)}${from} ORDER BY updated ASC, key ASC`;
    return session.search.page({ jql, fields: DEFAULT_FIELDS, maxResults, signal }, position);
  }
}

/** What the next page needs to know of this one. */
function marksOf(
  page: SearchPage & { since: string | null },
  items: readonly IssueItem[],
  checkpoint: string | null,
): Position {
  const last = page.issues.at(-1);
  const updated = items.at(-1)?.updated_at ?? page.since;
  return {
    ...(last ? { last: textIn(last.id) } : {}),
    ...(updated === null ? {} : { updated }),
    ...(page.since === null ? {} : { since: page.since }),
    ...(checkpoint === null ? {} : { checkpoint }),
  };
}

function latest(times: readonly (string | null)[]): string | null {
  return times.reduce(
    (largest, time) => (largest === null || (time !== null && time > largest) ? time : largest),
    null,
  );
}

/** @throws ToolFailure for what is no time */
function timeOf(text: string): string {
  const time = /^\d{4}-\d\d-\d\dT[\d:.]{5,18}(Z|[+-]\d\d:\d\d)$/.test(text) ? isoTime(text) : null;
  if (time === null) throw new ToolFailure('since must be an ISO 8601 time, such as 2026-01-31T12:00:00Z');
  return time;
}
