import { toAbortSignal, type CancelSignal } from '../platform/cancellation.js';
import { InMemoryTransport, type JSONRPCMessage } from '@modelcontextprotocol/server';
import { FAILURE_REASON, FAILURE_RETRY_AFTER, type BuiltinSettings, type StartBuiltin } from './builtin-server.js';
import type { ConnectionContext } from './connection-context.js';
import type { ReadMessage } from './credential-mask.js';
import { isAnswer, isObject, type JsonObject, type RpcAnswer, type RpcOneWay, type RpcRequest } from './json-rpc.js';
import { PendingAnswers } from './pending-answers.js';
import { UpstreamError, type UpstreamReason } from './upstream.js';
import { LISTENING, type Listening, type Wire } from './wire.js';
import { wireFailure } from './wire-failure.js';

export interface InProcessWireOptions extends Pick<ConnectionContext, 'egress' | 'limits'> {
  /** Undefined where this installation has no such server. */
  start: StartBuiltin | undefined;
  settings: BuiltinSettings;
  read: ReadMessage;
}

/**
 * A server of our own in this process, one for each session. Its messages are held to the same rules as those of any other:
 * they pass as text, within the size of a message and without credentials.
 */
export class InProcessWire implements Wire {
  ended: UpstreamError | null = null;
  serverTime: string | undefined;
  readonly cancelsByClosing = false;
  onInbound: Wire['onInbound'] = () => undefined;
  private readonly pending = new PendingAnswers();
  private transport: InMemoryTransport | undefined;

  constructor(private readonly options: InProcessWireOptions) {}

  async start(signal: CancelSignal): Promise<void> {
    const { start, settings, egress } = this.options;
    if (!start) throw new UpstreamError('misconfigured', 'This server does not ship with the product any more.');
    try {
      const { server, serverTime } = await start(settings, {
        fetch: (...request) => egress.fetch(...request),
        signal: toAbortSignal(signal),
      });
      const [ours, theirs] = InMemoryTransport.createLinkedPair();
      ours.onmessage = (message) => this.take(message);
      await server.connect(theirs);
      await ours.start();
      this.serverTime = serverTime;
      this.transport = ours;
    } catch (error) {
      throw wireFailure(error, signal);
    }
  }

  async exchange(request: RpcRequest, signal: CancelSignal): Promise<RpcAnswer> {
    const answer = this.pending.wait(request.id, signal);
    this.send(request).catch((error: unknown) => this.pending.fail(request.id, wireFailure(error)));
    return answer;
  }

  notify(message: RpcOneWay): Promise<void> {
    return this.send(message);
  }

  /** Messages carry no version here. */
  setProtocolVersion(): void {}

  /** Whatever it says comes the same way. */
  listen(): Listening {
    return LISTENING;
  }

  async close(reason: UpstreamError): Promise<void> {
    if (this.ended) return;
    this.ended = reason;
    this.pending.failAll(reason);
    await this.transport?.close();
  }

  private async send(message: JsonObject): Promise<void> {
    if (this.ended) throw this.ended;
    await this.transport?.send(message as unknown as JSONRPCMessage);
  }

  private take(sent: JsonObject): void {
    const text = JSON.stringify(sent);
    const bytes = Buffer.byteLength(text);
    const { maxMessageBytes } = this.options.limits;
    if (bytes > maxMessageBytes) {
      const tooLarge = new UpstreamError('too_large', `The answer is larger than ${maxMessageBytes} bytes.`);
      this.pending.fail(idOf(sent), tooLarge);
      return;
    }
    const message = this.options.read(text);
    if (!isAnswer(message)) return this.onInbound(message);
    const failure = failureIn(message);
    if (failure) this.pending.fail(idOf(message), failure);
    else this.pending.settle(message, bytes);
  }
}

function idOf({ id }: JsonObject): number | string {
  return typeof id === 'number' || typeof id === 'string' ? id : '';
}

/** What its system did to it counts as done by the server: the circuit, the status and the price of a call follow from it. */
function failureIn({ error }: JsonObject): UpstreamError | null {
  const data = isObject(error) ? error.data : undefined;
  if (!isObject(error) || !isObject(data)) return null;
  const { [FAILURE_REASON]: reason, [FAILURE_RETRY_AFTER]: seconds } = data;
  if (typeof reason !== 'string') return null;
  const wait = typeof seconds === 'number' ? { retryAfterSeconds: seconds } : {};
  return new UpstreamError(reason as UpstreamReason, String(error.message), wait);
}
