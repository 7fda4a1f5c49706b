import type { TestApp } from '../support/app.js';

/**
 * Written by a timer, and not by what somebody does: heads that moved, of chains whose records and heads are looked at themselves.
 * Leases of processes and windows of rate limits have no organization.
 */
const BY_ITSELF = ['audit_signed_heads'];

/** By which columns a row is known to belong to an organization, whatever table it is in. $1: the organization. */
const BELONGS: Record<string, string> = {
  organization_id: '$1',
  connection_id: 'SELECT id::text FROM connections WHERE organization_id::text = $1',
  workspace_id: 'SELECT id::text FROM workspaces WHERE organization_id::text = $1',
  workspace_access_id: 'SELECT id::text FROM workspace_access WHERE organization_id::text = $1',
  resource_id: 'SELECT id::text FROM resources WHERE organization_id::text = $1',
  mapping_id: 'SELECT id::text FROM mappings WHERE organization_id::text = $1',
  sync_id: `SELECT s.id::text FROM mapping_syncs s JOIN mappings m ON m.id = s.mapping_id
             WHERE m.organization_id::text = $1`,
  user_id: 'SELECT user_id::text FROM memberships WHERE organization_id::text = $1',
  token_id: `SELECT t.id::text FROM workspace_tokens t JOIN workspaces w ON w.id = t.workspace_id
              WHERE w.organization_id::text = $1`,
  principal: `SELECT 'user:' || user_id FROM memberships WHERE organization_id::text = $1
              UNION ALL SELECT 'token:' || t.id FROM workspace_tokens t JOIN workspaces w ON w.id = t.workspace_id
                         WHERE w.organization_id::text = $1`,
};
const BY_ID: Record<string, string> = { organizations: '$1', users: BELONGS.user_id ?? '' };

/** Every row that the database has of an organization, tables of later features included. */
export async function snapshotOf(app: TestApp, organization: string): Promise<string[]> {
  // What checks of connections write by themselves would be no effect of what is done.
  await app.query('UPDATE connections SET health_check_interval = 0 WHERE health_check_interval > 0');
  const columns = await app.query<{ table_name: string; column_name: string }>(
    `SELECT c.relname AS table_name, a.attname AS column_name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> ALL ($1) ORDER BY 1, 2`,
    [BY_ITSELF],
  );
  const conditions = new Map<string, string[]>();
  for (const { table_name: table, column_name: column } of columns) {
    const ids = column === 'id' ? BY_ID[table] : BELONGS[column];
    if (ids) conditions.set(table, [...(conditions.get(table) ?? []), `t."${column}"::text IN (${ids})`]);
  }
  const parts = [...conditions].map(
    ([table, any]) => `SELECT '${table} ' || to_jsonb(t)::text AS row FROM "${table}" t WHERE ${any.join(' OR ')}`,
  );
  return (await app.query<{ row: string }>(`${parts.join(' UNION ALL ')} ORDER BY 1`, [organization])).map(
    ({ row }) => row,
  );
}

/** What happened to the rows between two snapshots, one line for each. */
export function changes(before: readonly string[], after: readonly string[]): string[] {
  const [then, now] = [new Set(before), new Set(after)];
  return [
    ...before.filter((row) => !now.has(row)).map((row) => `the other organization lost ${row.slice(0, 500)}`),
    ...after.filter((row) => !then.has(row)).map((row) => `the other organization got ${row.slice(0, 500)}`),
  ];
}
