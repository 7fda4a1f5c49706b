import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the open row says already. */
const KEPT = `id, organization_id, workspace_id, workspace_access_id, connection_id, resource_id, tool_id, user_id, token_id,
              door, operation, started_at, request_id, address, arguments_hash, is_hidden`;
const ENDED = 'reason, bytes_sent, finished_at, outcome, duration_us, bytes_received, cost';
const COUNTED =
  'request_count, error_count, denied_count, unknown_count, timed_count, response_time_us, data_transferred, cost';

/** Adds one day's totals: an upsert would use up a number of the identity at every call. */
function addTo(table: string, kept: string): string {
  const sums = COUNTED.split(', ');
  const key = ['workspace_access_id', kept];
  return `
                UPDATE ${table} r SET ${sums.map((sum) => `${sum} = r.${sum} + u.${sum}`).join(', ')}
                 WHERE r.connection_id = u.connection_id AND r.usage_date = u.usage_date
                   AND ${key.map((column) => `COALESCE(r.${column}, 0) = COALESCE(u.${column}, 0)`).join(' AND ')};
                IF NOT FOUND THEN
                  INSERT INTO ${table} AS r (organization_id, workspace_id, connection_id, ${key.join(', ')}, usage_date, ${COUNTED})
                  VALUES (u.organization_id, u.workspace_id, u.connection_id, ${key.map((column) => `u.${column}`).join(', ')},
                          u.usage_date, ${sums.map((sum) => `u.${sum}`).join(', ')})
                  ON CONFLICT (connection_id, usage_date, ${key.map((column) => `COALESCE(${column}, 0)`).join(', ')})
                  DO UPDATE SET ${sums.map((sum) => `${sum} = r.${sum} + EXCLUDED.${sum}`).join(', ')};
                END IF;`;
}

/** The ledger knows its rows by their keys, however large a table has become since the plans of a connection were made. */
const BY_KEYS = 'SET enable_seqscan = off';
const OPEN = 'ledger_open(json, json, json)';

/**
 * Closing a batch of calls takes from the open rows what they say already, and the rest as arrays: to read whole rows from JSON was
 * three quarters of what the ledger cost the server. The function of six parameters stays for replicas of the version before.
 */
export class LedgerBatches1796400000000 implements MigrationInterface {
  name = 'LedgerBatches1796400000000';

