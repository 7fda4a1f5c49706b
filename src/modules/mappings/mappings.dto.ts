import { ApiProperty, ApiPropertyOptional, PartialType, PickType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  MinLength,
  ValidateBy,
} from 'class-validator';
import { IsStorable, MayBeLeftOut } from '../../platform/http/body-rules.js';
import { AsSent, trimmed } from '../../platform/http/body-values.js';
import { PageQuery } from '../../platform/http/paging.js';
import { LARGEST_INTEGER } from '../../platform/http/parameters.js';
import { toInteger } from '../../platform/http/query-values.js';
import type { MappingConfig } from './mapping-config.js';
import type { ItemStatus } from './mapping-item.entity.js';
import type { ItemFailure, SyncMode, SyncProblem, SyncStatus, SyncTrigger } from './mapping-sync.entity.js';
import type { ComponentType } from './mapping.entity.js';

const COMPONENT_TYPES: ComponentType[] = ['agent', 'workflow', 'template', 'tool'];
const ITEM_STATUSES: ItemStatus[] = ['synced', 'failed'];
/** Seconds; 0 is manual. */
const FREQUENCY = { least: 60, most: 31_536_000 };

export class ListMappings extends PageQuery {
  @ApiPropertyOptional({ type: 'integer', description: 'Filter by workspace access ID' })
  @IsOptional()
  @Transform(toInteger)
  @IsInt()
  @Min(0)
  @Max(LARGEST_INTEGER)
  workspace_access?: number;

  @ApiPropertyOptional({ type: 'integer', description: 'Filter by resource ID' })
  @IsOptional()
  @Transform(toInteger)
  @IsInt()
  @Min(0)
  @Max(LARGEST_INTEGER)
  resource?: number;

  @ApiPropertyOptional({ enum: COMPONENT_TYPES, description: 'Filter by component type' })
  @IsOptional()
  @IsIn(COMPONENT_TYPES)
  component_type?: ComponentType;

  @ApiPropertyOptional({ description: 'Filter by component ID' })
  @IsOptional()
  @IsString()
  @IsStorable()
  @MaxLength(200)
  component_id?: string;
}

export class CreateMapping {
  @ApiProperty({ type: 'integer', example: 1 })
  @IsInt()
  @Min(0)
  @Max(LARGEST_INTEGER)
  workspace_access: number;

  @ApiProperty({
    type: 'integer',
    example: 1,
    description: 'A resource or a reading tool of the connection of the grant',
  })
  @IsInt()
  @Min(0)
  @Max(LARGEST_INTEGER)
  resource: number;

  @ApiProperty({ enum: COMPONENT_TYPES, example: 'workflow' })
  @IsIn(COMPONENT_TYPES)
  component_type: ComponentType;

  @ApiProperty({ example: '123e4567-e89b-12d3-a456-426614174444', description: 'Of the component; ids are its own' })
  @Transform(trimmed)
  @IsString()
  @IsStorable()
  @MinLength(1)
  @MaxLength(200)
  component_id: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { field_mappings: { issue_key: '{{context.issue_id}}', summary: '{{context.title}}' } },
    description:
      'field_mappings: templates {{context.path}} and {{context.path|default:"x"}}, and fixed values. For what is no provider of ours: ' +
      'items and item_id (JSON Pointers), and for a tool arguments and cursor {next, argument}',
  })
  @AsSent()
  @IsObject()
  mapping_config: Record<string, unknown>;

  @ApiPropertyOptional({
    type: 'integer',
    default: 0,
    example: 3600,
    description: 'Seconds; 0 for manual, else at least 60',
  })
  @MayBeLeftOut()
  @IsInt()
  @IsFrequency()
  sync_frequency?: number;

  @ApiPropertyOptional({ default: true })
  @MayBeLeftOut()
  @IsBoolean()
  is_active?: boolean;
}

/** What is left out stays as it is; what it maps is another mapping. */
export class UpdateMapping extends PartialType(
  PickType(CreateMapping, ['component_type', 'component_id', 'mapping_config', 'sync_frequency', 'is_active']),
  { skipNullProperties: false },
) {}

export class SyncRequest {
  @ApiPropertyOptional({ default: false, description: 'Read everything, also where only changes would be read' })
  @MayBeLeftOut()
  @IsBoolean()
  complete?: boolean;

  @ApiPropertyOptional({ default: false, description: 'Delete items that are gone, also when they are more than half' })
  @MayBeLeftOut()
  @IsBoolean()
  confirm_deletions?: boolean;
}

export class PushItem {
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { summary: 'Fix login at once' },
    description: 'Members of the item that change, in the shape of the component',
  })
  @AsSent()
  @IsObject()
  data: Record<string, unknown>;
}

