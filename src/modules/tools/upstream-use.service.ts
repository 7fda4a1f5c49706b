import type { CancelSignal } from '../../platform/cancellation.js';
import { Injectable, Logger } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { URL_ELICITATION_REQUIRED } from '../../mcp/elicitations.js';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { LOG_LEVEL_KEY } from '../../mcp/modern-headers.js';
import { asksForInput, offers, offersMode, RpcRefusal, type Peer } from '../../mcp/peer.js';
import { upstreamFailure } from '../../mcp/upstream-failure.js';
import { UpstreamMetrics } from '../../mcp/upstream-metrics.js';
import { UpstreamPool } from '../../mcp/upstream-pool.js';
import { UpstreamError, type Progress, type UpstreamTarget } from '../../mcp/upstream.js';
import { DomainError, invalid } from '../../platform/http/domain-error.js';
import { partOf, traceparentOf, type TraceContext } from '../../platform/telemetry/trace-context.js';
import { TracingService } from '../../platform/telemetry/tracing.service.js';
import { ConnectionTargetsService } from '../connections/connection-targets.service.js';
import { ConnectionsService } from '../connections/connections.service.js';

/** Member of `error.data` in which a server of our own says which field of a reading it can't use. */
const REFUSED_FIELD = 'mcp-control-plane/field';
/** JSON-RPC 2.0, section 5.1. */
const INVALID_PARAMS = -32_602;
const METHOD_NOT_FOUND = -32_601;

/** How a use of an upstream is followed by whoever waits for it. */
export interface Carrying {
  /** Ends it. */
  signal: CancelSignal;
  onProgress?: (progress: Progress) => void;
  /** Whom the server may ask and tell things meanwhile. */
  peer?: Peer;
  /** What the client says to what the server asked before (MCP 2026-07-28, Multi Round-Trip Requests). */
  input?: { inputResponses?: JsonObject; requestState?: string };
  /** From which level on the client wants to hear what the server logs. */
  logLevel?: string;
}

/** Whoever completes nothing has nothing to offer (MCP, Completion, Capabilities). */
const COMPLETIONS = { capability: 'completions', otherwise: { completion: { values: [], total: 0, hasMore: false } } };

/** A server that asks again and again gets no answer. */
const MOST_ROUNDS = 10;
const MOST_INPUTS = 20;

export type UseOperation =
  'tools/call' | 'resources/read' | 'resources/subscribe' | 'prompts/get' | 'completion/complete';

/** Who wants to hear of a resource, and to whom what ends that is given. */
export interface Subscriber {
  /** It changed, or may have. */
  onUpdated: () => void;
  onAccepted: (release: () => void) => void;
}

/** One request to an upstream, and on whose behalf. */
export interface Use extends Carrying {
  connectionId: string;
  /** Upstream sessions are kept apart by it. */
  principal: string;
  operation: UseOperation;
  params: Record<string, unknown>;
  /** Of `resources/subscribe`. */
  subscriber?: Subscriber;
  /** Of the request that it is a part of. */
  trace: TraceContext;
}

/** The last step of the one path: what was allowed goes to the server, and its failures become ours. */
@Injectable()
export class UpstreamUseService {
  private readonly logger = new Logger('upstream-use');
  /** Connections whose circuit was seen open. */
  private readonly givenUp = new Set<string>();

  constructor(
    private readonly targets: ConnectionTargetsService,
    private readonly pool: UpstreamPool,
    private readonly metrics: UpstreamMetrics,
    private readonly connections: ConnectionsService,
    private readonly tracing: TracingService,
  ) {}

  /** @throws DomainError `arguments_invalid` where the server is stricter than its schema, or what the upstream did */
  async send(use: Use): Promise<unknown> {
    const { connectionId, operation } = use;
    const trace = partOf(use.trace);
    const startedAt = this.tracing.now();
    try {
      const result = await (use.subscriber
        ? this.subscribe(use, use.subscriber)
        : this.exchange(use, traceparentOf(trace)));
      this.noteContact(connectionId, true);
      this.metrics.succeeded(operation);
      this.traced(use, trace, startedAt);
      return result;
    } catch (error) {
      this.traced(use, trace, startedAt, error instanceof UpstreamError ? error.reason : 'failed');
      this.metrics.failed(operation, error);
      if (error instanceof UpstreamError && error.reason === 'circuit_open') this.noteContact(connectionId, false);
      throw error instanceof UpstreamError ? refusalOf(error, use) : error;
    }
  }

  /** Until there is a result: what a server asks for before it gives one, it gets from a client that takes its requests. */
  private async exchange(use: Use, traceparent: string): Promise<unknown> {
    const { operation, signal, onProgress, peer, logLevel } = use;
    const target = await this.targets.forCall(use.connectionId, use.principal);
    const client = peer && Object.keys(peer.capabilities).length > 0 ? clientOf(peer) : undefined;
    const options = {
      signal,
      ...(onProgress && { onProgress }),
      ...(peer && { peer }),
      ...(operation === 'completion/complete' && { ifOffered: COMPLETIONS }),
      // The keys are those of SEP-414: https://modelcontextprotocol.io/specification, "_meta".
      meta: { traceparent, ...(logLevel === undefined ? {} : { [LOG_LEVEL_KEY]: logLevel }) },
    };
    let params = use.input ? { ...use.params, ...use.input } : use.params;
    for (let round = 0; ; round++) {
      const result = await this.pool.request(client ? { client, ...target } : target, operation, params, options);
      if (!peer || !asksForInput(result)) return result;
      requireOffered(peer, result);
      if (!peer.request) return result;
      if (round === MOST_ROUNDS)
        throw new UpstreamError('protocol_error', 'The server asks for input again and again.');
      params = { ...use.params, ...(await gathered(peer, result, signal)) };
    }
  }

