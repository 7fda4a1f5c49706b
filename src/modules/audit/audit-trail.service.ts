import { Injectable } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import {
  administeredOrganizationIds,
  joinedOrganizationIds,
  principalId,
  type Actor,
} from '../../platform/auth/actor.js';
import { checkedRange } from '../../platform/http/day-range.js';
import { invalid } from '../../platform/http/domain-error.js';
import { MOST_COUNTED, Page } from '../../platform/http/paging.js';
import { INSTALLATION } from './audit-entry.js';
import type { AuditTrail, TrailRecord, TrailScope } from './audit-trails.js';
import type { ListAudit } from './audit.dto.js';
import { ChangesTrail } from './changes-trail.js';

export type { AuditTrail, TrailFilter, TrailLink, TrailPage, TrailRecord, TrailScope } from './audit-trails.js';

/** Reads the trail: admins that of their organizations, operators that of the installation, everybody what they did themselves. */
@Injectable()
export class AuditTrailService {
  private readonly known: AuditTrail[];

  constructor(changes: ChangesTrail) {
    this.known = [changes];
  }

  get trails(): readonly AuditTrail[] {
    return this.known;
  }

  /** For `onModuleInit` of modules further along the ladder, which know what they record. */
  include(trail: AuditTrail): void {
    this.known.push(trail);
  }

  /** Newest first. */
  async list(actor: Actor, query: ListAudit): Promise<Page<TrailRecord>> {
    const scope = scopeOf(actor, query.organization);
    const filter = { ...query, ...checkedRange(query) };
    const page = { before: decodeCursor(query.cursor), limit: query.limit + 1 };
    const trails = this.known.filter(({ name }) => query.trail === undefined || query.trail === name);
    const [lists, counts] = await Promise.all([
      Promise.all(trails.map((trail) => trail.list(scope, filter, page))),
      Promise.all(trails.map((trail) => trail.count(scope, filter, MOST_COUNTED))),
    ]);
    const records = lists.flat().sort((left, right) => (left.id < right.id ? 1 : -1));
    const shown = records.slice(0, query.limit);
    const total = Math.min(
      counts.reduce((sum, count) => sum + count, 0),
      MOST_COUNTED,
    );
    const last = shown.at(-1);
    return new Page(shown, total, records.length > query.limit && last ? last.id : null);
  }
}

/** What somebody may read: of the named organization, else of all. */
function scopeOf(actor: Actor, organization: string | undefined): TrailScope {
  const administered = [...administeredOrganizationIds(actor), ...(actor.isOperator ? [INSTALLATION] : [])];
  const own = { id: principalId(actor), organizations: joinedOrganizationIds(actor) };
  if (organization === undefined) return { organizations: administered, own };
  const isAdministered = administered.includes(organization);
  return {
    organizations: isAdministered ? [organization] : [],
    own: isAdministered ? null : own,
    within: organization,
  };
}

function decodeCursor(cursor: string | undefined): string | undefined {
  if (cursor !== undefined && !isUuid(cursor))
    throw invalid({ cursor: ['cursor must come from the Link header of this list'] });
  return cursor;
}
