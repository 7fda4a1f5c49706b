import { setTimeout as sleep } from 'node:timers/promises';
import type { TestApp } from './app.js';

/** Every total that the ledger keeps, and the same made anew from its rows. They are equal at any moment. */
export async function expectTotalsToEqualRows(app: Pick<TestApp, 'query'>): Promise<void> {
  const [kept, made] = await Promise.all([
    app.query(
      `SELECT connection_id, workspace_access_id, resource_id, usage_date::text, request_count::int, error_count::int,
              denied_count::int, unknown_count::int, timed_count::int, response_time_us::int, data_transferred::int,
              trim_scale(cost)::text AS cost FROM usage_records ORDER BY 1, 2, 3, 4`,
    ),
    app.query(
      `SELECT connection_id, workspace_access_id, resource_id, ((started_at AT TIME ZONE 'UTC')::date)::text AS usage_date,
              count(*) FILTER (WHERE outcome NOT IN ('denied', 'unknown'))::int AS request_count,
              count(*) FILTER (WHERE outcome IN ('tool_error', 'upstream_error', 'timeout'))::int AS error_count,
              count(*) FILTER (WHERE outcome = 'denied')::int AS denied_count,
              count(*) FILTER (WHERE outcome = 'unknown')::int AS unknown_count,
              count(*) FILTER (WHERE outcome IN ('ok', 'tool_error', 'upstream_error', 'timeout'))::int AS timed_count,
              COALESCE(sum(duration_us) FILTER (WHERE outcome IN ('ok', 'tool_error', 'upstream_error', 'timeout')), 0)::int
                AS response_time_us,
              sum(bytes_sent + bytes_received)::int AS data_transferred, trim_scale(sum(cost))::text AS cost
         FROM calls GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`,
    ),
  ]);
  expect(kept).toEqual(made);
  const tools = await app.query(
    `SELECT connection_id, workspace_access_id, tool_id, sum(request_count)::int AS requests, trim_scale(sum(cost))::text AS cost
       FROM tool_usage_records GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
  );
  const madeTools = await app.query(
    `SELECT connection_id, workspace_access_id, tool_id,
            count(*) FILTER (WHERE outcome NOT IN ('denied', 'unknown'))::int AS requests, trim_scale(sum(cost))::text AS cost
       FROM calls WHERE tool_id IS NOT NULL AND tool_id IS DISTINCT FROM resource_id GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
  );
  expect(tools).toEqual(madeTools);
  const grants = await app.query(
    'SELECT id, usage_count FROM workspace_access WHERE usage_count > 0 OR last_used IS NOT NULL ORDER BY id',
  );
  const madeGrants = await app.query(
    `SELECT workspace_access_id AS id, count(*)::int AS usage_count FROM calls
      WHERE workspace_access_id IS NOT NULL AND outcome NOT IN ('denied', 'unknown') GROUP BY 1 ORDER BY 1`,
  );
  expect(grants).toEqual(madeGrants);
}

/**
 * Holds back what closes calls until so many are open, so that many of them are closed in one transaction.
 * @param work begins as many calls, or more
 */
export async function closedTogether<T>(
  app: Pick<TestApp, 'query'>,
  count: number,
  work: () => Promise<T>,
): Promise<T> {
  const held = app.query(`DO $$ BEGIN
    LOCK TABLE audit_heads IN EXCLUSIVE MODE;
    FOR tries IN 1..100 LOOP
      PERFORM pg_sleep(0.05);
      EXIT WHEN (SELECT count(*) FROM open_calls) >= ${count};
    END LOOP;
  END $$`);
  await sleep(200);
  const result = await work();
  await held;
  return result;
}
