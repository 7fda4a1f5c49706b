import { StringDecoder } from 'node:string_decoder';
import { UpstreamError } from './upstream.js';

export interface StreamEvent {
  /** `message` unless the stream says otherwise. */
  type: string;
  data: string;
}

/**
 * Incremental parser of `text/event-stream` (WHATWG HTML, 9.2.6). Takes time linear in the input however it is cut
 * into chunks, keeps at most one event, and nothing of comments.
 */
export class EventStreamParser {
  /** The id of the latest event that had one, for Last-Event-ID. */
  lastEventId: string | undefined;
  /** Milliseconds the server asks to wait before a reconnection. */
  retryMs: number | undefined;
  private readonly decoder = new StringDecoder('utf8');
  private pieces: string[] = [];
  private pending = 0;
  private data: string[] = [];
  private dataLength = 0;
  private type = '';
  private skipLineFeed = false;
  private atStart = true;

  constructor(
    private readonly maxBytes: number,
    private readonly onEvent: (event: StreamEvent) => void,
  ) {}

  /** Throws UpstreamError `too_large`, and whatever `onEvent` throws. */
  push(chunk: Buffer): void {
    let text = this.decoder.write(chunk);
    if (text === '') return;
    if (this.atStart && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    this.atStart = false;
    const from = this.skipLineFeed && text.charCodeAt(0) === 10 ? 1 : 0;
    this.skipLineFeed = false;
    this.keep(text.slice(this.takeLines(text, from)));
  }

  /** Takes all complete lines, ended by LF, CR or CRLF, and returns where the last, incomplete one begins. */
  private takeLines(text: string, start: number): number {
    let from = start;
    let feed = text.indexOf('\n', from);
    let carriage = text.indexOf('\r', from);
    while (feed !== -1 || carriage !== -1) {
      const end = feed === -1 || (carriage !== -1 && carriage < feed) ? carriage : feed;
      this.takeLine(text.slice(from, end));
      from = end + 1;
      if (end === carriage) {
        if (from === text.length) this.skipLineFeed = true;
        else if (feed === from) from++;
        carriage = text.indexOf('\r', from);
      }
      // Looked for once per line end of its kind: searching both for each line would be quadratic.
      if (feed !== -1 && feed < from) feed = text.indexOf('\n', from);
    }
    return from;
  }

  private keep(rest: string): void {
    if (rest === '') return;
    this.pending += rest.length;
    this.checkSize();
    // A comment may go on for ever; that it is one is all there is to remember.
    if (this.pieces[0]?.startsWith(':')) this.pending -= rest.length;
    else this.pieces.push(rest);
  }

  private takeLine(tail: string): void {
    const line = this.pieces.length === 0 ? tail : this.pieces.join('') + tail;
    this.pieces = [];
    this.pending = 0;
    if (line === '') return this.dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1);
    if (field === 'data') this.addData(value);
    else if (field === 'event') this.type = value;
    else if (field === 'id' && !value.includes('\0') && value.length <= 1024) this.lastEventId = value;
    else if (field === 'retry' && /^\d{1,9}$/.test(value)) this.retryMs = Number(value);
  }

  private addData(value: string): void {
    this.data.push(value);
    this.dataLength += value.length + 1;
    this.checkSize();
  }

  private dispatch(): void {
    const { data, type } = this;
    this.type = '';
    if (data.length === 0) return;
    this.data = [];
    this.dataLength = 0;
    this.onEvent({ type: type === '' ? 'message' : type, data: data.length === 1 ? (data[0] ?? '') : data.join('\n') });
  }

  private checkSize(): void {
    if (this.pending + this.dataLength > this.maxBytes)
      throw new UpstreamError('too_large', `The server sent a message larger than ${this.maxBytes} bytes.`);
  }
}
