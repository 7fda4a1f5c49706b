import { randomBytes } from 'node:crypto';

/** Where a piece of work stands in a trace. W3C Trace Context, Level 1. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits, of this piece. */
  readonly spanId: string;
  /** Of the piece that it is a part of; null for the first one. */
  readonly parentId: string | null;
  /** Whether whoever began the trace keeps it. */
  readonly isSampled: boolean;
}

/** Later versions may have more behind a dash (section 4.3). */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const UUID = /^(?!0{8}-0{4}-0{4}-0{4}-0{12})[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SAMPLED = 1;
/** Bytes. */
const DRAWN_AHEAD = 2_048;

/**
 * The part that a request is of the trace that its header names; of a new one where there is none, or none that can be read. A
 * request whose id is a UUID gives its trace the same id.
 */
export function traceOfRequest(traceparent: unknown, requestId: string): TraceContext {
  const [, version, traceId, parentId, flags, more] = TRACEPARENT.exec(String(traceparent)) ?? [];
  const isKnown = version !== undefined && (version !== '00' || more === undefined);
  if (isKnown && traceId !== undefined && parentId !== undefined && flags !== undefined)
    return { traceId, spanId: newId(8), parentId, isSampled: (parseInt(flags, 16) & SAMPLED) === SAMPLED };
  const own = UUID.test(requestId) ? requestId.replaceAll('-', '') : newId(16);
  return { traceId: own, spanId: newId(8), parentId: null, isSampled: true };
}

/** A part of this piece of work. */
export function partOf({ traceId, spanId, isSampled }: TraceContext): TraceContext {
  return { traceId, spanId: newId(8), parentId: spanId, isSampled };
}

/** As it is told to whoever does the next part. */
export function traceparentOf({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/** Hexadecimal digits, drawn ahead: a draw for each id costs more than everything else that is done for a trace. */
let digits = '';

function newId(bytes: number): string {
  if (digits.length < 2 * bytes) digits = randomBytes(DRAWN_AHEAD).toString('hex');
  const id = digits.slice(0, 2 * bytes);
  digits = digits.slice(2 * bytes);
  return id;
}
