/** A field as it was named: `"Epic Link"`, `project`, `cf[10014]`. */
export interface JqlField {
  kind: 'name' | 'custom';
  name: string;
  at: number;
}

export type JqlOperand =
  | { kind: 'value'; value: string; isQuoted: boolean; at: number }
  | { kind: 'empty' }
  | { kind: 'function'; name: string; args: readonly string[]; at: number }
  | { kind: 'list'; operands: readonly JqlOperand[] };

/** What the past of a field is asked: `changed FROM "Open" BEFORE -1w`. */
export interface JqlPredicate {
  word: string;
  operand: JqlOperand;
}

export type JqlCondition =
  | { kind: 'and' | 'or'; conditions: readonly JqlCondition[] }
  | { kind: 'not'; condition: JqlCondition }
  | {
      kind: 'clause';
      field: JqlField;
      operator: string;
      operand: JqlOperand | null;
      predicates: readonly JqlPredicate[];
    };

export interface JqlSort {
  field: JqlField;
  direction: 'ASC' | 'DESC' | null;
}

export interface JqlQuery {
  /** Null: everything. */
  condition: JqlCondition | null;
  orderBy: readonly JqlSort[];
}

/**
 * Writes a query anew from what was understood of it, with brackets around every condition: what Jira reads is what was
 * judged here, however it was spelled.
 */
export function writtenCondition(condition: JqlCondition): string {
  switch (condition.kind) {
    case 'and':
    case 'or': {
      const word = condition.kind === 'and' ? ' AND ' : ' OR ';
      return condition.conditions.map((each) => `(${writtenCondition(each)})`).join(word);
    }
    case 'not':
      return `NOT (${writtenCondition(condition.condition)})`;
    case 'clause': {
      const { field, operator, operand, predicates } = condition;
      const parts = [writtenField(field), operator, ...(operand ? [writtenOperand(operand)] : [])];
      return [...parts, ...predicates.map(({ word, operand: by }) => `${word} ${writtenOperand(by)}`)].join(' ');
    }
  }
}

export function writtenOrder(orderBy: readonly JqlSort[]): string {
  return orderBy.map(({ field, direction }) => [writtenField(field), direction ?? []].flat().join(' ')).join(', ');
}

export function quotedText(value: string): string {
  const escaped = value.replaceAll(/[\\"]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
  return `"${escaped.replaceAll('\t', '\\t')}"`;
}

/** `Epic Link`, `epic-link` and `epiclink` alike, and letters that some readers take for others of another case. */
export function plainName(name: string): string {
  return name
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .replaceAll(/[\s_-]/g, '');
}

function writtenField({ kind, name }: JqlField): string {
  return kind === 'custom' ? `cf[${name}]` : quotedText(name);
}

/** Numbers stay bare: to Jira 10001 is an id, and "10001" a name. */
function writtenOperand(operand: JqlOperand): string {
  switch (operand.kind) {
    case 'value':
      return !operand.isQuoted && /^-?\d{1,18}$/.test(operand.value) ? operand.value : quotedText(operand.value);
    case 'empty':
      return 'EMPTY';
    case 'function':
      return `${operand.name}(${operand.args.map(quotedText).join(', ')})`;
    case 'list':
      return `(${operand.operands.map(writtenOperand).join(', ')})`;
  }
}
