const FRESH_MS = 10_000;
const PATIENCE_MS = 1_000;

/**
 * Figures that somebody else has to be asked for when metrics are read: asked once, however many read at once, believed for a
 * while, and not waited for. Whoever is asked may be away, and that is when metrics are read most.
 */
export class AskedFigures<Figures> {
  private known: { figures: Figures; until: number } | null = null;
  private asking: Promise<Figures | undefined> | null = null;

  constructor(
    private readonly ask: () => Promise<Figures>,
    private readonly freshMs = FRESH_MS,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** Undefined where no answer came in time, or none at all. */
  async read(): Promise<Figures | undefined> {
    if (this.known && performance.now() < this.known.until) return this.known.figures;
    this.asking ??= this.askNow().finally(() => (this.asking = null));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), this.patienceMs);
    });
    try {
      return await Promise.race([this.asking, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async askNow(): Promise<Figures | undefined> {
    try {
      const figures = await this.ask();
      this.known = { figures, until: performance.now() + this.freshMs };
      return figures;
    } catch {
      return undefined;
    }
  }
}
