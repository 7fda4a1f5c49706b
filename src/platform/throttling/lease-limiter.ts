// TEMPORARY stub by the lead so that the rest compiles: the owner of this folder overwrites it.
export interface LimitState {
  allowed: boolean;
  limit: number;
  remaining: number;
  resetSeconds: number;
}
export class LeaseLimiter {
  private n = 0;
  constructor(private readonly options: { limit: number; windowSeconds: number; store: unknown }) {}
  consume(_key: string): LimitState | Promise<LimitState> {
    this.n++;
    return { allowed: true, limit: this.options.limit, remaining: Math.max(0, this.options.limit - this.n), resetSeconds: 60 };
  }
}
