import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What both the open and the closed row of a call say. */
const CALL = `
                "id" uuid NOT NULL,
                "organization_id" uuid NOT NULL,
                "workspace_id" uuid,
                "workspace_access_id" integer,
                "connection_id" uuid NOT NULL,
                "resource_id" integer,
                "tool_id" integer,
                "user_id" uuid,
                "token_id" uuid,
                "door" text NOT NULL,
                "operation" text NOT NULL,
                "started_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL,
                "reason" text NOT NULL,
                "bytes_sent" bigint NOT NULL,
                "request_id" text NOT NULL,
                "address" text NOT NULL,
                "arguments_hash" text NOT NULL,
                "is_hidden" boolean NOT NULL`;
const COMMON = `id, organization_id, workspace_id, workspace_access_id, connection_id, resource_id, tool_id, user_id, token_id,
              door, operation, started_at, reason, bytes_sent, request_id, address, arguments_hash, is_hidden`;

/** The totals of a day, of a resource or of a tool. */
const TOTALS = `
                "usage_date" date NOT NULL,
                "request_count" bigint NOT NULL DEFAULT '0',
                "error_count" bigint NOT NULL DEFAULT '0',
                "denied_count" bigint NOT NULL DEFAULT '0',
                "unknown_count" bigint NOT NULL DEFAULT '0',
                "timed_count" bigint NOT NULL DEFAULT '0',
                "response_time_us" bigint NOT NULL DEFAULT '0',
                "data_transferred" bigint NOT NULL DEFAULT '0',
                "cost" numeric NOT NULL DEFAULT '0'`;
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

/** The ledger: calls while they are under way and after, daily totals, prices and budgets (docs/adr/0015-the-ledger.md). */
export class Ledger1795390200000 implements MigrationInterface {
  name = 'Ledger1795390200000';

  public async up(queryRunner: QueryRunner): Promise<void> {
    await this.createCalls(queryRunner);
    await this.createTotals(queryRunner);
    await this.createBudgets(queryRunner);
    await this.createOpen(queryRunner);
    await this.createClose(queryRunner);
    await queryRunner.query(`ALTER TABLE "server_types" ADD "price_book" json NOT NULL DEFAULT '{}'`);
    await queryRunner.query(`ALTER TABLE "connections" ADD "price_book" json`);
    // Its row is written at every batch of calls: room for it on its page.
    await queryRunner.query(`ALTER TABLE "workspace_access" SET (fillfactor = 50)`);
  }

  private async createCalls(queryRunner: QueryRunner): Promise<void> {
    // No foreign keys: history keeps ids of what is long gone.
    await queryRunner.query(`
            CREATE TABLE "open_calls" (${CALL},
                "process_id" uuid NOT NULL,
                "budget_period" text,
                "budget_window" date,
                "reserved_cost" numeric NOT NULL DEFAULT '0',
                CONSTRAINT "open_calls_pkey" PRIMARY KEY ("id")
            )
        `);
    // By the moment of closing, which is the same for all rows of a transaction: a link of the chain never spans two partitions.
    await queryRunner.query(`
            CREATE TABLE "calls" (${CALL},
                "finished_at" TIMESTAMP(3) WITH TIME ZONE NOT NULL,
                "outcome" text NOT NULL,
                "duration_us" bigint NOT NULL,
                "bytes_received" bigint NOT NULL,
                "cost" numeric NOT NULL,
                "closed_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
                "chain_seq" bigint NOT NULL,
                "chain_hash" bytea NOT NULL,
                CONSTRAINT "calls_pkey" PRIMARY KEY ("id", "closed_at")
            ) PARTITION BY RANGE ("closed_at")
        `);
    // Catches what the clock puts outside the months that are there.
    await queryRunner.query(`CREATE TABLE "calls_default" PARTITION OF "calls" DEFAULT`);
    const indexes = {
      organization: '"organization_id", "id"',
      workspace: '"workspace_id", "id"',
      access: '"workspace_access_id", "id"',
      connection: '"connection_id", "id"',
      resource: '"resource_id", "id"',
      actor: 'COALESCE("token_id", "user_id"), "id"',
      request: '"request_id", "id"',
      chain: '"organization_id", "chain_seq", "id"',
    };
    for (const [name, fields] of Object.entries(indexes))
      await queryRunner.query(`CREATE INDEX "calls_${name}_idx" ON "calls" (${fields})`);
    // A grant is of one workspace, on one connection, of one organization: taken for independent, the planner would expect a few rows
    // where there are all, and read and sort them.
    for (const table of ['calls', 'calls_default'])
      await queryRunner.query(`
            CREATE STATISTICS "${table}_dependencies" (dependencies)
            ON organization_id, workspace_id, workspace_access_id, connection_id, resource_id FROM "${table}"
        `);
    // The rare ones are what is looked for.
    await queryRunner.query(`
            CREATE INDEX "calls_outcome_idx" ON "calls" ("organization_id", "outcome", "id") WHERE "outcome" <> 'ok'
        `);
    await queryRunner.query(`
            CREATE TRIGGER "calls_append_only" BEFORE UPDATE OR DELETE ON "calls"
            FOR EACH ROW EXECUTE FUNCTION refuse_change()
        `);
    await queryRunner.query(`
            CREATE TRIGGER "calls_default_no_truncate" BEFORE TRUNCATE ON "calls_default"
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
        `);
    await queryRunner.query(`
            CREATE VIEW "call_attempts" AS
            SELECT ${COMMON}, finished_at, outcome, duration_us, bytes_received, cost, chain_seq FROM calls
            UNION ALL
            SELECT ${COMMON}, NULL, NULL, NULL, NULL, NULL, NULL FROM open_calls
        `);
  }

