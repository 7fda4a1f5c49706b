import { ApiProperty, ApiPropertyOptional, PartialType, PickType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  IsUUID,
  Max,
  MaxLength,
  Min,
  MinLength,
  ValidateIf,
} from 'class-validator';
import { IsStorable, lowerCased, MayBeLeftOut } from '../../platform/http/body-rules.js';
import { AsSent, trimmed } from '../../platform/http/body-values.js';
import { PageQuery } from '../../platform/http/paging.js';
import { LARGEST_INTEGER } from '../../platform/http/parameters.js';
import { toBoolean, toInteger } from '../../platform/http/query-values.js';
import type { Mark, PermissionLevel } from './policy/facts.js';
import type { DenialDetails, Reason } from './policy/reasons.js';

const LEVELS: PermissionLevel[] = ['read', 'write', 'admin'];
const MARKS: Mark[] = ['explicit', 'automatic', 'excluded'];
const MOST_RESOURCES = 10_000;
/** `allowed_resources` of one grant shows this many; all of them are at `resources/`. */
export const MOST_SHOWN = 500;

export class ListWorkspaceAccess extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by workspace ID' })
  @IsOptional()
  @IsUUID()
  workspace?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by connection ID' })
  @IsOptional()
  @IsUUID()
  connection?: string;

  @ApiPropertyOptional({ type: Boolean, description: 'Filter by active status' })
  @IsOptional()
  @Transform(toBoolean)
  @IsBoolean()
  is_active?: boolean;
}

export class CreateWorkspaceAccess {
  @ApiProperty({ format: 'uuid', example: '123e4567-e89b-12d3-a456-426614174333' })
  @Transform(lowerCased)
  @IsUUID()
  workspace: string;

  @ApiProperty({ format: 'uuid', example: '123e4567-e89b-12d3-a456-426614174000' })
  @Transform(lowerCased)
  @IsUUID()
  connection: string;

  @ApiProperty({ example: 'Jira Development Access' })
  @Transform(trimmed)
  @IsString()
  @IsStorable()
  @MinLength(1)
  @MaxLength(200)
  access_name: string;

  @ApiPropertyOptional({ example: 'Access to development projects in Jira' })
  @MayBeLeftOut()
  @IsString()
  @IsStorable()
  @MaxLength(2_000)
  description?: string;

  @ApiPropertyOptional({
    type: [Number],
    example: [2],
    description: 'IDs of resources of the connection; what is below them follows. In a change: all explicit ones anew',
  })
  @MayBeLeftOut()
  @IsArray()
  @ArrayMaxSize(MOST_RESOURCES)
  @IsInt({ each: true })
  @Min(0, { each: true })
  @Max(LARGEST_INTEGER, { each: true })
  allowed_resources?: number[];

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    example: { project_keys: ['DEV', 'QA'], issue_types: ['bug', 'task', 'story'] },
    description:
      'Narrows what is granted, and says what auto-sync takes in: keys of the scoping_config_schema, and resource_types, ' +
      'resource_names, uri_patterns and tools with globs',
  })
  @MayBeLeftOut()
  @AsSent()
  @IsObject()
  resource_filters?: Record<string, unknown>;

  @ApiPropertyOptional({ enum: LEVELS, default: 'read' })
  @MayBeLeftOut()
  @IsIn(LEVELS)
  permission_level?: PermissionLevel;

  @ApiPropertyOptional({ default: true })
  @MayBeLeftOut()
  @IsBoolean()
  is_active?: boolean;

  @ApiPropertyOptional({ default: true, description: 'Whether resources that match the filters join by themselves' })
  @MayBeLeftOut()
  @IsBoolean()
  auto_sync?: boolean;
}

/** What is left out stays as it is. */
export class UpdateWorkspaceAccess extends PartialType(
  PickType(CreateWorkspaceAccess, [
    'access_name',
    'description',
    'allowed_resources',
    'resource_filters',
    'permission_level',
    'is_active',
    'auto_sync',
  ]),
  { skipNullProperties: false },
) {}

export class ResourceChoice {
  @ApiProperty({ type: 'integer', example: 3 })
  @IsInt()
  @Min(0)
  @Max(LARGEST_INTEGER)
  resource_id: number;
}

export class ListAccessResources extends PageQuery {
  @ApiPropertyOptional({ enum: MARKS, description: 'Filter by how the resource stands in the grant' })
  @IsOptional()
  @IsIn(MARKS)
  state?: Mark;
}