export class ListItems extends PageQuery {
  @ApiPropertyOptional({ enum: ITEM_STATUSES })
  @IsOptional()
  @IsIn(ITEM_STATUSES)
  status?: ItemStatus;

  @ApiPropertyOptional({ description: 'Of one record' })
  @IsOptional()
  @IsString()
  @IsStorable()
  @MaxLength(1_000)
  external_id?: string;
}

/** Manual, or often enough to be a schedule and seldom enough to leave the upstream alone. */
function IsFrequency(): PropertyDecorator {
  return ValidateBy({
    name: 'isFrequency',
    validator: {
      validate: (value) => value === 0 || (Number(value) >= FREQUENCY.least && Number(value) <= FREQUENCY.most),
      defaultMessage: () => `$property must be 0, or ${FREQUENCY.least} to ${FREQUENCY.most} seconds`,
    },
  });
}

export interface MappingResponse {
  id: number;
  workspace_access: number;
  resource: { id: number; resource_name: string; resource_type: string };
  component_type: ComponentType;
  component_id: string;
  mapping_config: MappingConfig;
  last_synced: string | null;
  sync_frequency: number;
  is_active: boolean;
  created_at: string;
}

/** Columns of a row as the list reads them. */
export interface MappingRow {
  id: number;
  organization_id: string;
  workspace_access_id: number;
  resource_id: number;
  resource_name: string;
  resource_type: string;
  component_type: ComponentType;
  component_id: string;
  config: MappingConfig;
  last_synced: Date | null;
  sync_frequency: number;
  is_active: boolean;
  created_at: Date;
}

export function toMappingResponse(row: MappingRow): MappingResponse {
  return {
    id: row.id,
    workspace_access: row.workspace_access_id,
    resource: { id: row.resource_id, resource_name: row.resource_name, resource_type: row.resource_type },
    component_type: row.component_type,
    component_id: row.component_id,
    mapping_config: row.config,
    last_synced: row.last_synced?.toISOString() ?? null,
    sync_frequency: row.sync_frequency,
    is_active: row.is_active,
    created_at: row.created_at.toISOString(),
  };
}

export interface ItemResponse {
  id: number;
  external_id: string;
  status: ItemStatus;
  /** In the shape of the component; of one that failed as it was before. */
  data: Record<string, unknown> | null;
  error: string | null;
  synced_at: string;
}

export interface ItemRow {
  id: number;
  external_id: string;
  status: ItemStatus;
  rendered: Record<string, unknown> | null;
  error: string | null;
  synced_at: Date;
}

export function toItemResponse(row: ItemRow): ItemResponse {
  return {
    id: row.id,
    external_id: row.external_id,
    status: row.status,
    data: row.rendered,
    error: row.error,
    synced_at: row.synced_at.toISOString(),
  };
}

export interface SyncResponse {
  id: string;
  mapping: number;
  status: SyncStatus;
  trigger: SyncTrigger;
  mode: SyncMode | null;
  items_synced: number;
  /** Those of them that were new or changed. */
  items_written: number;
  items_failed: number;
  items_deleted: number;
  failures: ItemFailure[];
  error: (Pick<SyncProblem, 'message'> & { code: string }) | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

export interface SyncRow {
  id: string;
  mapping_id: number;
  status: SyncStatus;
  trigger: SyncTrigger;
  mode: SyncMode | null;
  items_synced: number;
  items_written: number;
  items_failed: number;
  items_deleted: number;
  failures: ItemFailure[];
  problem: SyncProblem | null;
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
}

export function toSyncResponse(row: SyncRow): SyncResponse {
  return {
    id: row.id,
    mapping: row.mapping_id,
    status: row.status,
    trigger: row.trigger,
    mode: row.mode,
    items_synced: row.items_synced,
    items_written: row.items_written,
    items_failed: row.items_failed,
    items_deleted: row.items_deleted,
    failures: row.failures,
    error: row.problem && { code: row.problem.code, message: row.problem.message },
    created_at: row.created_at.toISOString(),
    started_at: row.started_at?.toISOString() ?? null,
    finished_at: row.finished_at?.toISOString() ?? null,
  };
}

/** The answer to a sync that has ended: that of the spec, and what it says beyond. */
export interface SyncedResponse {
  success: boolean;
  message: string;
  sync_id: string;
  items_synced: number;
  items_failed: number;
  items_written: number;
  items_deleted: number;
  status: SyncStatus;
}

export interface PreviewedItem {
  external_id: string | null;
  data: Record<string, unknown> | null;
  error: string | null;
}
