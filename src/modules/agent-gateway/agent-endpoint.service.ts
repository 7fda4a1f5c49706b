import { Injectable, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { idOf, readClientMessage, Rejected, type ClientMessage } from '../../mcp/client-message.js';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { LOG_LEVEL_KEY } from '../../mcp/modern-headers.js';
import { principalOf } from '../../platform/auth/actor.js';
import { RequestLimits } from '../../platform/throttling/request-limits.js';
import type { Carrying } from '../tools/invocation.service.js';
import { AdmissionService } from './admission.service.js';
import { AgentMethodsService } from './agent-methods.service.js';
import { LOG_LEVELS, peerInSession, peerOfRequest } from './agent-peer.js';
import type { AgentSession } from './agent-session.js';
import {
  CAPABILITIES,
  checkParameters,
  finished,
  inEra,
  isUse,
  mustAccept,
  ofEra,
  progressOf,
  SERVER_INFO,
  statusFor,
} from './agent-protocol.js';
import { AgentSessionsService } from './agent-sessions.service.js';
import { AgentStreamsService } from './agent-streams.service.js';
import { toFailure, type Failure } from './answers.js';
import { readEventId } from './event-log.js';
import { EventStream } from './event-stream.js';
import { Exchange, sendMessage } from './exchange.js';
import { RequestStateService } from './request-state.service.js';
import { CALL_TOOL, isSearchMode, readCall, SEARCH_TOOLS } from './search-mode.js';
import { inTrace, type Visitor } from './visitor.js';

type Request = Extract<ClientMessage, { kind: 'request' }>;

/** One message of an agent at a time: which era, which session, which method (MCP, Streamable HTTP). */
@Injectable()
export class AgentEndpointService {
  private readonly logger = new Logger('agent-gateway');

  constructor(
    private readonly admission: AdmissionService,
    private readonly sessions: AgentSessionsService,
    private readonly methods: AgentMethodsService,
    private readonly streams: AgentStreamsService,
    private readonly limits: RequestLimits,
    private readonly states: RequestStateService,
  ) {}

  /** @throws DomainError where there is nobody to be answered in JSON-RPC: 401, 403, 404 */
  async post(request: FastifyRequest, reply: FastifyReply, workspace: string): Promise<void> {
    const visitor = await this.admitted(request, workspace);
    try {
      mustAccept(request, 'application/json', 'text/event-stream');
      const message = readClientMessage(request.headers, request.body);
      // An address that makes no sense is no good for any message.
      isSearchMode(request);
      if (message.kind === 'request')
        await this.take(inTrace(visitor, request, message.params), message, request, reply);
      else this.note(visitor, message, request, reply);
    } catch (error) {
      if (isUse(request.body)) await this.count(request);
      this.refuse(reply, idOf(request.body), error);
    }
  }

  /** The stream of a session on which the server speaks first, or one that was lost (old era). */
  async get(request: FastifyRequest, reply: FastifyReply, workspace: string): Promise<void> {
    const visitor = await this.admitted(request, workspace);
    try {
      mustAccept(request, 'text/event-stream');
      const session = this.sessions.get(visitor, request.headers['mcp-session-id']);
      const lost = readEventId(request.headers['last-event-id']);
      const log = lost ? session.findLog(lost.log) : await this.streams.standing(visitor, session);
      if (!log) throw new Rejected(404, -32_001, 'There is no such stream any more');
      void reply.header('mcp-session-id', session.id);
      const stream = new EventStream(reply, () => log.detach(stream));
      log.attach(stream, lost?.place ?? Infinity);
    } catch (error) {
      this.refuse(reply, null, error);
    }
  }

  async delete(request: FastifyRequest, reply: FastifyReply, workspace: string): Promise<void> {
    const visitor = await this.admitted(request, workspace);
    try {
      this.sessions.end(this.sessions.get(visitor, request.headers['mcp-session-id']));
      void reply.status(204).send();
    } catch (error) {
      this.refuse(reply, null, error);
    }
  }

  /** A body that is no message. Who sends many is kept waiting all the same. */
  async unreadable(request: FastifyRequest, reply: FastifyReply, error: Rejected): Promise<void> {
    this.refuse(reply, null, await this.countedOr(request, error));
  }

  /** What comes to count on a grant is counted there; everything else counts on the agent. */
  private async admitted(request: FastifyRequest, workspace: string): Promise<Visitor> {
    if (!isUse(request.body)) await this.count(request);
    try {
      return await this.admission.admit(request, workspace);
    } catch (error) {
      if (isUse(request.body)) await this.count(request);
      throw error;
    }
  }

  /** A use that was refused before anybody looked for its grant. */
  private countedOr(request: FastifyRequest, error: unknown): Promise<unknown> {
    return this.count(request).then(
      () => error,
      (limit: unknown) => limit,
    );
  }

  private async count({ actor }: FastifyRequest): Promise<void> {
    // Who has no token has been counted by address.
    if (actor) await this.limits.requireAgents(principalOf(actor));
  }

  private async take(visitor: Visitor, message: Request, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { era, id, method, params } = message;
    if (era === 'legacy' && method === 'initialize') return this.initialize(visitor, message, reply);
    const session = era === 'legacy' ? this.sessions.get(visitor, request.headers['mcp-session-id']) : null;
    const exchange = session ? session.begin(id, reply) : new Exchange(reply, id, null);
    try {
      if (!session && method === 'subscriptions/listen') return await this.streams.listen(visitor, message, exchange);
      const result = await this.carryOut(visitor, message, session, request, exchange);
      exchange.answer(session ? result : finished(method, this.states.sealed(visitor, method, params, result)));
    } catch (error) {
      const counted = error instanceof Rejected && isUse(request.body) ? await this.countedOr(request, error) : error;
      const failure = this.failureOf(counted, reply);
      exchange.fail(statusFor(era, failure.error.code, failure.status), inEra(era, failure.error));
    } finally {
      session?.underWay.delete(id);
    }
  }

  private async carryOut(
    visitor: Visitor,
    message: Request,
    session: AgentSession | null,
    request: FastifyRequest,
    exchange: Exchange,
  ): Promise<JsonObject> {
    const { method, params } = message;
    const carrying = this.carryingOf(visitor, message, session, exchange);
    switch (method) {
      case 'tools/call':
        return this.callTool(visitor, message, request, carrying);
      case 'tools/list':
        if (isSearchMode(request)) return this.methods.listSearch(visitor);
        return this.methods.list(visitor, method, params);
      case 'resources/list':
      case 'resources/templates/list':
      case 'prompts/list':
        return this.methods.list(visitor, method, params);
      case 'resources/read':
        return this.methods.readResource(visitor, params.uri, carrying);
      case 'prompts/get':
        return this.methods.getPrompt(visitor, params, carrying);
      case 'completion/complete':
        return this.methods.complete(visitor, params, carrying);
      case 'resources/subscribe':
      case 'resources/unsubscribe':
        if (session) return this.streams.follow(visitor, session, message, carrying);
        return ofEra(message, session);
      default:
        return ofEra(message, session);
    }
  }

  private async callTool(
    visitor: Visitor,
    { era, params }: Request,
    request: FastifyRequest,
    carrying: Carrying,
  ): Promise<JsonObject> {
    const isSearching = isSearchMode(request);
    if (isSearching && params.name === SEARCH_TOOLS) {
      // It is of no grant.
      await this.count(request);
      return this.methods.searchTools(visitor, params.arguments);
    }
    const isIndirect = isSearching && params.name === CALL_TOOL;
    const { name, arguments: args } = isIndirect ? readCall(params.arguments) : params;
    const tool = await this.methods.findTool(visitor, name);
    // Headers repeat parameters of the tool that the client was shown: call_tool has none of those.
    if (era === 'modern') checkParameters(request, isIndirect ? {} : tool.definition.inputSchema, params.arguments);
    return this.methods.callTool(visitor, tool, args, carrying);
  }

  private carryingOf(
    visitor: Visitor,
    { method, params }: Request,
    session: AgentSession | null,
    exchange: Exchange,
  ): Carrying {
    const level = session ? session.logLevel : isObject(params._meta) ? params._meta[LOG_LEVEL_KEY] : undefined;
    return {
      signal: exchange.signal,
      peer: session ? peerInSession(session, exchange) : peerOfRequest(params, exchange),
      ...progressOf(params, exchange),
      ...(session ? {} : { input: this.states.input(visitor, method, params) }),
      ...(typeof level === 'string' && LOG_LEVELS.includes(level) ? { logLevel: level } : {}),
    };
  }

  private initialize(visitor: Visitor, { id, params }: Request, reply: FastifyReply): void {
    const session = this.sessions.open(visitor, params);
    void reply.header('mcp-session-id', session.id);
    const result = { protocolVersion: session.version, capabilities: CAPABILITIES, serverInfo: SERVER_INFO };
    sendMessage(reply, 200, { jsonrpc: '2.0', id, result });
  }

  private note(
    visitor: Visitor,
    message: Exclude<ClientMessage, Request>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): void {
    if (message.kind === 'answer' || message.era === 'legacy') {
      const session = this.sessions.get(visitor, request.headers['mcp-session-id']);
      if (message.kind === 'notification' && message.method === 'notifications/cancelled') {
        const { requestId } = message.params;
        if (typeof requestId === 'string' || typeof requestId === 'number') session.underWay.get(requestId)?.cancel();
      }
      if (message.kind === 'answer') session.answered(message.id, message.message);
    }
    void reply.status(202).send();
  }

  private refuse(reply: FastifyReply, id: string | number | null, thrown: unknown): void {
    const { status, error } = this.failureOf(thrown, reply);
    sendMessage(reply, status === 200 ? 400 : status, { jsonrpc: '2.0', id, error });
  }

  private failureOf(thrown: unknown, reply: FastifyReply): Failure {
    const failure = toFailure(thrown);
    const { status, retryAfterSeconds } = failure;
    if (status === 500) this.logger.error({ err: thrown }, 'a request of an agent failed');
    if (retryAfterSeconds !== undefined && !reply.sent)
      void reply.header('retry-after', String(Math.ceil(retryAfterSeconds)));
    return failure;
  }
}
