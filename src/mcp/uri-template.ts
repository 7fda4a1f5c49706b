import { LRUCache } from 'lru-cache';

const EXPRESSION = /\{([+#./;?&]?)([^{}]*)\}/g;
const MOST_EXPRESSIONS = 16;

// RFC 6570, appendix A: what stands before the values of an expression, between them, whether they are named, and which characters stay.
const PLAIN = { first: '', between: ',', isNamed: false, isReserved: false };
const WRITTEN: Record<string, typeof PLAIN> = {
  '': PLAIN,
  '+': { first: '', between: ',', isNamed: false, isReserved: true },
  '#': { first: '#', between: ',', isNamed: false, isReserved: true },
  '.': { first: '.', between: '.', isNamed: false, isReserved: false },
  '/': { first: '/', between: '/', isNamed: false, isReserved: false },
  ';': { first: ';', between: ';', isNamed: true, isReserved: false },
  '?': { first: '?', between: '&', isNamed: true, isReserved: false },
  '&': { first: '&', between: '&', isNamed: true, isReserved: false },
};

/** The names of the variables of an RFC 6570 template. */
export function variablesOf(template: string): string[] {
  return [...template.matchAll(EXPRESSION)].flatMap(([, , names = '']) => names.split(',').map(bareName));
}

/** The expansion with a text for each variable; null where one can't be written in a URI. */
export function expanded(template: string, valueOf: (name: string) => string): string | null {
  try {
    return template.replaceAll(EXPRESSION, (_, operator: string, names: string) => {
      const { first, between, isNamed, isReserved } = WRITTEN[operator] ?? PLAIN;
      const values = names.split(',').map((name) => {
        const value = valueOf(bareName(name));
        const text = isReserved ? encodeURI(value) : encodeURIComponent(value);
        return isNamed ? `${bareName(name)}=${text}` : text;
      });
      return first + values.join(between);
    });
  } catch (error) {
    // Half of a surrogate pair.
    if (error instanceof URIError) return null;
    throw error;
  }
}

/** Without a modifier: all of a value is meant. */
function bareName(name: string): string {
  return name.replace(/(\*|:\d+)$/, '').trim();
}

/** What one expression can expand to: nothing where it is optional; else its first character, if it has one, and what follows. */
interface Expression {
  first: string | null;
  isOptional: boolean;
  takes: (character: string) => boolean;
}

interface Template {
  /** Before, between and after the expressions. */
  literals: string[];
  expressions: Expression[];
}

const isSegment = (character: string): boolean => !'/?#'.includes(character);
const isPath = (character: string): boolean => !'?#'.includes(character);
const isQuery = (character: string): boolean => character !== '#' && !isSpace(character);
const isAnything = (character: string): boolean => !isSpace(character);

/** RFC 6570, level 1 to 3, as loosely as a reader may ask and no looser than a path allows. */
const SIMPLE: Expression = { first: null, isOptional: false, takes: isSegment };
const OPERATORS: Record<string, Expression> = {
  '+': { first: null, isOptional: false, takes: isAnything },
  '#': { first: '#', isOptional: true, takes: isAnything },
  '.': { first: '.', isOptional: true, takes: isSegment },
  '/': { first: '/', isOptional: true, takes: isPath },
  ';': { first: ';', isOptional: true, takes: isSegment },
  '?': { first: '?', isOptional: true, takes: isQuery },
  '&': { first: '&', isOptional: true, takes: isQuery },
};

/** Each is asked about many URIs. */
const templates = new LRUCache<string, Template>({ max: 1_000 });

/**
 * Whether `uri` can be an expansion of the RFC 6570 `template`. Servers choose templates and callers URIs, so no regular
 * expression, which may take for ever over two expressions side by side: every character is looked at once for each expression.
 * Templates with more than 16 of them match nothing.
 */
export function isExpansionOf(template: string, uri: string): boolean {
  const parsed = templates.get(template) ?? parse(template);
  templates.set(template, parsed);
  const { literals, expressions } = parsed;
  const [head = '', tail = ''] = [literals[0], literals.at(-1)];
  if (expressions.length === 0) return uri === head;
  if (expressions.length > MOST_EXPRESSIONS || !uri.startsWith(head) || !uri.endsWith(tail)) return false;
  return runs(parsed, uri, head.length);
}

function parse(template: string): Template {
  const parsed: Template = { literals: [], expressions: [] };
  let end = 0;
  for (const match of template.matchAll(EXPRESSION)) {
    parsed.literals.push(template.slice(end, match.index));
    parsed.expressions.push(OPERATORS[match[1] ?? ''] ?? SIMPLE);
    end = match.index + match[0].length;
  }
  parsed.literals.push(template.slice(end));
  return parsed;
}

/** All ways at once: bit n of `starting` and `within` says that expression n may begin at, or go on from, that character. */
function runs(template: Template, uri: string, from: number): boolean {
  const starting = new Uint32Array(uri.length + 1);
  const within = new Uint32Array(uri.length + 2);
  starting[from] = 1;
  for (let at = from; at <= uri.length; at++) {
    const character = uri[at] ?? null;
    for (const [index, expression] of template.expressions.entries()) {
      const starts = isMarked(starting, at, index);
      const goesOn = isMarked(within, at, index);
      if (goesOn || (starts && expression.isOptional)) {
        const next = afterLiteral(template, uri, at, index);
        if (next === 'end') return true;
        if (next !== null) mark(starting, next, index + 1);
      }
      if (character !== null && takes(expression, character, starts, goesOn)) mark(within, at + 1, index);
    }
  }
  return false;
}

/** Where the next expression may begin when this one ends here; `end` where the URI is over then. */
function afterLiteral(
  { literals, expressions }: Template,
  uri: string,
  at: number,
  index: number,
): number | 'end' | null {
  const literal = literals[index + 1] ?? '';
  if (index < expressions.length - 1) return uri.startsWith(literal, at) ? at + literal.length : null;
  return uri.length - at === literal.length && uri.endsWith(literal) ? 'end' : null;
}

function takes(expression: Expression, character: string, starts: boolean, goesOn: boolean): boolean {
  if (goesOn && expression.takes(character)) return true;
  return starts && (expression.first === null ? expression.takes(character) : expression.first === character);
}

function isMarked(bits: Uint32Array, at: number, index: number): boolean {
  return ((bits[at] ?? 0) & (1 << index)) !== 0;
}

function mark(bits: Uint32Array, at: number, index: number): void {
  bits[at] = (bits[at] ?? 0) | (1 << index);
}

function isSpace(character: string): boolean {
  return /\s/.test(character);
}
