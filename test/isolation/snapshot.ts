import type { TestApp } from '../support/app.js';

/** By which columns a row is known to belong to an organization, whatever table it is in. $1: the organization. */
const BELONGS: Record<string, string> = {
  organization_id: '$1',
  connection_id: 'SELECT id::text FROM connections WHERE organization_id::text = $1',
  workspace_id: 'SELECT id::text FROM workspaces WHERE organization_id::text = $1',
  workspace_access_id: 'SELECT id::text FROM workspace_access WHERE organization_id::text = $1',
  resource_id: 'SELECT id::text FROM resources WHERE organization_id::text = $1',
  user_id: 'SELECT user_id::text FROM memberships WHERE organization_id::text = $1',
};
const BY_ID: Record<string, string> = { organizations: '$1', users: BELONGS.user_id ?? '' };

/** Every row that the database has of an organization, tables of later features included. */
export async function snapshotOf(app: TestApp, organization: string): Promise<string[]> {
  const columns = await app.query<{ table_name: string; column_name: string }>(
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
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
  return [
    ...before.filter((row) => !after.includes(row)).map((row) => `the other organization lost ${row.slice(0, 500)}`),
    ...after.filter((row) => !before.includes(row)).map((row) => `the other organization got ${row.slice(0, 500)}`),
  ];
}
