import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/transaction.js';
import type { Blocked } from './definition-review.js';
import { DefinitionEntry, type PromptDefinition } from './definition.entity.js';
import { Resource } from './resource.entity.js';
import { BLOCKED } from './tool-catalog.service.js';

export { publicToolId as publicNameOf } from './tool-identity.js';

/** Everything that a list or a use of a prompt needs. */
export interface PromptFacts {
  /** Of its resource row. */
  id: number;
  /** The one in force: approved, else as last discovered. */
  definition: PromptDefinition;
  /** Why its definition keeps it from being used; null where it does not. */
  blocked: Blocked | null;
  uri: string;
  connectionId: string;
  organizationId: string;
  serverId: string;
}

/** The prompts that can be used now: discovered, still there, on a connection that is switched on. */
@Injectable()
export class PromptCatalogService {
  constructor(private readonly database: Database) {}

  /** Of these resource rows, in their order. */
  ofIds(organizationId: string, resourceIds: readonly number[]): Promise<PromptFacts[]> {
    return this.database.manager
      .createQueryBuilder(Resource, 'r')
      .innerJoin('r.connection', 'c', 'c.deleted_at IS NULL AND c.is_active')
      .innerJoin(DefinitionEntry, 'd', 'd.resource_id = r.id')
      .where(
        "r.organization_id = :organizationId AND r.id = ANY(:resourceIds) AND r.kind = 'prompt' AND r.is_available",
        {
          organizationId,
          resourceIds,
        },
      )
      .select(['r.id AS id', 'COALESCE(d.approved, d.latest) AS definition', `${BLOCKED} AS blocked`])
      .addSelect(['r.resource_uri AS uri', 'r.connection_id AS "connectionId"', 'c.slug AS "serverId"'])
      .addSelect('r.organization_id', 'organizationId')
      .orderBy('r.id')
      .getRawMany<PromptFacts>();
  }
}
