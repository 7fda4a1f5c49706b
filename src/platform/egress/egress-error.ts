/** Why an outbound request failed, in words that callers switch on. `aborted` is the caller's own doing. */
export type EgressFailure =
  | 'invalid_url'
  | 'invalid_header'
  | 'address_refused'
  | 'connection_refused'
  | 'connection_reset'
  | 'tls'
  | 'timeout'
  | 'redirect_refused'
  | 'too_large'
  | 'bad_encoding'
  | 'aborted'
  | 'network';

/**
 * The only error that leaves the egress client. The message names at most the origin of the target, never its path,
 * query, headers or body, and the underlying error is not attached: parser errors quote the upstream's bytes.
 * `code` is the code of the underlying error (`ECONNREFUSED`, `CERT_HAS_EXPIRED`, ...) where there is one.
 */
export class EgressError extends Error {
  constructor(
    readonly reason: EgressFailure,
    message: string,
    readonly code?: string,
  ) {
    super(message);
    this.name = 'EgressError';
  }
}

/** One text whether the policy refused the address or the name does not resolve: otherwise it would map our network. */
export function addressRefused(): EgressError {
  return new EgressError(
    'address_refused',
    'The host does not resolve or its address is not allowed. Check the spelling; loopback, private and other ' +
      'special addresses can only be reached when the operator allows them.',
  );
}

/**
 * The caller's abort as an EgressError. It keeps the name of the signal's reason (`AbortError`, `TimeoutError`), by
 * which fetch users such as jose and eventsource tell the two apart.
 */
export function abortedBy(reason: unknown): EgressError {
  const inTime = fieldOf(reason, 'name') !== 'TimeoutError';
  const error = inTime
    ? new EgressError('aborted', 'The request was aborted by the caller.')
    : new EgressError('timeout', 'The request did not finish in the time the caller allows.');
  error.name = inTime ? 'AbortError' : 'TimeoutError';
  return error;
}

/** Turns whatever undici, net, tls or zlib reported about a request to `origin` into an EgressError. */
export function describeFailure(error: unknown, origin: string): EgressError {
  if (error instanceof EgressError) return error;
  const code = codeOf(error);
  const reason = classify(code);
  return new EgressError(reason, TEXTS[reason](origin, code ?? 'no details'), code);
}

/** The code of an error of Node or undici; of the first attempt where several addresses were tried. */
export function codeOf(error: unknown): string | undefined {
  const code = fieldOf(error, 'code');
  if (typeof code === 'string') return code;
  const attempts = fieldOf(error, 'errors');
  return Array.isArray(attempts) ? codeOf(attempts[0]) : undefined;
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[field] : undefined;
}

type TransportFailure =
  'aborted' | 'connection_refused' | 'connection_reset' | 'timeout' | 'tls' | 'too_large' | 'network';

const BY_CODE: ReadonlyMap<string, TransportFailure> = new Map([
  ['ECONNREFUSED', 'connection_refused'],
  ['ECONNRESET', 'connection_reset'],
  ['ECONNABORTED', 'connection_reset'],
  ['EPIPE', 'connection_reset'],
  ['UND_ERR_SOCKET', 'connection_reset'],
  ['ETIMEDOUT', 'timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['UND_ERR_HEADERS_OVERFLOW', 'too_large'],
  ['UND_ERR_DESTROYED', 'aborted'],
  ['UND_ERR_CLOSED', 'aborted'],
  ['EPROTO', 'tls'],
]);

// OpenSSL verification codes carry no common prefix: https://nodejs.org/docs/latest-v20.x/api/tls.html#x509-certificate-error-codes
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|.*_CERT\b|.*_CERT_|.*_SIGNATURE$|INVALID_CA$|INVALID_PURPOSE$|HOSTNAME_MISMATCH$)/;

function classify(code: string | undefined): TransportFailure {
  if (code === undefined) return 'network';
  return BY_CODE.get(code) ?? (TLS_CODE.test(code) ? 'tls' : 'network');
}

const TEXTS: Record<TransportFailure, (origin: string, code: string) => string> = {
  aborted: () => 'The egress client is closed.',
  connection_refused: (origin) => `${origin} refused the connection. Is the server running on this port?`,
  connection_reset: (origin) => `${origin} closed the connection before its answer was complete.`,
  timeout: (origin) => `${origin} did not answer in time.`,
  tls: (origin, code) => `No trusted TLS connection to ${origin} (${code}). Check its certificate and the scheme.`,
  too_large: (origin) => `${origin} sent response headers that are too large.`,
  network: (origin, code) => `The exchange with ${origin} failed (${code}).`,
};
