import type { Server } from '@modelcontextprotocol/server';
import type { EgressClient } from '../platform/egress/egress-client.js';

/** What the connection says, as the server type's schemas let it through. */
export interface BuiltinSettings {
  auth: Record<string, unknown>;
  options: Record<string, unknown>;
}

export interface BuiltinContext {
  /** The guarded way out, and the only one. */
  fetch: EgressClient['fetch'];
  /** Ends the start; calls have signals of their own. */
  signal: AbortSignal;
}

/** A server for one session, not connected yet. */
export interface StartedBuiltin {
  server: Server;
  /** ISO time of the system behind it. */
  serverTime?: string;
}

/**
 * Makes the server of one session. It asks the system behind it once, so that wrong credentials show in a connection test.
 * @throws UpstreamError `unauthorized`, `unreachable` and their like; EgressError
 */
export type StartBuiltin = (settings: BuiltinSettings, context: BuiltinContext) => Promise<StartedBuiltin>;

/** MCP servers that ship with the product, by the name in `transport.provider`. */
export type BuiltinServers = ReadonlyMap<string, StartBuiltin>;

/** Token of the {@link BuiltinServers} of this installation. */
export const BUILTIN_SERVERS = Symbol('BUILTIN_SERVERS');

/** Member of `error.data` in which a builtin server says why the system behind it could not be used: an UpstreamReason. */
export const FAILURE_REASON = 'mcp-control-plane/reason';
/** Beside it: seconds after which trying again makes sense. */
export const FAILURE_RETRY_AFTER = 'mcp-control-plane/retry_after';
/** Member of `error.data` of invalid parameters: which field of the request it is, `cursor` or `since`. */
export const FAILURE_FIELD = 'mcp-control-plane/field';
