import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { storableJson } from '../../platform/json/canonical-json.js';
import type { DiscoveredOn } from '../connections/connections.service.js';
import { asStored, sameJson } from './definition-json.js';
import type { Definition, DefinitionKind, PromptDefinition } from './definition.entity.js';
import { claimedEffectOf, inForce, newlyPending, review, sameReview, type Reviewed } from './definition-review.js';
import { itemOf, readItem, uriDigest, type DiscoveredItem } from './discovered-item.js';
import type { Collected } from './discovery-collector.js';
import { schemaProblem } from './kept-definition.js';
import { titleOf } from './tool-identity.js';
import type { ToolDefinition } from './tool.entity.js';

/** Rows of one statement: few round trips, bounded memory. */
const CHUNK = 1_000;

export interface ReviewedDefinition {
  kind: DefinitionKind;
  name: string;
  before: StoredDefinition | null;
  after: Reviewed;
}

/** What a run found, after comparing it with what is approved. */
export interface ReviewedRun {
  /** Of each tool and prompt, with the item as it is shown: as its definition in force says. */
  definitions: ReadonlyMap<DiscoveredItem, ReviewedDefinition & { shown: DiscoveredItem }>;
  instructions: ReviewedDefinition | null;
  /** Kinds that this run is the baseline of. */
  baselineKinds: DefinitionKind[];
  newlyPending: number;
}

interface StoredDefinition extends Reviewed {
  kind: DefinitionKind;
  name: string;
  changed_at: Date;
  decided_at: Date | null;
  decided_by: string | null;
}

const UPSERT_DEFINITIONS = `
  INSERT INTO definitions (connection_id, organization_id, kind, resource_id, name, latest, approved, status, compatible,
                           changed_at, decided_at, decided_by)
  SELECT $1, $2, x.kind, x.resource_id, x.name, x.latest, x.approved, x.status, x.compatible,
         COALESCE(x.changed_at, now()), x.decided_at, x.decided_by
    FROM json_to_recordset($3::json) AS x(kind text, resource_id int, name text, latest json, approved json, status text,
                                          compatible boolean, changed_at timestamptz, decided_at timestamptz, decided_by uuid)
  ON CONFLICT (connection_id, kind, name) DO UPDATE SET
    resource_id = excluded.resource_id, latest = excluded.latest, approved = excluded.approved, status = excluded.status,
    compatible = excluded.compatible, changed_at = excluded.changed_at, decided_at = excluded.decided_at,
    decided_by = excluded.decided_by`;

/** Definitions as discoveries find them. Whoever calls holds the row of the connection. */
@Injectable()
export class DefinitionStoreService {
  /** Compares what a run found with what is known, and writes nothing yet. */
  async review(
    manager: EntityManager,
    place: DiscoveredOn,
    collected: Collected,
    trust: boolean,
  ): Promise<ReviewedRun> {
    const stored = await this.stored(manager, place.connectionId);
    const baselineKinds = await this.newBaseline(manager, place.connectionId, collected);
    const reviewOf = (kind: DefinitionKind, name: string, latest: Definition): ReviewedDefinition => {
      const before = stored.get(`${kind} ${name}`) ?? null;
      const after = review(kind, before, asStored(latest), { baseline: baselineKinds.includes(kind), trust });
      return { kind, name, before, after };
    };
    const definitions = new Map<DiscoveredItem, ReviewedDefinition & { shown: DiscoveredItem }>();
    for (const item of collected.items) {
      const definition = item.tool ?? item.prompt;
      if (definition === null) continue;
      const reviewed = reviewOf(item.kind as DefinitionKind, definition.name, definition);
      const shown = (inForce(reviewed.after) ?? definition) as ToolDefinition | PromptDefinition;
      definitions.set(item, { ...reviewed, shown: itemOf(place.serverId, item, shown) });
    }
    const { instructions: text } = collected;
    const instructions =
      text === null
        ? withdrawn(stored.get('instructions ') ?? null)
        : reviewOf('instructions', '', { instructions: text });
    const all = [...definitions.values(), ...(instructions ? [instructions] : [])];
    const pending = all.filter(({ before, after }) => after.latest !== null && newlyPending(before, after));
    return { definitions, instructions, baselineKinds, newlyPending: pending.length };
  }