  private async createTotals(queryRunner: QueryRunner): Promise<void> {
    for (const [table, kept] of [
      ['usage_records', 'resource_id'],
      ['tool_usage_records', 'tool_id'],
    ] as const) {
      await queryRunner.query(`
            CREATE TABLE "${table}" (
                "id" integer GENERATED ALWAYS AS IDENTITY NOT NULL,
                "organization_id" uuid NOT NULL,
                "workspace_id" uuid,
                "connection_id" uuid NOT NULL,
                "workspace_access_id" integer,
                "${kept}" integer,${TOTALS},
                CONSTRAINT "${table}_pkey" PRIMARY KEY ("id")
            ) WITH (fillfactor = 70)
        `);
      await queryRunner.query(`
            CREATE UNIQUE INDEX "${table}_key" ON "${table}"
              ("connection_id", "usage_date", COALESCE("workspace_access_id", 0), COALESCE("${kept}", 0))
        `);
      await queryRunner.query(
        `CREATE INDEX "${table}_organization_date_idx" ON "${table}" ("organization_id", "usage_date")`,
      );
      await queryRunner.query(
        `CREATE INDEX "${table}_workspace_date_idx" ON "${table}" ("workspace_id", "usage_date")`,
      );
      await queryRunner.query(
        `CREATE INDEX "${table}_access_date_idx" ON "${table}" ("workspace_access_id", "usage_date")`,
      );
      await queryRunner.query(`CREATE INDEX "${table}_${kept.split('_')[0]}_idx" ON "${table}" ("${kept}", "id")`);
    }
    await queryRunner.query(
      `CREATE INDEX "usage_records_organization_idx" ON "usage_records" ("organization_id", "id")`,
    );
    await queryRunner.query(`CREATE INDEX "usage_records_workspace_idx" ON "usage_records" ("workspace_id", "id")`);
    await queryRunner.query(`CREATE INDEX "usage_records_access_idx" ON "usage_records" ("workspace_access_id", "id")`);
  }

