import { costOf, type SchemaCost, type SchemaNode } from './schema-cost.js';
import {
  APPLICATORS,
  FORBIDDEN_KEYS,
  isObject,
  isSchema,
  type JsonObject,
  KEYWORD_TYPES,
  pointer,
  subschemasOf,
} from './schema-keywords.js';

export interface SchemaProblem {
  /** JSON pointer into the schema. */
  path: string;
  message: string;
}

export interface SchemaInspection {
  /** Why the schema is not accepted, at most 20; nothing else of the inspection is reliable when there are any. */
  problems: SchemaProblem[];
  cost: SchemaCost;
  /** All distinct regular expressions, from `pattern` and `patternProperties`, each with a path where it stands. */
  patterns: ReadonlyMap<string, string>;
}

const MAX_BYTES = 64 * 1024;
const MAX_JSON_DEPTH = 64;
const MAX_DEPTH = 32;
const MAX_SUBSCHEMAS = 2000;
const MAX_PROBLEMS = 20;
const NO_COST: SchemaCost = { subschemas: 0, applications: 0, scans: 0, bounded: true, comparesPairs: false };

/**
 * Checks a JSON Schema from a user or an upstream against the bounds of security.md without compiling it: size, depth,
 * number of subschemas, plausible keywords, references only within itself, patterns that compile, no prototype keys.
 * Also says what a check with it costs. Takes about as long as JSON.stringify of the schema.
 */
export function inspectSchema(schema: unknown): SchemaInspection {
  const outer = outerProblem(schema);
  if (outer) return { problems: [outer], cost: NO_COST, patterns: new Map() };
  return new Inspection(schema as JsonObject | boolean).run();
}

function outerProblem(schema: unknown): SchemaProblem | null {
  if (!isSchema(schema)) return { path: '', message: 'must be a JSON object' };
  const tooLarge = { path: '', message: `must not be larger than ${MAX_BYTES} bytes` };
  // A lower bound of the size first: whatever passes it is small enough to be written out.
  let budget = MAX_BYTES;
  const open: [path: string, value: unknown, depth: number][] = [['', schema, 0]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [path, value, depth] = next;
    budget -= typeof value === 'string' ? value.length + 2 : 1;
    if (depth > MAX_JSON_DEPTH) return { path, message: `must not be nested deeper than ${MAX_JSON_DEPTH} levels` };
    const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
    if (budget - entries.length < 0) return tooLarge;
    for (const [key, inner] of entries) {
      if (FORBIDDEN_KEYS.has(key)) return { path: pointer(path, key), message: 'is not allowed as a key' };
      if (!Array.isArray(value)) budget -= key.length + 3;
      open.push([pointer(path, key), inner, depth + 1]);
    }
  }
  return Buffer.byteLength(JSON.stringify(schema)) > MAX_BYTES ? tooLarge : null;
}

/** One walk over all subschemas; the nodes it leaves behind are the graph that the cost is computed on. */
class Inspection {
  private readonly problems: SchemaProblem[] = [];
  private readonly nodes = new Map<JsonObject, SchemaNode>();
  private readonly references: { node: SchemaNode; keyword: string; target: string }[] = [];
  private readonly anchors = new Map<string, JsonObject>();
  private readonly patterns = new Map<string, string>();

  constructor(private readonly root: JsonObject | boolean) {}

  run(): SchemaInspection {
    this.walk(this.root, '', 0);
    // Not by iterator: a reference may lead to a place that is a schema only because something refers to it.
    for (let at = 0; at < this.references.length && !this.isFull(); at++) this.resolve(at);
    const start = isObject(this.root) ? this.nodes.get(this.root) : undefined;
    const cost = start && this.problems.length === 0 ? costOf(start, this.nodes.size) : NO_COST;
    if (cost.selfReference !== undefined)
      this.report(cost.selfReference, 'refers to itself without going deeper into the value');
    return { problems: this.problems, cost, patterns: this.patterns };
  }

