import type { ItemWindow, ProviderResource, ProviderResources, Reading } from '../kit/resources.js';
import { contentAt, textOf } from './contents.js';
import { isNotThere, isStatus, type GitHubClient } from './github-client.js';
import { idIn, objectIn, objectsIn, scalarsOf, textIn, type Json } from './github-json.js';
import { readIssues, readPulls } from './item-readings.js';
import { mediaTypeOf } from './media-types.js';
import { nextPage, pageAt, strangeCursor } from './paging.js';
import {
  isSameRepository,
  pathSegments,
  repositoryIn,
  repositoryName,
  repositoryOfUrl,
  type RepositoryName,
} from './repository-name.js';
import { NUMBERED_OUTPUT } from './tool-arguments.js';

const JSON_TYPE = 'application/json';
const PER_PAGE = 100;
const MOST_BRANCH_PAGES = 10;
const URI = /^github:\/\/([^/?#%]+)\/([^/?#%]+)(?:\/(issues|pulls|branches|contents)(?:\/([^?#]+))?)?$/;

export function githubResources(github: GitHubClient): ProviderResources {
  return {
    templates: [
      {
        uriTemplate: 'github://{owner}/{repo}/contents/{+path}',
        name: 'File of a repository',
        description: 'A file of the default branch; of a folder what stands in it',
        type: 'file',
      },
    ],
    list: (cursor, signal) => listRepositories(github, cursor, signal),
    read: async (uri, window, signal) => {
      const [, owner = '', repo = '', part, path] = URI.exec(uri) ?? [];
      const name = repositoryName(owner, repo);
      if (name === null) return null;
      try {
        return await readPart(github, name, { part, path }, window, signal);
      } catch (error) {
        if (isNotThere(error)) return null;
        throw error;
      }
    },
  };
}

async function readPart(
  github: GitHubClient,
  name: RepositoryName,
  { part, path }: { part: string | undefined; path: string | undefined },
  window: ItemWindow,
  signal: AbortSignal,
): Promise<Reading | null> {
  if (path !== undefined && part !== 'contents') return null;
  switch (part) {
    case 'issues':
      return readIssues(github, name, window, signal);
    case 'pulls':
      return readPulls(github, name, window, signal);
    case 'branches':
      return readBranches(github, name, signal);
    case 'contents':
      return readContents(github, name, path, signal);
    default:
      return readRepository(github, name, signal);
  }
}

/** Repositories of the person whose token it is; those of the installation where it is an app's. */
const SOURCES = {
  user: { route: 'GET /user/repos', order: { sort: 'created', direction: 'asc' } },
  installation: { route: 'GET /installation/repositories', order: {} },
};

async function listRepositories(
  github: GitHubClient,
  cursor: string | undefined,
  signal: AbortSignal,
): Promise<{ resources: ProviderResource[]; nextCursor?: string }> {
  const [source = '', page] = cursor?.split(':') ?? ['user'];
  if (source !== 'user' && source !== 'installation') throw strangeCursor();
  const { route, order } = SOURCES[source];
  try {
    const { data, headers } = await github.request(route, { ...order, per_page: PER_PAGE, ...pageAt(page) }, signal);
    const rows = objectsIn(Array.isArray(data) ? data : objectIn(data).repositories);
    const next = nextPage(headers);
    return { resources: rows.flatMap(resourcesOf), ...(next === undefined ? {} : { nextCursor: `${source}:${next}` }) };
  } catch (error) {
    if (cursor === undefined && isStatus(error, 403, 404))
      return listRepositories(github, 'installation:page=1', signal);
    throw error;
  }
}

function resourcesOf(raw: Json): ProviderResource[] {
  const fullName = textIn(raw.full_name) ?? '';
  if (repositoryIn(fullName) === null) return [];
  const uri = `github://${fullName}`;
  const below = { parent: uri, mimeType: JSON_TYPE, operations: ['read'] };
  const child = (part: string, title: string, type: string): ProviderResource => {
    return { ...below, uri: `${uri}/${part}`, name: `${fullName} ${title}`, type };
  };
  const issues = {
    ...child('issues', 'issues', 'issue'),
    operations: ['read', 'create', 'update'],
    schema: NUMBERED_OUTPUT,
  };
  const description = textIn(raw.description);
  return [
    {
      uri,
      name: fullName,
      ...(description === null ? {} : { description }),
      mimeType: JSON_TYPE,
      type: 'repository',
      externalId: idIn(raw.id),
      operations: ['read'],
    },
    ...(raw.has_issues === false ? [] : [issues]),
    { ...child('pulls', 'pull requests', 'pull_request'), schema: NUMBERED_OUTPUT },
    child('contents', 'files', 'file'),
    { ...child('branches', 'branches', 'branch'), description: `At most ${MOST_BRANCH_PAGES * PER_PAGE} of them` },
  ];
}

const REPOSITORY_FIELDS = [
  ...['description', 'private', 'visibility', 'default_branch', 'language', 'archived', 'fork', 'open_issues_count'],
  ...['stargazers_count', 'created_at', 'pushed_at', 'updated_at'],
];

async function readRepository(
  github: GitHubClient,
  name: RepositoryName,
  signal: AbortSignal,
): Promise<Reading | null> {
  const raw = await github.object('GET /repos/{owner}/{repo}', { ...name }, signal);
  if (!isSameRepository(name, raw.full_name)) return null;
  const named = { id: idIn(raw.id), name: textIn(raw.full_name) ?? '', url: textIn(raw.html_url) ?? '' };
  return asJson({ ...scalarsOf(raw, REPOSITORY_FIELDS), ...named, project: raw.full_name });
}

/** In one piece: branches have no times, so there is nothing to read on from. */
async function readBranches(github: GitHubClient, name: RepositoryName, signal: AbortSignal): Promise<Reading> {
  const branches: Json[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < MOST_BRANCH_PAGES; pages++) {
    const asked = { ...name, per_page: PER_PAGE, ...pageAt(cursor) };
    const { rows, headers } = await github.list('GET /repos/{owner}/{repo}/branches', asked, signal);
    for (const { name: branch, protected: isProtected, commit } of rows) {
      const { sha, url } = objectIn(commit);
      const project = repositoryOfUrl(url);
      if (isSameRepository(name, project))
        branches.push({ name: branch, sha, protected: isProtected === true, project });
    }
    cursor = nextPage(headers);
    if (cursor === undefined) break;
  }
  return asJson(branches);
}

async function readContents(
  github: GitHubClient,
  name: RepositoryName,
  path: string | undefined,
  signal: AbortSignal,
): Promise<Reading | null> {
  const segments = segmentsIn(path);
  if (segments === null) return null;
  const content = await contentAt(github, name, segments, undefined, signal);
  if (content.kind === 'folder') return asJson(content.entries);
  const words = textOf(content.bytes);
  const mimeType = mediaTypeOf(segments.at(-1) ?? '', words !== null);
  if (words !== null) return { kind: 'text', text: words, mimeType };
  return { kind: 'blob', base64: content.bytes.toString('base64'), mimeType };
}

/** A slash within a segment, however it is encoded, is none. */
function segmentsIn(path: string | undefined): string[] | null {
  if (path === undefined) return [];
  try {
    const segments = path.split('/').map((segment) => decodeURIComponent(segment));
    return segments.some((segment) => segment.includes('/')) ? null : pathSegments(segments.join('/'));
  } catch {
    return null;
  }
}

function asJson(document: unknown): Reading {
  return { kind: 'text', text: JSON.stringify(document), mimeType: JSON_TYPE };
}
