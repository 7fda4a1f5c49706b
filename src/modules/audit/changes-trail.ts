import { Injectable } from '@nestjs/common';
import { cappedCount } from '../../platform/database/capped-count.js';
import { Conditions } from '../../platform/database/conditions.js';
import { Database } from '../../platform/database/transaction.js';
import { digestOf, INSTALLATION, type AuditEntry } from './audit-entry.js';
import type { AuditTrail, TrailFilter, TrailLink, TrailPage, TrailRecord, TrailScope } from './audit-trails.js';
import { CHANGES } from './audit.service.js';
import { timeBounds } from '../../platform/http/day-range.js';

interface ChangeRow extends Omit<AuditEntry, 'recorded_at'> {
  recorded_at: Date;
  seq: number;
  hash: Buffer;
}

const FIELDS = `id, organization_id, recorded_at, user_id, token_id, actor_name, action, object_type, object_id,
  before::text AS before, after::text AS after, address, request_id, seq::float8 AS seq, hash`;
const CHAIN = `COALESCE(organization_id, '${INSTALLATION}'::uuid)`;
const LINKS_AT_ONCE = 1_000;

/** The trail of changes: one link for each. */
@Injectable()
export class ChangesTrail implements AuditTrail {
  readonly name = CHANGES;

  constructor(private readonly database: Database) {}

  async list(scope: TrailScope, filter: TrailFilter, { before, limit }: TrailPage): Promise<TrailRecord[]> {
    const where = conditions(scope, filter);
    if (before !== undefined) where.add('id < ?', before);
    const most = where.value(limit);
    const newest = (rows: string): string => `${rows} ORDER BY id DESC LIMIT ${most}`;
    const visible = visibleRecords(scope, where, (condition) =>
      newest(`SELECT ${FIELDS} FROM audit_records WHERE ${where.text} AND ${condition}`),
    );
    const rows = await this.database.manager.query<ChangeRow[]>(newest(`SELECT * FROM (${visible}) v`), where.values);
    return rows.map(toRecord);
  }

  async count(scope: TrailScope, filter: TrailFilter, most: number): Promise<number> {
    const where = conditions(scope, filter);
    return cappedCount(this.database.manager, where, most, (limit) =>
      visibleRecords(
        scope,
        where,
        (condition) => `SELECT 1 FROM audit_records WHERE ${where.text} AND ${condition} LIMIT ${limit}`,
      ),
    );
  }

  async links(organizationId: string, afterSeq: number): Promise<TrailLink[]> {
    const rows = await this.database.manager.query<ChangeRow[]>(
      `SELECT ${FIELDS} FROM audit_records WHERE ${CHAIN} = $1 AND seq > $2 ORDER BY seq LIMIT ${LINKS_AT_ONCE}`,
      [organizationId, afterSeq],
    );
    return rows.map((row) => ({ seq: row.seq, digest: digestOf(toEntry(row)), hash: row.hash, ids: [row.id] }));
  }
}

const BY = 'COALESCE(token_id, user_id)';

/** One subquery for each chain that may be read, so that each reads its own index in order and stops when it has enough. */
function visibleRecords(
  { organizations, own }: TrailScope,
  where: Conditions,
  select: (visible: string) => string,
): string {
  const administered = where.value(organizations.filter((id) => id !== INSTALLATION));
  const ofEach = select('organization_id = s.id');
  const parts = [`SELECT v.* FROM unnest(${administered}::uuid[]) AS s(id) CROSS JOIN LATERAL (${ofEach}) v`];
  const isOperators = organizations.includes(INSTALLATION);
  if (isOperators) parts.push(`SELECT v.* FROM (${select('organization_id IS NULL')}) v`);
  if (own !== null) {
    const elsewhere = `organization_id = ANY(${where.value(own.organizations)}::uuid[]) AND NOT organization_id = ANY(${administered}::uuid[])`;
    const installation = isOperators ? '' : 'organization_id IS NULL OR ';
    const mine = select(`${BY} = ${where.value(own.id)} AND (${installation}${elsewhere})`);
    parts.push(`SELECT v.* FROM (${mine}) v`);
  }
  return parts.join(' UNION ALL ');
}

function conditions(scope: TrailScope, filter: TrailFilter): Conditions {
  const where = new Conditions();
  if (scope.within !== undefined && scope.own !== null) where.add('organization_id = ?', scope.within);
  if (filter.action !== undefined) where.add('action = ?', filter.action);
  if (filter.object_type !== undefined) where.add('object_type = ?', filter.object_type);
  if (filter.object_id !== undefined) where.add('object_id = ?', filter.object_id);
  if (filter.actor !== undefined) where.add(`${BY} = ?`, filter.actor);
  if (filter.request_id !== undefined) where.add('request_id = ?', filter.request_id);
  const { from, until } = timeBounds(filter);
  if (from !== undefined) where.add('recorded_at >= ?', from);
  if (until !== undefined) where.add('recorded_at < ?', until);
  return where;
}

function toEntry(row: ChangeRow): AuditEntry {
  return { ...row, recorded_at: row.recorded_at.toISOString() };
}

function toRecord(row: ChangeRow): TrailRecord {
  const type = row.token_id !== null ? 'token' : row.user_id !== null ? 'user' : 'system';
  return {
    id: row.id,
    trail: CHANGES,
    recorded_at: row.recorded_at.toISOString(),
    organization: row.organization_id,
    actor: { type, id: row.token_id ?? row.user_id, name: row.actor_name },
    action: row.action,
    object: { type: row.object_type, id: row.object_id },
    before: row.before === null ? null : (JSON.parse(row.before) as unknown),
    after: row.after === null ? null : (JSON.parse(row.after) as unknown),
    address: row.address,
    request_id: row.request_id,
    seq: row.seq,
  };
}
