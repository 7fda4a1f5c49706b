import { WebSocket, type RawData } from 'ws';
import type { Principal } from '../../platform/auth/actor.js';
import type { Message } from './messages.js';

/** RFC 6455, section 7.4; 44xx are ours, as in the API's description. */
export const CLOSE = {
  goingAway: 1001,
  policy: 1008,
  tryLater: 1013,
  expired: 4401,
  forbidden: 4403,
} as const;

export type Closing = keyof typeof CLOSE;

/** Bytes that may wait for a reader that does not keep up. */
const MOST_WAITING = 4 * 1024 * 1024;
/** Frames that a client may send in this time; there is nothing that it has to say. */
const MOST_FRAMES = 50;
const FRAMES_MS = 10_000;

/** One open socket, and who is behind it. */
export class Subscriber {
  isAlive = true;
  /** Why it was closed from here; null as long as it was not. */
  closing: Closing | null = null;
  private frames = 0;
  private framesSince = Date.now();

  constructor(
    readonly socket: WebSocket,
    readonly connectionId: string,
    /** The bearer token: looked at again and again, as it may be revoked. */
    readonly token: string,
    public principal: Principal,
    /** Milliseconds since 1970. */
    readonly expiresAt: number,
  ) {
    socket.on('pong', () => (this.isAlive = true));
    socket.on('message', (_data: RawData) => this.countFrame());
    socket.on('ping', () => this.countFrame());
    // The close event follows.
    socket.on('error', () => undefined);
  }

  /** @returns whether it was sent */
  send(message: Message): boolean {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    if (this.socket.bufferedAmount > MOST_WAITING) {
      this.close('tryLater', 'does not keep up');
      return false;
    }
    this.socket.send(JSON.stringify(message));
    return true;
  }

  close(closing: Closing, reason: string): void {
    this.closing ??= closing;
    this.socket.close(CLOSE[closing], reason);
    // Whoever does not read does not answer either.
    if (closing === 'tryLater' || closing === 'policy') setTimeout(() => this.socket.terminate(), 1_000).unref();
  }

  private countFrame(): void {
    const now = Date.now();
    if (now - this.framesSince > FRAMES_MS) [this.frames, this.framesSince] = [0, now];
    if (++this.frames > MOST_FRAMES) this.close('policy', 'too many frames');
  }
}
