import type { IncomingHttpHeaders } from 'node:http';
import { isObject, type JsonObject } from './json-rpc.js';
import {
  CLIENT_CAPABILITIES_KEY,
  headerText,
  MODERN_VERSION,
  NAME_SOURCE,
  PROTOCOL_VERSION_KEY,
} from './modern-headers.js';
import type { Era } from './upstream.js';

/** Newest first; what we speak to clients of the old era. */
export const LEGACY_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;
export const SPOKEN_VERSIONS: readonly string[] = [MODERN_VERSION, ...LEGACY_VERSIONS];

export type RpcId = string | number;

/** JSON-RPC 2.0, section 5.1, and MCP 2026-07-28, Error Codes. */
export const RPC = {
  parseError: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  invalidParams: -32_602,
  internalError: -32_603,
  headerMismatch: -32_020,
  missingCapability: -32_021,
  unsupportedVersion: -32_022,
} as const;

/** A message that is answered with an error of the protocol. */
export class Rejected extends Error {
  constructor(
    /** Of the HTTP answer. */
    readonly status: number,
    readonly code: number,
    message: string,
    readonly data?: unknown,
  ) {
    super(message);
  }
}

/** What a client sent: a request, a notification, or the answer to a request of ours (old era only). */
export type ClientMessage =
  | { kind: 'request'; era: Era; id: RpcId; method: string; params: JsonObject }
  | { kind: 'notification'; era: Era; method: string; params: JsonObject }
  | { kind: 'answer'; id: RpcId; message: JsonObject };

/**
 * Reads one message of a client over Streamable HTTP, and checks its envelope: JSON-RPC, the version, and in the new era the
 * headers that repeat parts of the body (MCP 2026-07-28, Streamable HTTP, Server Validation).
 * @throws Rejected
 */
export function readClientMessage(headers: IncomingHttpHeaders, body: unknown): ClientMessage {
  if (Array.isArray(body))
    throw new Rejected(400, RPC.invalidRequest, 'Batches are not taken: send each message in a request of its own');
  if (!isObject(body) || body.jsonrpc !== '2.0')
    throw new Rejected(
      400,
      RPC.invalidRequest,
      'The body must be one JSON-RPC 2.0 message: an object with jsonrpc "2.0"',
    );
  const { method } = body;
  if (method === undefined) return readAnswer(headers, body);
  if (typeof method !== 'string') throw new Rejected(400, RPC.invalidRequest, 'method must be a string');
  if (body.params !== undefined && !isObject(body.params))
    throw new Rejected(400, RPC.invalidParams, 'params must be an object');
  const params = isObject(body.params) ? body.params : {};
  const era = eraOf(headers, params);
  if (!Object.hasOwn(body, 'id')) return { kind: 'notification', era, method, params };
  const id = idOf(body);
  if (id === null) throw new Rejected(400, RPC.invalidRequest, 'id must be a string or an integer');
  if (era === 'modern') checkModern(headers, method, params);
  return { kind: 'request', era, id, method, params };
}

/** The id of whatever it is, for the error that answers it; null where it has none that could be repeated. */
export function idOf(body: unknown): RpcId | null {
  const id = isObject(body) ? body.id : undefined;
  return typeof id === 'string' || Number.isSafeInteger(id) ? (id as RpcId) : null;
}

function readAnswer(headers: IncomingHttpHeaders, body: JsonObject): ClientMessage {
  const id = idOf(body);
  const isOne = id !== null && (body.result === undefined) !== (body.error === undefined);
  if (!isOne || headers['mcp-protocol-version'] === MODERN_VERSION)
    throw new Rejected(
      400,
      RPC.invalidRequest,
      'The message is neither a request nor a notification: it has no method',
    );
  return { kind: 'answer', id, message: body };
}

/** A client of the new era says so with every request; whoever says nothing of it is of the old one. */
function eraOf(headers: IncomingHttpHeaders, params: JsonObject): Era {
  const stated = headers['mcp-protocol-version'];
  const claimed = isObject(params._meta) ? params._meta[PROTOCOL_VERSION_KEY] : undefined;
  if (claimed !== undefined || stated === MODERN_VERSION) return 'modern';
  if (typeof stated === 'string' && !SPOKEN_VERSIONS.includes(stated)) throw unsupported(stated);
  return 'legacy';
}

function checkModern(headers: IncomingHttpHeaders, method: string, params: JsonObject): void {
  const meta = isObject(params._meta) ? params._meta : {};
  const claimed = meta[PROTOCOL_VERSION_KEY];
  if (typeof claimed !== 'string')
    throw new Rejected(400, RPC.invalidParams, `params._meta must have ${PROTOCOL_VERSION_KEY}, a string`);
  mustRepeat(headers, 'MCP-Protocol-Version', claimed, asItIs);
  if (claimed !== MODERN_VERSION) throw unsupported(claimed, [MODERN_VERSION]);
  if (!isObject(meta[CLIENT_CAPABILITIES_KEY]))
    throw new Rejected(400, RPC.invalidParams, `params._meta must have ${CLIENT_CAPABILITIES_KEY}, an object`);
  mustRepeat(headers, 'Mcp-Method', method, asItIs);
  const source = NAME_SOURCE.get(method);
  const name = source === undefined ? undefined : params[source];
  if (typeof name === 'string') mustRepeat(headers, 'Mcp-Name', name);
}

const asItIs = (text: string): string => text;

/** @throws Rejected where the header is not what the body says, once decoded */
export function mustRepeat(
  headers: IncomingHttpHeaders,
  name: string,
  value: string,
  decoded: (text: string) => string | null = headerText,
): void {
  const given = headers[name.toLowerCase()];
  if (given === undefined)
    throw new Rejected(400, RPC.headerMismatch, `Header mismatch: ${name} is missing, and must repeat the body`);
  if (typeof given !== 'string' || decoded(given) !== value)
    throw new Rejected(400, RPC.headerMismatch, `Header mismatch: ${name} does not repeat what the body says`);
}

/** @param supported as `server/discover` has it, where a client of the new era asks */
function unsupported(requested: string, supported = SPOKEN_VERSIONS): Rejected {
  return new Rejected(400, RPC.unsupportedVersion, 'Unsupported protocol version', {
    supported,
    requested: requested.slice(0, 100),
  });
}
