import { Client } from 'pg';
import type { QueryRunner } from 'typeorm';

/**
 * What the role $1 lacks of its rights, or has beyond them, as statements; nothing once all is as it should be. Only on
 * what the owner may grant: others may keep things of their own beside ours, as extensions do.
 *
 * Append-only is what carries a trigger of the function refuse_change, with its partitions. Which migrations were applied
 * is the owner's to say: who could write that could make the owner apply them again.
 */
const DEVIATIONS = `
  WITH role AS (SELECT oid, rolname AS name FROM pg_roles WHERE rolname = $1),
  schemas AS (SELECT oid, nspname AS name FROM pg_namespace WHERE nspname IN ('public', 'graphile_worker')),
  guards AS (SELECT tgrelid::regclass AS id FROM pg_trigger JOIN pg_proc f ON f.oid = tgfoid WHERE f.proname = 'refuse_change'),
  append_only AS (SELECT id FROM guards UNION SELECT relid FROM guards, pg_partition_tree(id)),
  tables AS (
    SELECT c.oid::regclass AS id, s.name AS schema, c.relrowsecurity AS by_row,
           CASE WHEN c.relname = 'migrations' THEN ARRAY['SELECT']
                WHEN c.oid IN (SELECT id FROM append_only) THEN ARRAY['SELECT', 'INSERT']
                ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END AS allowed
      FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm') AND pg_has_role(c.relowner, 'USAGE')
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')),
  rights AS (
    SELECT t.*, p AS name, p = ANY(t.allowed) AS is_allowed,
           has_table_privilege($1, t.id, p) OR p = 'UPDATE' AND NOT p = ANY(t.allowed)
             AND has_any_column_privilege($1, t.id, p) AS has
      FROM tables t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS p)
  SELECT format('GRANT USAGE ON SCHEMA %I TO %I', s.name, role.name) AS statement
    FROM schemas s, role WHERE NOT has_schema_privilege($1, s.oid, 'USAGE')
  UNION ALL
  -- Before PostgreSQL 15 everybody could create objects there, which would get in the way of the owner's.
  SELECT format('REVOKE CREATE ON SCHEMA public FROM PUBLIC, %I', role.name)
    FROM role WHERE has_schema_privilege($1, 'public', 'CREATE')
  UNION ALL
  SELECT format('GRANT %s ON %s TO %I', string_agg(r.name, ', '), r.id, role.name)
    FROM rights r, role WHERE r.is_allowed AND NOT r.has GROUP BY r.id, role.name
  UNION ALL
  SELECT format('REVOKE %s ON %s FROM PUBLIC, %I', string_agg(r.name, ', '), r.id, role.name)
    FROM rights r, role WHERE r.has AND NOT r.is_allowed GROUP BY r.id, role.name
  UNION ALL
  -- graphile-worker hides its rows from all but the owner; jobs are enqueued in the product's transactions.
  SELECT format('CREATE POLICY %I ON %s TO %I USING (true) WITH CHECK (true)', role.name, t.id, role.name)
    FROM tables t, role WHERE t.schema = 'graphile_worker' AND t.by_row
     AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t.id AND role.oid = ANY(p.polroles))
  UNION ALL
  SELECT format('GRANT USAGE, SELECT ON SEQUENCE %s TO %I', c.oid::regclass, role.name)
    FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace, role
   WHERE c.relkind = 'S' AND pg_has_role(c.relowner, 'USAGE')
     AND NOT (has_sequence_privilege($1, c.oid, 'USAGE') AND has_sequence_privilege($1, c.oid, 'SELECT'))
  UNION ALL
  SELECT format('GRANT EXECUTE ON ROUTINE %s TO %I', f.oid::regprocedure, role.name)
    FROM pg_proc f JOIN schemas s ON s.oid = f.pronamespace, role
   WHERE pg_has_role(f.proowner, 'USAGE') AND NOT has_function_privilege($1, f.oid, 'EXECUTE')`;

/**
 * Gives the role of the running product what it needs, and takes from it what would let it change what is append-only.
 * Does nothing where owner and product are one role. Every statement stands for itself, so that a start that is killed
 * in between is completed by the next one.
 *
 * @param owner a session of the owner, under the lock of migrations and after them
 * @param role of the running product
 * @returns the statements that it took
 */
export async function grantRights(owner: QueryRunner, role: string): Promise<string[]> {
  const [session] = (await owner.query('SELECT current_user AS user')) as { user: string }[];
  if (session?.user === role) return [];
  const deviations = (await owner.query(DEVIATIONS, [role])) as { statement: string }[];
  const statements = deviations.map(({ statement }) => statement);
  for (const statement of statements) await owner.query(statement);
  return statements;
}

/** The role that an address leads to. A pooler may log in as another one than the address says, so the server is asked. */
export async function roleAt(url: string): Promise<string> {
  const client = new Client({
    connectionString: url,
    application_name: 'mcp-control-plane',
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ user: string }>('SELECT current_user AS user');
    return rows[0]?.user ?? '';
  } finally {
    await client.end().catch(() => undefined);
  }
}
