import { blobId, type Document, type Documents } from './documents.js';
import { parseAdvanced, parseLegacy, QueryError, type Matches, type Searched } from './search-grammar.js';
import { fullName, type FakeEntry, type FakeIssue, type FakeRepository, type FakeWorld } from './world.js';

export interface Asked {
  method: string;
  /** Below the API's address, still encoded. */
  path: string;
  query: URLSearchParams;
  body: Document;
  /** Of whose token it is. */
  login: string;
  isInstallation: boolean;
}

export interface Reply {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

/** A page of a list: the server cuts it and writes the Link header. */
export class Rows {
  constructor(
    readonly all: readonly unknown[],
    readonly wrap: (page: readonly unknown[]) => unknown = (page) => page,
  ) {}
}

export const error = (status: number, message: string, more: Document = {}): Reply => ({
  status,
  body: { message, documentation_url: 'https://docs.github.com/rest', status: String(status), ...more },
});
const NOT_FOUND = error(404, 'Not Found');

/** The routes of GitHub's REST API that the product uses, over a world of plain data. */
export class Routes {
  constructor(
    private readonly world: FakeWorld,
    private readonly documents: Documents,
    private readonly options: { advancedSearch: boolean; prefix: () => string },
  ) {}

  answer(asked: Asked): Reply | Rows {
    const { method, path } = asked;
    if (path === '/user')
      return asked.isInstallation
        ? error(403, 'Resource not accessible by integration')
        : { status: 200, body: { ...this.documents.user(asked.login), plan: { name: 'pro' } } };
    if (path === '/user/repos')
      return asked.isInstallation ? error(403, 'Resource not accessible by integration') : this.repositories();
    if (path === '/installation/repositories')
      return asked.isInstallation
        ? new Rows(this.repositories().all, (repositories) => ({
            total_count: this.world.repositories.size,
            repositories,
          }))
        : error(403, 'You must authenticate with an installation access token');
    if (path === '/search/issues')
      return this.search(asked.query, this.options.advancedSearch ? parseAdvanced : parseLegacy, this.issuesFound());
    if (path === '/search/code') return this.search(asked.query, parseLegacy, this.filesFound());
    const match = /^\/(?:repos\/([^/]+)\/([^/]+)|repositories\/(\d+))(\/.*)?$/.exec(path);
    if (!match) return NOT_FOUND;
    const [, owner = '', name = '', id, rest = ''] = match;
    const former = id === undefined ? this.world.renamedFrom(owner, name) : undefined;
    if (former) return this.moved(`/repositories/${former.id}${rest}`, asked);
    const repository = id === undefined ? this.world.get(owner, name) : this.world.repositories.get(Number(id));
    if (!repository) return NOT_FOUND;
    return this.inRepository(repository, method, rest, asked);
  }

  /** GitHub keeps the method of a write by 307. */
  private moved(path: string, { method, query }: Asked): Reply {
    const search = query.size > 0 ? `?${query.toString()}` : '';
    const location = `${this.options.prefix()}${path}${search}`;
    const body = { message: 'Moved Permanently', url: location };
    return { status: method === 'GET' ? 301 : 307, body, headers: { location } };
  }

  private repositories(): Rows {
    return new Rows([...this.world.repositories.values()].map((each) => this.documents.repository(each)));
  }

  private inRepository(repository: FakeRepository, method: string, rest: string, asked: Asked): Reply | Rows {
    if (rest === '') return { status: 200, body: this.documents.repository(repository) };
    const [, part = '', first = '', second] = /^\/([^/]+)(?:\/([^/]*)(?:\/(.*))?)?$/s.exec(rest) ?? [];
    switch (part) {
      case 'issues':
        return repository.hasIssues
          ? this.issues(repository, method, { number: first, part: second }, asked)
          : error(410, 'Issues are disabled for this repo');
      case 'pulls':
        return this.pulls(repository, first, asked.query);
      case 'branches':
        return new Rows([...repository.trees.keys()].map((name) => this.documents.branch(repository, name)));
      case 'commits':
        return this.commits(repository, asked.query);
      case 'contents':
        return this.contents(repository, rest.slice('/contents/'.length), asked.query);
      case 'git':
        return this.blob(repository, second ?? '');
      default:
        return NOT_FOUND;
    }
  }

