import { Cancellation, type CancelSignal } from '../../platform/cancellation.js';
import type { FastifyReply } from 'fastify';
import type { RpcId } from '../../mcp/client-message.js';
import type { JsonObject } from '../../mcp/json-rpc.js';
import type { EventLog } from './event-log.js';
import { EventStream } from './event-stream.js';

/** JSON-RPC 2.0, section 5.1. */
export interface RpcFailure {
  code: number;
  message: string;
  data?: unknown;
}

/**
 * The answer to one request: one JSON message, or a stream of events from the first notification on, which the answer ends.
 * A client that hangs up cancels its request, unless it has a stream that it can take up again.
 */
export class Exchange {
  private stream: EventStream | null = null;
  private readonly cancellation = new Cancellation();
  isDone = false;

  /** @param logOf makes the log of a stream, where streams can be taken up again */
  constructor(
    private readonly reply: FastifyReply,
    private readonly id: RpcId,
    private readonly logOf: (() => EventLog) | null,
    private log: EventLog | null = null,
  ) {
    const hungUp = (): void => {
      if (!this.isDone && this.log === null) this.cancellation.abort();
    };
    // It may have hung up before it was let in.
    if (reply.raw.closed) hungUp();
    else reply.raw.once('close', hungUp);
  }

  get signal(): CancelSignal {
    return this.cancellation;
  }

  cancel(): void {
    this.cancellation.abort();
  }

  notify(method: string, params: JsonObject): void {
    if (!this.isDone) this.send({ jsonrpc: '2.0', method, params });
  }

  /** Of a server, to be answered by the client in a message of its own. */
  request(id: RpcId, method: string, params: JsonObject): void {
    if (!this.isDone) this.send({ jsonrpc: '2.0', id, method, params });
  }

  answer(result: JsonObject): void {
    this.end(200, { jsonrpc: '2.0', id: this.id, result });
  }

  /** @param status of the HTTP answer, where it has not begun yet */
  fail(status: number, error: RpcFailure): void {
    this.end(status, { jsonrpc: '2.0', id: this.id, error });
  }

  private end(status: number, message: JsonObject): void {
    if (this.isDone) return;
    this.isDone = true;
    if (!this.stream) return sendMessage(this.reply, status, message);
    if (this.log) {
      this.log.append(message);
      this.log.finish();
    } else {
      this.stream.send(JSON.stringify(message));
      this.stream.end();
    }
  }

  private send(message: JsonObject): void {
    this.stream ??= this.open();
    if (this.log) this.log.append(message);
    else this.stream.send(JSON.stringify(message));
  }

  private open(): EventStream {
    this.log = this.logOf?.() ?? null;
    const stream = new EventStream(this.reply, () => this.log?.detach(stream));
    this.log?.attach(stream, 0);
    return stream;
  }
}

export function sendMessage(reply: FastifyReply, status: number, message: JsonObject): void {
  void reply.status(status).header('content-type', 'application/json').send(JSON.stringify(message));
}
