import { jqlFailure, jqlTokens, type JqlToken } from './jql-lexer.js';
import type { JqlCondition, JqlField, JqlOperand, JqlPredicate, JqlQuery, JqlSort } from './jql-query.js';

const DEEPEST = 50;
const PREDICATES: ReadonlySet<string> = new Set(['AFTER', 'BEFORE', 'ON', 'DURING', 'BY', 'FROM', 'TO']);
/** Words that are no value and no field unless they are quoted. */
const RESERVED: ReadonlySet<string> = new Set(['AND', 'OR', 'NOT', 'IN', 'IS', 'WAS', 'CHANGED', 'ORDER', 'BY']);
const COMPARISONS: ReadonlySet<string> = new Set(['=', '!=', '<', '>', '<=', '>=', '~', '!~']);

/**
 * Reads JQL: https://support.atlassian.com/jira-software-cloud/docs/use-advanced-search-with-jira-query-language-jql/.
 * What this does not know is refused, entity properties (`issue.property[...]`) among it.
 * @throws ToolFailure naming the place
 */
export function parsedJql(jql: string): JqlQuery {
  return new JqlParser(jqlTokens(jql)).query();
}

class JqlParser {
  private position = 0;

  constructor(private readonly tokens: readonly JqlToken[]) {}

  query(): JqlQuery {
    const isAll = this.token.kind === 'end' || this.isWord('ORDER');
    const condition = isAll ? null : this.or(0);
    const orderBy = this.takeWord('ORDER') ? this.sorts() : [];
    if (this.token.kind !== 'end') throw this.unexpected();
    return { condition, orderBy };
  }

  private or(depth: number): JqlCondition {
    if (depth > DEEPEST) throw jqlFailure(`more than ${DEEPEST} brackets within each other`, this.token.at);
    const conditions = [this.and(depth)];
    while (this.takeWord('OR') || this.takeSymbol('|') || this.takeSymbol('||')) conditions.push(this.and(depth));
    return conditions.length === 1 && conditions[0] ? conditions[0] : { kind: 'or', conditions };
  }

  private and(depth: number): JqlCondition {
    const conditions = [this.not(depth)];
    while (this.takeWord('AND') || this.takeSymbol('&') || this.takeSymbol('&&')) conditions.push(this.not(depth));
    return conditions.length === 1 && conditions[0] ? conditions[0] : { kind: 'and', conditions };
  }

  private not(depth: number): JqlCondition {
    if (depth > DEEPEST) throw jqlFailure(`more than ${DEEPEST} of NOT within each other`, this.token.at);
    if (this.takeWord('NOT') || this.takeSymbol('!')) return { kind: 'not', condition: this.not(depth + 1) };
    if (!this.takeSymbol('(')) return this.clause();
    const condition = this.or(depth + 1);
    this.expectSymbol(')');
    return condition;
  }

  private clause(): JqlCondition {
    const field = this.field();
    const operator = this.operator();
    const operand = operator === 'CHANGED' ? null : this.operand(0);
    const isOfPast = operator.startsWith('WAS') || operator === 'CHANGED';
    const predicates: JqlPredicate[] = [];
    while (isOfPast && this.token.kind === 'word' && PREDICATES.has(this.word))
      predicates.push({ word: this.take().value.toUpperCase(), operand: this.operand(0) });
    return { kind: 'clause', field, operator, operand, predicates };
  }

  private field(): JqlField {
    const token = this.token;
    const isName = token.kind === 'text' || (token.kind === 'word' && !RESERVED.has(this.word));
    if (token.kind !== 'custom_field' && !isName) throw this.unexpected();
    this.position++;
    if (token.value === '') throw jqlFailure('a field without a name', token.at);
    return { kind: token.kind === 'custom_field' ? 'custom' : 'name', name: token.value, at: token.at };
  }

  private operator(): string {
    if (this.token.kind === 'symbol' && COMPARISONS.has(this.token.value)) return this.take().value;
    if (this.takeWord('CHANGED')) return 'CHANGED';
    if (this.takeWord('IS')) return this.takeWord('NOT') ? 'IS NOT' : 'IS';
    if (this.takeWord('IN')) return 'IN';
    if (this.takeWord('WAS')) {
      const not = this.takeWord('NOT') ? ' NOT' : '';
      return `WAS${not}${this.takeWord('IN') ? ' IN' : ''}`;
    }
    if (this.takeWord('NOT') && this.takeWord('IN')) return 'NOT IN';
    throw this.unexpected('an operator');
  }

  private operand(depth: number): JqlOperand {
    const token = this.token;
    if (token.kind === 'text') return { ...this.take(), kind: 'value', isQuoted: true };
    if (token.kind === 'symbol' && token.value === '(' && depth < 3) {
      this.position++;
      const operands = [this.operand(depth + 1)];
      while (this.takeSymbol(',')) operands.push(this.operand(depth + 1));
      this.expectSymbol(')');
      return { kind: 'list', operands };
    }
    if (token.kind !== 'word' || RESERVED.has(this.word)) throw this.unexpected('a value');
    this.position++;
    if (this.takeSymbol('(')) return this.call(token);
    if (/^(empty|null)$/i.test(token.value)) return { kind: 'empty' };
    return { kind: 'value', value: token.value, isQuoted: false, at: token.at };
  }

  private call({ value: name, at }: JqlToken): JqlOperand {
    if (!/^[A-Za-z]\w{0,99}$/.test(name)) throw jqlFailure('a function of this name', at);
    const args: string[] = [];
    if (this.takeSymbol(')')) return { kind: 'function', name, args, at };
    do {
      if (this.token.kind !== 'text' && this.token.kind !== 'word') throw this.unexpected('an argument');
      args.push(this.take().value);
    } while (this.takeSymbol(','));
    this.expectSymbol(')');
    return { kind: 'function', name, args, at };
  }

  private sorts(): JqlSort[] {
    if (!this.takeWord('BY')) throw this.unexpected('BY');
    const sorts: JqlSort[] = [];
    do {
      const field = this.field();
      const direction = this.takeWord('ASC') ? 'ASC' : this.takeWord('DESC') ? 'DESC' : null;
      sorts.push({ field, direction });
    } while (this.takeSymbol(','));
    return sorts;
  }

  private get token(): JqlToken {
    return this.tokens[Math.min(this.position, this.tokens.length - 1)] ?? { kind: 'end', value: '', at: 1 };
  }

  private get word(): string {
    return this.token.value.toUpperCase();
  }

  private isWord(word: string): boolean {
    return this.token.kind === 'word' && this.word === word;
  }

  private take(): JqlToken {
    const token = this.token;
    this.position++;
    return token;
  }

  private takeWord(word: string): boolean {
    if (!this.isWord(word)) return false;
    this.position++;
    return true;
  }

  private takeSymbol(symbol: string): boolean {
    if (this.token.kind !== 'symbol' || this.token.value !== symbol) return false;
    this.position++;
    return true;
  }

  private expectSymbol(symbol: string): void {
    if (!this.takeSymbol(symbol)) throw this.unexpected(symbol);
  }

  private unexpected(wanted?: string): Error {
    const { kind, value, at } = this.token;
    const found = kind === 'end' ? 'the end' : value.slice(0, 50);
    return jqlFailure(wanted === undefined ? `${found} is not expected` : `${wanted} is expected, not ${found},`, at);
  }
}
