import type { FastifyRequest } from 'fastify';
import { mustRepeat, Rejected, RPC, type ClientMessage } from '../../mcp/client-message.js';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { headerParameters, MODERN_VERSION, parameterText, SERVER_INFO_KEY } from '../../mcp/modern-headers.js';
import type { Progress } from '../../mcp/upstream.js';
import { VERSION } from '../../platform/telemetry/version.js';
import { LOG_LEVELS } from './agent-peer.js';
import type { AgentSession } from './agent-session.js';
import type { Exchange, RpcFailure } from './exchange.js';

export const SERVER_INFO = { name: 'mcp-control-plane', title: 'MCP control plane', version: VERSION };
export const CAPABILITIES = {
  tools: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  prompts: { listChanged: true },
  completions: {},
  logging: {},
};
/** Milliseconds that a list may be believed without asking again; whoever listens hears of changes sooner. */
const FRESH_MS = 5_000;
const CACHEABLE = new Set([
  'server/discover',
  'tools/list',
  'resources/list',
  'resources/templates/list',
  'prompts/list',
  'resources/read',
]);

/** What counts on a grant, see InvocationService. */
const USES = new Set(['tools/call', 'resources/read', 'resources/subscribe', 'prompts/get', 'completion/complete']);

/** What only one era asks, and can be answered at once. @throws Rejected for a method that is not there */
export function ofEra(
  { method, params }: Extract<ClientMessage, { kind: 'request' }>,
  session: AgentSession | null,
): JsonObject {
  if (session && method === 'ping') return {};
  if (session && method === 'logging/setLevel') return setLevel(session, params);
  if (!session && method === 'server/discover')
    return { supportedVersions: [MODERN_VERSION], capabilities: CAPABILITIES, serverInfo: SERVER_INFO };
  throw new Rejected(200, RPC.methodNotFound, `Method not found: ${method.slice(0, 200)}`);
}

function setLevel(session: AgentSession, { level }: JsonObject): JsonObject {
  if (typeof level !== 'string' || !LOG_LEVELS.includes(level))
    throw new Rejected(200, RPC.invalidParams, `params.level must be one of ${LOG_LEVELS.join(', ')}`);
  session.logLevel = level;
  return {};
}

export const SERVER_META = { [SERVER_INFO_KEY]: SERVER_INFO };

/** What every result of the new era says of itself. */
export function finished(method: string, result: JsonObject): JsonObject {
  const own = isObject(result._meta) ? { ...result._meta, ...SERVER_META } : SERVER_META;
  return {
    resultType: 'complete',
    ...result,
    ...(CACHEABLE.has(method) ? { ttlMs: FRESH_MS, cacheScope: 'private' } : {}),
    _meta: own,
  };
}

/** What MCP 2026-07-28 has HTTP say of errors: a method that is not there, and MissingRequiredClientCapability. */
const STATUS_OF: ReadonlyMap<number, number> = new Map([
  [RPC.methodNotFound, 404],
  [RPC.missingCapability, 400],
]);

export function statusFor(era: string, code: number, status: number): number {
  return (era === 'modern' ? STATUS_OF.get(code) : undefined) ?? status;
}

/** Codes that a server of the new era must not use any more (MCP 2026-07-28, Error Codes), and what takes their place. */
const RETIRED: ReadonlyMap<number, number> = new Map([
  [-32_002, RPC.invalidParams],
  [-32_042, RPC.internalError],
]);

export function inEra(era: string, error: RpcFailure): RpcFailure {
  return era === 'modern' ? { ...error, code: RETIRED.get(error.code) ?? error.code } : error;
}

export function isUse(body: unknown): boolean {
  return isObject(body) && typeof body.method === 'string' && USES.has(body.method);
}

export function progressOf(params: JsonObject, exchange: Exchange): { onProgress?: (progress: Progress) => void } {
  const token = isObject(params._meta) ? params._meta.progressToken : undefined;
  if (typeof token !== 'string' && typeof token !== 'number') return {};
  return { onProgress: (progress) => exchange.notify('notifications/progress', { progressToken: token, ...progress }) };
}

/** MCP 2026-07-28, Custom Headers from Tool Parameters. @throws Rejected */
export function checkParameters({ headers }: FastifyRequest, schema: unknown, args: unknown): void {
  for (const parameter of headerParameters(schema) ?? []) {
    const value = parameterText(args, parameter);
    const name = `Mcp-Param-${parameter.name}`;
    if (value !== undefined) mustRepeat(headers, name, value);
    else if (headers[name.toLowerCase()] !== undefined)
      throw new Rejected(400, RPC.headerMismatch, `Header mismatch: ${name} repeats nothing of the body`);
  }
}

export function mustAccept({ headers: { accept = '' } }: FastifyRequest, ...types: string[]): void {
  const isTaken = (type: string): boolean => accept.includes(type) || accept.includes('*/*');
  if (types.every(isTaken)) return;
  throw new Rejected(406, -32_000, `Not Acceptable: Accept must list ${types.join(' and ')}`);
}
