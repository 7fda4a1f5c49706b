import { Injectable, Logger, OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { Database } from '../../platform/database/transaction.js';
import { INSTALLATION } from './audit-entry.js';
import { signHead, type Head } from './signed-head.js';

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
  /** Those of the turn before: what they moved by may have committed since. */
  private movedBefore = new Set<string>();
  /** Numbers of heads that were written to the log, by chain. */
  private readonly told = new LRUCache<string, number>({ max: 20_000 });
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
      const chain = `${organizationId} ${trail}`;
      if (this.told.get(chain) !== seq)
        this.logger.log({ organization_id: organizationId, trail, seq, head: signedHead }, 'audit head');
      this.told.set(chain, seq);
      return { ...head, signedHead };
    });
  }

  private async logMoved(): Promise<void> {
    const { moved, movedBefore } = this;
    const both = new Set([...moved, ...movedBefore]);
    this.moved = new Set();
    this.movedBefore = moved;
    if (both.size === 0) return;
    try {
      const heads = await this.sign([...both]);
      const rows = heads.map(({ organizationId, trail, seq, signedHead }) => ({
        organization_id: organizationId,
        trail,
        seq,
        signed_head: signedHead,
      }));
      await this.database.manager.query(KEEP, [JSON.stringify(rows)]);
    } catch (error) {
      // Said at the next turn.
      for (const organizationId of both) this.moved.add(organizationId);
      this.logger.warn({ err: error }, 'the heads of audit chains could not be signed');
    }
  }
}
