/** A parameter of a tool as the API describes it. */
export interface ToolParameter {
  name: string;
  type: string;
  required: boolean;
  description?: string;
  default?: unknown;
  enum?: unknown[];
}

type Schema = Record<string, unknown>;

/** How far local references and nested unions are followed for the name of a type. */
const DEEPEST_TYPE = 8;

/** The parameters of a tool, from the properties of its input schema. */
export function parametersOf(schema: Schema): ToolParameter[] {
  if (!isSchema(schema.properties)) return [];
  const required = new Set(Array.isArray(schema.required) ? (schema.required as unknown[]) : []);
  return Object.entries(schema.properties).map(([name, property]) => {
    const described = isSchema(property) ? property : {};
    const parameter: ToolParameter = { name, type: typeName(described, schema), required: required.has(name) };
    if (typeof described.description === 'string') parameter.description = described.description;
    if (described.default !== undefined) parameter.default = described.default;
    if (Array.isArray(described.enum)) parameter.enum = described.enum as unknown[];
    return parameter;
  });
}

/** The schema's type, unions joined by `|` without `null`; `any` where it allows everything. */
function typeName(schema: Schema, root: Schema): string {
  const types = [...new Set(typesOf(schema, root, 0))];
  const named = types.filter((type) => type !== 'null');
  if (named.length > 0) return named.join('|');
  return types.length > 0 ? 'null' : 'any';
}

function typesOf(schema: Schema, root: Schema, depth: number): string[] {
  if (depth > DEEPEST_TYPE) return [];
  if (typeof schema.type === 'string') return [schema.type];
  if (Array.isArray(schema.type)) return schema.type.filter((type): type is string => typeof type === 'string');
  const target = typeof schema.$ref === 'string' ? resolve(schema.$ref, root) : null;
  if (target) return typesOf(target, root, depth + 1);
  const branches = [schema.anyOf, schema.oneOf].find(Array.isArray) as unknown[] | undefined;
  if (branches) return branches.filter(isSchema).flatMap((branch) => typesOf(branch, root, depth + 1));
  if (Array.isArray(schema.enum)) return schema.enum.map(typeOfValue);
  return 'const' in schema ? [typeOfValue(schema.const)] : [];
}

/** A reference inside the same schema (RFC 6901); any other leads nowhere. */
function resolve(reference: string, root: Schema): Schema | null {
  if (!reference.startsWith('#/')) return null;
  let place: unknown = root;
  for (const part of reference.slice(2).split('/')) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    place = isSchema(place) && Object.hasOwn(place, key) ? place[key] : undefined;
  }
  return isSchema(place) ? place : null;
}

function typeOfValue(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
