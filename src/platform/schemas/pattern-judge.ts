import { LRUCache } from 'lru-cache';
import { relaxPattern } from './pattern-relaxation.js';
import { compilePattern } from './schema-bounds.js';
import type { AnalyseRequest } from './schema-worker.js';
import { startSchemaWorker } from './start-worker.js';
import { WorkerPool } from './worker-pool.js';

const MAX_PATTERN_LENGTH = 1000;
const MAX_PATTERNS = 50;
const LIMITS = { prepareMs: 5000, runMs: 3000, waitMs: 30_000 };

/**
 * What is known about the matching time of regular expressions. recheck decides it, in a worker of its own that goes
 * away when it has no work: an analysis takes between a millisecond and a second, and its code 60 MB.
 */
export class PatternJudge {
  private readonly degrees = new LRUCache<string, number>({ max: 5000 });
  private readonly analyst: WorkerPool;

  constructor(warn?: (message: string) => void) {
    this.analyst = new WorkerPool({
      size: 1,
      start: () => startSchemaWorker(256),
      maxQueue: 200,
      idleMs: 10_000,
      ...(warn && { warn }),
    });
  }

  /** Whether every pattern provably takes time linear in its input, with a factor that cannot explode. */
  async areLinear(sources: readonly string[]): Promise<boolean> {
    if (sources.length > MAX_PATTERNS) return false;
    for (const source of sources) {
      const relaxed = compilePattern(source)?.flags === 'u' ? relaxPattern(source) : null;
      if (relaxed === null || (await this.degreeOf(relaxed, 'u', 'proof')) !== 1) return false;
    }
    return true;
  }

  /** Why a pattern is not accepted from a user, completing "must ..."; null when it is. */
  async objectionTo(source: string): Promise<string | null> {
    if (source.length > MAX_PATTERN_LENGTH) return `must not be longer than ${MAX_PATTERN_LENGTH} characters`;
    if (await this.areLinear([source])) return null;
    const degree = await this.degreeOf(source, compilePattern(source)?.flags ?? '', 'search');
    // Quadratic patterns are everywhere (`\s+$`) and harmless on a worker with a limit.
    return degree > 2 ? 'must not be a regular expression whose matching time can explode' : null;
  }

  close(): Promise<void> {
    return this.analyst.close();
  }

  /** 1 for linear, 2 for quadratic, ..., Infinity for exponential; NaN when it could not be found out. */
  private async degreeOf(source: string, flags: string, method: AnalyseRequest['method']): Promise<number> {
    const key = `${method}/${flags}/${source}`;
    const known = this.degrees.get(key);
    if (known !== undefined) return known;
    const reply = await this.analyst.run({ kind: 'analyse', source, flags, method }, LIMITS);
    if (typeof reply === 'string' || !('analysis' in reply)) return NaN;
    const degree = reply.analysis.degree ?? NaN;
    this.degrees.set(key, degree);
    return degree;
  }
}