  private issues(
    repository: FakeRepository,
    method: string,
    { number, part }: { number: string; part: string | undefined },
    asked: Asked,
  ): Reply | Rows {
    if (number === '')
      return method === 'POST' ? this.create(repository, asked) : this.issueList(repository, asked.query);
    const moved = repository.transferred.get(Number(number));
    if (moved) {
      const target = this.world.named(...(moved.repository.split('/') as [string, string]));
      return this.moved(
        `/repositories/${target.id}/issues/${moved.number}${part === undefined ? '' : `/${part}`}`,
        asked,
      );
    }
    const issue = repository.issues.get(Number(number));
    if (!issue) return NOT_FOUND;
    if (method === 'POST' && part === 'comments') return this.addComment(repository, issue, asked);
    if (method === 'PATCH') return this.update(repository, issue, asked.body);
    return { status: 200, body: this.documents.issue(repository, issue) };
  }

  private issueList(repository: FakeRepository, query: URLSearchParams): Rows {
    const labels = query.get('labels')?.split(',') ?? [];
    const since = query.get('since') ?? '';
    const issues = sorted([...repository.issues.values()], query).filter(
      (issue) =>
        ofState(issue, query) && issue.updatedAt >= since && labels.every((label) => issue.labels.includes(label)),
    );
    return new Rows(issues.map((issue) => this.documents.issue(repository, issue)));
  }

  private create(repository: FakeRepository, { body, login }: Asked): Reply {
    const { title } = body;
    if (typeof title !== 'string' || title.trim() === '')
      return error(422, 'Validation Failed', {
        errors: [{ resource: 'Issue', code: 'missing_field', field: 'title' }],
      });
    const issue = this.world.addIssue(repository, { title, user: login });
    this.change(issue, body);
    return { status: 201, body: this.documents.issue(repository, issue) };
  }

  private update(repository: FakeRepository, issue: FakeIssue, body: Document): Reply {
    if (Array.isArray(body.assignees) && body.assignees.includes('nobody'))
      return error(422, 'Validation Failed', {
        errors: [{ resource: 'Issue', code: 'invalid', field: 'assignees', value: 'nobody' }],
      });
    this.change(issue, body);
    issue.updatedAt = this.world.now();
    return { status: 200, body: this.documents.issue(repository, issue) };
  }

  private change(issue: FakeIssue, { title, body, labels, assignees, state, state_reason: reason }: Document): void {
    if (typeof title === 'string') issue.title = title;
    if (typeof body === 'string') issue.body = body;
    if (Array.isArray(labels)) issue.labels = labels as string[];
    if (Array.isArray(assignees)) issue.assignees = assignees as string[];
    if (state === 'open' || state === 'closed') issue.state = state;
    if (typeof reason === 'string') issue.stateReason = reason;
  }

  private addComment(repository: FakeRepository, issue: FakeIssue, { body, login }: Asked): Reply {
    const comment = { id: this.world.id(), body: String(body.body), user: login, createdAt: this.world.now() };
    issue.comments.push(comment);
    issue.updatedAt = comment.createdAt;
    return { status: 201, body: this.documents.comment(repository, issue, comment) };
  }

  private pulls(repository: FakeRepository, number: string, query: URLSearchParams): Reply | Rows {
    const pulls = [...repository.issues.values()].filter(({ pull }) => pull !== undefined);
    if (number === '') {
      const base = query.get('base');
      const listed = sorted(pulls, query).filter(
        (pull) => ofState(pull, query) && (base === null || pull.pull?.base === base),
      );
      return new Rows(listed.map((pull) => this.documents.pull(repository, pull)));
    }
    const pull = pulls.find((each) => each.number === Number(number));
    return pull ? { status: 200, body: this.documents.pull(repository, pull) } : NOT_FOUND;
  }

