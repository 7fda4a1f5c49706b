import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, IsUUID, MaxLength, ValidateIf } from 'class-validator';
import { MayBeLeftOut } from '../../platform/http/body-rules.js';
import { PageQuery } from '../../platform/http/paging.js';
import { definitionDigest } from './definition-json.js';
import { changesBetween, type Change } from './definition-diff.js';
import {
  DEFINITION_KINDS,
  DEFINITION_STATUSES,
  type Definition,
  type DefinitionKind,
  type DefinitionStatus,
} from './definition.entity.js';
import type { Blocked } from './definition-review.js';
import type { Flag } from './suspicious-text.js';
import { TOOL_EFFECTS, type ToolEffect } from './tool.entity.js';

const ACTIONS = ['approve', 'reject'] as const;

export class ListReviews extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by connection ID' })
  @IsOptional()
  @IsUUID()
  connection?: string;

  @ApiPropertyOptional({ enum: DEFINITION_KINDS })
  @IsOptional()
  @IsIn(DEFINITION_KINDS)
  kind?: DefinitionKind;

  @ApiPropertyOptional({ enum: DEFINITION_STATUSES })
  @IsOptional()
  @IsIn(DEFINITION_STATUSES)
  status?: DefinitionStatus;
}

/** For people in several organizations. */
export class ToolOrganization {
  @ApiPropertyOptional({ format: 'uuid', description: 'Where the id exists in several of your organizations' })
  @IsOptional()
  @IsUUID()
  organization?: string;
}

export class Decide {
  @ApiProperty({ enum: ACTIONS, example: 'approve' })
  @IsIn(ACTIONS)
  action: (typeof ACTIONS)[number];

  @ApiPropertyOptional({
    description: '`digest` of the definition that was looked at: 409 when the server has another one by now',
    example: 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg',
  })
  @MayBeLeftOut()
  @IsString()
  @MaxLength(100)
  digest?: string;
}

export class SetEffect {
  @ApiProperty({ enum: TOOL_EFFECTS, nullable: true, description: 'Null: as the type and the tool itself say' })
  @ValidateIf((body: SetEffect) => body.effect !== null)
  @IsIn(TOOL_EFFECTS)
  effect: ToolEffect | null;
}

export interface ReviewResponse {
  id: number;
  connection: string;
  server_id: string;
  kind: DefinitionKind;
  name: string;
  /** Of a tool. */
  tool_id: string | null;
  status: DefinitionStatus;
  compatible: boolean;
  blocked: Blocked | null;
  effect: ToolEffect | null;
  effect_override: ToolEffect | null;
  digest: string;
  changed_at: string;
  decided_at: string | null;
  decided_by: string | null;
}

export interface DiffResponse {
  status: DefinitionStatus;
  compatible: boolean;
  blocked: Blocked | null;
  digest: string;
  approved: Definition | null;
  latest: Definition;
  changes: Change[];
  flags: Flag[];
}

export type ReviewWithDiff = ReviewResponse & DiffResponse;

/** A definition with what is said about it, as the reviews read it. */
export interface ReviewRow {
  id: number;
  connection_id: string;
  organization_id: string;
  resource_id: number | null;
  server_id: string;
  kind: DefinitionKind;
  name: string;
  tool_id: string | null;
  latest: Definition;
  approved: Definition | null;
  status: DefinitionStatus;
  compatible: boolean;
  blocked: Blocked | null;
  effect: ToolEffect | null;
  effect_override: ToolEffect | null;
  changed_at: Date;
  decided_at: Date | null;
  decided_by: string | null;
}

export function toReviewResponse(row: ReviewRow): ReviewResponse {
  return {
    id: row.id,
    connection: row.connection_id,
    server_id: row.server_id,
    kind: row.kind,
    name: row.name,
    tool_id: row.tool_id,
    status: row.status,
    compatible: row.compatible,
    blocked: row.blocked,
    effect: row.effect,
    effect_override: row.effect_override,
    digest: definitionDigest(row.latest),
    changed_at: row.changed_at.toISOString(),
    decided_at: row.decided_at?.toISOString() ?? null,
    decided_by: row.decided_by,
  };
}

export function toDiffResponse(row: ReviewRow, flags: Flag[]): DiffResponse {
  return {
    status: row.status,
    compatible: row.compatible,
    blocked: row.blocked,
    digest: definitionDigest(row.latest),
    approved: row.approved,
    latest: row.latest,
    changes: row.approved === null ? [] : changesBetween(row.approved, row.latest),
    flags,
  };
}
