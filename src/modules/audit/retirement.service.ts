import { Injectable } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import type { AuditTrail } from './audit-trails.js';
import { ORIGIN, signRetired, type Retired } from './signed-head.js';
import { hashOf } from './verification.js';

/** Links of a table that is about to be removed, as runs without a gap, with the hash of the link before each. */
const RUNS = (table: string): string => `
  WITH links AS (SELECT DISTINCT organization_id, chain_seq AS seq, encode(chain_hash, 'hex') AS hash FROM ${table}),
  numbered AS (SELECT *, seq - row_number() OVER (PARTITION BY organization_id ORDER BY seq) AS run FROM links),
  runs AS (SELECT organization_id, min(seq) AS from_seq, max(seq) AS seq, (array_agg(hash ORDER BY seq DESC))[1] AS hash
             FROM numbered GROUP BY organization_id, run)
  SELECT r.organization_id AS "organizationId", r.from_seq::float8 AS "fromSeq", r.seq::float8 AS seq, r.hash,
         (SELECT encode(c.chain_hash, 'hex') FROM calls c
           WHERE c.organization_id = r.organization_id AND c.chain_seq = r.from_seq - 1 LIMIT 1) AS before,
         (SELECT split_part(h.signed_head, '.', 7) FROM audit_signed_heads h
           WHERE h.organization_id = r.organization_id AND h.trail = 'calls' AND h.from_seq IS NOT NULL
             AND h.seq = r.from_seq - 1 LIMIT 1) AS bridged
    FROM runs r`;

const BRIDGE =
  'INSERT INTO audit_signed_heads (organization_id, trail, from_seq, seq, signed_head) VALUES ($1, $2, $3, $4, $5)';

/** Links that have to go. What is signed stays believed when its rows are gone, so it is looked at first. */
@Injectable()
export class RetirementService {
  constructor(private readonly keys: KeyRing) {}

  /**
   * Signs what the links of a table lead to, in the transaction that removes it.
   * @param client of the owner
   * @param before what may go has ended by then. In which table a row lies is no part of the chain; when it ended is
   * @returns false where a link is not what was written, or too young: then nothing is signed, and nothing may be removed
   */
  async bridge(client: ClientBase, trail: AuditTrail, table: string, before: Date): Promise<boolean> {
    const young = await client.query(`SELECT FROM ${table} WHERE finished_at > $1 LIMIT 1`, [before]);
    if (young.rowCount !== 0) return false;
    const { rows } = await client.query<Omit<Retired, 'trail'> & { bridged: string | null }>(RUNS(table));
    const runs = rows.map(({ bridged, ...run }) => ({
      ...run,
      trail: trail.name,
      before: run.before ?? bridged ?? ORIGIN,
    }));
    for (const run of runs) if (!(await isIntact(trail, run))) return false;
    for (const run of runs) {
      const { organizationId, fromSeq, seq } = run;
      await client.query(BRIDGE, [organizationId, trail.name, fromSeq, seq, signRetired(this.keys, run)]);
    }
    return true;
  }
}

async function isIntact(trail: AuditTrail, { organizationId, fromSeq, seq, before }: Retired): Promise<boolean> {
  let hash = before;
  for (let last = fromSeq - 1; last < seq;) {
    const links = (await trail.links(organizationId, last)).filter((link) => link.seq <= seq);
    if (links.length === 0) return false;
    for (const link of links) {
      if (link.seq !== last + 1 || hashOf(hash, link) !== link.hash.toString('hex')) return false;
      hash = link.hash.toString('hex');
      last = link.seq;
    }
  }
  return true;
}
