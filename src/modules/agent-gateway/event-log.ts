import type { EventStream } from './event-stream.js';

/** What is kept of a stream, so that a client that lost it can take it up again: the latest events, up to both. */
const MOST = { events: 1_000, bytes: 1_048_576 };

/**
 * The events of one stream of a session, sent and kept (MCP 2025-11-25, Streamable HTTP, Resumability and Redelivery). The id of
 * an event names its stream and its place in it.
 */
export class EventLog {
  isFinished = false;
  private readonly kept: { place: number; data: string }[] = [];
  private bytes = 0;
  private place = 0;
  private stream: EventStream | null = null;

  /** @param ended told once, when nothing more will come, whether somebody was there to hear all of it */
  constructor(
    readonly id: string,
    private readonly ended: (isHeard: boolean) => void = () => undefined,
  ) {}

  append(message: object): void {
    const data = JSON.stringify(message);
    const place = ++this.place;
    this.kept.push({ place, data });
    this.bytes += data.length;
    while (this.kept.length > MOST.events || (this.bytes > MOST.bytes && this.kept.length > 1))
      this.bytes -= this.kept.shift()?.data.length ?? 0;
    this.stream?.send(data, `${this.id}-${place}`);
  }

  /** Nothing more will come. */
  finish(): void {
    this.isFinished = true;
    this.ended(this.stream?.isOpen === true);
    this.stream?.end();
  }

  /** Sends what came after that place, and what comes from now on. One stream at a time: an older one ends. */
  attach(stream: EventStream, after: number): void {
    this.stream?.end();
    this.stream = stream;
    for (const { place, data } of this.kept) if (place > after) stream.send(data, `${this.id}-${place}`);
    if (this.isFinished) stream.end();
  }

  detach(stream: EventStream): void {
    if (this.stream === stream) this.stream = null;
  }

  close(): void {
    this.stream?.end();
  }
}

/** The stream and place that the id of an event names; null for anything else. */
export function readEventId(id: unknown): { log: string; place: number } | null {
  const [, log, place] = (typeof id === 'string' && /^([A-Za-z0-9]{1,40})-(\d{1,9})$/.exec(id)) || [];
  return log === undefined ? null : { log, place: Number(place) };
}
