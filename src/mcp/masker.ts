export const MASK = '***';
const SHORTEST = 3;

/**
 * The last `keep` characters of a program's output without the secrets it was given, wherever the output was cut.
 * Values shorter than three characters cannot be told from ordinary text and stay; each line of a longer value counts.
 */
export class Masker {
  private readonly secrets: string[];
  private readonly margin: number;
  private kept = Buffer.alloc(0);
  private isCut = false;

  constructor(
    values: readonly string[],
    private readonly keep: number,
  ) {
    this.secrets = partsOf(values, SHORTEST);
    this.margin = Math.max(0, ...this.secrets.map((secret) => Buffer.byteLength(secret)));
  }

  add(chunk: Buffer): void {
    const all = Buffer.concat([this.kept, chunk.subarray(-(this.keep + 2 * this.margin))]);
    const most = this.keep + 2 * this.margin;
    this.isCut ||= all.length > most;
    this.kept = all.subarray(-most);
  }

  text(): string {
    let text = mask(this.kept.toString('utf8'), this.secrets);
    // The first characters may be the rest of a secret whose beginning is gone.
    if (this.isCut) text = text.slice(this.margin);
    return text.slice(-this.keep).trim();
  }
}

/** The values, their lines, and how they look inside JSON; the longest first, as one may contain another. */
export function partsOf(values: readonly string[], shortest: number): string[] {
  const parts = values.flatMap((value) => [value, ...value.split(/\r?\n/), JSON.stringify(value).slice(1, -1)]);
  const secrets = new Set(parts.map((part) => part.trim()).filter((part) => part.length >= shortest));
  return [...secrets].sort((a, b) => b.length - a.length);
}

export function mask(text: string, secrets: readonly string[]): string {
  return secrets.reduce((masked, secret) => masked.replaceAll(secret, MASK), text);
}
