import { ToolFailure, type ProviderTool } from '../kit/tool.js';
import { contentAt, textOf } from './contents.js';
import type { GitHubClient } from './github-client.js';
import type { Json } from './github-json.js';
import { commitItem } from './items.js';
import { nextPage, pageAt } from './paging.js';
import { checkedRef, pathSegments } from './repository-name.js';
import {
  CURSOR_INPUT,
  inputOf,
  outputOf,
  pageOf,
  READS,
  REPOSITORY_INPUT,
  text,
  ToolArguments,
} from './tool-arguments.js';

const STRING = { type: 'string' };
const REF = text('Branch or tag; the default branch where it is left out', 255);
const PER_PAGE = 50;
/** Of a file `content`, of a folder `entries`. */
const FILE_OUTPUT = outputOf(
  {
    project: STRING,
    path: STRING,
    type: { enum: ['file', 'dir'] },
    content: STRING,
    encoding: { enum: ['utf-8', 'base64'] },
    sha: STRING,
    size: { type: 'integer' },
    url: STRING,
    entries: { type: 'array', items: outputOf({ name: STRING, path: STRING, type: STRING }) },
  },
  ['project', 'path', 'type'],
);

export function codeTools(github: GitHubClient): ProviderTool[] {
  return [readFile(github), listCommits(github)];
}

function readFile(github: GitHubClient): ProviderTool {
  return {
    name: 'read_file',
    title: 'Read a file',
    description: 'A file of a repository as text, or base64 where it is none; of a folder what stands in it',
    inputSchema: inputOf(
      { ...REPOSITORY_INPUT, path: text('From the root of the repository, as in docs/setup.md', 4_096), ref: REF },
      ['owner', 'repo', 'path'],
    ),
    outputSchema: FILE_OUTPUT,
    annotations: READS,
    run: async (input, { signal }) => {
      const args = new ToolArguments(input);
      const name = args.repository();
      const segments = segmentsOf(args.text('path'));
      const content = await contentAt(github, name, segments, refIn(args, 'ref'), signal);
      const place = { project: `${name.owner}/${name.repo}`, path: segments.join('/') };
      if (content.kind === 'folder') return { ...place, type: 'dir', entries: content.entries };
      const { bytes, sha, url, project } = content;
      const words = textOf(bytes);
      const body =
        words === null
          ? { content: bytes.toString('base64'), encoding: 'base64' }
          : { content: words, encoding: 'utf-8' };
      return { ...place, project, type: 'file', ...body, sha, size: bytes.length, url };
    },
  };
}

function listCommits(github: GitHubClient): ProviderTool {
  return {
    name: 'list_commits',
    title: 'List commits',
    description: 'Commits of a branch, latest first, optionally those that changed a path',
    inputSchema: inputOf(
      {
        ...REPOSITORY_INPUT,
        sha: REF,
        path: text('Only commits that changed this file or folder', 4_096),
        since: { type: 'string', format: 'date-time', description: 'Only commits at or after this time' },
        ...CURSOR_INPUT,
      },
      ['owner', 'repo'],
    ),
    outputSchema: pageOf('commits', outputOf({ sha: STRING, message: STRING, url: STRING, project: STRING })),
    annotations: READS,
    run: async (input, { signal }) => {
      const args = new ToolArguments(input);
      const name = args.repository();
      const path = args.optionalText('path');
      const filters = {
        sha: refIn(args, 'sha'),
        path: path === undefined ? undefined : segmentsOf(path).join('/'),
        since: args.time('since'),
      };
      const asked = { ...name, ...filters, per_page: PER_PAGE, ...pageAt(args.optionalText('cursor')) };
      const { rows, headers } = await github.list('GET /repos/{owner}/{repo}/commits', asked, signal);
      const commits = rows.map((row) => commitItem(row, name)).filter((commit): commit is Json => commit !== null);
      const next = nextPage(headers);
      return { commits, ...(next === undefined ? {} : { next_cursor: next }) };
    },
  };
}

function refIn(args: ToolArguments, name: string): string | undefined {
  const ref = args.optionalText(name);
  return ref === undefined ? undefined : checkedRef(ref);
}

function segmentsOf(path: string): string[] {
  const segments = pathSegments(path);
  if (segments === null) throw new ToolFailure('path must be plain, from the root of the repository, without . and ..');
  return segments;
}
