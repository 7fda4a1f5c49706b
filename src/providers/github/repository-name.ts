import { ToolFailure } from '../kit/tool.js';

/** Owner and repository: what a grant speaks of, and always both together. */
export interface RepositoryName {
  owner: string;
  repo: string;
}

/** Accounts; those of Enterprise Managed Users have an underscore. */
const OWNER = /^[A-Za-z\d][A-Za-z\d_-]{0,99}$/;
const REPOSITORY = /^[A-Za-z\d._-]{1,100}$/;
/** git check-ref-format(1), and no more than GitHub needs: what git would interpret (`~`, `^`, `@{`, `..`) is no name. */
const REF = /^(?!.*(?:\.\.|@\{|\/\/))[^\s~^:?*[\\\p{Cc}\p{Cf}/-][^\s~^:?*[\\\p{Cc}\p{Cf}]{0,254}$/u;
/**
 * A commit's id, short or whole, alone or as `git describe` writes it. All repositories of a fork network share their objects:
 * an id would open commits of another repository under the name of this one.
 */
const COMMIT_ID = /^(?:.*-g)?[\da-f]{4,64}$/i;

/** Null for what GitHub takes for no name, and for names that it would read as another one. */
export function repositoryName(owner: string, repo: string): RepositoryName | null {
  const isName = OWNER.test(owner) && REPOSITORY.test(repo) && !/^\.{1,2}$|\.git$/i.test(repo);
  return isName ? { owner, repo } : null;
}

/** `owner/repo` */
export function repositoryIn(text: string): RepositoryName | null {
  const [owner = '', repo = '', ...more] = text.split('/');
  return more.length === 0 ? repositoryName(owner, repo) : null;
}

/** Of which repository an address of the API speaks: `https://api.github.com/repos/acme/app/issues/1`. */
export function repositoryOfUrl(url: unknown): string | null {
  const match = typeof url === 'string' ? /\/repos\/([^/?#]+)\/([^/?#]+)(?:[/?#]|$)/.exec(url) : null;
  return match ? `${match[1]}/${match[2]}` : null;
}

/** GitHub compares names without regard to case. */
export function isSameRepository({ owner, repo }: RepositoryName, fullName: unknown): boolean {
  return typeof fullName === 'string' && fullName.toLowerCase() === `${owner}/${repo}`.toLowerCase();
}

/** The segments of a path within a repository; none for its root. Null where a segment leads elsewhere. */
export function pathSegments(path: string): string[] | null {
  const segments = path.split('/');
  if (segments[0] === '') segments.shift();
  if (segments.at(-1) === '') segments.pop();
  const isPlain = segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..');
  return isPlain && path.length <= 4_096 && !/[\\\p{Cc}\p{Surrogate}]/u.test(path) ? segments : null;
}

/** A branch, a tag, or another name that opens what is reachable in the repository. @throws ToolFailure */
export function checkedRef(ref: string): string {
  if (COMMIT_ID.test(ref))
    throw new ToolFailure(
      'Name a branch or a tag, as in refs/heads/main: ids of commits would also open those of forks',
    );
  return checkedBranch(ref);
}

/** A name that is only compared. @throws ToolFailure */
export function checkedBranch(name: string): string {
  if (!REF.test(name)) throw new ToolFailure('This is no name of a branch or a tag');
  return name;
}
