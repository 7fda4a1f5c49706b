/** What was looked up holds for a minute: names and fields change rarely. */
const HOLDS_MS = 60_000;
const MOST = 2_000;

/** Values by key, each for a minute. A call that is given up loses its own question only. */
export class Remembered<T> {
  private readonly values = new Map<string, { value: T; until: number }>();

  get(key: string): T | undefined {
    const known = this.values.get(key);
    return known && known.until > Date.now() ? known.value : undefined;
  }

  set(key: string, value: T): T {
    if (this.values.size >= MOST) this.values.clear();
    this.values.set(key, { value, until: Date.now() + HOLDS_MS });
    return value;
  }

  async getOr(key: string, ask: () => Promise<T>): Promise<T> {
    return this.get(key) ?? this.set(key, await ask());
  }
}