  /**
   * Closes a batch of calls (parts that are empty are NULL), `p_ids` and the arrays after it in the same order, and writes
   * down those that were refused: all of them or, where one of `p_ids` was closed before (SQLSTATE MC001), none. Rows that others
   * write too are touched once each, in the order of their keys, chain heads last. Answers with the budgets that were reached.
   */
  public async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            CREATE FUNCTION ledger_close(
              p_ids uuid[], p_reasons text[], p_sent bigint[], p_finished timestamptz[], p_outcomes text[], p_durations bigint[], p_received bigint[],
              p_costs numeric[], p_refused json, p_usage json, p_tools json, p_grants json, p_answers json, p_links json)
            RETURNS TABLE (workspace_access_id integer, period text, window_start date)
            LANGUAGE plpgsql ${BY_KEYS} AS $$
            #variable_conflict use_column
            DECLARE
              closed integer := 0; written integer; u record; g record; r record; link record; head record;
            BEGIN
              FOR u IN SELECT * FROM json_populate_recordset(NULL::usage_records, p_usage) LOOP${addTo('usage_records', 'resource_id')}
              END LOOP;
              IF p_tools IS NOT NULL THEN FOR u IN SELECT * FROM json_populate_recordset(NULL::tool_usage_records, p_tools) LOOP${addTo('tool_usage_records', 'tool_id')}
              END LOOP; END IF;
              IF p_grants IS NOT NULL THEN FOR g IN SELECT * FROM json_to_recordset(p_grants)
                  AS x(workspace_access_id integer, day date, requests bigint, cost numeric, last_used timestamptz) LOOP
                -- Locks the grant, so that a budget that is set meanwhile is seen below, or sees these totals.
                UPDATE workspace_access a SET usage_count = a.usage_count + g.requests, last_used = greatest(a.last_used, g.last_used)
                 WHERE a.id = g.workspace_access_id;
                RETURN QUERY
                  WITH spent AS (
                    INSERT INTO budget_windows AS w (workspace_access_id, period, window_start, requests, cost)
                    SELECT b.workspace_access_id, b.period, budget_window_start(b.period, g.day), g.requests, g.cost
                      FROM budgets b WHERE b.workspace_access_id = g.workspace_access_id
                    ON CONFLICT (workspace_access_id, period, window_start)
                    DO UPDATE SET requests = w.requests + EXCLUDED.requests, cost = w.cost + EXCLUDED.cost
                    RETURNING w.*)
                  SELECT b.workspace_access_id, b.period, s.window_start FROM spent s
                    JOIN budgets b ON b.workspace_access_id = s.workspace_access_id
                   WHERE (s.requests >= b.max_requests AND s.requests - g.requests < b.max_requests)
                      OR (s.cost >= b.max_cost AND s.cost - g.cost < b.max_cost);
              END LOOP; END IF;
              IF EXISTS (SELECT FROM open_calls WHERE id = ANY(p_ids) AND budget_window IS NOT NULL) THEN FOR r IN
                  SELECT workspace_access_id, budget_period, budget_window, count(*) AS calls, sum(reserved_cost) AS cost
                    FROM open_calls WHERE id = ANY(p_ids) AND budget_window IS NOT NULL
                   GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LOOP
                UPDATE budget_windows w SET reserved_requests = w.reserved_requests - r.calls, reserved_cost = w.reserved_cost - r.cost
                 WHERE w.workspace_access_id = r.workspace_access_id AND w.period = r.budget_period AND w.window_start = r.budget_window;
              END LOOP; END IF;
              IF p_answers IS NOT NULL THEN FOR r IN SELECT * FROM json_to_recordset(p_answers)
                  AS k(principal text, key text, request_id text, process_id uuid, status integer, answer text) LOOP
                IF r.answer IS NULL THEN PERFORM idempotency_release(r.principal, r.key, r.request_id, r.process_id);
                ELSE PERFORM idempotency_complete(r.principal, r.key, r.request_id, r.process_id, r.status, r.answer);
                END IF;
              END LOOP; END IF;
              FOR link IN SELECT * FROM json_to_recordset(p_links) AS l(organization_id uuid, digest text) LOOP
                head := audit_advance(link.organization_id, 'calls', decode(link.digest, 'hex'));
                WITH ends AS (
                  SELECT * FROM unnest(p_ids, p_reasons, p_sent, p_finished, p_outcomes, p_durations, p_received, p_costs)
                    AS e(id, ${ENDED})),
                gone AS (
                  DELETE FROM open_calls o USING ends
                   WHERE o.id = ends.id AND o.organization_id = link.organization_id
                  RETURNING ${qualified('o', KEPT)}, ${qualified('ends', ENDED)})
                INSERT INTO calls (${KEPT}, ${ENDED}, chain_seq, chain_hash)
                SELECT ${KEPT}, ${ENDED}, head.seq, head.hash FROM gone;
                GET DIAGNOSTICS written = ROW_COUNT;
                closed := closed + written;
                IF p_refused IS NOT NULL THEN
                  INSERT INTO calls (${KEPT}, ${ENDED}, chain_seq, chain_hash)
                  SELECT ${KEPT}, ${ENDED}, head.seq, head.hash FROM json_populate_recordset(NULL::calls, p_refused)
                   WHERE organization_id = link.organization_id;
                END IF;
              END LOOP;
              IF closed <> cardinality(p_ids) THEN
                RAISE EXCEPTION 'calls were closed before' USING ERRCODE = 'MC001';
              END IF;
            END $$
        `);
    await queryRunner.query(`ALTER FUNCTION ${OPEN} ${BY_KEYS}`);
    // Without budgets it is empty, and that is all that has to be seen of it.
    await queryRunner.query(
      `CREATE INDEX "open_calls_reserved_idx" ON "open_calls" ("id") WHERE "budget_window" IS NOT NULL`,
    );
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`DROP INDEX "open_calls_reserved_idx"`);
    await queryRunner.query(`ALTER FUNCTION ${OPEN} RESET enable_seqscan`);
    await queryRunner.query(
      `DROP FUNCTION ledger_close(uuid[], text[], bigint[], timestamptz[], text[], bigint[], bigint[], numeric[], json, json, json, json, json, json)`,
    );
  }
}

function qualified(table: string, columns: string): string {
  return columns
    .split(',')
    .map((column) => `${table}.${column.trim()}`)
    .join(', ');
}
