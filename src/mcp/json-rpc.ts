import { type RpcError, UpstreamError } from './upstream.js';

/** A JSON object as it came from the wire. Keys such as `__proto__` are plain own properties, as JSON.parse makes them. */
export type JsonObject = Record<string, unknown>;

// A type alias, because interfaces are not assignable to JsonObject.
export type RpcRequest = {
  jsonrpc: '2.0';
  id: number | string;
  method: string;
  params?: JsonObject;
};

/** Anything that expects no answer: a notification, or our answer to a request of the server. */
export type RpcOneWay = JsonObject & { jsonrpc: '2.0' };

/** One answer, its members as the server sent them, and its size on the wire. */
export interface RpcAnswer {
  message: JsonObject;
  bytes: number;
}

// Deeper values would overflow the stack of whoever serializes them again; no real result comes near.
const MAX_DEPTH = 512;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Parses one JSON-RPC message. Throws UpstreamError `protocol_error` for anything that is not a single JSON object:
 * broken JSON, batches (which only 2025-03-26 had, and which nobody has to send), scalars, nesting beyond 512 levels.
 */
export function parseMessage(text: string): JsonObject {
  if (nestsTooDeep(text)) throw new UpstreamError('protocol_error', 'The server sent a message nested too deeply.');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UpstreamError('protocol_error', 'The server sent a message that is not valid JSON.');
  }
  if (Array.isArray(value))
    throw new UpstreamError('protocol_error', 'The server sent a batch where one message was due.');
  if (!isObject(value)) throw new UpstreamError('protocol_error', 'The server sent a message that is not an object.');
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Answers carry `result` or `error` and no `method`; everything else with a method is a request or a notification. */
export function isAnswer(message: JsonObject): boolean {
  return message.method === undefined && (message.result !== undefined || message.error !== undefined);
}

/** Some servers turn numeric ids into strings, and errors raised before the id was read carry null or none. */
export function answers(message: JsonObject, id: number | string): boolean {
  if (message.id === id || message.id === String(id)) return true;
  return message.error !== undefined && (message.id === null || message.id === undefined);
}

/** The error member of an answer, its message cut to 2,000 characters; undefined without a code. */
export function readRpcError(error: unknown): RpcError | undefined {
  if (!isObject(error) || typeof error.code !== 'number') return undefined;
  const message = typeof error.message === 'string' ? error.message.slice(0, 2000) : 'The server gave no message.';
  return error.data === undefined ? { code: error.code, message } : { code: error.code, message, data: error.data };
}

/** The same as an UpstreamError `rpc_error`; an error without a code counts as an internal one. */
export function rpcError(error: unknown): UpstreamError {
  const rpc = readRpcError(error) ?? { code: -32603, message: 'The server reported an error without a code.' };
  return new UpstreamError('rpc_error', rpc.message, { rpc });
}

function nestsTooDeep(text: string): boolean {
  // Each level takes two characters, so a short text cannot be too deep.
  if (text.length <= 2 * MAX_DEPTH) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    // [ and { differ in one bit, as do ] and }.
    else if ((code | 0x20) === 0x7b) {
      if (++depth > MAX_DEPTH) return true;
    } else if ((code | 0x20) === 0x7d) depth--;
  }
  return false;
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}
