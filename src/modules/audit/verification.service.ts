import { Injectable } from '@nestjs/common';
import { administeredOrganizationIds, type Actor } from '../../platform/auth/actor.js';
import type { CancelSignal } from '../../platform/cancellation.js';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { Database } from '../../platform/database/transaction.js';
import { forbidden, invalid, notFound } from '../../platform/http/domain-error.js';
import { INSTALLATION } from './audit-entry.js';
import { AuditHeadsService } from './audit-heads.service.js';
import { AuditTrailService } from './audit-trail.service.js';
import type { AuditTrail } from './audit-trails.js';
import type { VerificationResponse, VerifyAudit } from './audit.dto.js';
import { readHead, readRetired, type Head, type Retired } from './signed-head.js';
import { verifyChain, type Verified } from './verification.js';

interface StoredHead {
  trail: string;
  from_seq: number | null;
  seq: number;
  signed_head: string;
}

const STORED = `
  SELECT trail, from_seq::float8 AS from_seq, seq::float8 AS seq, signed_head FROM audit_signed_heads
   WHERE organization_id = $1 ORDER BY seq`;
const MOST_PROBLEMS = 100;

/** Whether the trail is what was written: by itself, and against heads that were signed earlier. */
@Injectable()
export class VerificationService {
  constructor(
    private readonly database: Database,
    private readonly keys: KeyRing,
    private readonly trails: AuditTrailService,
    private readonly heads: AuditHeadsService,
  ) {}

  /**
   * Reads whole chains: seconds for a million links.
   * @throws DomainError 400 for a head that this installation did not sign, 403, 404
   */
  async verify(actor: Actor, query: VerifyAudit, signal: CancelSignal): Promise<VerificationResponse> {
    const given = query.head === undefined ? undefined : this.required(query.head);
    const organizations = this.organizations(actor, query.organization ?? given?.organizationId);
    if (given && !organizations.includes(given.organizationId))
      throw invalid({ head: ['head is of another organization'] });
    // Read first: links that come meanwhile are behind them.
    const heads = await this.heads.sign(organizations);
    const answer: VerificationResponse = { valid: true, checked: 0, chains: [], problems: [] };
    for (const organization of organizations) {
      for (const trail of this.trails.trails) {
        const head = heads.find((each) => each.organizationId === organization && each.trail === trail.name) ?? null;
        const signed = given?.organizationId === organization && given.trail === trail.name ? [given] : [];
        const once = (): Promise<Verified> => this.verifyOne(trail, organization, head, signed, signal);
        const first = await once();
        // A month that is removed while it is read looks like missing links: it has left its bridge by now.
        const { checked, problems } = first.problems.length === 0 ? first : await once();
        answer.checked += checked;
        answer.problems.push(...problems.map((problem) => ({ organization, trail: trail.name, ...problem })));
        if (head) {
          const { seq, hash, signedHead } = head;
          answer.chains.push({ organization, trail: trail.name, seq, hash, head: signedHead });
        }
      }
    }
    answer.valid = answer.problems.length === 0;
    answer.problems.length = Math.min(answer.problems.length, MOST_PROBLEMS);
    return answer;
  }

  private async verifyOne(
    trail: AuditTrail,
    organization: string,
    head: Head | null,
    given: readonly Head[],
    signal: CancelSignal,
  ): Promise<Verified> {
    const stored = await this.database.manager.query<StoredHead[]>(STORED, [organization]);
    const signed = [...given];
    const retired: Retired[] = [];
    const forged: Verified['problems'] = [];
    for (const row of stored.filter((each) => each.trail === trail.name)) {
      const isOurs = (claim: Head | null): boolean =>
        claim?.organizationId === organization && claim.trail === trail.name && claim.seq === row.seq;
      const bridge = row.from_seq === null ? null : readRetired(this.keys, row.signed_head);
      const kept = row.from_seq === null ? readHead(this.keys, row.signed_head) : null;
      if (bridge && isOurs(bridge) && bridge.fromSeq === row.from_seq) retired.push(bridge);
      else if (kept && isOurs(kept)) signed.push(kept);
      // With the key gone nobody can tell any more; with another key at hand it is a forgery.
      else if (this.keys.knowsKeyOf(row.signed_head.split('.').slice(-2).join('.')))
        forged.push({ seq: row.seq, problem: 'forged', ids: [] });
    }
    const { checked, problems } = await verifyChain(trail, organization, { head, signed, retired }, signal);
    return { checked, problems: [...forged, ...problems] };
  }

  /** Whose chains: of the named organization, else of all that the actor administers. */
  private organizations(actor: Actor, named: string | undefined): string[] {
    const mine = [...administeredOrganizationIds(actor), ...(actor.isOperator ? [INSTALLATION] : [])];
    if (named === undefined) {
      if (mine.length === 0) throw forbidden('This needs the role admin in an organization');
      return mine;
    }
    if (mine.includes(named)) return [named];
    if (actor.organizations.has(named)) throw forbidden('This needs the role admin in the organization');
    throw notFound('organization', named);
  }

  private required(text: string): Head {
    const head = readHead(this.keys, text);
    if (!head) throw invalid({ head: ['head was not signed by this installation, or with a key that is gone'] });
    return head;
  }
}
