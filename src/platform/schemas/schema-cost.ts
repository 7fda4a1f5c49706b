import { isObject, type JsonObject } from './schema-keywords.js';

/** A subschema with what it applies to the same value (references included) and to parts of the value. */
export interface SchemaNode {
  schema: JsonObject;
  path: string;
  inPlace: SchemaNode[];
  deeper: SchemaNode[];
  /** Has a dynamic reference, whose target depends on how it was reached. */
  dynamic: boolean;
}

/** What one check costs at most, so that cost times size of the value says where it may run. */
export interface SchemaCost {
  /** Subschemas as written: what compiling costs. */
  subschemas: number;
  /** Simple operations per part of the value, references written out. */
  applications: number;
  /** Passes over each string of the value: length checks and patterns, references written out. */
  scans: number;
  /** False when it may recurse or grows too large written out: no product with the value's size says anything then. */
  bounded: boolean;
  /** `uniqueItems` over more than scalars compares each pair of items. */
  comparesPairs: boolean;
  /** Path of a subschema that applies itself to the same value again, which would never end. */
  selfReference?: string;
}

type Totals = Pick<SchemaCost, 'applications' | 'scans'>;

const MAX_EXPANDED = 20_000;
const PATTERN_WEIGHT = 20;
const SCALAR_TYPES = new Set(['string', 'number', 'integer', 'boolean', 'null']);

/** Cost of checking with the schema whose root node is given; `subschemas` is their number as written. */
export function costOf(root: SchemaNode, subschemas: number): SchemaCost {
  const expansion = new Expansion();
  const totals = expansion.visit(root);
  const selfReference = findSelfReference(root);
  return {
    subschemas,
    ...totals,
    bounded: !expansion.isRecursive && totals.applications <= MAX_EXPANDED,
    comparesPairs: expansion.comparesPairs,
    ...(selfReference === undefined ? {} : { selfReference }),
  };
}

/** Sums the cost of a schema as if every reference were replaced by what it refers to, each subschema visited once. */
class Expansion {
  isRecursive = false;
  comparesPairs = false;
  private readonly done = new Map<SchemaNode, Totals | 'open'>();

  visit(node: SchemaNode): Totals {
    const known = this.done.get(node);
    if (known === 'open' || node.dynamic) this.isRecursive = true;
    if (known !== undefined) return known === 'open' ? { applications: 0, scans: 0 } : known;
    this.done.set(node, 'open');
    const totals = ownCost(node.schema);
    if (comparesPairs(node.schema)) this.comparesPairs = true;
    for (const inner of [...node.inPlace, ...node.deeper]) {
      const { applications, scans } = this.visit(inner);
      // Written out a chain of doubling references passes any number: stop counting long before it is no number.
      totals.applications = Math.min(totals.applications + applications, 1e12);
      totals.scans = Math.min(totals.scans + scans, 1e12);
    }
    this.done.set(node, totals);
    return totals;
  }
}

function ownCost(schema: JsonObject): Totals {
  const { required, properties, patternProperties, pattern, minLength, maxLength, format } = schema;
  const listed =
    (Array.isArray(required) ? required.length : 0) + (isObject(properties) ? Object.keys(properties).length : 0);
  const patterns =
    (pattern === undefined ? 0 : 1) + (isObject(patternProperties) ? Object.keys(patternProperties).length : 0);
  const lengths = [minLength, maxLength, format].filter((value) => value !== undefined).length;
  return {
    applications: 1 + listed + sizeOf(schema.enum) + sizeOf(schema.const) + patterns,
    scans: lengths + patterns * PATTERN_WEIGHT,
  };
}

function sizeOf(data: unknown): number {
  if (data === undefined) return 0;
  if (typeof data !== 'object' || data === null) return 1;
  return Object.values(data).reduce<number>((sum, inner) => sum + sizeOf(inner), 1);
}

function comparesPairs(schema: JsonObject): boolean {
  if (schema.uniqueItems !== true) return false;
  const types = isObject(schema.items) ? schema.items.type : undefined;
  return !(Array.isArray(types) ? types : [types]).every((type) => SCALAR_TYPES.has(type as string));
}

/** A cycle of subschemas that all apply to one value; cycles that go deeper into the value end with the value. */
function findSelfReference(root: SchemaNode): string | undefined {
  const state = new Map<SchemaNode, 'open' | 'done'>();
  const waiting = [root];
  const loops = (node: SchemaNode): string | undefined => {
    if (state.get(node) === 'open') return node.path;
    if (state.has(node)) return undefined;
    state.set(node, 'open');
    waiting.push(...node.deeper);
    for (const inner of node.inPlace) {
      const found = loops(inner);
      if (found !== undefined) return found;
    }
    state.set(node, 'done');
    return undefined;
  };
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const found = loops(next);
    if (found !== undefined) return found;
  }
  return undefined;
}