  private commits(repository: FakeRepository, query: URLSearchParams): Reply | Rows {
    const branch = query.get('sha');
    if (branch !== null && !repository.trees.has(branchIn(branch))) return NOT_FOUND;
    const [path, since] = [query.get('path'), query.get('since') ?? ''];
    const commits = repository.commits.filter(
      ({ paths, date }) => (path === null || paths.includes(path)) && date >= since,
    );
    return new Rows(commits.map((commit) => this.documents.commit(repository, commit)));
  }

  private contents(repository: FakeRepository, encoded: string, query: URLSearchParams): Reply {
    const tree = repository.trees.get(branchIn(query.get('ref') ?? 'main'));
    if (!tree) return error(404, 'No commit found for the ref');
    const path = decodeURIComponent(encoded);
    const entry = tree.get(path);
    if (entry) return { status: 200, body: this.documents.entry(repository, path, entry, true) };
    const below = path === '' ? '' : `${path}/`;
    const children = new Map<string, FakeEntry | 'dir'>();
    for (const [each, value] of tree) {
      if (!each.startsWith(below)) continue;
      const [child = '', ...deeper] = each.slice(below.length).split('/');
      children.set(below + child, deeper.length > 0 ? 'dir' : value);
    }
    if (children.size === 0) return NOT_FOUND;
    return { status: 200, body: [...children].map(([each, value]) => this.documents.entry(repository, each, value)) };
  }

  private blob(repository: FakeRepository, id: string): Reply {
    const found = [...(repository.trees.get('main') ?? [])].find(([path]) => blobId(path) === id)?.[1];
    if (!found || !('bytes' in found)) return NOT_FOUND;
    return {
      status: 200,
      body: { sha: id, size: found.bytes.length, encoding: 'base64', content: found.bytes.toString('base64') },
    };
  }

  private search(
    query: URLSearchParams,
    parse: (query: string) => Matches,
    searched: [Searched, Document][],
  ): Reply | Rows {
    const text = query.get('q') ?? '';
    if (text === '')
      return error(422, 'Validation Failed', { errors: [{ resource: 'Search', field: 'q', code: 'missing' }] });
    try {
      const matches = parse(text);
      const found = searched.filter(([item]) => matches(item)).map(([, document]) => document);
      return new Rows(found.slice(0, 1_000), (items) => ({
        total_count: found.length,
        incomplete_results: false,
        items,
      }));
    } catch (failure) {
      if (!(failure instanceof QueryError)) throw failure;
      return error(422, 'Validation Failed', {
        errors: [{ message: failure.message, resource: 'Search', field: 'q', code: 'invalid' }],
      });
    }
  }

  private issuesFound(): [Searched, Document][] {
    return [...this.world.repositories.values()].flatMap((repository) =>
      [...repository.issues.values()].map((issue): [Searched, Document] => [
        {
          repository: fullName(repository),
          text: `${issue.title} ${issue.body}`,
          labels: issue.labels,
          state: issue.state,
          isPull: issue.pull !== undefined,
          author: issue.user,
        },
        { ...this.documents.issue(repository, issue), score: 1 },
      ]),
    );
  }

  private filesFound(): [Searched, Document][] {
    return [...this.world.repositories.values()].flatMap((repository) =>
      [...(repository.trees.get('main') ?? [])].map(([path, entry]): [Searched, Document] => [
        {
          repository: fullName(repository),
          text: `${path} ${'bytes' in entry ? entry.bytes.toString('utf8') : ''}`,
          labels: [],
          state: '',
          isPull: false,
          author: '',
        },
        this.documents.found(repository, path),
      ]),
    );
  }
}

function ofState({ state }: FakeIssue, query: URLSearchParams): boolean {
  const wanted = query.get('state') ?? 'open';
  return wanted === 'all' || wanted === state;
}

function sorted(issues: FakeIssue[], query: URLSearchParams): FakeIssue[] {
  const key = (issue: FakeIssue): string => (query.get('sort') === 'updated' ? issue.updatedAt : issue.createdAt);
  const sign = query.get('direction') === 'asc' ? 1 : -1;
  return issues.sort(
    (one, other) => sign * (key(one) < key(other) ? -1 : key(one) > key(other) ? 1 : one.number - other.number),
  );
}

function branchIn(ref: string): string {
  return ref.replace(/^(refs\/)?heads\//, '');
}
