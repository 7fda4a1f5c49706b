import { ToolFailure, type ObjectSchema, type ProviderTool } from '../kit/tool.js';
import type { GitHubClient } from './github-client.js';
import { unreadable } from './github-failure.js';
import { objectIn, objectsIn, scalarsOf, textIn, type Json } from './github-json.js';
import { isPullRequest, issueItem, withoutBody } from './items.js';
import { strangeCursor } from './paging.js';
import { isSameRepository, repositoryIn, type RepositoryName } from './repository-name.js';
import { confinedQuery, searchQuery, type SearchQuery } from './search-query.js';
import {
  CURSOR_INPUT,
  inputOf,
  NUMBERED_OUTPUT,
  outputOf,
  pageOf,
  READS,
  text,
  ToolArguments,
} from './tool-arguments.js';

/** GitHub takes five in a query, which join six repositories where the query has none of its own. */
const MOST_OPERATORS = 5;
/** Of GitHub's 30 searches a minute (10 of code) one call may use these. */
const MOST_REQUESTS = 5;
const MOST_REPOSITORIES = 30;
/** GitHub gives no results beyond these. */
const MOST_RESULTS = 1_000;
const DEFAULT_RESULTS = 30;

const STRING = { type: 'string' };
const INPUT: ObjectSchema = inputOf(
  {
    query: text('Words and qualifiers of GitHub, without repo:, org: and user:', 1_000),
    repositories: {
      type: 'array',
      items: { ...text('owner/repo', 201) },
      minItems: 1,
      maxItems: 1_000,
      description: 'Where to search; all that are granted where it is left out',
    },
    max_results: { type: 'integer', minimum: 1, maximum: 100, default: DEFAULT_RESULTS },
    ...CURSOR_INPUT,
  },
  ['query'],
);

/** One search of GitHub: which repositories go into one request, and how the request and its results are read. */
interface Search {
  endpoint: string;
  perRequest: (query: SearchQuery) => number;
  queryOf: (query: SearchQuery, repositories: readonly RepositoryName[]) => string;
  /** Null for what is not an item of one of the repositories. */
  toItem: (raw: Json) => (Json & { project: string }) | null;
}

/** @param isServer GitHub Enterprise Server, whose older versions read several repo: otherwise than github.com */
export function searchTools(github: GitHubClient, isServer: boolean): ProviderTool[] {
  return [
    {
      name: 'search_issues',
      title: 'Search issues',
      description:
        'Finds issues by words and qualifiers (label:bug, author:..., is:open), AND, OR, NOT and brackets. Without their ' +
        'bodies: get_issue has them',
      inputSchema: INPUT,
      outputSchema: pageOf('issues', NUMBERED_OUTPUT),
      annotations: READS,
      run: async (input, { signal }) => {
        const { items, ...more } = await search(github, issueSearch(isServer, ISSUES), input, signal);
        return { issues: items, ...more };
      },
    },
    {
      name: 'search_pull_requests',
      title: 'Search pull requests',
      description:
        'Finds pull requests by words and qualifiers (review:approved, author:..., is:merged), AND, OR, NOT and brackets. ' +
        'Without their texts: get_pull_request has them',
      inputSchema: INPUT,
      outputSchema: pageOf('pull_requests', NUMBERED_OUTPUT),
      annotations: READS,
      run: async (input, { signal }) => {
        const { items, ...more } = await search(github, issueSearch(isServer, PULLS), input, signal);
        return { pull_requests: items, ...more };
      },
    },
    {
      name: 'search_code',
      title: 'Search code',
      description: 'Finds files of default branches by words and qualifiers (language:, path:, filename:, extension:)',
      inputSchema: INPUT,
      outputSchema: pageOf(
        'files',
        outputOf({ name: STRING, path: STRING, sha: STRING, url: STRING, project: STRING }),
      ),
      annotations: READS,
      run: async (input, { signal }) => {
        const { items, ...more } = await search(github, codeSearch(isServer), input, signal);
        return { files: items, ...more };
      },
    },
  ];
}

/** GitHub searches issues and pull requests as one; each has a tool here, because either may be taken out of a grant. */
const ISSUES = {
  qualifier: 'is:issue',
  isPull: false,
  other: /^(is|type):"?(pr|pull-request)"?$/i,
  instead: 'pull_requests',
};
const PULLS = { qualifier: 'is:pr', isPull: true, other: /^(is|type):"?issue"?$/i, instead: 'issues' };

