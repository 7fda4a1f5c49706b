import type { FastifyReply } from 'fastify';

/** Nothing said for so long, and proxies and clients take the stream for dead. */
const KEEP_ALIVE_MS = 15_000;
/** Bytes that may wait for a reader; one that does not keep up is let go. */
const MOST_WAITING = 4_194_304;

/** An HTTP answer that is a stream of events, each a JSON-RPC message (HTML, Server-sent events; MCP, Streamable HTTP). */
export class EventStream {
  private readonly timer: NodeJS.Timeout;

  /** @param closed called once, when the stream has ended, whoever ended it */
  constructor(
    private readonly reply: FastifyReply,
    closed: () => void,
  ) {
    reply.hijack();
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream',
      // Proxies pass each event on as it comes.
      'x-accel-buffering': 'no',
    });
    reply.raw.flushHeaders();
    this.timer = setInterval(() => this.write(':\n\n'), KEEP_ALIVE_MS).unref();
    const end = (): void => {
      clearInterval(this.timer);
      closed();
    };
    // Whoever hung up meanwhile; not before it is known to its owner.
    if (reply.raw.closed) queueMicrotask(end);
    else reply.raw.once('close', end);
    // Whoever hangs up in the middle of a write.
    reply.raw.on('error', () => undefined);
  }

  get isOpen(): boolean {
    return !this.reply.raw.writableEnded && !this.reply.raw.destroyed;
  }

  /** @param id by which the stream can be taken up again after this event */
  send(data: string, id?: string): void {
    this.write(`${id === undefined ? '' : `id: ${id}\n`}event: message\ndata: ${data}\n\n`);
  }

  end(): void {
    if (this.isOpen) this.reply.raw.end();
  }

  private write(text: string): void {
    if (!this.isOpen) return;
    this.reply.raw.write(text);
    if (this.reply.raw.writableLength > MOST_WAITING) this.reply.raw.destroy();
  }
}
