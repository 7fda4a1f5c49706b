/** What is kept of a line beyond the limit. */
export interface LongLine {
  head: string;
  tail: string;
}

const KEPT = 256;
const LF = 10;

/** Cuts a byte stream into lines of at most `maxBytes`; of longer ones only beginning and end are kept, and reported. */
export class LineReader {
  private pieces: Buffer[] = [];
  private size = 0;
  private long: { head: Buffer; tail: Buffer } | undefined;

  constructor(
    private readonly maxBytes: number,
    private readonly onLine: (line: string) => void,
    private readonly onLongLine: (line: LongLine) => void,
  ) {}

  /** Throws what the callbacks throw. */
  push(chunk: Buffer): void {
    let from = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, from)) {
      this.add(chunk.subarray(from, end));
      from = end + 1;
      this.finish();
    }
    if (from < chunk.length) this.add(chunk.subarray(from));
  }

  private add(piece: Buffer): void {
    if (this.long) {
      this.long.tail = Buffer.concat([this.long.tail, piece.subarray(-KEPT)]).subarray(-KEPT);
      return;
    }
    this.pieces.push(piece);
    this.size += piece.length;
    if (this.size <= this.maxBytes) return;
    const all = Buffer.concat(this.pieces);
    this.long = { head: Buffer.from(all.subarray(0, KEPT)), tail: Buffer.from(all.subarray(-KEPT)) };
    this.pieces = [];
  }

  private finish(): void {
    const { pieces, long } = this;
    const [only] = pieces;
    const line = only && pieces.length === 1 ? only : Buffer.concat(pieces);
    this.pieces = [];
    this.size = 0;
    this.long = undefined;
    if (long) this.onLongLine({ head: long.head.toString('utf8'), tail: long.tail.toString('utf8') });
    else this.onLine(line.toString('utf8').trim());
  }
}