  private walk(schema: unknown, path: string, depth: number): SchemaNode | null {
    if (this.isFull() || typeof schema === 'boolean') return null;
    if (!isObject(schema)) return this.report(path, 'must be a schema: an object, true or false');
    const known = this.nodes.get(schema);
    if (known) return known;
    if (depth > MAX_DEPTH) return this.report(path, `must not be nested deeper than ${MAX_DEPTH} schemas`);
    const node: SchemaNode = { schema, path, inPlace: [], deeper: [], dynamic: false };
    this.nodes.set(schema, node);
    if (this.nodes.size > MAX_SUBSCHEMAS)
      return this.report('', `must not have more than ${MAX_SUBSCHEMAS} subschemas`);
    for (const [keyword, value] of Object.entries(schema)) this.keyword(node, keyword, value, depth);
    return node;
  }

  private keyword(node: SchemaNode, keyword: string, value: unknown, depth: number): void {
    const path = pointer(node.path, keyword);
    const [isPlausible, text] = KEYWORD_TYPES.get(keyword) ?? [];
    if (isPlausible && !isPlausible(value)) return void this.report(path, `must be ${text}`);
    if (keyword === 'pattern') this.pattern(value as string, path);
    else if (keyword === '$id' || keyword === '$anchor') this.identifier(node, keyword, value as string, path);
    else if (keyword === '$ref' || keyword === '$dynamicRef' || keyword === '$recursiveRef')
      this.references.push({ node, keyword, target: value as string });
    this.applicator(node, keyword, value, depth);
  }

  private applicator(node: SchemaNode, keyword: string, value: unknown, depth: number): void {
    const applicator = APPLICATORS.get(keyword);
    if (!applicator) return;
    const path = pointer(node.path, keyword);
    if (applicator.holds === 'map' && !isObject(value)) return void this.report(path, 'must be an object');
    for (const [key, schema] of subschemasOf(keyword, value)) {
      if (keyword === 'patternProperties') this.pattern(String(key), pointer(path, String(key)));
      const inner = this.walk(schema, key === null ? path : pointer(path, key), depth + 1);
      if (inner && applicator.applies === 'in-place') node.inPlace.push(inner);
      if (inner && applicator.applies === 'deeper') node.deeper.push(inner);
    }
  }

  private pattern(source: string, path: string): void {
    if (this.patterns.has(source)) return;
    if (compilePattern(source)) this.patterns.set(source, path);
    else this.report(path, 'must be a valid regular expression');
  }

  private identifier(node: SchemaNode, keyword: string, value: string, path: string): void {
    // Draft-07 writes anchors as `$id: "#name"`.
    if (keyword === '$anchor' || value.startsWith('#')) this.anchors.set(value.replace(/^#/, ''), node.schema);
    else if (node.schema !== this.root) this.report(path, 'is only supported at the root');
  }

  private resolve(at: number): void {
    const reference = this.references[at];
    if (!reference) return;
    const { node, keyword, target } = reference;
    const path = pointer(node.path, keyword);
    if (!target.startsWith('#')) return void this.report(path, 'must refer to a place within this schema ("#/...")');
    const found = this.lookUp(target.slice(1));
    if (!isSchema(found)) return void this.report(path, 'refers to something that is not in this schema');
    if (keyword !== '$ref') node.dynamic = true;
    const inner = this.walk(found, target.slice(1), 1);
    if (inner) node.inPlace.push(inner);
  }

  private lookUp(fragment: string): unknown {
    if (fragment === '') return this.root;
    if (!fragment.startsWith('/')) return this.anchors.get(fragment);
    let place: unknown = this.root;
    for (const step of fragment.slice(1).split('/')) {
      const key = unescapeStep(step);
      if (key === null || typeof place !== 'object' || place === null || !Object.hasOwn(place, key)) return undefined;
      place = (place as JsonObject)[key];
    }
    return place;
  }

  private report(path: string, message: string): null {
    if (!this.isFull()) this.problems.push({ path, message });
    return null;
  }

  private isFull(): boolean {
    return this.problems.length >= MAX_PROBLEMS;
  }
}

/** RFC 6901, 6: in a URI fragment the pointer is percent-encoded on top. */
function unescapeStep(step: string): string | null {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return null;
  }
}

/**
 * JSON Schema wants patterns in Unicode mode, but many in the wild only compile without it (`[\w\-]`): those get the
 * mode they were written for. Null when neither compiles.
 */
export function compilePattern(source: string): RegExp | null {
  for (const flags of ['u', '']) {
    try {
      return new RegExp(source, flags);
    } catch {
      // Tried in the other mode, then reported by the caller.
    }
  }
  return null;
}
