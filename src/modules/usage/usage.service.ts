import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import { cappedCount } from '../../platform/database/capped-count.js';
import { Conditions } from '../../platform/database/conditions.js';
import { Database } from '../../platform/database/transaction.js';
import { decodeCursor, encodeCursor, MOST_COUNTED, Page } from '../../platform/http/paging.js';
import { totalsVisibleTo, visibleRows, type HistoryScope } from './history-scope.js';
import { conditionsOf, USAGE_FIELDS } from './usage-rows.js';
import { toUsageResponse, type ListUsage, type UsageFilter, type UsageResponse, type UsageRow } from './usage.dto.js';

/** Daily totals per grant and resource. */
@Injectable()
export class UsageService {
  constructor(private readonly database: Database) {}

  async list(actor: Actor, query: ListUsage): Promise<Page<UsageResponse>> {
    const scope = totalsVisibleTo(actor);
    const after = query.cursor === undefined ? 0 : Number(decodeCursor(query.cursor, 'integer'));
    const [rows, total] = await Promise.all([
      this.read(scope, conditionsOf(query), after, query.limit + 1),
      this.count(scope, conditionsOf(query)),
    ]);
    const shown = rows.slice(0, query.limit);
    const last = rows.length > query.limit ? shown.at(-1) : undefined;
    return new Page(shown.map(toUsageResponse), total, last ? encodeCursor(last.id) : null);
  }

  /** Everything that the filters leave, so many rows at a time. @throws DomainError 400 at once, not while it is read */
  all(actor: Actor, query: UsageFilter, atOnce: number): AsyncIterable<UsageRow[]> {
    conditionsOf(query);
    return this.pages(totalsVisibleTo(actor), query, atOnce);
  }

  private async *pages(scope: HistoryScope, query: UsageFilter, atOnce: number): AsyncGenerator<UsageRow[]> {
    for (let after = 0; ;) {
      const rows = await this.read(scope, conditionsOf(query), after, atOnce);
      if (rows.length > 0) yield rows;
      const last = rows.at(-1);
      if (!last || rows.length < atOnce) return;
      after = last.id;
    }
  }

  private read(scope: HistoryScope, where: Conditions, after: number, count: number): Promise<UsageRow[]> {
    where.add('id > ?', after);
    const limit = where.value(count);
    const first = (rows: string): string => `${rows} ORDER BY id LIMIT ${limit}`;
    const visible = visibleRows(scope, where, (condition) =>
      first(`SELECT ${USAGE_FIELDS} FROM usage_records WHERE ${where.text} AND ${condition}`),
    );
    return this.database.manager.query(
      `SELECT u.*, r.resource_name, r.resource_type FROM (${first(`SELECT * FROM (${visible}) v`)}) u
         LEFT JOIN resources r ON r.id = u.resource_id ORDER BY u.id`,
      where.values,
    );
  }

  private async count(scope: HistoryScope, where: Conditions): Promise<number> {
    return cappedCount(this.database.manager, where, MOST_COUNTED, (limit) =>
      visibleRows(
        scope,
        where,
        (condition) => `SELECT 1 FROM usage_records WHERE ${where.text} AND ${condition} LIMIT ${limit}`,
      ),
    );
  }
}