  private async createBudgets(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            CREATE TABLE "budgets" (
                "workspace_access_id" integer NOT NULL,
                "period" text NOT NULL,
                "max_requests" bigint,
                "max_cost" numeric,
                "action" text NOT NULL,
                CONSTRAINT "budgets_pkey" PRIMARY KEY ("workspace_access_id"),
                CONSTRAINT "budgets_access_fkey" FOREIGN KEY ("workspace_access_id") REFERENCES "workspace_access"("id") ON DELETE CASCADE
            )
        `);
    // Spent, and held for calls that are under way.
    await queryRunner.query(`
            CREATE TABLE "budget_windows" (
                "workspace_access_id" integer NOT NULL,
                "period" text NOT NULL,
                "window_start" date NOT NULL,
                "requests" bigint NOT NULL DEFAULT '0',
                "cost" numeric NOT NULL DEFAULT '0',
                "reserved_requests" bigint NOT NULL DEFAULT '0',
                "reserved_cost" numeric NOT NULL DEFAULT '0',
                CONSTRAINT "budget_windows_pkey" PRIMARY KEY ("workspace_access_id", "period", "window_start")
            ) WITH (fillfactor = 50)
        `);
    // UTC days, ISO weeks, calendar months.
    await queryRunner.query(`
            CREATE FUNCTION budget_window_start(p_period text, p_day date) RETURNS date LANGUAGE sql IMMUTABLE AS
            $$ SELECT date_trunc(p_period, p_day::timestamp)::date $$
        `);
    await queryRunner.query(`
            CREATE FUNCTION budget_window_end(p_period text, p_day date) RETURNS date LANGUAGE sql IMMUTABLE AS
            $$ SELECT (date_trunc(p_period, p_day::timestamp) + ('1 ' || p_period)::interval)::date $$
        `);
  }

  /** Opens a batch of calls; parts that are empty are NULL. Answers with those that must not go on: their row is gone again. */
  private async createOpen(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            CREATE FUNCTION ledger_open(p_calls json, p_grants json, p_keys json)
            RETURNS TABLE (call_id uuid, refusal text, period text, resets_on date, maximum text)
            LANGUAGE plpgsql AS $$
            #variable_conflict use_column
            DECLARE
              fresh uuid[]; budget record; spent record; call record; key record;
            BEGIN
              WITH opened AS (
                INSERT INTO open_calls SELECT * FROM json_populate_recordset(NULL::open_calls, p_calls)
                ON CONFLICT (id) DO NOTHING RETURNING id)
              SELECT array_agg(id) INTO fresh FROM opened;
              -- A part that is empty is NULL: a loop over nothing takes its time too.
              IF p_grants IS NOT NULL AND EXISTS (
                SELECT FROM json_to_recordset(p_grants) AS g(workspace_access_id integer) JOIN budgets USING (workspace_access_id)
              ) THEN
              FOR budget IN
                  SELECT b.*, g.day, budget_window_start(b.period, g.day) AS window_start
                    FROM json_to_recordset(p_grants) AS g(workspace_access_id integer, day date)
                    JOIN budgets b ON b.workspace_access_id = g.workspace_access_id AND b.action = 'block'
                   ORDER BY b.workspace_access_id, g.day LOOP
                INSERT INTO budget_windows (workspace_access_id, period, window_start)
                VALUES (budget.workspace_access_id, budget.period, budget.window_start) ON CONFLICT DO NOTHING;
                SELECT w.requests + w.reserved_requests AS requests, w.cost + w.reserved_cost AS cost INTO spent
                  FROM budget_windows w
                 WHERE w.workspace_access_id = budget.workspace_access_id AND w.period = budget.period
                   AND w.window_start = budget.window_start FOR UPDATE;
                FOR call IN
                    SELECT o.id, o.reserved_cost FROM open_calls o
                     WHERE o.id = ANY(fresh) AND o.workspace_access_id = budget.workspace_access_id
                       AND (o.started_at AT TIME ZONE 'UTC')::date = budget.day ORDER BY o.id LOOP
                  IF spent.requests + 1 > budget.max_requests OR spent.cost + call.reserved_cost > budget.max_cost THEN
                    DELETE FROM open_calls WHERE id = call.id;
                    RETURN QUERY SELECT call.id,
                      CASE WHEN spent.requests + 1 > budget.max_requests THEN 'requests' ELSE 'cost' END, budget.period,
                      budget_window_end(budget.period, budget.day),
                      CASE WHEN spent.requests + 1 > budget.max_requests THEN budget.max_requests::text ELSE budget.max_cost::text END;
                  ELSE
                    UPDATE open_calls SET budget_period = budget.period, budget_window = budget.window_start WHERE id = call.id;
                    spent.requests := spent.requests + 1;
                    spent.cost := spent.cost + call.reserved_cost;
                  END IF;
                END LOOP;
                UPDATE budget_windows w SET reserved_requests = spent.requests - w.requests, reserved_cost = spent.cost - w.cost
                 WHERE w.workspace_access_id = budget.workspace_access_id AND w.period = budget.period
                   AND w.window_start = budget.window_start;
              END LOOP;
              END IF;
              -- After the budgets: what they refuse has not begun, and its key is free.
              IF p_keys IS NOT NULL THEN FOR key IN SELECT k.*, o.workspace_access_id, o.budget_period, o.budget_window, o.reserved_cost
                  FROM json_to_recordset(p_keys) AS k(call_id uuid, principal text, key text, request_id text, process_id uuid)
                  JOIN open_calls o ON o.id = k.call_id LOOP
                IF NOT idempotency_begin(key.principal, key.key, key.request_id, key.process_id, key.call_id::text) THEN
                  DELETE FROM open_calls WHERE id = key.call_id;
                  UPDATE budget_windows w SET reserved_requests = w.reserved_requests - 1, reserved_cost = w.reserved_cost - key.reserved_cost
                   WHERE w.workspace_access_id = key.workspace_access_id AND w.period = key.budget_period
                     AND w.window_start = key.budget_window;
                  RETURN QUERY SELECT key.call_id, 'key_lost', NULL::text, NULL::date, NULL::text;
                END IF;
              END LOOP; END IF;
            END $$
        `);
  }

  /**
   * Closes a batch of calls (parts that are empty are NULL): all of them or, where one of p_open was closed before (SQLSTATE MC001), none. Rows that others
   * write too are touched once each, in the order of their keys, chain heads last. Answers with the budgets that were reached.
   */
  private async createClose(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
            CREATE FUNCTION ledger_close(p_open uuid[], p_usage json, p_tools json, p_grants json, p_answers json, p_links json)
            RETURNS TABLE (workspace_access_id integer, period text, window_start date)
            LANGUAGE plpgsql AS $$
            #variable_conflict use_column
            DECLARE
              closed integer; reservations json; u record; g record; r record; link record; head record;
            BEGIN
              WITH gone AS (
                DELETE FROM open_calls WHERE id = ANY(p_open)
                RETURNING workspace_access_id, budget_period, budget_window, reserved_cost)
              SELECT count(*), json_agg(gone) FILTER (WHERE budget_window IS NOT NULL) INTO closed, reservations FROM gone;
              IF closed <> cardinality(p_open) THEN
                RAISE EXCEPTION 'calls were closed before' USING ERRCODE = 'MC001';
              END IF;
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
              IF reservations IS NOT NULL THEN FOR r IN
                  SELECT workspace_access_id, budget_period, budget_window, count(*) AS calls, sum(reserved_cost) AS cost
                         FROM json_populate_recordset(NULL::open_calls, reservations)
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
              FOR link IN SELECT * FROM json_to_recordset(p_links) AS l(organization_id uuid, digest text, calls json) LOOP
                head := audit_advance(link.organization_id, 'calls', decode(link.digest, 'hex'));
                INSERT INTO calls (${COMMON}, finished_at, outcome, duration_us, bytes_received, cost, chain_seq, chain_hash)
                SELECT ${COMMON}, finished_at, outcome, duration_us, bytes_received, cost, head.seq, head.hash
                  FROM json_populate_recordset(NULL::calls, link.calls);
              END LOOP;
            END $$
        `);
  }

  public async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`ALTER TABLE "workspace_access" RESET (fillfactor)`);
    await queryRunner.query(`ALTER TABLE "connections" DROP COLUMN "price_book"`);
    await queryRunner.query(`ALTER TABLE "server_types" DROP COLUMN "price_book"`);
    await queryRunner.query(`DROP FUNCTION ledger_close(uuid[], json, json, json, json, json)`);
    await queryRunner.query(`DROP FUNCTION ledger_open(json, json, json)`);
    await queryRunner.query(`DROP FUNCTION budget_window_end(text, date)`);
    await queryRunner.query(`DROP FUNCTION budget_window_start(text, date)`);
    for (const table of ['budget_windows', 'budgets', 'tool_usage_records', 'usage_records'])
      await queryRunner.query(`DROP TABLE "${table}"`);
    await queryRunner.query(`DROP VIEW "call_attempts"`);
    for (const table of ['calls', 'open_calls']) await queryRunner.query(`DROP TABLE "${table}"`);
  }
}
