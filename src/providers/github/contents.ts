import { ToolFailure } from '../kit/tool.js';
import type { GitHubClient } from './github-client.js';
import { notThere, unreadable } from './github-failure.js';
import { numberIn, objectsIn, scalarsOf, textIn, type Json } from './github-json.js';
import { isSameRepository, repositoryOfUrl, type RepositoryName } from './repository-name.js';

/** What stands in a folder. Of submodules no more than that they are there: they belong to other repositories. */
export interface FolderEntry extends Json {
  name: string;
  path: string;
  /** `file`, `dir`, `symlink`, `submodule` */
  type: string;
  project: string;
}

export type Content =
  | { kind: 'folder'; entries: FolderEntry[] }
  | { kind: 'file'; bytes: Buffer; sha: string; path: string; url: string; project: string };

/** A tool answers them twice, as text and as structured content, and both are within the 10 MiB of a message. */
const LARGEST_FILE = 3 * 1024 * 1024;

/**
 * A file or folder of a repository.
 * @param segments of its path; none for the root
 * @throws GitHubFailure 404 also for a submodule
 */
export async function contentAt(
  github: GitHubClient,
  name: RepositoryName,
  segments: readonly string[],
  ref: string | undefined,
  signal: AbortSignal,
): Promise<Content> {
  // Encoded by us: the slashes between segments stay, those within one can't be written.
  const path = segments.map(encodeURIComponent).join('/');
  const { data } = await github.request('GET /repos/{owner}/{repo}/contents/{+path}', { ...name, path, ref }, signal);
  if (Array.isArray(data)) return { kind: 'folder', entries: entriesOf(objectsIn(data), name) };
  if (typeof data !== 'object' || data === null) throw unreadable();
  const file = data as Json;
  const project = repositoryOfUrl(file.url);
  if (project === null || !isSameRepository(name, project)) throw notThere();
  if (file.type === 'submodule') throw new ToolFailure('This is a submodule: another repository');
  if (file.type === 'symlink') throw new ToolFailure('This is a symbolic link to something outside of the repository');
  const sha = textIn(file.sha) ?? '';
  const bytes = await bytesOf(github, file, name, signal);
  return { kind: 'file', bytes, sha, path: segments.join('/'), url: textIn(file.html_url) ?? '', project };
}

/** UTF-8 without NUL; null for anything else. */
export function textOf(bytes: Buffer): string | null {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function entriesOf(rows: readonly Json[], name: RepositoryName): FolderEntry[] {
  return rows.flatMap((row) => {
    const project = repositoryOfUrl(row.url);
    const [entryName, path] = [textIn(row.name), textIn(row.path)];
    if (entryName === null || path === null || project === null || !isSameRepository(name, project)) return [];
    return [{ name: entryName, path, type: textIn(row.type) ?? 'file', ...scalarsOf(row, ['size', 'sha']), project }];
  });
}

/** From 1 MB on the contents API leaves the bytes out, and the blob has them. */
async function bytesOf(github: GitHubClient, file: Json, name: RepositoryName, signal: AbortSignal): Promise<Buffer> {
  const size = numberIn(file.size) ?? 0;
  if (size > LARGEST_FILE) throw new ToolFailure(`The file is too large to be read here: ${size} bytes`);
  if (file.encoding === 'base64') return decoded(file.content);
  const sha = textIn(file.sha) ?? '';
  if (!/^[\da-f]{40,64}$/.test(sha)) throw unreadable();
  const blob = await github.object('GET /repos/{owner}/{repo}/git/blobs/{sha}', { ...name, sha }, signal);
  return decoded(blob.encoding === 'base64' ? blob.content : null);
}

function decoded(content: unknown): Buffer {
  if (typeof content !== 'string') throw unreadable();
  return Buffer.from(content, 'base64');
}
