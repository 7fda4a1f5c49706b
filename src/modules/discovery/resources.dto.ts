import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsInt, IsOptional, IsString, IsUUID, Max, MaxLength, Min } from 'class-validator';
import { PageQuery } from '../../platform/http/paging.js';
import { toBoolean, toInteger } from '../../platform/http/query-values.js';

export class ListResources extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by connection ID' })
  @IsOptional()
  @IsUUID()
  connection?: string;

  @ApiPropertyOptional({ description: 'Filter by resource type' })
  @IsOptional()
  @IsString()
  @MaxLength(64)
  resource_type?: string;

  @ApiPropertyOptional({ type: 'integer', description: 'Filter by parent resource ID' })
  @IsOptional()
  @Transform(toInteger)
  @IsInt()
  @Min(0)
  @Max(2_147_483_647)
  parent?: number;

  @ApiPropertyOptional({ description: 'Search by name or description' })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  search?: string;

  @ApiPropertyOptional({ type: Boolean, description: 'Filter by availability status' })
  @IsOptional()
  @Transform(toBoolean)
  @IsBoolean()
  is_available?: boolean;
}

export interface ResourceResponse {
  id: number;
  connection: string;
  resource_uri: string;
  resource_name: string;
  resource_type: string;
  description: string;
  schema: Record<string, unknown>;
  operations: string[];
  external_id: string | null;
  parent_resource: number | null;
  discovered_at: string;
  last_verified: string;
  is_available: boolean;
}

export interface ResourceRow {
  id: number;
  connection_id: string;
  resource_uri: string;
  resource_name: string;
  resource_type: string;
  description: string;
  schema: Record<string, unknown>;
  operations: string[];
  external_id: string | null;
  parent_id: number | null;
  discovered_at: Date;
  last_verified: Date;
  is_available: boolean;
}

export function toResourceResponse(row: ResourceRow): ResourceResponse {
  return {
    id: row.id,
    connection: row.connection_id,
    resource_uri: row.resource_uri,
    resource_name: row.resource_name,
    resource_type: row.resource_type,
    description: row.description,
    schema: row.schema,
    operations: row.operations,
    external_id: row.external_id,
    parent_resource: row.parent_id,
    discovered_at: row.discovered_at.toISOString(),
    last_verified: row.last_verified.toISOString(),
    is_available: row.is_available,
  };
}
