interface Waiting<Item, Result> {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Writes what arrives in shared transactions: a batch is everything that came while the previous one was written, so many
 * concurrent items share a commit and one alone waits for nobody.
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
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, this.most);
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
