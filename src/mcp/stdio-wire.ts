import type { CancelSignal } from '../platform/cancellation.js';
import type { JsonObject, RpcAnswer, RpcOneWay, RpcRequest } from './json-rpc.js';
import { isAnswer } from './json-rpc.js';
import type { ReadMessage } from './credential-mask.js';
import { FloodGuard, tooMuchNoise } from './flood-guard.js';
import { LineReader, type LongLine } from './line-reader.js';
import { PendingAnswers } from './pending-answers.js';
import { ServerProcess } from './server-process.js';
import { UpstreamError, type UpstreamLimits } from './upstream.js';
import { LISTENING, type Listening, type ListenRequest, type Wire } from './wire.js';

export interface StdioWireOptions {
  command: string;
  args: string[];
  env: Record<string, string>;
  limits: UpstreamLimits;
  read: ReadMessage;
}

/**
 * A process of its own for one session (MCP, Transports, stdio): one JSON-RPC message a line. What is no JSON object on
 * stdout is taken for chatter and left alone, as many programs greet there.
 */
export class StdioWire implements Wire {
  ended: UpstreamError | null = null;
  readonly cancelsByClosing = false;
  readonly serverTime = undefined;
  onInbound: Wire['onInbound'] = () => undefined;
  private readonly pending = new PendingAnswers();
  private process: ServerProcess | undefined;
  private readonly guard: FloodGuard;

  constructor(private readonly options: StdioWireOptions) {
    this.guard = new FloodGuard(options.limits);
  }

  async start(signal: CancelSignal): Promise<void> {
    const { limits } = this.options;
    const reader = new LineReader(
      limits.maxMessageBytes,
      (line) => this.take(line),
      (line) => this.refuse(line),
    );
    const process = new ServerProcess(this.options, {
      onData: (chunk) => {
        try {
          this.guard.countBytes(chunk.length);
          reader.push(chunk);
        } catch (error) {
          this.end(error instanceof UpstreamError ? error : tooMuchNoise());
        }
      },
      onExit: (reason) => this.end(reason),
    });
    this.process = process;
    if (signal.aborted) throw signal.reason;
    await process.spawned;
  }

  async exchange(request: RpcRequest, signal: CancelSignal): Promise<RpcAnswer> {
    const answer = this.pending.wait(request.id, signal);
    try {
      this.write(request);
    } catch (error) {
      this.pending.fail(request.id, error as UpstreamError);
    }
    return answer;
  }

  async notify(message: RpcOneWay): Promise<void> {
    this.write(message);
  }

  /** Messages on stdio carry no version, except in 2026-07-28, where the session puts it into each. */
  setProtocolVersion(): void {}

  /** Everything comes on stdout anyway; 2026-07-28 wants to be asked. */
  listen({ subscribe }: ListenRequest): Listening {
    if (!subscribe) return LISTENING;
    // A failure shows with the next call.
    this.notify(subscribe).catch(() => undefined);
    const params = { requestId: subscribe.id };
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params } as const;
    return { ...LISTENING, close: () => void this.notify(cancel).catch(() => undefined) };
  }

  async close(reason: UpstreamError): Promise<void> {
    this.end(reason);
    await this.process?.stopped;
  }

  private write(message: JsonObject): void {
    if (this.ended) throw this.ended;
    const line = `${JSON.stringify(message)}\n`;
    if (this.process?.write(line, this.options.limits.maxMessageBytes)) return;
    const deaf = new UpstreamError('process_failed', 'The process does not read what it is sent.', {
      mayHaveArrived: false,
    });
    this.end(deaf);
    throw deaf;
  }

  private take(line: string): void {
    // Chatter is told by its first character, before anything is parsed.
    if (!line.startsWith('{')) return;
    let message: JsonObject;
    try {
      message = this.options.read(line);
    } catch {
      return;
    }
    if (isAnswer(message)) {
      const bytes = Buffer.byteLength(line);
      if (this.pending.settle(message, bytes)) this.guard.discount(bytes);
    } else {
      this.guard.countMessage();
      this.onInbound(message);
    }
  }

  /** A line beyond the limit fails the call it answers, if its beginning or end tells which; else it fails all. */
  private refuse({ head, tail }: LongLine): void {
    const error = new UpstreamError(
      'too_large',
      `The server sent a message larger than ${this.options.limits.maxMessageBytes} bytes.`,
    );
    const id =
      /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d+)/.exec(head) ??
      /"id"\s*:\s*(\d+)\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$/.exec(tail);
    if (id && this.pending.fail(Number(id[1]), error)) return;
    this.pending.failAll(error);
  }

  private end(reason: UpstreamError): void {
    if (this.ended) return;
    this.ended = reason;
    this.pending.failAll(reason);
    this.process?.stop();
  }
}
