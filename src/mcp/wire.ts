import type { JsonObject, RpcAnswer, RpcOneWay, RpcRequest } from './json-rpc.js';
import type { UpstreamError } from './upstream.js';

/**
 * One channel to one server, used by one session: it moves messages and knows which answer belongs to which request,
 * nothing more. Implemented by StreamableHttpWire, SseWire and StdioWire.
 */
export interface Wire {
  /** Makes the channel ready for its first message. */
  start(signal: AbortSignal): Promise<void>;
  /** Resolves with the answer, error answers included; rejects with an UpstreamError, or the signal's reason. */
  exchange(request: RpcRequest, signal: AbortSignal): Promise<RpcAnswer>;
  /** Sends a message that has no answer; resolves when it is handed over. */
  notify(message: RpcOneWay, signal?: AbortSignal): Promise<void>;
  /** Called once, when the version is known; later messages carry it where the transport has a place for it. */
  setProtocolVersion(version: string): void;
  /** Listens for what the server sends of its own accord, where that takes a stream of its own; at most once. */
  listen(request: ListenRequest): void;
  /** Ends everything under way with `reason`; resolves when the resources are gone. */
  close(reason: UpstreamError): Promise<void>;
  /** Set when the channel has ended and can carry nothing more. */
  readonly ended: UpstreamError | null;
  /** ISO time of the latest Date header of the server. */
  readonly serverTime: string | undefined;
  /** True where closing the answer's stream is how a request is cancelled (2026-07-28 over HTTP). */
  readonly cancelsByClosing: boolean;
  /** Requests and notifications of the server. Set by the session. */
  onInbound: (message: JsonObject) => void;
}

/** `subscribe` is the request that opens the stream in 2026-07-28; null asks for the stream of older servers. */
export interface ListenRequest {
  subscribe: RpcRequest | null;
}
