import { createHash } from 'node:crypto';
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

export interface Verified {
  checked: number;
  problems: Omit<ProblemResponse, 'organization' | 'trail'>[];
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
  { head, signed, retired }: Expectations,
  signal: AbortSignal,
): Promise<Verified> {
  const problems: Verified['problems'] = [];
  const tell = (seq: number, problem: ProblemResponse['problem'], ids: readonly string[] = []): void => {
    if (problems.length < MOST_PROBLEMS) problems.push({ seq, problem, ids: ids.slice(0, MOST_IDS) });
  };
  // Two signed heads of one link differ where an older state was restored and went on from there.
  const awaited = new Map<number, string[]>();
  for (const { seq, hash } of signed) awaited.set(seq, [...(awaited.get(seq) ?? []), hash]);
  const bridges = new Map(retired.map((bridge) => [bridge.fromSeq, bridge]));
  const at = { seq: 0, hash: ORIGIN };
  const reach = (seq: number, hash: string): void => {
    Object.assign(at, { seq, hash });
    if (awaited.get(seq)?.some((signedHash) => signedHash !== hash)) tell(seq, 'rewritten');
    awaited.delete(seq);
    if (head?.seq === seq && head.hash !== hash) tell(seq, 'rewritten');
  };
  /** Over what retention removed, as far as signed bridges lead. */
  const cross = (): void => {
    for (let bridge = bridges.get(at.seq + 1); bridge; bridge = bridges.get(at.seq + 1)) {
      if (bridge.before !== at.hash) tell(bridge.fromSeq, 'changed');
      for (const seq of awaited.keys()) if (seq >= bridge.fromSeq && seq < bridge.seq) awaited.delete(seq);
      reach(bridge.seq, bridge.hash);
    }
  };
  let checked = 0;
  // A link may be written while this reads; by the number it started from, nothing is missed.
  for (let last = 0; ;) {
    signal.throwIfAborted();
    const links = await trail.links(organizationId, last);
    for (const link of links) {
      cross();
      if (link.seq !== at.seq + 1) tell(at.seq + 1, 'missing');
      else if (hashOf(at.hash, link) !== hex(link.hash)) tell(link.seq, 'changed', link.ids);
      reach(link.seq, hex(link.hash));
      last = link.seq;
      checked++;
    }
    if (links.length === 0) break;
  }
  cross();
  const end = Math.max(head?.seq ?? 0, ...awaited.keys());
  if (end > at.seq || head === null) {
    if (end > at.seq) tell(at.seq + 1, 'cut');
    else if (at.seq > 0) tell(at.seq, 'cut');
  }
  for (const seq of awaited.keys()) if (seq <= at.seq) tell(seq, 'missing');
  return { checked, problems };
}

function hashOf(before: string, { seq, digest }: TrailLink): string {
  const number = Buffer.alloc(8);
  number.writeBigInt64BE(BigInt(seq));
  return createHash('sha256').update(before, 'hex').update(number).update(digest).digest('hex');
}

function hex(hash: Buffer): string {
  return hash.toString('hex');
}
