import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsString, Max, MaxLength, Min, MinLength } from 'class-validator';
import { IsStorable, MayBeLeftOut } from '../../platform/http/body-rules.js';
import { trimmed } from '../../platform/http/body-values.js';

export const DEFAULT_TOKEN_DAYS = 90;
const MOST_TOKEN_DAYS = 3_650;

export class CreateWorkspaceToken {
  @ApiProperty({ example: 'Release agent' })
  @Transform(trimmed)
  @IsString()
  @IsStorable()
  @MinLength(1)
  @MaxLength(200)
  name: string;

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MOST_TOKEN_DAYS, default: DEFAULT_TOKEN_DAYS })
  @MayBeLeftOut()
  @IsInt()
  @Min(1)
  @Max(MOST_TOKEN_DAYS)
  expires_in_days?: number;
}

export interface WorkspaceTokenResponse {
  id: string;
  workspace_id: string;
  name: string;
  expires_at: string;
  last_used: string | null;
  created_at: string;
  created_by: { id: string; username: string } | null;
}

/** The only answer that has the token itself. */
export interface CreatedWorkspaceTokenResponse extends WorkspaceTokenResponse {
  token: string;
}

export interface WorkspaceTokenRow {
  id: string;
  workspace_id: string;
  name: string;
  expires_at: Date;
  last_used: Date | null;
  created_at: Date;
  created_by: string | null;
  username: string | null;
}

export function toWorkspaceTokenResponse(row: WorkspaceTokenRow): WorkspaceTokenResponse {
  return {
    id: row.id,
    workspace_id: row.workspace_id,
    name: row.name,
    expires_at: row.expires_at.toISOString(),
    last_used: row.last_used?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    created_by:
      row.created_by !== null && row.username !== null ? { id: row.created_by, username: row.username } : null,
  };
}
