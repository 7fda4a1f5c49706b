import type { CancelSignal } from '../platform/cancellation.js';
import {
  Client,
  ProtocolError,
  SdkErrorCode,
  SdkHttpError,
  UnsupportedProtocolVersionError,
  type Implementation,
  type JSONRPCMessage,
  type Transport,
} from '@modelcontextprotocol/client';
import { HttpFailure, HttpRefusal } from './http-answer.js';
import type { ClientCapabilities } from './peer.js';
import { type Era, type ServerDescription, UpstreamError } from './upstream.js';
import type { Wire } from './wire.js';

export type Negotiated = Omit<ServerDescription, 'serverTime'>;

export interface NegotiationOptions {
  clientInfo: Implementation;
  capabilities: ClientCapabilities;
  /** `legacy` goes straight to `initialize`; `auto` asks with `server/discover` first, which takes one request more. */
  mode: 'auto' | 'legacy';
  /** Ends the negotiation; its reason becomes the error. */
  signal: CancelSignal;
}

// The signal limits the time; the SDK's own timers would only end things with less to say.
const NO_SDK_TIMEOUT_MS = 24 * 3600 * 1000;

/**
 * Finds out which era and version a server speaks (2026-07-28, Versioning; 2025-11-25, Lifecycle) and introduces us to it:
 * after it the wire may carry requests. The SDK client decides, over our wire, and is let go: on the path of a call it
 * would reject or strip what it does not know, and leak a listener a request (performance.md).
 * Throws UpstreamError.
 */
export async function negotiate(wire: Wire, options: NegotiationOptions): Promise<Negotiated> {
  try {
    return await attempt(wire, options);
  } catch (error) {
    // A server of the old era may well fail on a method it has never heard of.
    if (options.mode === 'legacy' || !(error instanceof HttpFailure) || options.signal.aborted) throw error;
    return attempt(wire, { ...options, mode: 'legacy' });
  }
}

async function attempt(
  wire: Wire,
  { clientInfo, capabilities, mode, signal }: NegotiationOptions,
): Promise<Negotiated> {
  const transport = new NegotiationTransport(wire, signal);
  const client = new Client(clientInfo, {
    capabilities: { ...capabilities },
    versionNegotiation: { mode, probe: { timeoutMs: NO_SDK_TIMEOUT_MS } },
  });
  try {
    await client.connect(transport, { timeout: NO_SDK_TIMEOUT_MS });
  } catch (error) {
    throw transport.failure ?? failureOf(error);
  }
  const info = client.getServerVersion();
  const instructions = client.getInstructions();
  return {
    serverInfo: {
      name: info?.name ?? '',
      version: info?.version ?? '',
      ...(info?.title === undefined ? {} : { title: info.title }),
    },
    protocolVersion: client.getNegotiatedProtocolVersion() ?? '',
    era: (client.getProtocolEra() ?? 'legacy') satisfies Era,
    capabilities: { ...client.getServerCapabilities() },
    ...(instructions === undefined ? {} : { instructions }),
    latencyMs: transport.latencyMs,
  };
}

/** Shows a wire to the SDK as one of its transports, and remembers what really went wrong and how long answers took. */
class NegotiationTransport implements Transport {
  failure: UpstreamError | undefined;
  latencyMs = 0;
  onmessage?: (message: JSONRPCMessage) => void;
  onclose?: () => void;
  onerror?: (error: Error) => void;

  constructor(
    private readonly wire: Wire,
    private readonly signal: CancelSignal,
  ) {}

  async start(): Promise<void> {}

  async send(message: JSONRPCMessage): Promise<void> {
    this.failure = undefined;
    try {
      if (!('method' in message && 'id' in message)) return await this.wire.notify(message, this.signal);
      const started = performance.now();
      const answer = await this.wire.exchange(message, this.signal);
      this.latencyMs = Math.round(performance.now() - started);
      this.onmessage?.({ ...answer.message, id: message.id } as JSONRPCMessage);
    } catch (error) {
      if (error instanceof UpstreamError) this.failure = error;
      throw this.asSdkError(error);
    }
  }

  /** The SDK closes what it could not connect; the wire is not its to close. */
  async close(): Promise<void> {
    this.onclose?.();
  }

  setProtocolVersion(version: string): void {
    this.wire.setProtocolVersion(version);
  }

  /** The SDK reads the era from statuses and bodies of HTTP refusals, in its own words. */
  private asSdkError(error: unknown): unknown {
    if (!(error instanceof HttpRefusal || error instanceof HttpFailure)) return error;
    const text = error instanceof HttpRefusal ? error.body : '';
    const data = { status: error.status, statusText: '', text };
    return new SdkHttpError(SdkErrorCode.ClientHttpNotImplemented, error.message, data);
  }
}

/** What the SDK itself found wrong with answers that did arrive. */
function failureOf(error: unknown): UpstreamError {
  if (error instanceof UnsupportedProtocolVersionError || /protocol version is not supported/.test(String(error)))
    return new UpstreamError('protocol_error', 'The server speaks no version of MCP that is known here.');
  if (error instanceof ProtocolError) {
    const message = error.message.replace(/^MCP error -?\d+: /, '').slice(0, 2000);
    return new UpstreamError('rpc_error', message, { rpc: { code: error.code, message } });
  }
  return new UpstreamError('not_mcp', 'The server did not introduce itself as MCP requires.');
}
