import type { Implementation } from '@modelcontextprotocol/client';
import type { EgressClient } from '../platform/egress/egress-client.js';
import type { BuiltinServers } from './builtin-server.js';
import type { HeaderParameter } from './modern-headers.js';
import type { Negotiated } from './negotiation.js';
import type { ListChange, UpstreamLimits } from './upstream.js';

export type Log = (message: string, fields: Record<string, unknown>) => void;

/** What all connections of a pool share. */
export interface ConnectionContext {
  egress: Pick<EgressClient, 'fetch'>;
  limits: UpstreamLimits;
  builtins: BuiltinServers;
  clientInfo: Implementation;
  now: () => number;
  onListChanged: (connectionId: string, what: ListChange) => void;
  log: Log;
}

/** What was learned about the server behind one revision of a connection. */
export interface Knowledge {
  revision: string;
  /** Absent until negotiated once. Modern servers keep no state, so what they said serves all later sessions. */
  negotiated: Negotiated | undefined;
  /** Headers that repeat arguments (2026-07-28), by tool; only tools that declare some. */
  parameters: Map<string, readonly HeaderParameter[]>;
}
