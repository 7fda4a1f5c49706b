import { createHash } from 'node:crypto';
import type { CancelSignal } from '../../platform/cancellation.js';
import type { AuditTrail, TrailLink } from './audit-trails.js';
import type { ProblemResponse } from './audit.dto.js';
import { ORIGIN, type Head, type Retired } from './signed-head.js';

/** What a chain must agree with. */
export interface Expectations {
  /** The head as the database has it, read before the links; null where there is none. */
  head: { seq: number; hash: string } | null;
  /** Signed heads: of the log, or stored. */
  signed: readonly Head[];
  /** Links that retention removed. */
  retired: readonly Retired[];
}

type Problem = Omit<ProblemResponse, 'organization' | 'trail'>;

export interface Verified {
  checked: number;
  problems: Problem[];
}

const MOST_PROBLEMS = 100;
const MOST_IDS = 10;

/**
 * Follows a chain from its first link: each hash is SHA-256 of the hash before, the number of the link and the digest of what
 * it stands for. Goes on after a problem with the hash that is stored, so that each is told once.
 * @param signal aborted when nobody waits for the result any more
 */
export async function verifyChain(
  trail: AuditTrail,
  organizationId: string,
  expectations: Expectations,
  signal: CancelSignal,
): Promise<Verified> {
  const walk = new ChainWalk(expectations);
  for (let last = 0; ;) {
    signal.throwIfAborted();
    const links = await trail.links(organizationId, last);
    for (const link of links) walk.step(link);
    const end = links.at(-1);
    if (!end) return walk.finish();
    last = end.seq;
  }
}

class ChainWalk {
  private readonly problems: Problem[] = [];
  /** Hashes of signed heads that were not met yet: several of one number where the trail was set back in between. */
  private readonly awaited = new Map<number, string[]>();
  private readonly bridges: Map<number, Retired>;
  private readonly head: Expectations['head'];
  private seq = 0;
  private hash = ORIGIN;
  private checked = 0;

  constructor({ head, signed, retired }: Expectations) {
    this.head = head;
    for (const { seq, hash } of signed) this.awaited.set(seq, [...(this.awaited.get(seq) ?? []), hash]);
    this.bridges = new Map(retired.map((bridge) => [bridge.fromSeq, bridge]));
  }

  step(link: TrailLink): void {
    this.cross();
    const hash = link.hash.toString('hex');
    if (link.seq !== this.seq + 1) this.tell(this.seq + 1, 'missing');
    else if (hashOf(this.hash, link) !== hash) this.tell(link.seq, 'changed', link.ids);
    this.reach(link.seq, hash);
    this.checked++;
  }

  finish(): Verified {
    this.cross();
    const end = Math.max(this.head?.seq ?? 0, ...this.awaited.keys());
    if (end > this.seq) this.tell(this.seq + 1, 'cut');
    // Links without a head: it was removed, and with it what would show that more is gone.
    else if (this.head === null && this.seq > 0) this.tell(this.seq, 'cut');
    for (const seq of this.awaited.keys()) if (seq <= this.seq) this.tell(seq, 'missing');
    return { checked: this.checked, problems: this.problems };
  }

  /** Over what retention removed, as far as signed bridges lead. What they cover can not be looked at any more. */
  private cross(): void {
    for (let bridge = this.bridges.get(this.seq + 1); bridge; bridge = this.bridges.get(this.seq + 1)) {
      if (bridge.before !== this.hash) this.tell(bridge.fromSeq, 'changed');
      for (const seq of this.awaited.keys()) if (seq >= bridge.fromSeq && seq < bridge.seq) this.awaited.delete(seq);
      this.reach(bridge.seq, bridge.hash);
    }
  }

  private reach(seq: number, hash: string): void {
    this.seq = seq;
    this.hash = hash;
    const isSigned = (this.awaited.get(seq) ?? []).every((signed) => signed === hash);
    const isHead = this.head?.seq !== seq || this.head.hash === hash;
    if (!isSigned || !isHead) this.tell(seq, 'rewritten');
    this.awaited.delete(seq);
  }

  private tell(seq: number, problem: Problem['problem'], ids: readonly string[] = []): void {
    if (this.problems.length < MOST_PROBLEMS) this.problems.push({ seq, problem, ids: ids.slice(0, MOST_IDS) });
  }
}

/** Of a link, hex: SHA-256 of the hash before, the number as a 64-bit integer, and the digest. */
export function hashOf(before: string, { seq, digest }: TrailLink): string {
  const number = Buffer.alloc(8);
  number.writeBigInt64BE(BigInt(seq));
  return createHash('sha256').update(before, 'hex').update(number).update(digest).digest('hex');
}
