import { Blob } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { tooLarge } from './content-encoding.js';
import type { Answer } from './exchange.js';

/**
 * What `fetch` answers: as much of the WHATWG Response as its users read (MCP SDK, jose, octokit), with the costly
 * parts made on first use: a real Response costs 40 us, more than the rest of the exchange in this process.
 * Bodies are already decompressed and limited; `content-encoding` and `content-length` still say what was on the wire.
 */
export class EgressResponse implements Response {
  readonly type = 'basic';
  readonly status: number;
  readonly statusText: string;
  readonly rawHeaders: IncomingHttpHeaders;
  private used = false;
  private lazyHeaders: Headers | undefined;
  private lazyBody: ReadableStream<Uint8Array> | null | undefined;

  constructor(
    private readonly answer: Answer,
    readonly url: string,
    readonly redirected: boolean,
    private readonly maxBytes: number,
  ) {
    this.status = answer.status;
    this.statusText = answer.statusText;
    this.rawHeaders = answer.headers;
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get headers(): Headers {
    return (this.lazyHeaders ??= headersOf(this.rawHeaders));
  }

  get bodyUsed(): boolean {
    return this.used || (this.lazyBody?.locked ?? false);
  }

  /** The body of an event stream as Node's stream, cheaper than `body`; null when the body is complete. Marks it used. */
  takeStream(): Readable | null {
    if (Buffer.isBuffer(this.answer.body)) return null;
    this.use();
    return this.answer.body;
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (this.lazyBody === undefined) {
      const { body } = this.answer;
      this.lazyBody = Buffer.isBuffer(body) ? (hasNoBody(this.status) ? null : oneChunk(body)) : webStream(body);
    }
    return this.lazyBody;
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text()) as unknown;
  }

  /** The whole body; of an event stream at most `maxBytes`, else EgressError `too_large`. */
  async bytes(): Promise<Buffer> {
    this.use();
    if (Buffer.isBuffer(this.answer.body)) return this.answer.body;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > this.maxBytes) throw tooLarge(this.maxBytes);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, size);
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return new Uint8Array(await this.bytes()).buffer;
  }

  async blob(): Promise<Blob> {
    return new Blob([await this.bytes()], { type: this.rawHeaders['content-type'] ?? '' });
  }

  formData(): Promise<never> {
    return Promise.reject(new TypeError('Form data in responses is not supported.'));
  }

  /** A second reader of a complete body; event streams cannot be cloned. */
  clone(): EgressResponse {
    if (this.bodyUsed || !Buffer.isBuffer(this.answer.body)) throw new TypeError('This body cannot be cloned.');
    return new EgressResponse(this.answer, this.url, this.redirected, this.maxBytes);
  }

  private use(): void {
    if (this.bodyUsed) throw new TypeError('The body was read already.');
    this.used = true;
  }
}

function hasNoBody(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

function headersOf(raw: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw)) {
    if (typeof value === 'string') headers.append(name, value);
    else for (const one of value ?? []) headers.append(name, one);
  }
  return headers;
}

function oneChunk(body: Buffer): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (body.length > 0) controller.enqueue(body);
      controller.close();
    },
  });
}

function webStream(source: Readable): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      source.on('data', (chunk: Buffer) => {
        controller.enqueue(chunk);
        if ((controller.desiredSize ?? 0) <= 0) source.pause();
      });
      source.once('end', () => controller.close());
      source.once('error', (error) => controller.error(error));
    },
    pull() {
      source.resume();
    },
    cancel() {
      source.removeAllListeners('data');
      source.destroy();
    },
  });
}
