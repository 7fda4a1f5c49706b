import type { CancelSignal } from '../platform/cancellation.js';
import type { JsonObject, RpcAnswer, RpcOneWay, RpcRequest } from './json-rpc.js';
import type { UpstreamError } from './upstream.js';

/**
 * One channel to one server, used by one session: it moves messages and knows which answer belongs to which request,
 * nothing more. Implemented by StreamableHttpWire, SseWire and StdioWire.
 */
export interface Wire {
  /** Makes the channel ready for its first message. */
  start(signal: CancelSignal): Promise<void>;
  /** Resolves with the answer, error answers included; rejects with an UpstreamError, or the signal's reason. */
  exchange(request: RpcRequest, signal: CancelSignal): Promise<RpcAnswer>;
  /** Sends a message that has no answer; resolves when it is handed over. */
  notify(message: RpcOneWay, signal?: CancelSignal): Promise<void>;
  /** Called once, when the version is known; later messages carry it where the transport has a place for it. */
  setProtocolVersion(version: string): void;
  /** Listens for what the server sends of its own accord, where that takes a stream of its own; older servers have one. */
  listen(request: ListenRequest): Listening;
  /** Ends everything under way with `reason`; resolves when the resources are gone. */
  close(reason: UpstreamError): Promise<void>;
  /** Set when the channel has ended and can carry nothing more. */
  readonly ended: UpstreamError | null;
  /** ISO time of the latest Date header of the server. */
  readonly serverTime: string | undefined;
  /** True where closing the answer's stream is how a request is cancelled (2026-07-28 over HTTP). */
  readonly cancelsByClosing: boolean;
  /** Requests and notifications of the server; `during`: of which request, where the channel tells. Set by the session. */
  onInbound: (message: JsonObject, during?: number | string) => void;
}

/** `subscribe` is the request that opens the stream in 2026-07-28; null asks for the stream of older servers. */
export interface ListenRequest {
  subscribe: RpcRequest | null;
  /** The stream broke and is open again: what the server said meanwhile may be lost. */
  onAgain: () => void;
}

/** Where everything comes on one channel anyway. */
export const LISTENING: Listening = { opened: Promise.resolve(true), isOver: false, close: () => undefined };

/** Listening for as long as the wire lives, or until it is closed. */
export interface Listening {
  /** Resolves when the server speaks there, or could; false when it does not offer that. */
  readonly opened: Promise<boolean>;
  /** The server refuses to go on: there is nothing to be heard any more. */
  readonly isOver: boolean;
  close(): void;
}