/** Either a tool with its arguments, or a resource. */
export class CheckAccess {
  @ApiPropertyOptional({ example: 'example_get_weather', description: 'ID of a tool' })
  @ValidateIf((body: CheckAccess) => body.resource === undefined || body.tool !== undefined)
  @IsString({ message: 'tool or resource must be given: tool as the id of a tool' })
  @MinLength(1)
  @MaxLength(500)
  tool?: string;

  @ApiPropertyOptional({
    oneOf: [{ type: 'integer' }, { type: 'string' }],
    description: 'ID or URI of a resource',
    example: 3,
  })
  @AsSent()
  resource?: number | string;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true, example: { location: 'Berlin' } })
  @MayBeLeftOut()
  @AsSent()
  @IsObject()
  arguments?: Record<string, unknown>;
}

export class EffectiveQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: MOST_SHOWN, default: MOST_SHOWN, description: 'Entries of each kind' })
  @IsOptional()
  @Transform(toInteger)
  @IsInt()
  @Min(1)
  @Max(MOST_SHOWN)
  limit: number = MOST_SHOWN;
}

export interface NamedResource {
  id: number;
  resource_name: string;
  resource_type: string;
}

export interface AllowedResource extends NamedResource {
  /** Taken in by auto-sync. */
  automatic: boolean;
}

export interface WorkspaceAccessResponse {
  id: number;
  workspace: { id: string; name: string };
  connection: { id: string; connection_name: string };
  access_name: string;
  description: string;
  allowed_resources: AllowedResource[];
  allowed_resources_total: number;
  resource_filters: Record<string, unknown>;
  permission_level: PermissionLevel;
  is_active: boolean;
  auto_sync: boolean;
  last_used: string | null;
  usage_count: number;
  created_at: string;
  created_by: { id: string; username: string } | null;
}

export interface WorkspaceAccessRow {
  id: number;
  workspace_id: string;
  workspace_name: string;
  connection_id: string;
  connection_name: string;
  access_name: string;
  description: string;
  resource_filters: Record<string, unknown>;
  permission_level: PermissionLevel;
  is_active: boolean;
  auto_sync: boolean;
  last_used: Date | null;
  usage_count: number;
  created_at: Date;
  created_by: string | null;
  username: string | null;
}

/** Allowed resources of a grant, as many as are shown. */
export interface ShownResources {
  shown: AllowedResource[];
  total: number;
}

export function toWorkspaceAccessResponse(
  row: WorkspaceAccessRow,
  resources: ShownResources | undefined,
): WorkspaceAccessResponse {
  return {
    id: row.id,
    workspace: { id: row.workspace_id, name: row.workspace_name },
    connection: { id: row.connection_id, connection_name: row.connection_name },
    access_name: row.access_name,
    description: row.description,
    allowed_resources: resources?.shown ?? [],
    allowed_resources_total: resources?.total ?? 0,
    resource_filters: row.resource_filters,
    permission_level: row.permission_level,
    is_active: row.is_active,
    auto_sync: row.auto_sync,
    last_used: row.last_used?.toISOString() ?? null,
    usage_count: row.usage_count,
    created_at: row.created_at.toISOString(),
    created_by:
      row.created_by !== null && row.username !== null ? { id: row.created_by, username: row.username } : null,
  };
}

export interface AccessResourceResponse extends NamedResource {
  resource_uri: string;
  state: Mark;
  is_available: boolean;
}

/** @param row as it was read, with columns for paging */
export function toAccessResourceResponse(row: AccessResourceResponse): AccessResourceResponse {
  return {
    id: row.id,
    resource_name: row.resource_name,
    resource_type: row.resource_type,
    resource_uri: row.resource_uri,
    state: row.state,
    is_available: row.is_available,
  };
}

export interface CheckResponse {
  allowed: boolean;
  reason: Reason;
  details: Partial<DenialDetails> & { rule: string };
}

export interface EffectiveTool {
  id: string;
  name: string;
  effect: string;
  /** Names of the scopes that limit its calls; without one, a call is limited by the tool's own arguments only. */
  scopes: string[];
  unscoped: boolean;
  /** Why a call would be refused now, whatever its arguments. */
  blocked: string | null;
}

export interface EffectiveResponse {
  workspace_access: number;
  permission_level: PermissionLevel;
  /** Whatever denies everything. */
  inactive: string | null;
  tools: EffectiveTool[];
  resources: (NamedResource & { resource_uri: string })[];
  resource_templates: (NamedResource & { resource_uri: string })[];
  prompts: (NamedResource & { resource_uri: string })[];
  totals: { tools: number; resources: number; resource_templates: number; prompts: number };
}
