import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, IsUUID, MaxLength, MinLength } from 'class-validator';
import { IsStorable, lowerCased, MayBeLeftOut } from '../../platform/http/body-rules.js';
import type { WorkspaceRole } from '../../platform/auth/actor.js';
import { trimmed } from '../../platform/http/body-values.js';
import { PageQuery } from '../../platform/http/paging.js';

export const WORKSPACE_ROLES: WorkspaceRole[] = ['manager', 'member'];

export class ListWorkspaces extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by organization ID' })
  @IsOptional()
  @IsUUID()
  organization?: string;
}

export class CreateWorkspace {
  @ApiProperty({ format: 'uuid', example: '123e4567-e89b-12d3-a456-426614174111' })
  @Transform(lowerCased)
  @IsUUID()
  organization: string;

  @ApiProperty({ example: 'Product Development' })
  @Transform(trimmed)
  @IsString()
  @IsStorable()
  @MinLength(1)
  @MaxLength(200)
  name: string;

  @ApiPropertyOptional()
  @MayBeLeftOut()
  @IsString()
  @IsStorable()
  @MaxLength(2_000)
  description?: string;
}

export class UpdateWorkspace {
  @ApiPropertyOptional({ example: 'Product Development' })
  @MayBeLeftOut()
  @Transform(trimmed)
  @IsString()
  @IsStorable()
  @MinLength(1)
  @MaxLength(200)
  name?: string;

  @ApiPropertyOptional()
  @MayBeLeftOut()
  @IsString()
  @IsStorable()
  @MaxLength(2_000)
  description?: string;
}

export class AddWorkspaceMember {
  @ApiProperty({ example: 'jane.roe', description: 'User name of a member of the organization' })
  @Transform(trimmed)
  @IsString()
  @MinLength(1)
  @MaxLength(255)
  username: string;

  @ApiProperty({ enum: WORKSPACE_ROLES })
  @IsIn(WORKSPACE_ROLES)
  role: WorkspaceRole;
}

export class UpdateWorkspaceMember {
  @ApiProperty({ enum: WORKSPACE_ROLES })
  @IsIn(WORKSPACE_ROLES)
  role: WorkspaceRole;
}

export interface WorkspaceResponse {
  id: string;
  organization: { id: string; name: string };
  name: string;
  description: string;
  created_at: string;
}

export interface WorkspaceRow {
  id: string;
  organization_id: string;
  organization_name: string;
  name: string;
  description: string;
  created_at: Date;
}

export function toWorkspaceResponse(row: WorkspaceRow): WorkspaceResponse {
  return {
    id: row.id,
    organization: { id: row.organization_id, name: row.organization_name },
    name: row.name,
    description: row.description,
    created_at: row.created_at.toISOString(),
  };
}
