import { Transform, type TransformCallback } from 'node:stream';
import { tooLarge } from './content-encoding.js';

const LF = 10;
const CR = 13;

/**
 * Counts the bytes of each event of a `text/event-stream`: what stands between two blank lines, lines ending in LF, CR
 * or CRLF (WHATWG HTML, 9.2.6). The stream as a whole has no limit, one event has `maxBytes`.
 */
export class EventSizeGuard {
  private size = 0;
  private lineIsEmpty = true;
  private afterCarriageReturn = false;

  constructor(private readonly maxBytes: number) {}

  /** Throws EgressError `too_large` when the event under way outgrows the limit with this chunk. */
  check(chunk: Uint8Array): void {
    for (const byte of chunk) {
      const completesCrLf = byte === LF && this.afterCarriageReturn;
      this.afterCarriageReturn = byte === CR;
      if (completesCrLf) continue;
      if (++this.size > this.maxBytes) throw tooLarge(this.maxBytes);
      if (byte !== LF && byte !== CR) this.lineIsEmpty = false;
      else if (this.lineIsEmpty) this.size = 0;
      else this.lineIsEmpty = true;
    }
  }
}

/** The same check as a stream, for what comes out of a decompressor. */
export class EventSizeTransform extends Transform {
  private readonly guard: EventSizeGuard;

  constructor(maxBytes: number) {
    super();
    this.guard = new EventSizeGuard(maxBytes);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      this.guard.check(chunk);
      done(null, chunk);
    } catch (error) {
      done(error as Error);
    }
  }
}
