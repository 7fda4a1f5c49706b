/** What a search query says of one item: whether it fits. */
export type Matches = (item: Searched) => boolean;

export interface Searched {
  repository: string;
  text: string;
  labels: readonly string[];
  state: string;
  isPull: boolean;
  author: string;
}

export class QueryError extends Error {}

const TOKEN = /\s*([()]|-?(?:[\w-]+:)?"[^"]*"|[^\s()"]+)/gy;

/**
 * GitHub's search of issues with `advanced_search`: AND binds tighter than OR, a space is AND (between several repo: too),
 * NOT and `-` exclude, brackets group, quotes hold a phrase together.
 */
export function parseAdvanced(query: string): Matches {
  const tokens = tokensOf(query);
  let at = 0;
  const isWord = (word: string): boolean => tokens[at]?.toUpperCase() === word;
  const either = (): Matches => {
    let left = both();
    while (isWord('OR')) {
      at++;
      const [before, after] = [left, both()];
      left = (item) => before(item) || after(item);
    }
    return left;
  };
  const both = (): Matches => {
    let left = term();
    while (at < tokens.length && !isWord('OR') && tokens[at] !== ')') {
      if (isWord('AND')) at++;
      const [before, after] = [left, term()];
      left = (item) => before(item) && after(item);
    }
    return left;
  };
  const term = (): Matches => {
    const token = tokens[at++];
    if (token === undefined || token === ')' || /^(and|or)$/i.test(token))
      throw new QueryError('The query is not valid');
    if (/^not$/i.test(token)) {
      const excluded = term();
      return (item) => !excluded(item);
    }
    if (token !== '(') return wordMatches(token);
    const inner = either();
    if (tokens[at++] !== ')') throw new QueryError('A bracket is not closed');
    return inner;
  };
  const matches = either();
  if (at < tokens.length) throw new QueryError('A bracket is closed that was not opened');
  return matches;
}

/** The search before that, and the one of code: no operators; of several repo: either fits, everything else must. */
export function parseLegacy(query: string): Matches {
  const tokens = tokensOf(query).filter((token) => !/^([()]|and|or|not)$/i.test(token));
  const repositories = tokens.filter((token) => /^repo:/i.test(token)).map(wordMatches);
  const others = tokens.filter((token) => !/^repo:/i.test(token)).map(wordMatches);
  return (item) =>
    (repositories.length === 0 || repositories.some((matches) => matches(item))) &&
    others.every((matches) => matches(item));
}

function tokensOf(query: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  const text = query.trim();
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) {
      // A quote without its other one is a character like others.
      tokens.push(text.slice(from).trim().replaceAll('"', ''));
      break;
    }
    tokens.push(match[1] ?? '');
  }
  return tokens.filter((token) => token !== '');
}

function wordMatches(token: string): Matches {
  if (token.startsWith('-') && token.length > 1) {
    const excluded = wordMatches(token.slice(1));
    return (item) => !excluded(item);
  }
  const [, qualifier = '', quoted = ''] = /^([\w-]+):(.*)$/s.exec(token) ?? [];
  const value = quoted.replaceAll('"', '').toLowerCase();
  switch (qualifier.toLowerCase()) {
    case 'repo':
      return ({ repository }) => repository.toLowerCase() === value;
    case 'org':
    case 'user':
    case 'owner':
      return ({ repository }) => repository.toLowerCase().startsWith(`${value}/`);
    case 'label':
      return ({ labels }) => labels.includes(value);
    case 'author':
      return ({ author }) => author === value;
    case 'is':
    case 'type':
    case 'state':
      return (item) =>
        value === item.state || (/^(pr|pull-request)$/.test(value) ? item.isPull : value === 'issue' && !item.isPull);
    default: {
      const phrase = token.replaceAll('"', '').toLowerCase();
      return ({ text }) => text.toLowerCase().includes(phrase);
    }
  }
}
