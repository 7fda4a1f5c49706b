import { UpstreamError, type UpstreamLimits } from './upstream.js';

const WINDOW_MS = 10_000;

/**
 * Limits what a server says unasked on a channel that stays open: so many bytes and messages in ten seconds. Far more
 * than anybody has to say, and little enough to be read in passing.
 */
export class FloodGuard {
  private since = Date.now();
  private bytes = 0;
  private messages = 0;

  constructor(
    private readonly limits: Pick<UpstreamLimits, 'maxNoiseBytes' | 'maxNoiseMessages' | 'maxMessageBytes'>,
  ) {}

  /** Throws UpstreamError `protocol_error` when it is too much. */
  countBytes(bytes: number): void {
    const now = Date.now();
    if (now - this.since > WINDOW_MS) {
      this.since = now;
      this.bytes = 0;
      this.messages = 0;
    }
    this.bytes += bytes;
    // The message under way may yet turn out to be an answer.
    if (this.bytes > this.limits.maxNoiseBytes + this.limits.maxMessageBytes) throw tooMuchNoise();
  }

  countMessage(): void {
    if (++this.messages > this.limits.maxNoiseMessages) throw tooMuchNoise();
  }

  /** What was asked for is no noise. */
  discount(bytes: number): void {
    this.bytes -= bytes;
  }
}

export function tooMuchNoise(): UpstreamError {
  return new UpstreamError('protocol_error', 'The server sends without end and without answering.');
}
