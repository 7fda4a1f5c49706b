import { BeforeApplicationShutdown, Injectable, OnApplicationBootstrap } from '@nestjs/common';
import { LEGACY_VERSIONS, Rejected, RPC } from '../../mcp/client-message.js';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { principalOf } from '../../platform/auth/actor.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { MetricsService } from '../../platform/telemetry/metrics.service.js';
import { capabilitiesOf } from './agent-peer.js';
import { AgentSession } from './agent-session.js';
import type { Visitor } from './visitor.js';

/** Milliseconds after which a session that nobody uses is forgotten; the client starts a new one. */
const IDLE_MS = 3_600_000;
const LOOK_MS = 60_000;
const MOST = { ofOne: 200, inAll: 10_000 };

/** Sessions of clients of the old era: in this process, see `Mcp-Session-Id` in docs/adr/0025-the-agents-door.md. */
@Injectable()
export class AgentSessionsService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly sessions = new Map<string, AgentSession>();
  private timer: NodeJS.Timeout | undefined;

  constructor(metrics: MetricsService) {
    metrics.gauge('agent_sessions', 'Sessions of agents of the old era of MCP', () => this.sessions.size);
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.forgetIdle(), LOOK_MS).unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
    for (const session of this.sessions.values()) session.close();
  }

  /** @throws Rejected, DomainError 429 */
  open(visitor: Visitor, params: JsonObject): AgentSession {
    const { protocolVersion, capabilities, clientInfo } = params;
    if (typeof protocolVersion !== 'string')
      throw new Rejected(400, RPC.invalidParams, 'params.protocolVersion must be a string');
    if (!isObject(capabilities)) throw new Rejected(400, RPC.invalidParams, 'params.capabilities must be an object');
    if (!isObject(clientInfo)) throw new Rejected(400, RPC.invalidParams, 'params.clientInfo must be an object');
    this.makeRoom(principalOf(visitor.actor));
    const version = LEGACY_VERSIONS.find((each) => each === protocolVersion) ?? LEGACY_VERSIONS[0];
    const session = new AgentSession(visitor, version, capabilitiesOf(capabilities));
    this.sessions.set(session.id, session);
    return session;
  }

  /** @throws Rejected 400 where none is named, 404 for one that is not here: the client starts anew */
  get(visitor: Visitor, id: string | string[] | undefined): AgentSession {
    if (id === undefined) throw new Rejected(400, -32_000, 'Mcp-Session-Id is missing: send initialize first');
    const session = typeof id === 'string' ? this.sessions.get(id) : undefined;
    if (!session?.isOf(visitor)) throw new Rejected(404, -32_001, 'Session not found: send initialize again');
    session.lastUsed = Date.now();
    return session;
  }

  end(session: AgentSession): void {
    this.sessions.delete(session.id);
    session.close();
  }

  private makeRoom(principal: string): void {
    const own = [...this.sessions.values()].filter((session) => session.principal === principal);
    if (own.length >= MOST.ofOne) this.endOldest(own);
    if (this.sessions.size < MOST.inAll) return;
    throw new DomainError('unavailable', 'Too many sessions are open here, try again shortly', {}, 10);
  }

  private endOldest(sessions: readonly AgentSession[]): void {
    const [oldest] = [...sessions].sort((left, right) => left.lastUsed - right.lastUsed);
    if (oldest) this.end(oldest);
  }

  private forgetIdle(): void {
    const limit = Date.now() - IDLE_MS;
    for (const session of this.sessions.values())
      if (session.lastUsed < limit && session.underWay.size === 0) this.end(session);
  }
}
