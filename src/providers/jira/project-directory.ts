import type { Position } from './cursor.js';
import { isProjectKey, noSuchProject } from './issue-key.js';
import { isJsonObject, JiraFailure, objectsIn, textIn, type JiraClient, type JsonObject } from './jira-client.js';
import { Remembered } from './remembered.js';

export interface Project {
  id: string;
  key: string;
  name: string;
  /** `software`, `business`, `service_desk`. */
  type: string;
}

export interface IssueType {
  id: string;
  name: string;
  subtask: boolean;
  statuses: string[];
}

export interface ProjectPage {
  projects: Project[];
  next: Position | null;
}

/** Jira's own limit on keys in a request, and the size of a page. */
const PAGE = 50;
const ALL = '';

/** Projects that the account sees. Cloud pages them; Server and Data Center give them all at once. */
export class ProjectDirectory {
  private readonly byKey = new Remembered<Project | 'none'>();
  private readonly all = new Remembered<Project[]>();
  private readonly types = new Remembered<IssueType[]>();
  private readonly typeNames = new Remembered<string[]>();

  constructor(private readonly client: JiraClient) {}

  /** Those of them that are there, by their present keys. */
  async known(keys: readonly string[], signal: AbortSignal): Promise<Project[]> {
    const asked = [...new Set(keys.filter(isProjectKey).map((key) => key.toUpperCase()))];
    const known = new Map(asked.map((key) => [key, this.byKey.get(key)]));
    const open = asked.filter((key) => known.get(key) === undefined);
    const size = this.client.isCloud ? PAGE : open.length;
    for (let at = 0; at < open.length; at += size) {
      const batch = open.slice(at, at + size);
      const found = new Map((await this.named(batch, signal)).map((project) => [project.key.toUpperCase(), project]));
      for (const key of batch) known.set(key, this.byKey.set(key, found.get(key) ?? 'none'));
    }
    return [...known.values()].filter((each) => typeof each === 'object');
  }

  /** @throws ToolFailure */
  async get(key: string, signal: AbortSignal): Promise<Project> {
    const [project] = await this.known([key], signal);
    if (!project) throw noSuchProject(key);
    return project;
  }

  /** As Jira describes it. @throws ToolFailure */
  async described(project: Project, signal: AbortSignal): Promise<JsonObject> {
    const answer = await this.client
      .ask(`project/${encodeURIComponent(project.id)}`, { signal })
      .catch(missing(project));
    return isJsonObject(answer) ? answer : {};
  }

  async page(query: string | undefined, { startAt = 0 }: Position, signal: AbortSignal): Promise<ProjectPage> {
    if (!this.client.isCloud) return pageOf(await this.everything(signal), query, startAt);
    const asked = new URLSearchParams({ startAt: String(startAt), maxResults: String(PAGE), orderBy: 'key' });
    if (query !== undefined) asked.set('query', query);
    const answer = await this.client.ask('project/search', { query: asked, signal });
    const { values, isLast, total } = isJsonObject(answer) ? answer : {};
    const raw = objectsIn(values);
    const end = startAt + raw.length;
    const hasMore = raw.length > 0 && isLast !== true && (typeof total !== 'number' || end < total);
    return { projects: raw.flatMap(projectIn), next: hasMore ? { startAt: end } : null };
  }

  /** @throws ToolFailure */
  async issueTypes(project: Project, signal: AbortSignal): Promise<IssueType[]> {
    return this.types.getOr(project.id, async () => {
      const path = `project/${encodeURIComponent(project.id)}/statuses`;
      const answer = await this.client.ask(path, { signal }).catch(missing(project));
      return objectsIn(answer).map(({ id, name, subtask, statuses }) => ({
        id: textIn(id),
        name: textIn(name),
        subtask: subtask === true,
        statuses: objectsIn(statuses).map((status) => textIn(status.name)),
      }));
    });
  }

  /** Those of the names that are types anywhere at this Jira, as Jira writes them. */
  async typesNamed(names: readonly string[], signal: AbortSignal): Promise<string[]> {
    const all = await this.typeNames.getOr(ALL, async () =>
      objectsIn(await this.client.ask('issuetype', { signal })).map(({ name }) => textIn(name)),
    );
    const asked = new Set(names.map((name) => name.toLowerCase()));
    return [...new Set(all)].filter((name) => name !== '' && asked.has(name.toLowerCase()));
  }

  private async named(keys: readonly string[], signal: AbortSignal): Promise<Project[]> {
    if (!this.client.isCloud) return this.everything(signal);
    const query = new URLSearchParams({ maxResults: String(PAGE) });
    for (const key of keys) query.append('keys', key);
    const answer = await this.client.ask('project/search', { query, signal });
    return objectsIn(isJsonObject(answer) ? answer.values : null).flatMap(projectIn);
  }

  private everything(signal: AbortSignal): Promise<Project[]> {
    return this.all.getOr(ALL, async () => objectsIn(await this.client.ask('project', { signal })).flatMap(projectIn));
  }
}

function projectIn({ id, key, name, projectTypeKey }: JsonObject): Project[] {
  if (typeof key !== 'string' || !isProjectKey(key)) return [];
  return [{ id: textIn(id), key, name: textIn(name) || key, type: textIn(projectTypeKey) }];
}

function pageOf(all: readonly Project[], query: string | undefined, startAt: number): ProjectPage {
  const wanted = query?.toLowerCase() ?? '';
  const fitting = all.filter(({ key, name }) => `${key}\n${name}`.toLowerCase().includes(wanted));
  const end = startAt + PAGE;
  return { projects: fitting.slice(startAt, end), next: end < fitting.length ? { startAt: end } : null };
}

function missing({ key }: Project): (error: unknown) => never {
  return (error) => {
    throw error instanceof JiraFailure && error.status === 404 ? noSuchProject(key) : error;
  };
}
