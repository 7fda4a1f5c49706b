import { ToolFailure } from '../kit/tool.js';
import { isSameRepository, repositoryIn, type RepositoryName } from './repository-name.js';

/** A caller's query that stays within what is put around it. */
export interface SearchQuery {
  text: string;
  /** AND, OR and NOT in it. */
  operators: number;
  /** Whether it has to stand in brackets to be one term. */
  isCompound: boolean;
  words: readonly string[];
}

/**
 * Qualifiers that choose repositories, with those that name an issue of one. Found wherever they stand, within quotes too:
 * where a quotation ends is for GitHub's parser to say, and ours may be wrong about it.
 */
const CHOOSERS = ['repo', 'repository', 'nwo', 'org', 'organization', 'user', 'owner', 'enterprise', 'saved'];
const RELATIONS = ['parent-issue', 'sub-issue', 'blocked-by', 'blocking', 'linked-issue'];
const QUALIFIER = new RegExp(
  `(?<![\\p{L}\\p{N}_])(${[...RELATIONS, ...CHOOSERS].join('|')})\\s*:\\s*"?([^\\s"()]*)`,
  'giu',
);
/** Wherever it stands, in a quotation too: one too many costs a pair of brackets, one too few lets the query out. */
const OPERATOR = /(?<![\p{L}\p{N}_])(?:and|or|not)(?![\p{L}\p{N}_])/giu;
/** GitHub refuses deeper ones; https://docs.github.com/issues/tracking-your-work-with-issues/using-issues/filtering-and-searching-issues-and-pull-requests */
const DEEPEST = 5;

/**
 * Reads a query once, in the form in which it is sent. What can't be confined for certain is refused.
 * @throws ToolFailure
 */
export function searchQuery(query: string, allowed: readonly RepositoryName[]): SearchQuery {
  const text = query
    .normalize('NFKC')
    .replaceAll(/\p{Cf}/gu, '')
    .replaceAll(/[\p{Cc}\p{Z}\p{Surrogate}]+/gu, ' ')
    .replaceAll(/[“”„‟]/g, '"')
    .trim();
  if (text === '') throw new ToolFailure('query is empty');
  refuseChoosers(text, allowed);
  if (text.includes('\\"')) throw new ToolFailure('query has a quote after a backslash, which can be read in two ways');
  const words = wordsOf(text);
  // With the quotes taken for what they are, and without: a bracket must be closed in both readings.
  const brackets = [words.filter((word) => word === '(' || word === ')'), text.match(/[()]/g) ?? []];
  if (!brackets.every(isBalanced))
    throw new ToolFailure(`query has brackets that do not match, or more than ${DEEPEST} within each other`);
  const operators = text.match(OPERATOR)?.length ?? 0;
  return { text, operators, isCompound: operators > 0 || brackets.some(({ length }) => length > 0), words };
}

/** `or`: GitHub's present search of issues. `spaces`: its search of code, where several mean either of them. */
export type RepositorySyntax = 'or' | 'spaces';

/** The query with repositories around it, so that nothing of it reaches beyond them. */
export function confinedQuery(
  { text, isCompound }: SearchQuery,
  repositories: readonly RepositoryName[],
  syntax: RepositorySyntax,
  qualifiers: readonly string[] = [],
): string {
  const names = repositories.map(({ owner, repo }) => `repo:${owner}/${repo}`);
  const either = syntax === 'or' && names.length > 1 ? `(${names.join(' OR ')})` : names.join(' ');
  return [either, ...qualifiers, isCompound ? `(${text})` : text].join(' ');
}

function refuseChoosers(text: string, allowed: readonly RepositoryName[]): void {
  for (const [, qualifier = '', value = ''] of text.matchAll(QUALIFIER)) {
    const named = repositoryIn(value);
    const isRepo = qualifier.toLowerCase() === 'repo' && named !== null;
    if (isRepo && allowed.some((name) => isSameRepository(name, value))) continue;
    throw new ToolFailure(
      `query must not choose where to search: leave ${qualifier.toLowerCase()}: out, and name repositories in repositories`,
    );
  }
}

/** Separated by spaces and brackets outside of quotes. @throws ToolFailure for a quote without its other */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  let word = '';
  let isQuoted = false;
  const end = (): void => {
    if (word !== '') words.push(word);
    word = '';
  };
  for (const character of text) {
    if (character === '"') isQuoted = !isQuoted;
    const divides = !isQuoted && (character === ' ' || character === '(' || character === ')');
    if (!divides) {
      word += character;
      continue;
    }
    end();
    if (character !== ' ') words.push(character);
  }
  if (isQuoted) throw new ToolFailure('query has a quote without its other one');
  end();
  return words;
}

function isBalanced(brackets: readonly string[]): boolean {
  let depth = 0;
  for (const bracket of brackets) {
    depth += bracket === '(' ? 1 : -1;
    if (depth < 0 || depth > DEEPEST) return false;
  }
  return depth === 0;
}
