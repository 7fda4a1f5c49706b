import { parsedUrl } from '../platform/egress/parse-url.js';
import { type JsonObject, parseMessage } from './json-rpc.js';
import { mask, MASK, partsOf } from './masker.js';
import { type RpcError, UpstreamError, type UpstreamTransport } from './upstream.js';

/** Reads one JSON-RPC message of a server. Throws as parseMessage does. */
export type ReadMessage = (text: string) => JsonObject;

// A shorter value is more likely a word, a flag or a number of the answer than a credential: `true`, `eu-1`, `8080`.
const SHORTEST = 6;
const SECRET_PARAMETER = /key|token|secret|pass|pwd|auth|sig|credential/i;
// Only here is the server's own text; the rest of a message is the protocol's, and masking it could only break it.
const OPEN_MEMBERS = new Set(['result', 'error', 'params']);

/**
 * Takes the credentials of one transport out of what its server says: many a server repeats its environment or the
 * headers of a request, and answers are stored, logged and shown. Values count literally, as do the parts they are
 * quoted by (see `quotedParts`); one that the server encoded in some other way is not recognized.
 */
export class CredentialMask {
  private readonly secrets: readonly string[];
  /** The same as they look inside JSON text. */
  private readonly needles: readonly string[];

  constructor(transport: UpstreamTransport) {
    const values = Object.values(sentBy(transport));
    const inUrl = 'url' in transport ? secretsOfUrl(transport.url) : [];
    const all = [...values.flatMap(quotedParts), ...inUrl, ...(transport.secrets ?? []), ...basicForms(transport)];
    this.secrets = partsOf([...all, ...all.map(encoded)], SHORTEST);
    this.needles = this.secrets.map((secret) => JSON.stringify(secret).slice(1, -1));
  }

  /** Parses a message. Nearly all hold no credential, which a search in their text shows: only others are walked. */
  readonly read: ReadMessage = (text) => {
    const message = parseMessage(text);
    if (!this.mayBeIn(text)) return message;
    const entries = Object.entries(message);
    return Object.fromEntries(entries.map(([key, part]) => [key, OPEN_MEMBERS.has(key) ? this.masked(part) : part]));
  };

  /** A JSON-RPC error that quotes credentials without them; any other error as it is. */
  error(error: unknown): unknown {
    if (!(error instanceof UpstreamError) || error.rpc === undefined) return error;
    if (!this.mayBeIn(JSON.stringify(error.rpc))) return error;
    const rpc = this.masked(error.rpc) as RpcError;
    return new UpstreamError(error.reason, mask(error.message, this.secrets), { ...error, rpc });
  }

  private mayBeIn(text: string): boolean {
    if (this.secrets.length === 0) return false;
    // JSON may write any character as \u0041, and a slash as \/.
    return this.needles.some((needle) => text.includes(needle)) || text.includes('\\u') || text.includes('\\/');
  }

  private masked(value: unknown): unknown {
    if (typeof value === 'string') return mask(value, this.secrets);
    if (typeof value === 'number') return this.secrets.includes(String(value)) ? MASK : value;
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((item) => this.masked(item));
    // Unlike an assignment, this keeps `__proto__` a plain property.
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [mask(key, this.secrets), this.masked(inner)]),
    );
  }
}

/** What HTTP makes of the secrets of a server of our own: by themselves, and behind another value as in `Basic` (RFC 7617). */
function basicForms(transport: UpstreamTransport): string[] {
  if (transport.type !== 'builtin') return [];
  const values = Object.values(transport.settings.auth).filter((value) => typeof value === 'string');
  const pairs = (transport.secrets ?? []).flatMap((secret) => [
    secret,
    `:${secret}`,
    `${secret}:`,
    ...values.map((value) => `${value}:${secret}`),
  ]);
  // Without the padding, which some leave out.
  return pairs.map((pair) => Buffer.from(pair).toString('base64').replace(/=+$/, ''));
}

/** Of a server of our own all secrets are in `secrets`. */
function sentBy(transport: UpstreamTransport): Record<string, string> {
  if (transport.type === 'builtin') return {};
  return transport.type === 'stdio' ? transport.env : transport.headers;
}

/**
 * A header or environment value and what servers take out of it: `abc` of `Bearer abc` and of `Token token="abc"`, the
 * password of `Basic ...` and of `postgres://user:password@host`.
 */
function quotedParts(value: string): string[] {
  const rest = value.slice(value.indexOf(' ') + 1);
  const assigned = [...value.matchAll(/=\s*"?([^\s;,"]+)/g)].map(([, part]) => part ?? '');
  return [value, rest, ...assigned, ...passwordOfBasic(value), ...secretsOfUrl(value)];
}

function passwordOfBasic(value: string): string[] {
  const [, token] = /^Basic\s+(\S+)$/i.exec(value) ?? [];
  if (token === undefined) return [];
  const pair = Buffer.from(token, 'base64').toString('utf8');
  return [pair, pair.slice(pair.indexOf(':') + 1)];
}

/** The password of an address, and the parameters of its query that are named like credentials. */
function secretsOfUrl(text: string): string[] {
  const url = text.includes('://') ? parsedUrl(text) : null;
  if (!url) return [];
  const { password, searchParams } = url;
  const parameters = [...searchParams].filter(([name]) => SECRET_PARAMETER.test(name)).map(([, value]) => value);
  return [password, decoded(password), ...parameters];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function encoded(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    // Lone surrogates cannot be encoded.
    return text;
  }
}
