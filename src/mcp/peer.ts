import type { CancelSignal } from '../platform/cancellation.js';
import { isObject, type JsonObject } from './json-rpc.js';
import type { ClientCapabilities } from './upstream.js';

export type { ClientCapabilities } from './upstream.js';

/** Whoever waits for a request, as far as the server may speak with it meanwhile. */
export interface Peer {
  /** As declared to the server. */
  readonly capabilities: ClientCapabilities;
  /**
   * Carries a request of the server to the client, and resolves with its result. Left out where the client's era has no such
   * requests. Rejects with RpcRefusal for an error of the client.
   */
  readonly request?: (method: string, params: JsonObject, signal: CancelSignal) => Promise<JsonObject>;
  /** Log messages, and that something outside of the protocol is over. */
  notify(method: string, params: JsonObject): void;
}

/** What servers may ask of clients: MCP 2025-11-25, Client Features; the same in 2026-07-28 as input requests. */
const ASKED: ReadonlyMap<string, string> = new Map([
  ['sampling/createMessage', 'sampling'],
  ['elicitation/create', 'elicitation'],
  ['roots/list', 'roots'],
]);
/** What servers tell of a page that somebody was sent to, in the course of the request or after it. */
export const ELICITATION_COMPLETE = 'notifications/elicitation/complete';

/** What servers may tell in the course of a request, beside progress. */
export const TOLD: ReadonlySet<string> = new Set(['notifications/message', ELICITATION_COMPLETE]);

/** Whether a client declared that it does that for servers. */
export function offers({ capabilities }: Pick<Peer, 'capabilities'>, method: string): boolean {
  const capability = ASKED.get(method);
  return capability !== undefined && capabilities[capability] !== undefined;
}

/** Whether it also does it in that way (MCP 2025-11-25 and 2026-07-28, Elicitation, Capabilities: without a mode, by forms only). */
export function offersMode({ capabilities }: Pick<Peer, 'capabilities'>, method: string, params: unknown): boolean {
  if (method !== 'elicitation/create') return true;
  const { elicitation } = capabilities;
  const { mode = 'form' } = isObject(params) ? params : {};
  if (!isObject(elicitation)) return false;
  return mode === 'url'
    ? isObject(elicitation.url)
    : mode === 'form' && (isObject(elicitation.form) || !elicitation.url);
}

/** An error of JSON-RPC, from the client to the server. */
export class RpcRefusal extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly data?: unknown,
  ) {
    super(message);
  }
}

/** MCP 2026-07-28, Multi Round-Trip Requests: a result that asks for input before there is one. */
export function asksForInput(result: unknown): result is JsonObject & { resultType: 'input_required' } {
  return (
    typeof result === 'object' && result !== null && 'resultType' in result && result.resultType === 'input_required'
  );
}
