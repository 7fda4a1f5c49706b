import { type RpcError, UpstreamError, type UpstreamTransport } from './upstream.js';

const MASK = '***';
const SHORTEST = 3;

/**
 * The last `keep` characters of a program's output without the secrets it was given, wherever the output was cut.
 * Values shorter than three characters cannot be told from ordinary text and stay; each line of a longer value counts.
 */
export class Masker {
  private readonly secrets: string[];
  private readonly margin: number;
  private kept = Buffer.alloc(0);
  private isCut = false;

  constructor(
    values: readonly string[],
    private readonly keep: number,
  ) {
    this.secrets = partsOf(values, SHORTEST);
    this.margin = Math.max(0, ...this.secrets.map((secret) => Buffer.byteLength(secret)));
  }

  add(chunk: Buffer): void {
    const all = Buffer.concat([this.kept, chunk.subarray(-(this.keep + 2 * this.margin))]);
    const most = this.keep + 2 * this.margin;
    this.isCut ||= all.length > most;
    this.kept = all.subarray(-most);
  }

  text(): string {
    let text = mask(this.kept.toString('utf8'), this.secrets);
    // The first characters may be the rest of a secret whose beginning is gone.
    if (this.isCut) text = text.slice(this.margin);
    return text.slice(-this.keep).trim();
  }
}

// In a short text a shorter value is more likely a word than a credential.
const SHORTEST_IN_ERRORS = 6;

/** A JSON-RPC error that quotes the credentials it was sent, without them; any other error as it is. */
export function withoutCredentials(error: unknown, transport: UpstreamTransport): unknown {
  if (!(error instanceof UpstreamError) || error.rpc === undefined) return error;
  const values = Object.values(transport.type === 'stdio' ? transport.env : transport.headers);
  // `Bearer abc` and `Basic abc` are quoted without their first word, too.
  const secrets = partsOf(
    [...values, ...values.map((value) => value.slice(value.indexOf(' ') + 1))],
    SHORTEST_IN_ERRORS,
  );
  const text = JSON.stringify(error.rpc);
  const masked = mask(text, secrets);
  if (masked === text) return error;
  const rpc = parsed(masked) ?? { code: error.rpc.code, message: MASK };
  return new UpstreamError(error.reason, error.reason === 'rpc_error' ? rpc.message : error.message, { ...error, rpc });
}

/** A credential that looks like JSON syntax would take the text apart. */
function parsed(text: string): RpcError | undefined {
  try {
    return JSON.parse(text) as RpcError;
  } catch {
    return undefined;
  }
}

/** The values, their lines, and how they look inside JSON; the longest first, as one may contain another. */
function partsOf(values: readonly string[], shortest: number): string[] {
  const parts = values.flatMap((value) => [value, ...value.split(/\r?\n/), JSON.stringify(value).slice(1, -1)]);
  const secrets = new Set(parts.map((part) => part.trim()).filter((part) => part.length >= shortest));
  return [...secrets].sort((a, b) => b.length - a.length);
}

function mask(text: string, secrets: readonly string[]): string {
  return secrets.reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
}
