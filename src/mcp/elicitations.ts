import { isObject } from './json-rpc.js';
import type { Peer } from './peer.js';

/** MCP 2025-11-25, Elicitation, URL Mode: the request can be made once the user has been to a page. */
export const URL_ELICITATION_REQUIRED = -32_042;

/** Of one session; the oldest are forgotten. */
const MOST_PENDING = 100;
/** Whoever has not been to the page by then is not waited for. */
const PATIENCE_MS = 1_800_000;

/** Who was sent to which page: the server may tell long after the request that somebody was there. */
export class Elicitations {
  private readonly pending = new Map<string, Peer>();
  private until = 0;

  /** Whether a session is kept, so that it hears. */
  get isPending(): boolean {
    return this.pending.size > 0 && Date.now() < this.until;
  }

  /** By the parameters of `elicitation/create`: whether it sends somebody to a page. */
  asked(params: unknown, peer: Peer): boolean {
    if (!isObject(params) || params.mode !== 'url' || typeof params.elicitationId !== 'string') return false;
    this.pending.delete(params.elicitationId);
    this.pending.set(params.elicitationId, peer);
    this.until = Date.now() + PATIENCE_MS;
    const [oldest] = this.pending.keys();
    if (oldest !== undefined && this.pending.size > MOST_PENDING) this.pending.delete(oldest);
    return true;
  }

  /** By an error that a request was answered with: the same. */
  required(error: unknown, peer: Peer): boolean {
    if (!isObject(error) || error.code !== URL_ELICITATION_REQUIRED || !isObject(error.data)) return false;
    const { elicitations } = error.data;
    return Array.isArray(elicitations) && elicitations.map((each) => this.asked(each, peer)).includes(true);
  }

  /** `notifications/elicitation/complete`: who is to hear it. */
  takeAsked(params: unknown): Peer | undefined {
    const id = isObject(params) ? params.elicitationId : undefined;
    if (typeof id !== 'string') return undefined;
    const peer = this.pending.get(id);
    this.pending.delete(id);
    return peer;
  }
}
