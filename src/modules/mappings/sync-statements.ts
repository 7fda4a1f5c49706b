/** Everything is read at least this often, so that deletions show where only changes are read. */
const COMPLETE_EVERY = '1 day';

/** $1 sync, $2 process, $3 run. */
export const CLAIM = `
  UPDATE mapping_syncs s SET status = 'running', process_id = $2, run_id = $3, attempts = s.attempts + 1, started_at = now(),
         items_synced = 0, items_written = 0, items_failed = 0, items_deleted = 0, failures = '[]',
         mode = CASE WHEN m.checkpoint IS NULL OR s.reads_all OR m.completed_at IS NULL
                       OR m.completed_at < now() - interval '${COMPLETE_EVERY}' THEN 'complete' ELSE 'incremental' END
    FROM mappings m JOIN workspace_access a ON a.id = m.workspace_access_id
   WHERE s.id = $1 AND m.id = s.mapping_id AND a.deleted_at IS NULL AND s.status IN ('queued', 'running')
  RETURNING s.id, s.run_id, s.attempts, s.mapping_id, m.organization_id, a.workspace_id, m.workspace_access_id, a.connection_id,
            m.resource_id, m.config, m.version, m.checkpoint, s.mode, s.may_delete`;

/**
 * $1 mapping, $2 items, $3 sync. What did not change is not written, and takes no new id. Of an item that was met before, what
 * became of it then does not count any more.
 */
export const WRITE_ITEMS = `
  WITH given AS (
    SELECT *, decode(content_hash, 'hex') AS hash FROM json_to_recordset($2::json)
      AS g(external_id text, status text, rendered json, error text, source json, content_hash text)),
  before AS (
    SELECT s.external_id, s.status FROM mapping_sync_items s JOIN given USING (external_id) WHERE s.sync_id = $3),
  met AS (
    INSERT INTO mapping_sync_items (sync_id, external_id, status) SELECT $3, external_id, status FROM given
    ON CONFLICT (sync_id, external_id) DO UPDATE SET status = EXCLUDED.status),
  changed AS (
    UPDATE mapping_items i
       SET status = g.status, error = g.error, source = g.source, content_hash = g.hash, synced_at = now(),
           rendered = CASE WHEN g.status = 'failed' THEN i.rendered ELSE g.rendered END
      FROM given g WHERE i.mapping_id = $1 AND i.external_id = g.external_id AND i.content_hash <> g.hash
    RETURNING i.external_id),
  added AS (
    INSERT INTO mapping_items (mapping_id, external_id, status, rendered, error, source, content_hash)
    SELECT $1, external_id, status, rendered, error, source, hash FROM given g
     WHERE NOT EXISTS (SELECT FROM mapping_items i WHERE i.mapping_id = $1 AND i.external_id = g.external_id)
     ORDER BY external_id
    RETURNING external_id),
  written AS (SELECT external_id FROM changed UNION ALL SELECT external_id FROM added)
  SELECT (SELECT count(*) FROM given)::int - (SELECT count(*) FROM before)::int AS met,
         (SELECT count(*) FROM given WHERE status = 'synced')::int - (SELECT count(*) FROM before WHERE status = 'synced')::int AS synced,
         (SELECT count(*) FROM given WHERE status = 'failed')::int - (SELECT count(*) FROM before WHERE status = 'failed')::int AS failed,
         (SELECT count(*) FROM written JOIN given USING (external_id) WHERE status = 'synced')::int AS written,
         (SELECT COALESCE(json_agg(external_id), '[]') FROM written) AS changed`;

/** $1 mapping, $2 sync. */
export const COUNT_GONE = `
  SELECT count(*)::int AS kept, count(*) FILTER (WHERE NOT EXISTS (
           SELECT FROM mapping_sync_items s WHERE s.sync_id = $2 AND s.external_id = i.external_id))::int AS gone
    FROM mapping_items i WHERE i.mapping_id = $1`;

/**
 * $1 mapping, $2 sync, $3 the last id that was looked at. Each item is looked up by itself: what was met is so new that the
 * planner takes it for nearly nothing, and would compare every item with every other.
 */
export const DELETE_GONE = `
  WITH gone AS (
    SELECT i.id FROM mapping_items i LEFT JOIN LATERAL (
             SELECT true AS is_there FROM mapping_sync_items s WHERE s.sync_id = $2 AND s.external_id = i.external_id LIMIT 1) met ON true
     WHERE i.mapping_id = $1 AND i.id > $3 AND met.is_there IS NULL ORDER BY i.id LIMIT 1000)
  DELETE FROM mapping_items WHERE id IN (SELECT id FROM gone) RETURNING id, external_id`;

/** $1 sync. Failures of items that went well in the end, and those that are there twice, are no failures. */
export const TIDY_FAILURES = `
  UPDATE mapping_syncs SET failures = (
    SELECT COALESCE(json_agg(failure), '[]') FROM (
      SELECT DISTINCT ON (f.value->>'external_id', f.value->>'reason') f.value AS failure
        FROM json_array_elements(failures) f
       WHERE NOT EXISTS (SELECT FROM mapping_sync_items s
              WHERE s.sync_id = $1 AND s.external_id = f.value->>'external_id' AND s.status = 'synced')) kept)
   WHERE id = $1`;
