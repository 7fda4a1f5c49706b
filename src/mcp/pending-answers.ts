import type { CancelSignal } from '../platform/cancellation.js';
import { answers, type JsonObject, type RpcAnswer } from './json-rpc.js';
import { UpstreamError } from './upstream.js';

interface Pending {
  resolve: (answer: RpcAnswer) => void;
  reject: (error: UpstreamError) => void;
}

/** Requests under way on a channel that all answers share: which answer is whose. */
export class PendingAnswers {
  private readonly pending = new Map<number | string, Pending>();

  get size(): number {
    return this.pending.size;
  }

  /** Must be called before the request is sent. Rejects with the signal's reason when that comes first. */
  wait(id: number | string, signal: CancelSignal): Promise<RpcAnswer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as UpstreamError);
      const done = (): void => {
        this.pending.delete(id);
        signal.removeEventListener('abort', abort);
      };
      const abort = (): void => {
        done();
        reject(signal.reason as UpstreamError);
      };
      signal.addEventListener('abort', abort, { once: true });
      this.pending.set(id, {
        resolve: (answer) => {
          done();
          resolve(answer);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
    });
  }

  /** False for an answer to nothing we asked (or asked no longer), and for a second answer. */
  settle(message: JsonObject, bytes: number): boolean {
    const pending = this.find(message);
    pending?.resolve({ message, bytes });
    return pending !== undefined;
  }

  fail(id: number | string, error: UpstreamError): boolean {
    const pending = this.pending.get(id);
    pending?.reject(error);
    return pending !== undefined;
  }

  failAll(error: UpstreamError): void {
    for (const pending of [...this.pending.values()]) pending.reject(error);
  }

  private find(message: JsonObject): Pending | undefined {
    const { id } = message;
    if (typeof id === 'number') return this.pending.get(id);
    if (typeof id === 'string') return this.pending.get(id) ?? this.pending.get(Number(id));
    // An error without an id can only be told apart while there is one request.
    const [only] = this.pending.entries();
    return only && this.pending.size === 1 && answers(message, only[0]) ? only[1] : undefined;
  }
}
