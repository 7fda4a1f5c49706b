import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { forgetPlans } from '../../platform/database/plans.js';
import { Database } from '../../platform/database/transaction.js';
import { invalid, notFound } from '../../platform/http/domain-error.js';
import { ResourcesService } from '../discovery/resources.service.js';
import type { Mark } from './policy/facts.js';
import { MOST_SHOWN, type AllowedResource, type ShownResources } from './workspace-access.dto.js';

interface ShownRow extends AllowedResource {
  workspace_access_id: number;
  total: number;
}

/** The marks of resources in grants. */
@Injectable()
export class AccessResourcesService {
  constructor(
    private readonly database: Database,
    private readonly resources: ResourcesService,
  ) {}

  /** @throws DomainError 404 for an unknown or foreign resource, 400 for one of another connection */
  async requireOf(
    connection: { id: string; organizationId: string },
    ids: readonly number[],
    field = 'allowed_resources',
  ): Promise<void> {
    if (ids.length === 0) return;
    const found = await this.resources.connectionsOf(connection.organizationId, ids);
    const unknown = ids.find((id) => !found.has(id));
    if (unknown !== undefined) throw notFound('resource', unknown);
    const elsewhere = ids.filter((id) => found.get(id) !== connection.id);
    if (elsewhere.length > 0)
      throw invalid({ [field]: [`belongs to another connection: ${elsewhere.slice(0, 10).join(', ')}`] });
  }

  /** What a grant shows of its allowed resources. */
  async shown(grantIds: readonly number[], manager = this.database.manager): Promise<Map<number, ShownResources>> {
    const rows = await manager.query<ShownRow[]>(
      `SELECT g.id AS workspace_access_id, x.id, x.resource_name, x.resource_type, x.automatic, x.total
         FROM unnest($1::int[]) AS g(id)
         CROSS JOIN LATERAL (
           SELECT r.id, r.resource_name, r.resource_type, m.state = 'automatic' AS automatic, count(*) OVER ()::int AS total
             FROM workspace_access_resources m JOIN resources r ON r.id = m.resource_id
            WHERE m.workspace_access_id = g.id AND m.state <> 'excluded'
            ORDER BY r.id LIMIT ${MOST_SHOWN}) x
        ORDER BY g.id, x.id`,
      [grantIds],
    );
    const shown = new Map<number, ShownResources>();
    for (const { workspace_access_id: grantId, total, ...resource } of rows) {
      const entry = shown.get(grantId) ?? { shown: [], total };
      entry.shown.push(resource);
      shown.set(grantId, entry);
    }
    return shown;
  }

  /** How a resource stands in a grant; null where it does not. */
  async markOf(manager: EntityManager, grantId: number, resourceId: number): Promise<Mark | null> {
    const [row] = await manager.query<{ state: Mark }[]>(
      'SELECT state FROM workspace_access_resources WHERE workspace_access_id = $1 AND resource_id = $2',
      [grantId, resourceId],
    );
    return row?.state ?? null;
  }

  /** Marks these and no others as explicit; what auto-sync took in, and exclusions of others, stay. */
  async setExplicit(manager: EntityManager, grantId: number, ids: readonly number[]): Promise<void> {
    await manager.query(
      `DELETE FROM workspace_access_resources
        WHERE workspace_access_id = $1 AND state = 'explicit' AND NOT resource_id = ANY($2)`,
      [grantId, ids],
    );
    await this.mark(manager, grantId, ids, 'explicit');
  }

  async mark(manager: EntityManager, grantId: number, ids: readonly number[], state: Mark): Promise<void> {
    await forgetPlans(manager);
    await manager.query(
      `INSERT INTO workspace_access_resources (workspace_access_id, resource_id, state)
       SELECT $1, id, $3 FROM (SELECT DISTINCT unnest($2::int[]) AS id) x ORDER BY id
       ON CONFLICT (workspace_access_id, resource_id) DO UPDATE SET state = excluded.state`,
      [grantId, ids, state],
    );
  }

  async unmark(manager: EntityManager, grantId: number, ids: readonly number[]): Promise<void> {
    await manager.query(
      'DELETE FROM workspace_access_resources WHERE workspace_access_id = $1 AND resource_id = ANY($2)',
      [grantId, ids],
    );
  }
}
