import { TYPES, type FakeIssue, type FakeProject, type World } from './world.js';

/** As Jira answers a query that it can't run: 400. */
export class JqlError extends Error {}

export type Tree =
  | { kind: 'and' | 'or'; parts: Tree[] }
  | { kind: 'not'; part: Tree }
  | { kind: 'clause'; field: string; operator: string; values: Value[] };

export interface Value {
  text: string;
  isQuoted: boolean;
  args?: string[];
}

export interface ParsedQuery {
  tree: Tree | null;
  order: { field: string; descending: boolean }[];
}

const TOKEN =
  /\s+|"((?:\\[\s\S]|[^"\\])*)"|'((?:\\[\s\S]|[^'\\])*)'|(cf\s*\[\s*\d+\s*\])|(!=|!~|<=|>=|&&|\|\||[()=<>~,!&|])|([^\s"'()=<>~,!&|[\]{}*/%+^$#@?;\\]+)/giy;

type Token = { kind: 'text' | 'symbol' | 'word' | 'end'; value: string };

/** Reads JQL on its own: AND binds closer than OR, and NOT closer than both. */
export function parseJql(jql: string): ParsedQuery {
  return new JqlReader(tokensOf(jql)).query();
}

class JqlReader {
  private at = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  query(): ParsedQuery {
    const tree = this.token.kind === 'end' || this.isWord('order') ? null : this.or();
    const order: ParsedQuery['order'] = [];
    if (this.takeWord('order')) {
      if (!this.isWord('by')) this.fail();
      do {
        this.at++;
        order.push(this.sort());
      } while (this.isSymbol(','));
    }
    if (this.token.kind !== 'end') this.fail();
    return { tree, order };
  }

  private sort(): { field: string; descending: boolean } {
    const field = this.name().toLowerCase();
    const descending = this.takeWord('desc');
    if (!descending) this.takeWord('asc');
    return { field, descending };
  }

  private or(): Tree {
    return this.several('or', () => this.several('and', () => this.not(), ['&', '&&']), ['|', '||']);
  }

  private several(kind: 'and' | 'or', next: () => Tree, symbols: string[]): Tree {
    const parts = [next()];
    while (this.takeWord(kind) || this.takeSymbol(...symbols)) parts.push(next());
    return parts.length === 1 && parts[0] ? parts[0] : { kind, parts };
  }

  private not(): Tree {
    if (this.takeWord('not') || this.takeSymbol('!')) return { kind: 'not', part: this.not() };
    if (!this.takeSymbol('(')) return { kind: 'clause', field: this.name().toLowerCase(), ...this.said() };
    const inner = this.or();
    this.need(')');
    return inner;
  }

  private said(): { operator: string; values: Value[] } {
    return { operator: this.operator(), values: this.values() };
  }

  private operator(): string {
    const { kind, value } = this.token;
    this.at++;
    const word = kind === 'word' ? value.toLowerCase() : '';
    if (kind === 'symbol' && ['=', '!=', '<', '>', '<=', '>=', '~', '!~'].includes(value)) return value;
    if (word === 'in') return 'in';
    if (word === 'not' && this.takeWord('in')) return 'not in';
    if (word === 'is') return this.takeWord('not') ? 'is not' : 'is';
    return this.fail();
  }

  private values(): Value[] {
    if (!this.takeSymbol('(')) return [this.value()];
    const values = [this.value()];
    while (this.takeSymbol(',')) values.push(this.value());
    this.need(')');
    return values;
  }

  private value(): Value {
    const isQuoted = this.token.kind === 'text';
    const text = this.name();
    if (isQuoted || !this.takeSymbol('(')) return { text, isQuoted };
    const args: string[] = [];
    while (!this.takeSymbol(')')) {
      args.push(this.name());
      this.takeSymbol(',');
    }
    return { text, isQuoted, args };
  }

  private name(): string {
    const { kind, value } = this.token;
    if (kind !== 'word' && kind !== 'text') this.fail();
    this.at++;
    return value;
  }

  private get token(): Token {
    return this.tokens[this.at] ?? { kind: 'end', value: '' };
  }

  private isWord(word: string): boolean {
    return this.token.kind === 'word' && this.token.value.toLowerCase() === word;
  }

  private isSymbol(...symbols: string[]): boolean {
    return this.token.kind === 'symbol' && symbols.includes(this.token.value);
  }

  private takeWord(word: string): boolean {
    const isThere = this.isWord(word);
    if (isThere) this.at++;
    return isThere;
  }

  private takeSymbol(...symbols: string[]): boolean {
    const isThere = this.isSymbol(...symbols);
    if (isThere) this.at++;
    return isThere;
  }

  private need(symbol: string): void {
    if (!this.takeSymbol(symbol)) this.fail();
  }

  private fail(): never {
    throw new JqlError(`Error in the JQL Query: '${this.token.value}' is not expected here.`);
  }
}

function tokensOf(jql: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < jql.length) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(jql);
    if (!match) throw new JqlError(`Error in the JQL Query: the character at ${start + 1} is not expected.`);
    const [, double, single, custom, symbol, word] = match;
    const quoted = double ?? single;
    if (quoted !== undefined) tokens.push({ kind: 'text', value: unescaped(quoted) });
    else if (custom !== undefined) tokens.push({ kind: 'word', value: custom.replaceAll(/\s/g, '') });
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', value: symbol });
    else if (word !== undefined) tokens.push({ kind: 'word', value: word });
  }
  return tokens;
}

