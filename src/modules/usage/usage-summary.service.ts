import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import type { Conditions } from '../../platform/database/conditions.js';
import { Database } from '../../platform/database/transaction.js';
import { totalsVisibleTo, type HistoryScope } from './history-scope.js';
import { conditionsOf, SUMS } from './usage-rows.js';
import {
  averageSeconds,
  PERIOD_DAYS,
  toPart,
  toSizedPart,
  type SummarizeUsage,
  type Totals,
  type UsageSummary,
} from './usage.dto.js';

const DAY_MS = 86_400_000;
/** Connections and tools in one summary. */
const MOST_PARTS = 500;
/** Of rows whose resource is gone without a trace, or that count on none. */
const NO_TYPE = 'unknown';
const NOTHING: Totals = {
  requests: 0,
  errors: 0,
  denied: 0,
  unknown: 0,
  timed: 0,
  response_time_us: 0,
  data_transferred: 0,
  cost: '0',
};

const COLUMNS = `organization_id, workspace_id, connection_id, workspace_access_id, usage_date, request_count, error_count,
  denied_count, unknown_count, timed_count, response_time_us, data_transferred, cost`;
/** Calls that count on the tool itself are in the totals of its resource; the others are kept beside them. */
const TOOL_TOTALS = `(
  SELECT tool_id, ${COLUMNS} FROM tool_usage_records UNION ALL
  SELECT resource_id, ${COLUMNS} FROM usage_records r
   WHERE EXISTS (SELECT FROM tools t WHERE t.resource_id = r.resource_id))`;

/** What was used in a period, in total and by what people look at. */
@Injectable()
export class UsageSummaryService {
  constructor(private readonly database: Database) {}

  async summarize(actor: Actor, { workspace, connection, period }: SummarizeUsage): Promise<UsageSummary> {
    const scope = totalsVisibleTo(actor);
    const days = daysOf(period);
    const [first, last] = [days[0], days.at(-1)];
    const filter = { workspace, connection, date_from: first, date_to: last };
    const group = <Row>(key: string, rest = '', table = 'usage_records'): Promise<(Totals & Row)[]> =>
      this.grouped(scope, conditionsOf(filter), table, key, rest);
    const most = ` ORDER BY requests DESC, 1 LIMIT ${MOST_PARTS}`;
    const [[all = NOTHING], types, byDay, connections, tools] = await Promise.all([
      group('NULL AS id'),
      group<{ id: string }>(
        `COALESCE((SELECT r.resource_type FROM resources r WHERE r.id = u.resource_id), '${NO_TYPE}') AS id`,
      ),
      group<{ id: string }>("to_char(u.usage_date, 'YYYY-MM-DD') AS id"),
      group<{ id: string; name: string | null }>('u.connection_id AS id', most),
      group<{ id: number; name: string | null }>('u.tool_id AS id', most, TOOL_TOTALS),
    ]);
    const [connectionNames, toolNames] = await Promise.all([
      this.names('connections', 'connection_name', connections),
      this.names('resources', 'resource_name', tools),
    ]);
    const found = new Map(byDay.map((row) => [row.id, row]));
    return {
      total_requests: all.requests,
      total_errors: all.errors,
      avg_response_time: averageSeconds(all),
      total_data_transferred: all.data_transferred,
      total_cost: Number(all.cost),
      denied_requests: all.denied,
      unknown_requests: all.unknown,
      by_resource_type: Object.fromEntries(types.map((row) => [row.id, toPart(row)])),
      by_day: days.map((date) => ({ date, ...toSizedPart(found.get(date) ?? NOTHING) })),
      by_connection: connections.map((row) => ({
        connection: { id: row.id, connection_name: connectionNames.get(row.id) ?? null },
        ...toSizedPart(row),
      })),
      by_tool: tools.map((row) => ({ tool: { id: row.id, name: toolNames.get(row.id) ?? null }, ...toSizedPart(row) })),
    };
  }

  private grouped<Row>(
    { organizations, workspaces }: HistoryScope,
    where: Conditions,
    table: string,
    key: string,
    rest: string,
  ): Promise<(Totals & Row)[]> {
    where.add('(u.organization_id = ANY(?) OR u.workspace_id = ANY(?))', organizations, workspaces);
    return this.database.manager.query(
      `SELECT ${key}, ${SUMS} FROM ${table} u WHERE ${where.text} GROUP BY 1${rest}`,
      where.values,
    );
  }

  private async names<Id extends string | number>(
    table: string,
    column: string,
    rows: readonly { id: Id }[],
  ): Promise<Map<Id, string>> {
    const named = await this.database.manager.query<{ id: Id; name: string }[]>(
      `SELECT id, ${column} AS name FROM ${table} WHERE id = ANY($1)`,
      [rows.map(({ id }) => id)],
    );
    return new Map(named.map(({ id, name }) => [id, name]));
  }
}

/** UTC days of a period, today last. */
function daysOf(period: keyof typeof PERIOD_DAYS): string[] {
  const count = PERIOD_DAYS[period];
  const now = Date.now();
  return Array.from({ length: count }, (_, index) =>
    new Date(now - (count - 1 - index) * DAY_MS).toISOString().slice(0, 10),
  );
}
