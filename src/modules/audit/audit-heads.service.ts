import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { Database } from '../../platform/database/transaction.js';
import { INSTALLATION } from './audit-entry.js';
import type { ClientBase } from 'pg';
import { ORIGIN, signHead, signRetired, type Head, type Retired } from './signed-head.js';

const LOGGED_EVERY_MS = 10_000;
/** A chain that moves all the time leaves one signed head an hour in the database; the log has them all. */
const KEPT_EVERY = '1 hour';

const HEADS = `
  SELECT organization_id AS "organizationId", trail, seq::float8 AS seq, encode(hash, 'hex') AS hash
    FROM audit_heads WHERE organization_id = ANY($1) ORDER BY organization_id, trail`;

const KEEP = `
  INSERT INTO audit_signed_heads (organization_id, trail, seq, signed_head)
  SELECT x.organization_id, x.trail, x.seq, x.signed_head
    FROM json_to_recordset($1::json) AS x(organization_id uuid, trail text, seq bigint, signed_head text)
   WHERE NOT EXISTS (SELECT 1 FROM audit_signed_heads k
                      WHERE k.organization_id = x.organization_id AND k.trail = x.trail AND k.from_seq IS NULL
                        AND k.signed_at > now() - interval '${KEPT_EVERY}')`;

/**
 * Signs the heads of chains that moved and writes them to the log, out of reach of whoever can write to the database: a log
 * line is what a trail that was cut or set back is recognised by.
 */
@Injectable()
export class AuditHeadsService implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('audit');
  private moved = new Set<string>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly database: Database,
    private readonly keys: KeyRing,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.logMoved(), LOGGED_EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.logMoved();
  }

  /** A chain of this organization (null: of the installation) has a new link, or will have when its transaction commits. */
  advanced(organizationId: string | null): void {
    this.moved.add(organizationId ?? INSTALLATION);
  }

  /** The heads of these organizations now, signed; written to the log as well. */
  async sign(organizationIds: readonly string[]): Promise<(Head & { signedHead: string })[]> {
    const heads = await this.database.manager.query<Head[]>(HEADS, [organizationIds]);
    return heads.map((head) => {
      const signedHead = signHead(this.keys, head);
      const { organizationId, trail, seq } = head;
      this.logger.log({ organization_id: organizationId, trail, seq, head: signedHead }, 'audit head');
      return { ...head, signedHead };
    });
  }

  private async logMoved(): Promise<void> {
    if (this.moved.size === 0) return;
    const moved = this.moved;
    this.moved = new Set();
    try {
      const heads = await this.sign([...moved]);
      const rows = heads.map(({ organizationId, trail, seq, signedHead }) => ({
        organization_id: organizationId,
        trail,
        seq,
        signed_head: signedHead,
      }));
      await this.database.manager.query(KEEP, [JSON.stringify(rows)]);
    } catch (error) {
      // Said at the next turn.
      for (const organizationId of moved) this.moved.add(organizationId);
      this.logger.warn({ err: error }, 'the heads of audit chains could not be signed');
    }
  }
}

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

/** Signs what a month of calls led to, in the transaction that removes it. @param table of the month */
export async function retiredLinks(client: ClientBase, keys: KeyRing, table: string): Promise<void> {
  const { rows } = await client.query<Omit<Retired, 'trail'> & { bridged: string | null }>(RUNS(table));
  for (const { bridged, ...run } of rows) {
    const retired = { ...run, trail: 'calls', before: run.before ?? bridged ?? ORIGIN };
    await client.query(
      `INSERT INTO audit_signed_heads (organization_id, trail, from_seq, seq, signed_head) VALUES ($1, $2, $3, $4, $5)`,
      [retired.organizationId, retired.trail, retired.fromSeq, retired.seq, signRetired(keys, retired)],
    );
  }
}
