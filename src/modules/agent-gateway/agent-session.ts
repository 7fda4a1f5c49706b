import type { CancelSignal } from '../../platform/cancellation.js';
import { randomUUID } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { Rejected, RPC, type RpcId } from '../../mcp/client-message.js';
import { isObject, type JsonObject } from '../../mcp/json-rpc.js';
import { RpcRefusal, type ClientCapabilities } from '../../mcp/peer.js';
import { principalOf } from '../../platform/auth/actor.js';
import { EventLog } from './event-log.js';
import { Exchange } from './exchange.js';
import type { Visitor } from './visitor.js';

/** Streams of requests that a client may still take up again, and for how long once they have their end. */
const MOST_LOGS = 20;
const KEPT_MS = 60_000;
/** The stream that belongs to no request. */
const STANDING = '0';

/** What a client of the old era and this process know of each other, from `initialize` on. */
export class AgentSession {
  /** Only visible ASCII (MCP 2025-11-25, Session Management), and not to be guessed. */
  readonly id = randomUUID();
  readonly principal: string;
  readonly workspaceId: string;
  lastUsed = Date.now();
  /** Requests of the client that are under way. */
  readonly underWay = new Map<RpcId, Exchange>();
  /** What is said outside of requests; from when the client first listened. */
  standing: EventLog | null = null;
  /** What ends with it. */
  readonly onEnd = new Set<() => void>();
  isOver = false;
  /** From which level on the client wants to hear what servers log; all of it unless it said so. */
  logLevel: string | undefined;
  /** Requests of servers that the client has not answered yet. */
  private readonly asked = new Map<RpcId, (answer: JsonObject) => void>();
  private readonly logs = new Map<string, EventLog>();
  private streams = 0;

  constructor(
    { actor, workspaceId }: Visitor,
    readonly version: string,
    readonly capabilities: ClientCapabilities,
  ) {
    this.principal = principalOf(actor);
    this.workspaceId = workspaceId;
  }

  isOf({ actor, workspaceId }: Visitor): boolean {
    return this.workspaceId === workspaceId && this.principal === principalOf(actor);
  }

  /** @throws Rejected where a request with that id is under way */
  begin(id: RpcId, reply: FastifyReply): Exchange {
    if (this.underWay.has(id)) throw new Rejected(400, RPC.invalidRequest, 'A request with this id is under way');
    const exchange = new Exchange(reply, id, () => this.newLog());
    this.underWay.set(id, exchange);
    void reply.header('mcp-session-id', this.id);
    return exchange;
  }

  /**
   * Carries a request of a server to the client, on the stream of the request in whose course it comes.
   * @throws RpcRefusal with the error of the client, or where its answer came too late
   */
  ask(exchange: Exchange, method: string, params: JsonObject, signal: CancelSignal): Promise<JsonObject> {
    const id = randomUUID();
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.asked.delete(id);
        exchange.notify('notifications/cancelled', { requestId: id, reason: 'Nobody waits for the answer any more' });
        reject(new RpcRefusal(RPC.internalError, 'The client did not answer in time'));
      };
      signal.addEventListener('abort', abort, { once: true });
      this.asked.set(id, ({ result, error }) => {
        signal.removeEventListener('abort', abort);
        if (isObject(result)) resolve(result);
        else reject(refusalOf(error));
      });
      exchange.request(id, method, params);
    });
  }

  /** The client's answer to what it was asked. */
  answered(id: RpcId, answer: JsonObject): void {
    const taken = this.asked.get(id);
    this.asked.delete(id);
    taken?.(answer);
  }

  private newLog(): EventLog {
    const log = new EventLog(String(++this.streams), (isHeard) => this.forgetSoon(log, isHeard));
    this.logs.set(log.id, log);
    for (const [id, { isFinished }] of this.logs) {
      if (this.logs.size <= MOST_LOGS) break;
      if (isFinished) this.logs.delete(id);
    }
    return log;
  }

  private forgetSoon({ id }: EventLog, isHeard: boolean): void {
    if (isHeard) this.logs.delete(id);
    else setTimeout(() => this.logs.delete(id), KEPT_MS).unref();
  }

  listen(): EventLog {
    return (this.standing ??= new EventLog(STANDING));
  }

  findLog(id: string): EventLog | undefined {
    return id === STANDING ? (this.standing ?? undefined) : this.logs.get(id);
  }

  close(): void {
    this.isOver = true;
    for (const end of this.onEnd) end();
    for (const exchange of this.underWay.values()) exchange.cancel();
    for (const log of this.logs.values()) log.close();
    this.standing?.close();
  }
}

function refusalOf(error: unknown): RpcRefusal {
  const { code, message, data } = isObject(error) ? error : {};
  const text = typeof message === 'string' ? message : 'The client answered with something that is no result';
  return new RpcRefusal(typeof code === 'number' ? code : RPC.internalError, text, data);
}
