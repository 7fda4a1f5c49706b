/** Conditions of a WHERE with their values, for statements that are written by hand: `add('id < ?', id)`. */
export class Conditions {
  readonly values: unknown[];
  private readonly parts: string[] = [];

  /** @param values of placeholders that the statement has already */
  constructor(values: readonly unknown[] = []) {
    this.values = [...values];
  }

  /** Each `?` stands for one of the values, in order. */
  add(condition: string, ...values: readonly unknown[]): this {
    let index = 0;
    this.parts.push(condition.replace(/\?/g, () => this.value(values[index++])));
    return this;
  }

  /** A placeholder for one more value. */
  value(value: unknown): string {
    return `$${this.values.push(value)}`;
  }

  get text(): string {
    return this.parts.length === 0 ? 'true' : this.parts.join(' AND ');
  }
}
