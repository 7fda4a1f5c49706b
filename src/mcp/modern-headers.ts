import { isObject, type JsonObject } from './json-rpc.js';

export const MODERN_VERSION = '2026-07-28';
export const PROTOCOL_VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
export const CLIENT_INFO_KEY = 'io.modelcontextprotocol/clientInfo';
export const CLIENT_CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities';
export const SERVER_INFO_KEY = 'io.modelcontextprotocol/serverInfo';
export const LOG_LEVEL_KEY = 'io.modelcontextprotocol/logLevel';
export const SUBSCRIPTION_KEY = 'io.modelcontextprotocol/subscriptionId';

/** Where an argument of a tool stands, and the header that repeats it: `Mcp-Param-{name}`. */
export interface HeaderParameter {
  name: string;
  path: string[];
}

// MCP 2026-07-28, Streamable HTTP, Standard Request Headers: the parameter that Mcp-Name repeats.
export const NAME_SOURCE: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
]);
const PLAIN = /^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$/;
const MAX_DEPTH = 32;
const MAX_PARAMETERS = 32;

/**
 * The headers that repeat parts of a 2026-07-28 request for intermediaries. `parameters` are those of the called tool.
 */
export function modernHeaders(
  version: string,
  method: string,
  params: JsonObject,
  parameters: readonly HeaderParameter[] = [],
): Record<string, string> {
  const headers: Record<string, string> = { 'mcp-protocol-version': version, 'mcp-method': method };
  const source = NAME_SOURCE.get(method);
  const name = source === undefined ? undefined : params[source];
  if (typeof name === 'string') headers['mcp-name'] = headerValue(name);
  for (const parameter of parameters) {
    const value = parameterText(params.arguments, parameter);
    if (value !== undefined) headers[`mcp-param-${parameter.name}`] = headerValue(value);
  }
  return headers;
}

/** What the header of a parameter repeats; undefined where the arguments have no such value. */
export function parameterText(args: unknown, { path }: HeaderParameter): string | undefined {
  return valueText(valueAt(args, path));
}

/** A value as an HTTP field value: as it is where that is unambiguous, else `=?base64?...?=` of its UTF-8 (same section). */
export function headerValue(value: string): string {
  const isMarked = value.startsWith('=?base64?') && value.endsWith('?=');
  return PLAIN.test(value) && !isMarked ? value : `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}

/** With its padding (RFC 4648, section 4). */
const ENCODED = /^=\?base64\?((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)\?=$/;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** What a header value stands for; null where it breaks the rules of its encoding (same section). */
export function headerText(value: string): string | null {
  const marked = ENCODED.exec(value)?.[1];
  if (marked === undefined) return value.startsWith('=?base64?') && value.endsWith('?=') ? null : value;
  try {
    return UTF8.decode(Buffer.from(marked, 'base64'));
  } catch {
    return null;
  }
}

/**
 * The `x-mcp-header` declarations of a tool's input schema. Null when they break the rules of the specification, in which
 * case a client must not offer the tool: only string, integer or boolean properties reached through `properties` alone,
 * names that are tokens and unique whatever their case. What stands deeper than 32 levels is not looked at.
 */
export function headerParameters(inputSchema: unknown): HeaderParameter[] | null {
  if (!isObject(inputSchema)) return readParameters(inputSchema);
  const known = parametersOf.get(inputSchema);
  if (known !== undefined) return known;
  const parameters = readParameters(inputSchema);
  parametersOf.set(inputSchema, parameters);
  return parameters;
}

/** Definitions are read once and kept as long as their schemas are, so each is looked through once. */
const parametersOf = new WeakMap<object, HeaderParameter[] | null>();

function readParameters(inputSchema: unknown): HeaderParameter[] | null {
  const found: HeaderParameter[] = [];
  const names = new Set<string>();
  const visit = (node: unknown, path: string[], reachable: boolean): boolean => {
    if (path.length > MAX_DEPTH) return true;
    if (Array.isArray(node)) return node.every((item) => visit(item, [...path, ''], false));
    if (!isObject(node)) return true;
    const name = node['x-mcp-header'];
    if (name !== undefined) {
      const isPrimitive = node.type === 'string' || node.type === 'integer' || node.type === 'boolean';
      if (!reachable || path.length === 0 || !isPrimitive || typeof name !== 'string' || !TOKEN.test(name))
        return false;
      if (names.has(name.toLowerCase()) || names.size === MAX_PARAMETERS) return false;
      names.add(name.toLowerCase());
      found.push({ name: name.toLowerCase(), path });
    }
    return Object.entries(node).every(([key, child]) => {
      if (key !== 'properties' || !isObject(child)) return DATA_KEYWORDS.has(key) || visit(child, [...path, ''], false);
      return Object.entries(child).every(([property, schema]) => visit(schema, [...path, property], reachable));
    });
  };
  return visit(inputSchema, [], true) ? found : null;
}

// Their values are data that may look like a schema.
const DATA_KEYWORDS = new Set(['const', 'enum', 'default', 'examples', 'x-mcp-header']);

function valueAt(root: unknown, path: readonly string[]): unknown {
  let node = root;
  for (const key of path) {
    if (!isObject(node) || !Object.hasOwn(node, key)) return undefined;
    node = node[key];
  }
  return node;
}

function valueText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : undefined;
}
