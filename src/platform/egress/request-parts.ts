import { EgressError } from './egress-error.js';

/** What goes on the wire, made from a fetch-shaped init. `headers` is flat: name, value, name, value. */
export interface RequestParts {
  method: string;
  headers: string[];
  body: string | Uint8Array | null;
}

type HeadersInit = Headers | Iterable<readonly string[]> | Readonly<Record<string, string | readonly string[]>>;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// RFC 9110, 5.5: field values; CR, LF and NUL would let a stored credential write further headers.
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
// They belong to the connection or decide where the request goes, so no caller's header may set them.
const RESERVED = new Set([
  'connection',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Normalises method, headers and body of a fetch init. Bodies may be strings, bytes or URLSearchParams.
 * Throws EgressError `invalid_header` naming the header, never its value.
 */
export function partsOf(init: Omit<RequestInit, 'signal'> | undefined, userAgent: string): RequestParts {
  const [body, contentType] = bodyOf(init?.body);
  const headers: string[] = [];
  const seen = new Set<string>();
  for (const [name, value] of entriesOf(init?.headers)) {
    checkHeader(name, value);
    headers.push(name, value);
    seen.add(name.toLowerCase());
  }
  const defaults: [string, string | null][] = [
    ['accept', '*/*'],
    ['accept-encoding', 'gzip, deflate, br'],
    ['user-agent', userAgent],
    ['content-type', contentType],
  ];
  for (const [name, value] of defaults) if (value !== null && !seen.has(name)) headers.push(name, value);
  return { method: methodOf(init?.method), headers, body };
}

/** The same request after a redirect that turns it into a GET: without body and the headers that describe it. */
export function withoutBody(parts: RequestParts): RequestParts {
  const headers: string[] = [];
  for (let at = 0; at + 1 < parts.headers.length; at += 2) {
    const [name, value] = [parts.headers[at] ?? '', parts.headers[at + 1] ?? ''];
    if (!/^content-/i.test(name)) headers.push(name, value);
  }
  return { method: 'GET', headers, body: null };
}

function methodOf(method = 'GET'): string {
  const upper = method.toUpperCase();
  if (TOKEN.test(upper) && upper !== 'CONNECT' && upper !== 'TRACE') return upper;
  throw new EgressError('invalid_header', 'The request method cannot be used.');
}

function* entriesOf(headers: HeadersInit | undefined): Generator<readonly [string, string]> {
  if (headers === undefined) return;
  if (Symbol.iterator in headers) {
    for (const [name = '', value = ''] of headers as Iterable<readonly string[]>) yield [name, value];
    return;
  }
  for (const [name, value] of Object.entries(headers) as [string, string | readonly string[] | undefined][]) {
    if (typeof value === 'string') yield [name, value];
    else for (const one of value ?? []) yield [name, one];
  }
}

function checkHeader(name: string, value: unknown): void {
  if (!TOKEN.test(name)) throw new EgressError('invalid_header', 'A header name contains characters it must not.');
  if (RESERVED.has(name.toLowerCase())) throw new EgressError('invalid_header', `The header ${name} cannot be set.`);
  if (typeof value !== 'string' || !FIELD_VALUE.test(value))
    throw new EgressError('invalid_header', `The value of the header ${name} contains characters it must not.`);
}

function bodyOf(body: RequestInit['body']): [RequestParts['body'], string | null] {
  if (body === undefined || body === null) return [null, null];
  if (typeof body === 'string') return [body, 'text/plain;charset=UTF-8'];
  if (body instanceof URLSearchParams) return [body.toString(), 'application/x-www-form-urlencoded;charset=UTF-8'];
  if (body instanceof ArrayBuffer) return [new Uint8Array(body), null];
  if (ArrayBuffer.isView(body)) return [new Uint8Array(body.buffer, body.byteOffset, body.byteLength), null];
  throw new EgressError('invalid_header', 'The request body must be text, bytes or form fields.');
}
