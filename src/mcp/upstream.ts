import type { BuiltinSettings } from './builtin-server.js';

/**
 * How an upstream MCP server is reached. Header and environment values are credentials: they never leave this folder,
 * not even when the server repeats them. `secrets` are those that stand elsewhere, as in the path of the URL.
 */
export type UpstreamTransport = (
  | { type: 'streamable_http' | 'sse'; url: string; headers: Record<string, string> }
  | { type: 'stdio'; command: string; args: string[]; env: Record<string, string> }
  | { type: 'builtin'; provider: string; settings: BuiltinSettings }
) & { secrets?: readonly string[] };

/** What a client can do for a server in the course of a request, by the names of the protocol. */
export type ClientCapabilities = Readonly<Record<string, unknown>>;

export interface UpstreamTarget {
  /** Limits, sessions and the circuit are per connection. */
  connectionId: string;
  /** The bulkhead: so many calls at once per organization. */
  organizationId: string;
  /** Changes whenever address or credentials change; sessions of other revisions finish what they do and are closed. */
  revision: string;
  /** Sessions are kept apart by principal; one constant for servers that keep no state. */
  principal: string;
  transport: UpstreamTransport;
  /** What is declared of the client on whose behalf it is; nothing where left out. Sessions are kept apart by it. */
  client?: { capabilities: ClientCapabilities; takesRequests: boolean };
  /** Milliseconds for a whole call, queueing included. Progress starts it anew, up to `maxCallMs` in all. */
  timeoutMs: number;
}

/**
 * Why an upstream could not be used:
 * - `address_refused` egress policy; `misconfigured` a URL, header or command that cannot be used at all
 * - `unreachable`, `connection_refused`, `connection_lost`, `tls`, `redirect_refused` no (more) connection
 * - `unauthorized` 401; `forbidden` 403; `rate_limited` 429; `rejected` other 4xx; `server_error` 5xx
 * - `not_mcp` something answers, but not MCP; `protocol_error` MCP that breaks its own rules
 * - `rpc_error` a JSON-RPC error of the server, in `rpc`
 * - `session_lost` the server forgot the session twice in a row
 * - `timeout`, `too_large`, `cancelled` (by the caller), `process_failed` (stdio)
 * - `busy` queue full or no turn in time; `circuit_open`; `closed` the pool or the connection is being closed
 */
export const UPSTREAM_REASONS = [
  'address_refused',
  'misconfigured',
  'unreachable',
  'connection_refused',
  'connection_lost',
  'tls',
  'redirect_refused',
  'unauthorized',
  'forbidden',
  'rate_limited',
  'rejected',
  'server_error',
  'not_mcp',
  'protocol_error',
  'rpc_error',
  'session_lost',
  'timeout',
  'too_large',
  'cancelled',
  'process_failed',
  'busy',
  'circuit_open',
  'closed',
] as const;
export type UpstreamReason = (typeof UPSTREAM_REASONS)[number];

export interface RpcError {
  code: number;
  message: string;
  data?: unknown;
}

export interface UpstreamErrorDetails {
  /** False only when the upstream provably did not process the request, so that it may be sent again. */
  mayHaveArrived?: boolean;
  /** Seconds after which trying again makes sense; with `busy`, `circuit_open`, and where the upstream said so. */
  retryAfterSeconds?: number;
  rpc?: RpcError;
  /** The last words of a process on stderr, at most 4 KiB, values of its environment masked. For administrators. */
  stderr?: string;
}

/**
 * The only error that leaves this folder. The message is for a person; it contains no credentials, no header or
 * environment value, and no text of the upstream except `rpc.message` (where `reason` is `rpc_error`).
 */
export class UpstreamError extends Error {
  readonly mayHaveArrived: boolean;
  readonly retryAfterSeconds?: number;
  readonly rpc?: RpcError;
  readonly stderr?: string;

  constructor(
    readonly reason: UpstreamReason,
    message: string,
    details: UpstreamErrorDetails = {},
  ) {
    super(message);
    this.name = 'UpstreamError';
    this.mayHaveArrived = details.mayHaveArrived ?? true;
    if (details.retryAfterSeconds !== undefined) this.retryAfterSeconds = details.retryAfterSeconds;
    if (details.rpc !== undefined) this.rpc = details.rpc;
    if (details.stderr !== undefined) this.stderr = details.stderr;
  }
}

/** Our own trouble, and not the server's: its circuit has nothing to do with it. */
export function exhausted(): UpstreamError {
  const text = 'This process has no free file descriptors or ports: try again shortly.';
  return new UpstreamError('busy', text, { retryAfterSeconds: 1, mayHaveArrived: false });
}

export type Era = 'legacy' | 'modern';

/** What a server said about itself. `legacy`: 2025-11-25 and older, with initialize; `modern`: 2026-07-28, stateless. */
export interface ServerDescription {
  serverInfo: { name: string; version: string; title?: string };
  protocolVersion: string;
  era: Era;
  capabilities: Record<string, unknown>;
  instructions?: string;
  /** ISO time from the Date header of the server's latest HTTP answer. */
  serverTime?: string;
  /** Milliseconds that the server took to answer `initialize` or `server/discover`. */
  latencyMs: number;
}

export interface Progress {
  progress: number;
  total?: number;
  message?: string;
}

export type ListChange = 'tools' | 'resources' | 'prompts';

export interface UpstreamLimits {
  requestsPerConnection: number;
  queuePerConnection: number;
  requestsPerOrganization: number;
  /** Of all its connections: what waits of one organization must not fill the process. */
  queuePerOrganization: number;
  sessionsPerConnection: number;
  /** Milliseconds after which a session that nobody uses is closed. */
  sessionIdleMs: number;
  /** Failures in a row that open the circuit, and milliseconds until it is tried again. */
  circuitFailures: number;
  circuitOpenMs: number;
  /** Milliseconds for connecting and negotiating. */
  connectMs: number;
  /** Milliseconds that progress can stretch a call to. */
  maxCallMs: number;
  /** Bytes of one message, decompressed. */
  maxMessageBytes: number;
  /** What a server may say that is no answer, before that of one call, or in ten seconds on a channel that stays open. */
  maxNoiseBytes: number;
  maxNoiseMessages: number;
  listPages: number;
  listItems: number;
  listBytes: number;
  /** Milliseconds between asking a process to end and killing it. */
  processGraceMs: number;
  /** Milliseconds before a broken standing stream is opened again; doubles up to 30 s. */
  standingRetryMs: number;
  /** Milliseconds within which repeated list_changed notifications count as one. */
  listChangedMs: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: UpstreamLimits = {
  requestsPerConnection: 10,
  queuePerConnection: 100,
  requestsPerOrganization: 50,
  queuePerOrganization: 300,
  sessionsPerConnection: 50,
  sessionIdleMs: 300_000,
  circuitFailures: 5,
  circuitOpenMs: 30_000,
  connectMs: 30_000,
  maxCallMs: 600_000,
  maxMessageBytes: 10 * MIB,
  maxNoiseBytes: 64 * MIB,
  maxNoiseMessages: 50_000,
  listPages: 500,
  listItems: 20_000,
  listBytes: 64 * MIB,
  processGraceMs: 2_000,
  standingRetryMs: 1_000,
  listChangedMs: 250,
};
