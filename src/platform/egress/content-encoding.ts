import type { Transform } from 'node:stream';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { codeOf, EgressError } from './egress-error.js';

/** `deflate` is zlib-wrapped by RFC 9110, 8.4.1.2, but some servers send it raw: the first byte tells. */
export type Encoding = 'identity' | 'gzip' | 'deflate' | 'br';

const NAMES: ReadonlyMap<string, Encoding> = new Map([
  ['', 'identity'],
  ['identity', 'identity'],
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'br'],
]);

const inflaters = {
  gzip: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip),
  deflate: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate),
  deflateRaw: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflateRaw),
  br: promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress),
};

/** Reads a Content-Encoding header. Unknown and stacked codings throw EgressError `bad_encoding`. */
export function encodingOf(header: string | undefined): Encoding {
  const encoding = NAMES.get((header ?? '').trim().toLowerCase());
  if (encoding === undefined)
    throw new EgressError('bad_encoding', 'The response has a content encoding other than gzip, deflate or br.');
  return encoding;
}

/**
 * Decompresses a whole body of at most `maxBytes` when unpacked, outside the main thread. Throws EgressError
 * `too_large` as soon as more comes out (a bomb is not unpacked further), `bad_encoding` for damaged data.
 */
export async function decompress(body: Buffer, encoding: Encoding, maxBytes: number): Promise<Buffer> {
  if (encoding === 'identity' || body.length === 0) return body;
  const inflate = inflaters[encoding === 'deflate' && !isZlibWrapped(body) ? 'deflateRaw' : encoding];
  try {
    return await inflate(body, { maxOutputLength: maxBytes });
  } catch (error) {
    throw codeOf(error) === 'ERR_BUFFER_TOO_LARGE' ? tooLarge(maxBytes) : badEncoding(encoding);
  }
}

/** A streaming decompressor for standing streams; its errors still have to pass through `badEncoding`. */
export function decoderFor(encoding: Exclude<Encoding, 'identity'>): Transform {
  if (encoding === 'gzip') return zlib.createGunzip();
  return encoding === 'br' ? zlib.createBrotliDecompress() : zlib.createInflate();
}

export function badEncoding(encoding: Encoding): EgressError {
  return new EgressError('bad_encoding', `The response body is not valid ${encoding} data.`);
}

export function tooLarge(maxBytes: number): EgressError {
  return new EgressError('too_large', `The response is larger than the ${maxBytes} bytes allowed.`);
}

function isZlibWrapped(body: Buffer): boolean {
  // RFC 1950, 2.2: compression method 8 in the low bits, and the first two bytes are a multiple of 31.
  return body.length > 1 && (body.readUInt8(0) & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0;
}
