import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { forgetPlans } from '../../platform/database/plans.js';
import { storableJson } from '../../platform/json/canonical-json.js';
import type { DiscoveredOn } from '../connections/connections.service.js';
import type { DefinitionKind } from './definition.entity.js';
import { claimedEffectOf } from './definition-review.js';
import { chunks, DefinitionStoreService, type ReviewedRun } from './definition-store.service.js';
import { contentDigest, uriDigest, type DiscoveredItem } from './discovered-item.js';
import type { Collected, DiscoveryScope } from './discovery-collector.js';
import { schemaProblem } from './kept-definition.js';
import type { ResourceKind } from './resource.entity.js';
import { publicToolId, titleOf } from './tool-identity.js';

export interface Stored {
  found: number;
  created: number;
  updated: number;
  vanished: number;
  /** Definitions that wait for review since this run. */
  newlyPending: number;
  baselineKinds: DefinitionKind[];
}

interface StoredRow {
  id: number;
  kind: ResourceKind;
  uri_digest: string;
  created: boolean;
  changed: boolean;
}

const UPSERT_RESOURCES = `
  WITH incoming AS (
    SELECT x.* FROM json_to_recordset($3::json) AS x(
      ordinal int, kind text, uri text, uri_digest text, name text, type text, description text, schema json,
      operations jsonb, external_id text, mime_type text, listed json, content_digest text)
  ), before AS (
    SELECT r.id, r.content_digest, r.is_available FROM resources r
      JOIN incoming i ON r.connection_id = $1 AND r.kind = i.kind AND r.uri_digest = i.uri_digest
  ), written AS (
    INSERT INTO resources (connection_id, organization_id, kind, resource_uri, uri_digest, resource_name, resource_type,
                           description, schema, operations, external_id, mime_type, listed, content_digest, changed_in)
    SELECT $1, $2, kind, uri, uri_digest, name, type, description, schema,
           ARRAY(SELECT jsonb_array_elements_text(operations)), external_id, mime_type, listed, content_digest, $4
      FROM incoming ORDER BY ordinal
    ON CONFLICT (connection_id, kind, uri_digest) DO UPDATE SET
      resource_uri = excluded.resource_uri, resource_name = excluded.resource_name, resource_type = excluded.resource_type,
      description = excluded.description, schema = excluded.schema, operations = excluded.operations,
      external_id = excluded.external_id, mime_type = excluded.mime_type, listed = excluded.listed, content_digest = excluded.content_digest,
      changed_in = CASE WHEN resources.content_digest <> excluded.content_digest OR NOT resources.is_available
                        THEN excluded.changed_in ELSE resources.changed_in END,
      last_verified = now(), is_available = true
    RETURNING id, kind, uri_digest, content_digest
  )
  SELECT w.id, w.kind, w.uri_digest, b.id IS NULL AS created,
         b.id IS NOT NULL AND (b.content_digest <> w.content_digest OR NOT b.is_available) AS changed
    FROM written w LEFT JOIN before b ON b.id = w.id`;

const UPSERT_TOOLS = `
  INSERT INTO tools (resource_id, connection_id, organization_id, name, public_id, title, category, effect, schema_problem)
  SELECT x.resource_id, $1, $2, x.name, x.public_id, x.title, $3, x.effect, x.schema_problem
    FROM json_to_recordset($4::json) AS x(resource_id int, name text, public_id text, title text, effect text, schema_problem text)
  ON CONFLICT (resource_id) DO UPDATE SET
    title = excluded.title, category = excluded.category, effect = excluded.effect,
    schema_problem = excluded.schema_problem`;

/**
 * Writes what a discovery found, all of it or nothing: the caller's transaction decides. Tools and prompts are shown as
 * their definition in force says, not as an unapproved one does.
 */
@Injectable()
export class DiscoveryStoreService {
  constructor(private readonly definitions: DefinitionStoreService) {}

