import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { CLIENT_CAPABILITIES_KEY, LOG_LEVEL_KEY } from '../../mcp/modern-headers.js';
import { ELICITATION_COMPLETE, type ClientCapabilities, type Peer } from '../../mcp/peer.js';
import type { AgentSession } from './agent-session.js';
import type { Exchange } from './exchange.js';

/** RFC 5424, section 6.2.1, the least first (MCP, Logging). */
export const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** What a client may declare that concerns servers, and how; whatever else it says is not passed on. */
const DECLARED: ReadonlyMap<string, readonly string[]> = new Map([
  ['sampling', ['context', 'tools']],
  ['elicitation', ['form', 'url']],
  ['roots', []],
]);

export function capabilitiesOf(declared: unknown): ClientCapabilities {
  const capabilities: Record<string, unknown> = {};
  for (const [name, parts] of DECLARED) {
    const given = isObject(declared) ? declared[name] : undefined;
    if (isObject(given))
      capabilities[name] = Object.fromEntries(parts.filter((part) => isObject(given[part])).map((part) => [part, {}]));
  }
  return capabilities;
}

/** A client of the old era: it takes requests on the stream of its own request, and answers them in another one. */
export function peerInSession(session: AgentSession, exchange: Exchange): Peer {
  return {
    capabilities: session.capabilities,
    request: (method, params, signal) => session.ask(exchange, method, params, signal),
    notify: (method, params) => {
      // That somebody was at a page may be told long after the request that sent them there.
      if (method === ELICITATION_COMPLETE && exchange.isDone)
        session.standing?.append({ jsonrpc: '2.0', method, params });
      else if (method !== 'notifications/message' || isLoud(params, session.logLevel)) exchange.notify(method, params);
    },
  };
}

/** A client of the new era: what servers ask comes back to it as the result of its request. */
export function peerOfRequest({ _meta: meta }: JsonObject, exchange: Exchange): Peer {
  const said = isObject(meta) ? meta : {};
  return {
    capabilities: capabilitiesOf(said[CLIENT_CAPABILITIES_KEY]),
    notify: (method, params) => {
      const level = said[LOG_LEVEL_KEY];
      if (method === 'notifications/message' && typeof level === 'string' && isLoud(params, level))
        exchange.notify(method, params);
    },
  };
}

function isLoud({ level }: JsonObject, least: string | undefined): boolean {
  return least === undefined || LOG_LEVELS.indexOf(String(level)) >= LOG_LEVELS.indexOf(least);
}
