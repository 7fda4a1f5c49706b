import { Injectable, Logger, OnModuleInit } from '@nestjs/common';
import { Database } from '../../platform/database/transaction.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { enqueueJob } from '../../platform/jobs/enqueue-job.js';
import { JobsService } from '../../platform/jobs/jobs.service.js';
import { AuditService } from '../audit/audit.service.js';
import { SERVER_TYPE_STORED_JOB } from '../registry/registry.events.js';
import { DISCOVERY_STORED_JOB } from '../discovery/discovery.events.js';
import { AccessResourcesService } from './access-resources.service.js';
import { PoliciesService, type ConnectionPolicy, type GrantRow } from './policies.service.js';
import type { GrantFacts } from './policy/facts.js';
import { FiltersTooCostly } from './policy/filters.js';
import { automaticResources } from './policy/grant-policy.js';
import { accessChanged } from './workspace-access.events.js';

/** Resources that the audit trail names, each way. */
const MOST_NAMED = 100;

/** One grant: its filters or resources changed. */
export const AUTO_SYNC_JOB = 'access_auto_sync';

/**
 * Takes resources that match the filters into grants, and takes out those that no longer do. A job, enqueued in the
 * transaction of whatever makes it necessary, so that it is never forgotten; safe to run any number of times. Jobs of one
 * connection run one after the other: an older look at it must not overwrite what a newer one decided.
 */
@Injectable()
export class AutoSyncService implements OnModuleInit {
  private readonly logger = new Logger('auto-sync');

  constructor(
    private readonly database: Database,
    private readonly policies: PoliciesService,
    private readonly resources: AccessResourcesService,
    private readonly jobs: JobsService,
    private readonly audit: AuditService,
  ) {}

  onModuleInit(): void {
    this.jobs.handle(AUTO_SYNC_JOB, ({ workspace_access_id: id }) => this.syncGrants('id', id ?? 0));
    this.jobs.handle(SERVER_TYPE_STORED_JOB, ({ server_type_id: id }) => this.syncConnectionsOf(id ?? 0));
    this.jobs.handle(DISCOVERY_STORED_JOB, ({ connection_id: id }) => this.syncGrants('connection_id', id ?? ''));
  }

  /** Each connection in its own queue. */
  private async syncConnectionsOf(serverTypeId: string | number): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const connections = await transaction.manager.query<{ id: string }[]>(
        `SELECT id FROM connections c WHERE server_type_id = $1 AND deleted_at IS NULL
            AND EXISTS (SELECT 1 FROM workspace_access a WHERE a.connection_id = c.id AND a.deleted_at IS NULL AND a.auto_sync)`,
        [serverTypeId],
      );
      for (const { id } of connections)
        await enqueueJob(transaction, DISCOVERY_STORED_JOB, { connection_id: id }, { queue: `connection:${id}` });
    });
  }

  private async syncGrants(column: 'id' | 'connection_id', value: string | number): Promise<void> {
    const grants = await this.database.manager.query<{ id: number; connection_id: string }[]>(
      `SELECT id, connection_id FROM workspace_access WHERE ${column} = $1 AND deleted_at IS NULL AND auto_sync ORDER BY id`,
      [value],
    );
    const [first] = grants;
    if (!first) return;
    const connection = await this.livingConnection(first.connection_id);
    if (connection) for (const { id } of grants) await this.sync(id, connection);
  }

  private async sync(grantId: number, connection: ConnectionPolicy): Promise<void> {
    await this.database.transaction(async (transaction) => {
      const { manager } = transaction;
      // Locked, so that what people add and remove at the same moment is seen.
      const [row] = await manager.query<(GrantRow & { organization_id: string })[]>(
        `SELECT id, organization_id, workspace_id, connection_id, permission_level, is_active, resource_filters
           FROM workspace_access WHERE id = $1 AND deleted_at IS NULL AND auto_sync FOR UPDATE`,
        [grantId],
      );
      if (!row) return;
      const facts = await this.policies.facts(row, manager);
      const matching = this.matching(connection, facts);
      if (!matching) return;
      const joining = [...matching].filter((id) => !facts.marks.has(id));
      const leaving = [...facts.marks]
        .filter(([id, mark]) => mark === 'automatic' && !matching.has(id))
        .map(([id]) => id);
      if (joining.length + leaving.length === 0) return;
      await this.resources.mark(manager, grantId, joining, 'automatic');
      await this.resources.unmark(manager, grantId, leaving);
      await transaction.publish(accessChanged(grantId, row.workspace_id, row.connection_id));
      const counts = { joined: joining.length, left: leaving.length };
      this.logger.log({ workspace_access: grantId, ...counts }, 'synchronized a grant');
      await this.audit.record(transaction, null, {
        organizationId: row.organization_id,
        action: 'workspace_access.resources_synced',
        object: { type: 'workspace_access', id: grantId },
        after: { ...counts, joined_ids: joining.slice(0, MOST_NAMED), left_ids: leaving.slice(0, MOST_NAMED) },
      });
    });
  }

  /** Null where the filters take too long: then nothing is known, and nothing is changed. */
  private matching(connection: ConnectionPolicy, facts: GrantFacts): Set<number> | null {
    try {
      return automaticResources(connection, facts);
    } catch (error) {
      if (!(error instanceof FiltersTooCostly)) throw error;
      this.logger.warn({ workspace_access: facts.id }, 'the filters of a grant are too costly for what was discovered');
      return null;
    }
  }

  /** One that was deleted meanwhile leaves nothing to do. */
  private async livingConnection(id: string): Promise<ConnectionPolicy | null> {
    try {
      return await this.policies.readConnection(id);
    } catch (error) {
      if (error instanceof DomainError && error.code === 'resource_not_found') return null;
      throw error;
    }
  }
}