  /**
   * The transaction must hold the connection's row, so that two runs write one after the other.
   * @param runId of the discovery
   * @param trust whether changed definitions are taken as they come
   */
  async store(
    manager: EntityManager,
    runId: string,
    place: DiscoveredOn,
    collected: Collected,
    scope: DiscoveryScope,
    trust: boolean,
  ): Promise<Stored> {
    const reviewed = await this.definitions.review(manager, place, collected, trust);
    const ids = new Map<string, number>();
    const { newlyPending, baselineKinds } = reviewed;
    const stored: Stored = {
      found: collected.items.length,
      created: 0,
      updated: 0,
      vanished: 0,
      newlyPending,
      baselineKinds,
    };
    for (const chunk of chunks(collected.items)) {
      await this.retireReplaced(manager, runId, place, chunk);
      for (const row of await this.upsertResources(manager, runId, place, chunk, reviewed)) {
        ids.set(`${row.kind} ${row.uri_digest}`, row.id);
        if (row.created) stored.created++;
        if (row.changed) stored.updated++;
      }
    }
    await forgetPlans(manager);
    await this.linkParents(manager, place, collected.items, ids);
    stored.vanished = await this.markVanished(manager, runId, place, collected.completeKinds, scope);
    const tools = collected.items.filter((item) => item.tool !== null);
    for (const chunk of chunks(tools)) await this.upsertTools(manager, place, chunk, reviewed, ids);
    await this.definitions.store(manager, place, reviewed, ids);
    return stored;
  }

  private upsertResources(
    manager: EntityManager,
    runId: string,
    place: DiscoveredOn,
    items: readonly DiscoveredItem[],
    reviewed: ReviewedRun,
  ): Promise<StoredRow[]> {
    const rows = items.map((item, ordinal) => {
      const shown = reviewed.definitions.get(item)?.shown ?? item;
      return {
        ordinal,
        kind: item.kind,
        uri: item.uri,
        uri_digest: uriDigest(item.uri),
        name: shown.name,
        type: item.type,
        description: shown.description,
        schema: shown.schema,
        operations: item.operations,
        external_id: item.externalId,
        mime_type: item.mimeType,
        listed: item.listed,
        content_digest: contentDigest(item),
      };
    });
    return manager.query<StoredRow[]>(UPSERT_RESOURCES, [
      place.connectionId,
      place.organizationId,
      storableJson(rows),
      runId,
    ]);
  }

  /** Resources whose parent changed, and only those, are touched. */
  private async linkParents(
    manager: EntityManager,
    place: DiscoveredOn,
    items: readonly DiscoveredItem[],
    ids: ReadonlyMap<string, number>,
  ): Promise<void> {
    const nested = items.filter((item) => item.kind !== 'tool' && item.kind !== 'prompt');
    for (const chunk of chunks(nested)) {
      const parents = await this.parentsOf(manager, place, chunk, ids);
      const links = chunk.map((item) => ({
        child: ids.get(`${item.kind} ${uriDigest(item.uri)}`),
        parent: (item.parentUri === null ? undefined : parents.get(uriDigest(item.parentUri))) ?? null,
      }));
      await manager.query(
        `UPDATE resources r SET parent_id = x.parent
           FROM json_to_recordset($1::json) AS x(child int, parent int)
          WHERE r.id = x.child AND r.parent_id IS DISTINCT FROM x.parent`,
        [JSON.stringify(links)],
      );
    }
  }

  /** By the digest of their URI: of this run, or, where it was asked for other types only, of an earlier one. */
  private async parentsOf(
    manager: EntityManager,
    place: DiscoveredOn,
    items: readonly DiscoveredItem[],
    ids: ReadonlyMap<string, number>,
  ): Promise<ReadonlyMap<string, number>> {
    const parents = new Map<string, number>();
    const missing: string[] = [];
    for (const { parentUri } of items) {
      if (parentUri === null) continue;
      const digest = uriDigest(parentUri);
      const id = ids.get(`resource ${digest}`) ?? ids.get(`resource_template ${digest}`);
      if (id === undefined) missing.push(digest);
      else parents.set(digest, id);
    }
    if (missing.length === 0) return parents;
    const rows = await manager.query<{ id: number; uri_digest: string }[]>(
      `SELECT id, uri_digest FROM resources
        WHERE connection_id = $1 AND kind IN ('resource', 'resource_template') AND uri_digest = ANY($2)`,
      [place.connectionId, missing],
    );
    for (const { id, uri_digest } of rows) parents.set(uri_digest, id);
    return parents;
  }

