import { Conditions } from '../../platform/database/conditions.js';
import { checkedRange } from '../../platform/http/day-range.js';
import type { UsageFilter } from './usage.dto.js';

/** As Totals has them, of one row and of many. */
export const TOTALS = `request_count::float8 AS requests, error_count::float8 AS errors, denied_count::float8 AS denied,
  unknown_count::float8 AS unknown, timed_count::float8 AS timed, response_time_us::float8 AS response_time_us,
  data_transferred::float8 AS data_transferred, cost::text AS cost`;
export const SUMS = `COALESCE(sum(request_count), 0)::float8 AS requests, COALESCE(sum(error_count), 0)::float8 AS errors,
  COALESCE(sum(denied_count), 0)::float8 AS denied, COALESCE(sum(unknown_count), 0)::float8 AS unknown,
  COALESCE(sum(timed_count), 0)::float8 AS timed, COALESCE(sum(response_time_us), 0)::float8 AS response_time_us,
  COALESCE(sum(data_transferred), 0)::float8 AS data_transferred, COALESCE(sum(cost), 0)::text AS cost`;
export const USAGE_FIELDS = `id, workspace_id, workspace_access_id, connection_id, resource_id,
  to_char(usage_date, 'YYYY-MM-DD') AS usage_date, ${TOTALS}`;

/** @throws DomainError 400 naming the field of a range that can not be */
export function conditionsOf(query: UsageFilter): Conditions {
  const where = new Conditions();
  const { date_from: from, date_to: to } = checkedRange(query);
  if (query.workspace_access !== undefined) where.add('workspace_access_id = ?', query.workspace_access);
  if (query.resource !== undefined) where.add('resource_id = ?', query.resource);
  if (query.workspace !== undefined) where.add('workspace_id = ?', query.workspace);
  if (query.connection !== undefined) where.add('connection_id = ?', query.connection);
  if (from !== undefined) where.add('usage_date >= ?::date', from);
  if (to !== undefined) where.add('usage_date <= ?::date', to);
  return where;
}
