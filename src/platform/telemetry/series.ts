/** The labels of a metric, each with all values that it can have. */
export type Labels = Readonly<Record<string, readonly string[]>>;
type LabelValues = Record<string, string>;

/** What stands for a value that nobody declared: a mistake of ours must not become a series for each id. */
const OTHER = 'other';

/**
 * All series that a metric can have, known before the first event. So whatever comes in can't make new ones, a series begins at
 * zero and not with its first event, which rates would miss, and nothing has to be made on the path of a call.
 */
export class Series {
  readonly all: readonly LabelValues[];
  private readonly names: readonly string[];
  private readonly known: ReadonlyMap<string, LabelValues>;

  constructor(private readonly labels: Labels) {
    this.names = Object.keys(labels);
    this.all = this.names.reduce<LabelValues[]>(
      (series, name) => series.flatMap((some) => (labels[name] ?? []).map((value) => ({ ...some, [name]: value }))),
      [{}],
    );
    this.known = new Map(this.all.map((values) => [this.names.map((name) => values[name]).join(), values]));
  }

  /** @param values in the order of the labels */
  of(values: readonly string[]): LabelValues {
    const [only = ''] = values;
    return this.known.get(values.length === 1 ? only : values.join()) ?? this.folded(values);
  }

  private folded(values: readonly string[]): LabelValues {
    const entries = this.names.map((name, index) => {
      const value = values[index];
      return [name, value !== undefined && this.labels[name]?.includes(value) ? value : OTHER];
    });
    return Object.fromEntries(entries) as LabelValues;
  }
}