function unescaped(text: string): string {
  const plain: Record<string, string> = { n: '\n', t: '\t', r: '\r' };
  return text.replaceAll(/\\(u[0-9a-f]{4}|[\s\S])/gi, (_, code: string) =>
    code.length === 5 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (plain[code] ?? code),
  );
}

/** The issues that fit, in order. Unknown fields and projects are errors, as at Jira. */
export function runJql(world: World, jql: string, timeZone: string): FakeIssue[] {
  const { tree, order } = parseJql(jql);
  const found = world.issues.filter((issue) => tree === null || fits(world, tree, issue, timeZone));
  return [...found].sort((one, other) => {
    for (const { field, descending } of order) {
      const difference = compared(field, one, other);
      if (difference !== 0) return descending ? -difference : difference;
    }
    return Number(other.id) - Number(one.id);
  });
}

export function fits(world: World, tree: Tree, issue: FakeIssue, timeZone: string): boolean {
  if (tree.kind === 'not') return !fits(world, tree.part, issue, timeZone);
  // Every part is looked at, so that an unknown value is an error wherever it stands.
  if (tree.kind !== 'clause') {
    const verdicts = tree.parts.map((part) => fits(world, part, issue, timeZone));
    return tree.kind === 'and' ? verdicts.every(Boolean) : verdicts.some(Boolean);
  }
  const { field, operator, values } = tree;
  const isNegative = ['!=', 'not in', '!~', 'is not'].includes(operator);
  const matches = values.some((value) => matchesOne(world, field, operator, value, issue, timeZone));
  return isNegative ? !matches : matches;
}

function matchesOne(
  world: World,
  field: string,
  operator: string,
  { text, args, isQuoted }: Value,
  issue: FakeIssue,
  timeZone: string,
): boolean {
  const isEmpty = !isQuoted && /^(empty|null)$/i.test(text);
  const same = (...candidates: (string | undefined)[]): boolean =>
    candidates.some((each) => each?.toLowerCase() === text.toLowerCase());
  if (args) return matchesFunction(world, text, args, issue);
  switch (field) {
    case 'project':
      return !isEmpty && issue.project === projectNamed(world, text);
    case 'key':
    case 'issuekey':
    case 'issue':
    case 'id':
      return isEmpty ? false : issue === issueNamed(world, text, field);
    case 'parent':
    case 'epic link':
    case 'cf[10014]':
      return isEmpty ? issue.parent === null : issue.parent === issueNamed(world, text, field).id;
    case 'estimate':
    case 'cf[10016]':
      return isEmpty ? false : issue.fields.customfield_10016 === Number(text);
    case 'issuetype':
    case 'type':
      if (!TYPES.some(({ id, name }) => same(id, name)))
        throw new JqlError(`The value '${text}' does not exist for the field '${field}'.`);
      return same(issue.type);
    case 'status':
      return same(issue.status);
    case 'labels':
      return isEmpty ? labelsOf(issue).length === 0 : same(...labelsOf(issue));
    case 'summary':
    case 'text':
      return issue.summary.toLowerCase().includes(text.toLowerCase());
    case 'created':
    case 'updated':
      return isEmpty ? false : isTime(issue[field], operator, text, timeZone);
    default:
      throw new JqlError(`Field '${field}' does not exist or you do not have permission to view it.`);
  }
}

function projectNamed(world: World, text: string): FakeProject {
  const named = text.toLowerCase();
  const project = world.projects.find(({ id, key, name }) =>
    [id, key, name].some((each) => each.toLowerCase() === named),
  );
  if (!project) throw new JqlError(`The value '${text}' does not exist for the field 'project'.`);
  return project;
}

function matchesFunction(world: World, name: string, args: string[], issue: FakeIssue): boolean {
  if (name.toLowerCase() === 'currentuser') return false;
  if (name.toLowerCase() !== 'linkedissues') throw new JqlError(`Unable to find JQL function '${name}()'.`);
  const other = issueNamed(world, args[0] ?? '', 'issue').id;
  return world.links.some(({ from, to }) => (from === other && to === issue.id) || (to === other && from === issue.id));
}

function issueNamed(world: World, text: string, field: string): FakeIssue {
  const issue = world.find(text);
  if (!issue) throw new JqlError(`An issue with key '${text}' does not exist for field '${field}'.`);
  return issue;
}

function isTime(time: number, operator: string, text: string, timeZone: string): boolean {
  if (!/^\d{4}[/-]\d\d[/-]\d\d( \d\d:\d\d)?$/.test(text)) throw new JqlError(`Date value '${text}' is invalid.`);
  const asked = text.replaceAll('-', '/').padEnd(16, ' 00:00');
  const wall = wallMinute(time, timeZone);
  if (operator === '>=') return wall >= asked;
  if (operator === '<=') return wall <= asked;
  if (operator === '>') return wall > asked;
  return operator === '<' && wall < asked;
}

/** What the clock on the wall of the account shows. */
export function wallMinute(time: number, timeZone: string): string {
  const shown = new Date(time).toLocaleString('sv-SE', { timeZone });
  return shown.slice(0, 16).replaceAll('-', '/');
}

function compared(field: string, one: FakeIssue, other: FakeIssue): number {
  if (field === 'updated' || field === 'created') return one[field] - other[field];
  if (field === 'status') return one.status.localeCompare(other.status);
  return one.project.key.localeCompare(other.project.key) || one.number - other.number;
}

function labelsOf({ fields }: FakeIssue): string[] {
  return Array.isArray(fields.labels) ? (fields.labels as string[]) : [];
}