  /** @param ids of the resource rows, by kind and digest of the URI */
  async store(
    manager: EntityManager,
    place: DiscoveredOn,
    run: ReviewedRun,
    ids: ReadonlyMap<string, number>,
  ): Promise<void> {
    const rows = [...run.definitions].flatMap(([item, definition]) =>
      sameReview(definition.before, definition.after)
        ? []
        : [rowOf(definition, ids.get(`${item.kind} ${uriDigest(item.uri)}`) ?? null)],
    );
    if (run.instructions !== null && !sameReview(run.instructions.before, run.instructions.after))
      rows.push(rowOf(run.instructions, null));
    for (const chunk of chunks(rows)) {
      await manager.query(UPSERT_DEFINITIONS, [place.connectionId, place.organizationId, storableJson(chunk)]);
    }
  }

  /** Brings the rows of a tool or prompt up to its definition in force. */
  async show(manager: EntityManager, serverId: string, definition: ShownDefinition): Promise<void> {
    const { kind, resourceId } = definition;
    if (kind === 'instructions' || resourceId === null) return;
    const item = readItem(kind, serverId, inForce(definition));
    if (!item) return;
    await manager.query('UPDATE resources SET resource_name = $2, description = $3, schema = $4 WHERE id = $1', [
      resourceId,
      item.name,
      item.description,
      storableJson(item.schema),
    ]);
    if (item.tool === null) return;
    await manager.query('UPDATE tools SET title = $2, effect = $3, schema_problem = $4 WHERE resource_id = $1', [
      resourceId,
      titleOf(item.tool),
      claimedEffectOf(definition),
      schemaProblem(item.tool.inputSchema),
    ]);
  }

  private async stored(manager: EntityManager, connectionId: string): Promise<Map<string, StoredDefinition>> {
    const rows = await manager.query<StoredDefinition[]>(
      'SELECT kind, name, latest, approved, status, compatible, changed_at, decided_at, decided_by FROM definitions WHERE connection_id = $1',
      [connectionId],
    );
    return new Map(rows.map((row) => [`${row.kind} ${row.name}`, row]));
  }

  /** A kind's first complete list is its baseline. Instructions come with every run, in one piece. */
  private async newBaseline(
    manager: EntityManager,
    connectionId: string,
    collected: Collected,
  ): Promise<DefinitionKind[]> {
    const rows = await manager.query<{ kind: DefinitionKind }[]>(
      'SELECT DISTINCT unnest(baseline_kinds) AS kind FROM discovery_runs WHERE connection_id = $1',
      [connectionId],
    );
    const had = new Set(rows.map(({ kind }) => kind));
    const complete = (['tool', 'prompt'] as const).filter((kind) => collected.completeKinds.includes(kind));
    return [...complete, 'instructions' as const].filter((kind) => !had.has(kind));
  }
}

export interface ShownDefinition extends Reviewed {
  kind: DefinitionKind;
  resourceId: number | null;
}

/** What is not given any more is not shown any more; what was approved of it stays known for its return. */
function withdrawn(before: StoredDefinition | null): ReviewedDefinition | null {
  if (before === null) return null;
  const { approved, status, compatible } = before;
  return { kind: 'instructions', name: '', before, after: { latest: null, approved, status, compatible } };
}

function rowOf({ kind, name, before, after }: ReviewedDefinition, resourceId: number | null): Record<string, unknown> {
  const isSame = before !== null && sameJson(before.latest, after.latest);
  const isDecided = isSame && before.status === after.status;
  return {
    kind,
    resource_id: resourceId,
    name,
    ...after,
    changed_at: isSame ? before.changed_at : null,
    decided_at: isDecided ? before.decided_at : null,
    decided_by: isDecided ? before.decided_by : null,
  };
}

export function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += CHUNK) yield items.slice(start, start + CHUNK);
}
