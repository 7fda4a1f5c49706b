import type { Conditions } from '../../platform/database/conditions.js';
import { timeBounds, type DayRange } from '../../platform/http/day-range.js';

/** Of `call_attempts`, as CallRow has them. */
export const CALL_FIELDS = `id, organization_id, workspace_id, workspace_access_id, connection_id, resource_id, tool_id, user_id,
  token_id, door, operation, started_at, reason, bytes_sent::float8 AS bytes_sent, request_id, address, arguments_hash,
  is_hidden,  finished_at, outcome, duration_us::float8 AS duration_us, bytes_received::float8 AS bytes_received, cost::text AS cost,
  chain_seq::float8 AS chain_seq`;

/** An id is made a moment before its call starts. */
const SLACK_MS = 60_000;

/** Started on these days. Ids grow with time (UUIDv7), so the index of the order finds them. */
export function addDays(where: Conditions, range: DayRange): void {
  const { from, until } = timeBounds(range);
  if (from) where.add('id >= ? AND started_at >= ?', firstId(from.getTime() - SLACK_MS), from);
  if (until) where.add('id < ? AND started_at < ?', firstId(until.getTime() + SLACK_MS), until);
}

/** The smallest UUIDv7 of a millisecond (RFC 9562, section 5.7). */
function firstId(ms: number): string {
  const time = Math.max(0, ms).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000000`;
}
