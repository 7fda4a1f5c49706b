import { setTimeout as delay } from 'node:timers/promises';

/** Whoever wrote with so many others gives the next ones time to come together, as PostgreSQL's `commit_siblings` does. */
const COMPANY = 4;
/** Milliseconds: less than it takes to write a batch. */
const GATHERING_MS = 2;

interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Writes what arrives in shared transactions: a batch is everything that came while the previous one was written, so many
 * concurrent items share a commit and one alone waits for nobody. Where many come, they are given a moment more: a batch
 * costs the server much more than each of its rows.
 */
export class GroupCommit<Item, Result> {
  private waiting: Waiting<Item, Result>[] = [];
  private isWriting = false;

  /**
   * @param write resolves when the batch is committed, with a result or an error for each item; where it rejects, all fail
   * @param most items in one batch
   */
  constructor(
    private readonly write: (items: Item[]) => Promise<(Result | Error)[]>,
    private readonly most: number,
  ) {}

  /** Items that are not being written yet. */
  get size(): number {
    return this.waiting.length;
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (!this.isWriting) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.isWriting = true;
    // What is added in the same turn of the event loop goes together.
    await Promise.resolve();
    for (let written = 0; this.waiting.length > 0;) {
      if (written > COMPANY) await delay(GATHERING_MS);
      const batch = this.waiting.splice(0, this.most);
      written = batch.length;
      try {
        const results = await this.write(batch.map(({ item }) => item));
        for (const [index, { resolve, reject }] of batch.entries()) {
          const result = results[index];
          if (result instanceof Error) reject(result);
          else resolve(result);
        }
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.isWriting = false;
  }
}