  /** Shared with others of the same principal, so it is no exchange of its own. */
  private async subscribe(
    { connectionId, principal, params }: Use,
    { onUpdated, onAccepted }: Subscriber,
  ): Promise<unknown> {
    const retarget = (): Promise<UpstreamTarget> => this.targets.forCall(connectionId, principal);
    const request = { target: await retarget(), retarget, uri: String(params.uri), onUpdated };
    const release = await this.pool.watch(request);
    if (!release) {
      const message = 'The server does not tell when this resource changes.';
      throw new UpstreamError('rpc_error', message, { rpc: { code: METHOD_NOT_FOUND, message } });
    }
    onAccepted(release);
    return {};
  }

  private traced(
    { connectionId, operation, params }: Use,
    trace: TraceContext,
    startedAt: number,
    failure?: string,
  ): void {
    const attributes: Record<string, string> = { 'mcp.method.name': operation, 'mcp.connection.id': connectionId };
    if (operation === 'tools/call') attributes['gen_ai.tool.name'] = String(params.name);
    this.tracing.ended({ name: operation, kind: 'client', trace, startedAt, attributes, failure });
  }

  /** Told on the edges only: when a server is given up after repeated failures, and when it answers again. */
  private noteContact(connectionId: string, reached: boolean): void {
    if (reached ? !this.givenUp.delete(connectionId) : this.givenUp.has(connectionId)) return;
    if (!reached) this.givenUp.add(connectionId);
    this.connections
      .recordContact(connectionId, reached)
      .catch((error: unknown) => this.logger.warn({ err: error }, 'the state of a connection could not be noted'));
  }
}

function clientOf({ capabilities, request }: Peer): NonNullable<UpstreamTarget['client']> {
  return { capabilities, takesRequests: request !== undefined };
}

/** MCP 2026-07-28: a server must not ask for what the client did not declare. */
function requireOffered(peer: Peer, { inputRequests = {} }: JsonObject): void {
  const requests = isObject(inputRequests) ? Object.values(inputRequests) : [null];
  const isOffered = (each: unknown): boolean =>
    isObject(each) &&
    typeof each.method === 'string' &&
    offers(peer, each.method) &&
    offersMode(peer, each.method, each.params);
  if (requests.length > MOST_INPUTS || !requests.every(isOffered))
    throw new UpstreamError('protocol_error', 'The server asks for input that it was not offered.');
}

/** What the caller is told, where a server says more than that it failed. */
function refusalOf(error: UpstreamError, { operation, peer }: Use): unknown {
  const code = error.rpc?.code;
  // The server is stricter than the schema it published.
  if (code === INVALID_PARAMS && operation === 'tools/call')
    return new DomainError('arguments_invalid', error.message, { reason: 'refused_by_server' });
  if (code === URL_ELICITATION_REQUIRED && !mayBeSent(peer))
    return new DomainError(
      'upstream_error',
      'The server wants the user to open a page first, and this client does not offer that: elicitation.url',
      { reason: 'url_elicitation_not_offered' },
    );
  const field = refusedField(error);
  return field ? invalid({ [field]: [error.message] }) : upstreamFailure(error);
}

/** To a page; whoever is no client of MCP is told all that the server says. */
function mayBeSent(peer: Peer | undefined): boolean {
  return !peer || offersMode(peer, 'elicitation/create', { mode: 'url' });
}

/** In the old era each page that somebody is sent to has an id (MCP 2025-11-25, Elicitation, URL Mode). */
function toLegacy(params: unknown): JsonObject {
  if (!isObject(params)) return {};
  return params.mode === 'url' ? { elicitationId: randomUUID(), ...params } : params;
}

async function gathered(peer: Peer, result: JsonObject, signal: CancelSignal): Promise<NonNullable<Carrying['input']>> {
  const inputResponses: JsonObject = {};
  const requests = isObject(result.inputRequests) ? Object.entries(result.inputRequests) : [];
  for (const [key, request] of requests) {
    const { method, params } = request as JsonObject;
    const answer = peer.request?.(String(method), toLegacy(params), signal);
    inputResponses[key] = await answer?.catch((error: unknown) => {
      if (!(error instanceof RpcRefusal)) throw error;
      throw new UpstreamError(
        'protocol_error',
        `The client did not give the input that was asked for: ${error.message}`,
      );
    });
  }
  const { requestState } = result;
  return { inputResponses, ...(typeof requestState === 'string' ? { requestState } : {}) };
}

/** Of those that a caller may give, see ReadResource. */
function refusedField({ rpc }: UpstreamError): 'since' | 'cursor' | null {
  const data = typeof rpc?.data === 'object' && rpc.data !== null ? (rpc.data as Record<string, unknown>) : {};
  const field = rpc?.code === INVALID_PARAMS ? data[REFUSED_FIELD] : undefined;
  return field === 'since' || field === 'cursor' ? field : null;
}
