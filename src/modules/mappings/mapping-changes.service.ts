import { Injectable } from '@nestjs/common';
import type { Actor } from '../../platform/auth/actor.js';
import { columns } from '../../platform/database/columns.js';
import { violatedUniqueIndex } from '../../platform/database/database-errors.js';
import { Database } from '../../platform/database/transaction.js';
import { DomainError } from '../../platform/http/domain-error.js';
import { IdempotencyService } from '../../platform/http/idempotency/idempotency.service.js';
import { canonicalJson } from '../../platform/json/canonical-json.js';
import { AuditService, type Change } from '../audit/audit.service.js';
import { WorkspaceAccessService } from '../workspace-access/workspace-access.service.js';
import { compileConfig, type MappingConfig } from './mapping-config.js';
import { MappingSourceService } from './mapping-source.service.js';
import { Mapping } from './mapping.entity.js';
import { CreateMapping, toMappingResponse, UpdateMapping, type MappingResponse } from './mappings.dto.js';
import { MappingsService, requireEditor, type VisibleMapping } from './mappings.service.js';

/** Mappings made, changed and taken away. */
@Injectable()
export class MappingChangesService {
  constructor(
    private readonly database: Database,
    private readonly mappings: MappingsService,
    private readonly access: WorkspaceAccessService,
    private readonly source: MappingSourceService,
    private readonly audit: AuditService,
    private readonly idempotency: IdempotencyService,
  ) {}

  async create(actor: Actor, body: CreateMapping): Promise<MappingResponse> {
    const access = await this.access.readable(actor, body.workspace_access);
    const { organizationId, workspaceId } = access;
    requireEditor(actor, organizationId, workspaceId);
    compileConfig(body.mapping_config);
    await this.source.check(actor, access, body.resource);
    return this.database.transaction(async (transaction) => {
      const values = columns<Mapping>({
        ...toColumns(body),
        organizationId,
        workspaceAccessId: body.workspace_access,
        resourceId: body.resource,
        nextSyncAt: body.sync_frequency ? new Date() : null,
        createdById: actor.userId,
      });
      const inserted = await transaction.manager.insert(Mapping, values).catch(componentTaken);
      const { id } = inserted.identifiers[0] as { id: number };
      const created = toMappingResponse(await this.mappings.held(transaction, actor, id));
      await this.idempotency.answer(transaction, actor, created);
      await this.audit.record(transaction, actor, changeOf('created', id, organizationId, { after: { ...created } }));
      return created;
    });
  }

  async update(actor: Actor, id: number, body: UpdateMapping): Promise<MappingResponse> {
    const { organization_id: organizationId } = await this.mappings.editable(actor, id);
    if (body.mapping_config) compileConfig(body.mapping_config);
    return this.database.transaction(async (transaction) => {
      const before = await this.mappings.held(transaction, actor, id);
      const values = columns<Mapping>({ ...toColumns(body), ...restarted(before, body) });
      await transaction.manager.update(Mapping, { id, organizationId }, values).catch(componentTaken);
      const after = toMappingResponse(await this.mappings.held(transaction, actor, id));
      const states = { before: { ...toMappingResponse(before) }, after: { ...after } };
      await this.audit.record(transaction, actor, changeOf('updated', id, organizationId, states));
      return after;
    });
  }

  /** With its items. A sync under way ends with its next page. */
  async remove(actor: Actor, id: number): Promise<void> {
    const { organization_id: organizationId } = await this.mappings.editable(actor, id);
    await this.database.transaction(async (transaction) => {
      const before = toMappingResponse(await this.mappings.held(transaction, actor, id));
      await transaction.manager.delete(Mapping, { id, organizationId });
      await this.audit.record(transaction, actor, changeOf('deleted', id, organizationId, { before: { ...before } }));
    });
  }
}

/** Another shape is read anew as a whole; another frequency counts from now. */
function restarted(before: VisibleMapping, body: UpdateMapping): Partial<Mapping> {
  const isReshaped =
    body.mapping_config !== undefined && canonicalJson(body.mapping_config) !== canonicalJson(before.config);
  const frequency = body.sync_frequency ?? before.sync_frequency;
  const isRescheduled = isReshaped || frequency !== before.sync_frequency || body.is_active === true;
  return {
    ...(isReshaped ? { checkpoint: null, version: before.version + 1 } : {}),
    ...(isRescheduled ? { failures: 0, nextSyncAt: frequency > 0 ? new Date() : null } : {}),
  };
}

function toColumns(body: UpdateMapping): Partial<Mapping> {
  return {
    componentType: body.component_type,
    componentId: body.component_id,
    config: body.mapping_config as MappingConfig | undefined,
    syncFrequency: body.sync_frequency,
    isActive: body.is_active,
  };
}

function componentTaken(error: unknown): never {
  if (violatedUniqueIndex(error) !== 'mappings_component_key') throw error;
  throw new DomainError('conflict', 'This resource is mapped to this component by this grant already');
}

function changeOf(verb: string, id: number, organizationId: string, states: Pick<Change, 'before' | 'after'>): Change {
  return { organizationId, action: `mapping.${verb}`, object: { type: 'mapping', id }, ...states };
}
