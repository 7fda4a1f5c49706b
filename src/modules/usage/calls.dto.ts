import { ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsString, IsUUID, Max, MaxLength, Min } from 'class-validator';
import { IsStorable, lowerCased } from '../../platform/http/body-rules.js';
import { DayRangeQuery } from '../../platform/http/day-range.js';
import { PageQuery } from '../../platform/http/paging.js';
import { LARGEST_INTEGER } from '../../platform/http/parameters.js';
import { toInteger } from '../../platform/http/query-values.js';
import { COUNTS, type CallFacts, type CallOutcome } from './call.js';

const OUTCOMES = Object.keys(COUNTS);
const DOORS = ['rest', 'agent', 'mapping'];

export class ListCalls extends IntersectionType(PageQuery, DayRangeQuery) {
  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by workspace ID' })
  @IsOptional()
  @Transform(lowerCased)
  @IsUUID()
  workspace?: string;

  @ApiPropertyOptional({ description: 'Filter by workspace access ID' })
  @IsOptional()
  @Transform(toInteger)
  @IsInt()
  @Min(0)
  @Max(LARGEST_INTEGER)
  workspace_access?: number;

  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by connection ID' })
  @IsOptional()
  @Transform(lowerCased)
  @IsUUID()
  connection?: string;

  @ApiPropertyOptional({ description: 'Filter by the resource that the call counts on' })
  @IsOptional()
  @Transform(toInteger)
  @IsInt()
  @Min(0)
  @Max(LARGEST_INTEGER)
  resource?: number;

  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by the user or workspace token that called' })
  @IsOptional()
  @Transform(lowerCased)
  @IsUUID()
  actor?: string;

  @ApiPropertyOptional({ enum: OUTCOMES, description: 'Filter by how it ended' })
  @IsOptional()
  @IsIn(OUTCOMES)
  outcome?: CallOutcome;

  @ApiPropertyOptional({ enum: DOORS, description: 'Filter by how it came in' })
  @IsOptional()
  @IsIn(DOORS)
  door?: string;

  @ApiPropertyOptional({ description: 'Filter by request ID' })
  @IsOptional()
  @IsString()
  @IsStorable()
  @MaxLength(200)
  request_id?: string;
}

/** A row as it is read: sums fit into doubles, costs are exact text. */
export interface CallRow extends Omit<CallFacts, 'started_at'> {
  started_at: Date;
  finished_at: Date | null;
  outcome: CallOutcome | null;
  duration_us: number | null;
  bytes_received: number | null;
  cost: string | null;
  chain_seq: number | null;
}

interface NamedResource {
  id: number;
  resource_name: string | null;
  resource_type: string | null;
}

export interface CallRowWithNames extends CallRow {
  resource_name: string | null;
  resource_type: string | null;
  tool_name: string | null;
  connection_name: string | null;
}

export interface CallResponse {
  id: string;
  organization: string;
  workspace: string | null;
  workspace_access: number | null;
  connection: { id: string; connection_name: string | null };
  resource: NamedResource | null;
  tool: { id: number; name: string | null } | null;
  actor: { type: 'user' | 'token'; id: string | null };
  door: string;
  operation: string;
  started_at: string;
  /** Null while it is under way, as are `outcome` and what is known at the end only. */
  finished_at: string | null;
  outcome: CallOutcome | null;
  reason: string;
  /** Seconds that the upstream took. */
  duration: number | null;
  bytes_sent: number;
  bytes_received: number | null;
  cost: number | null;
  request_id: string;
  arguments_hash: string;
}

export function toCallResponse(row: CallRowWithNames): CallResponse {
  return {
    id: row.id,
    organization: row.organization_id,
    workspace: row.workspace_id,
    workspace_access: row.workspace_access_id,
    connection: { id: row.connection_id, connection_name: row.connection_name },
    resource:
      row.resource_id === null
        ? null
        : { id: row.resource_id, resource_name: row.resource_name, resource_type: row.resource_type },
    tool: row.tool_id === null ? null : { id: row.tool_id, name: row.tool_name },
    actor: { type: row.token_id === null ? 'user' : 'token', id: row.token_id ?? row.user_id },
    door: row.door,
    operation: row.operation,
    started_at: row.started_at.toISOString(),
    finished_at: row.finished_at?.toISOString() ?? null,
    outcome: row.outcome,
    reason: row.reason,
    duration: row.duration_us === null ? null : row.duration_us / 1_000_000,
    bytes_sent: row.bytes_sent,
    bytes_received: row.bytes_received,
    cost: row.cost === null ? null : Number(row.cost),
    request_id: row.request_id,
    arguments_hash: row.arguments_hash,
  };
}