  /**
   * What has another id at its server is another thing under a name that became free: whoever was granted the old one was not
   * granted this. The old row keeps its history, and gives its address up.
   */
  private async retireReplaced(
    manager: EntityManager,
    runId: string,
    place: DiscoveredOn,
    items: readonly DiscoveredItem[],
  ): Promise<void> {
    const named = items.flatMap(({ kind, uri, externalId }) =>
      externalId === null ? [] : [{ kind, uri_digest: uriDigest(uri), external_id: externalId }],
    );
    if (named.length === 0) return;
    await manager.query(
      `UPDATE resources r SET uri_digest = r.uri_digest || '~' || r.id, is_available = false, changed_in = $3
         FROM json_to_recordset($2::json) AS x(kind text, uri_digest text, external_id text)
        WHERE r.connection_id = $1 AND r.kind = x.kind AND r.uri_digest = x.uri_digest AND r.external_id <> x.external_id`,
      [place.connectionId, storableJson(named), runId],
    );
  }

  /** `now()` is the start of the transaction: whatever was seen in it carries that very time. */
  private async markVanished(
    manager: EntityManager,
    runId: string,
    place: DiscoveredOn,
    kinds: ResourceKind[],
    scope: DiscoveryScope,
  ): Promise<number> {
    const [, count] = await manager.query<[unknown, number]>(
      `UPDATE resources SET is_available = false, changed_in = $4
        WHERE connection_id = $1 AND is_available AND kind = ANY($2) AND last_verified < now()
          AND ($3::text[] IS NULL OR resource_type = ANY($3))`,
      [place.connectionId, kinds, scope.resourceTypes, runId],
    );
    return count;
  }

  private async upsertTools(
    manager: EntityManager,
    place: DiscoveredOn,
    items: readonly DiscoveredItem[],
    reviewed: ReviewedRun,
    ids: ReadonlyMap<string, number>,
  ): Promise<void> {
    const publicIds = await this.publicIds(manager, place, items);
    const rows = items.flatMap((item) => {
      const resourceId = ids.get(`tool ${uriDigest(item.uri)}`);
      const definition = reviewed.definitions.get(item);
      const tool = definition?.shown.tool;
      if (!definition || !tool || resourceId === undefined) return [];
      return {
        resource_id: resourceId,
        name: tool.name,
        public_id: publicIds.get(tool.name) ?? null,
        title: titleOf(tool),
        effect: claimedEffectOf(definition.after),
        schema_problem: schemaProblem(tool.inputSchema),
      };
    });
    await manager.query(UPSERT_TOOLS, [place.connectionId, place.organizationId, place.category, storableJson(rows)]);
  }

  /** Public ids of tools that have none yet. The lock keeps two connections of the organization from giving out the same one. */
  private async publicIds(
    manager: EntityManager,
    place: DiscoveredOn,
    items: readonly DiscoveredItem[],
  ): Promise<Map<string, string>> {
    await manager.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`tools:${place.organizationId}`]);
    const prefix = `${place.serverId}_`;
    // A deleted connection's tools keep their rows for the history, but not their names.
    await manager.query(
      `UPDATE tools t SET public_id = NULL FROM connections c
        WHERE c.id = t.connection_id AND c.deleted_at IS NOT NULL AND t.organization_id = $1 AND t.public_id IS NOT NULL`,
      [place.organizationId],
    );
    const rows = await manager.query<{ connection_id: string; name: string; public_id: string }[]>(
      'SELECT connection_id, name, public_id FROM tools WHERE organization_id = $1 AND (connection_id = $2 OR starts_with(public_id, $3)) AND public_id IS NOT NULL',
      [place.organizationId, place.connectionId, prefix.slice(0, 1)],
    );
    const given = new Map(
      rows.filter((row) => row.connection_id === place.connectionId).map((row) => [row.name, row.public_id]),
    );
    const taken = new Set(rows.map((row) => row.public_id));
    for (const { tool } of items) {
      if (tool === null || given.has(tool.name)) continue;
      const id = publicToolId(place.serverId, tool.name, taken);
      given.set(tool.name, id);
      taken.add(id);
    }
    return given;
  }
}