function issueSearch(isServer: boolean, { qualifier, isPull, other, instead }: typeof ISSUES): Search {
  return {
    endpoint: '/search/issues?advanced_search=true&',
    perRequest: ({ operators }) => (isServer ? 1 : Math.max(1, MOST_OPERATORS - operators + 1)),
    queryOf: (query, repositories) => {
      if (query.words.some((word) => other.test(word)))
        throw new ToolFailure(`query asks for what search_${instead} finds`);
      return confinedQuery(query, repositories, 'or', [qualifier]);
    },
    toItem: (raw) => {
      const item = isPullRequest(raw) === isPull ? issueItem(raw) : null;
      return item && { ...withoutBody(item), project: item.project };
    },
  };
}

function codeSearch(isServer: boolean): Search {
  return {
    endpoint: '/search/code?',
    perRequest: () => (isServer ? 1 : MOST_OPERATORS + 1),
    queryOf: (query, repositories) => confinedQuery(query, repositories, 'spaces'),
    toItem: (raw) => {
      const project = textIn(objectIn(raw.repository).full_name);
      return project === null
        ? null
        : {
            name: '',
            path: '',
            sha: '',
            ...scalarsOf(raw, ['name', 'path', 'sha']),
            url: textIn(raw.html_url) ?? '',
            project,
          };
    },
  };
}

interface Found extends Json {
  items: Json[];
  next_cursor?: string;
  incomplete?: true;
}

/** Group after group of repositories, until there are enough results or requests. The cursor says which group, and how far. */
async function search(github: GitHubClient, kind: Search, input: Json, signal: AbortSignal): Promise<Found> {
  const args = new ToolArguments(input);
  const repositories = repositoriesIn(args);
  const query = searchQuery(args.text('query'), repositories);
  const most = Math.min(args.optionalNumber('max_results') ?? DEFAULT_RESULTS, 100);
  const groups = grouped(repositories, kind.perRequest(query));
  const found: Found = { items: [] };
  let [group, offset] = positionAt(args.optionalText('cursor'));
  let left = most;
  for (let requests = 0; requests < MOST_REQUESTS && left > 0 && group < groups.length; requests++) {
    const q = encodeURIComponent(kind.queryOf(query, groups[group] ?? []));
    const page = { per_page: most, page: Math.floor(offset / most) + 1 };
    // In the route and not as a parameter: the client would read a plus in it as a space.
    const answer = await github.object(`GET ${kind.endpoint}q=${q}`, page, signal);
    if (!Array.isArray(answer.items)) throw unreadable();
    const rows = objectsIn(answer.items);
    const taken = rows.slice(offset % most, (offset % most) + left);
    found.items.push(
      ...(taken.map(kind.toItem).filter((item) => item !== null && isOneOf(repositories, item.project)) as Json[]),
    );
    if (answer.incomplete_results === true) found.incomplete = true;
    left -= taken.length;
    const isOver = (offset % most) + taken.length >= rows.length && rows.length < most;
    offset += taken.length;
    if (isOver || taken.length === 0 || offset >= MOST_RESULTS) [group, offset] = [group + 1, 0];
  }
  return group < groups.length ? { ...found, next_cursor: `${group}.${offset}` } : found;
}

/** The control plane fills in what is granted. */
function repositoriesIn(args: ToolArguments): RepositoryName[] {
  const names = args.texts('repositories') ?? [];
  if (names.length === 0) throw new ToolFailure('Name the repositories to search in repositories, as owner/repo');
  const unique = [...new Map(names.map((name) => [name.toLowerCase(), name])).values()];
  if (unique.length > MOST_REPOSITORIES)
    throw new ToolFailure(`These are ${unique.length} repositories: name at most ${MOST_REPOSITORIES} in repositories`);
  return unique.map((name) => {
    const repository = repositoryIn(name);
    if (repository === null) throw new ToolFailure('repositories must be names such as octo-org/octo-repo');
    return repository;
  });
}

function isOneOf(repositories: readonly RepositoryName[], project: string): boolean {
  return repositories.some((name) => isSameRepository(name, project));
}

function grouped(repositories: readonly RepositoryName[], size: number): RepositoryName[][] {
  const count = Math.ceil(repositories.length / size);
  return Array.from({ length: count }, (_, index) => repositories.slice(index * size, (index + 1) * size));
}

function positionAt(cursor: string | undefined): [group: number, offset: number] {
  if (cursor === undefined) return [0, 0];
  const match = /^(\d{1,3})\.(\d{1,4})$/.exec(cursor);
  if (!match) throw strangeCursor();
  return [Number(match[1]), Number(match[2])];
}
