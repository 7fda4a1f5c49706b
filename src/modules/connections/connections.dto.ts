import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
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
  ValidateBy,
} from 'class-validator';
import { IsStorable, lowerCased, MayBeLeftOut } from '../../platform/http/body-rules.js';
import { AsSent, trimmed } from '../../platform/http/body-values.js';
import { PageQuery } from '../../platform/http/paging.js';
import { toBoolean, toInteger } from '../../platform/http/query-values.js';
import { toPriceBookResponse, type PriceBook, type PriceBookResponse } from '../registry/registry.service.js';
import type { CheckTrigger } from './connection-check.entity.js';
import { TOOL_REVIEWS, type ConnectionStatus, type ToolReview } from './connection.entity.js';

const LARGEST_ID = 2_147_483_647;
const CHECK_INTERVAL = { least: 10, longest: 86_400 };

function IsCheckInterval(): PropertyDecorator {
  const { least, longest } = CHECK_INTERVAL;
  return ValidateBy({
    name: 'isCheckInterval',
    validator: {
      validate: (value: unknown) => value === 0 || (typeof value === 'number' && value >= least && value <= longest),
      defaultMessage: () => `health_check_interval must be 0, or from ${least} to ${longest} seconds`,
    },
  });
}

export class ListConnections extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by organization ID' })
  @IsOptional()
  @IsUUID()
  organization?: string;

  @ApiPropertyOptional({ type: 'integer', description: 'Filter by server registry ID' })
  @IsOptional()
  @Transform(toInteger)
  @IsInt()
  @Min(0)
  @Max(LARGEST_ID)
  server?: number;

  @ApiPropertyOptional({ type: Boolean, description: 'Filter by active status' })
  @IsOptional()
  @Transform(toBoolean)
  @IsBoolean()
  is_active?: boolean;
}

/** How far the server's word is taken, what its calls cost, and how often it is checked. */
class TermsFields {
  @ApiPropertyOptional({
    enum: TOOL_REVIEWS,
    description: '`review`: new and changed tools, prompts and instructions wait for approval; `trust`: they do not',
  })
  @MayBeLeftOut()
  @IsIn(TOOL_REVIEWS)
  tool_review?: ToolReview;

  @ApiPropertyOptional({ description: "Believe this server's annotations where they say that a tool only reads" })
  @MayBeLeftOut()
  @IsBoolean()
  trust_annotations?: boolean;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    description:
      'What calls cost, instead of what the type says; null: as the type says. Changing it changes nothing that was charged',
    example: { per_call: 0.001, per_megabyte: 0.05, tools: { search: 0.01 } },
  })
  @IsOptional()
  @AsSent()
  @IsObject()
  price_book?: Record<string, unknown> | null;

  @ApiPropertyOptional({
    type: 'integer',
    description:
      'Seconds between checks whether the server works, 10 to 86,400; 0: it is not checked by itself. Left out: 60, and 0 for servers that are processes, as each check starts one',
    example: 60,
  })
  @MayBeLeftOut()
  @IsInt()
  @IsCheckInterval()
  health_check_interval?: number;
}

export class CreateConnection extends TermsFields {
  @ApiProperty({ type: 'integer', example: 1, description: 'Server registry ID, as a number or a string' })
  @Transform(toInteger)
  @IsInt()
  @Min(0)
  @Max(LARGEST_ID)
  server: number;

  @ApiProperty({ format: 'uuid', example: '123e4567-e89b-12d3-a456-426614174111' })
  @Transform(lowerCased)
  @IsUUID()
  organization: string;

  @ApiProperty({ example: 'Acme Jira' })
  @Transform(trimmed)
  @IsString()
  @IsStorable()
  @MinLength(1)
  @MaxLength(200)
  connection_name: string;

  @ApiPropertyOptional({ example: 'Jira connection for Acme Corp' })
  @MayBeLeftOut()
  @IsString()
  @IsStorable()
  @MaxLength(2_000)
  description?: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: "Credentials, by the type's `auth` schema. Sealed, never returned",
    example: { api_token: 'your-api-token', base_url: 'https://acme.atlassian.net' },
  })
  @AsSent()
  @IsObject()
  auth_data: Record<string, unknown>;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: "By the type's `options` schema",
    example: { timeout: 60 },
  })
  @MayBeLeftOut()
  @AsSent()
  @IsObject()
  config_options?: Record<string, unknown>;
}

export class UpdateConnection extends TermsFields {
  @ApiPropertyOptional({ example: 'Acme Jira' })
  @MayBeLeftOut()
  @Transform(trimmed)
  @IsString()
  @IsStorable()
  @MinLength(1)
  @MaxLength(200)
  connection_name?: string;

  @ApiPropertyOptional()
  @MayBeLeftOut()
  @IsString()
  @IsStorable()
  @MaxLength(2_000)
  description?: string;

  @ApiPropertyOptional()
  @MayBeLeftOut()
  @IsBoolean()
  is_active?: boolean;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @MayBeLeftOut()
  @AsSent()
  @IsObject()
  config_options?: Record<string, unknown>;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: 'Needed where `config_options` change the address',
  })
  @MayBeLeftOut()
  @AsSent()
  @IsObject()
  auth_data?: Record<string, unknown>;
}

export class ReplaceCredentials {
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: "All credentials, by the type's `auth` schema",
  })
  @AsSent()
  @IsObject()
  auth_data: Record<string, unknown>;
}

export interface ConnectionResponse {
  id: string;
  server: { id: string; qualified_name: string; display_name: string };
  organization: { id: string; name: string };
  connection_name: string;
  description: string;
  is_active: boolean;
  last_connected: string | null;
  created_at: string;
  created_by: { id: string; username: string } | null;
  server_id: string;
  status: ConnectionStatus;
  config_options: Record<string, unknown>;
  tool_review: ToolReview;
  trust_annotations: boolean;
  price_book: PriceBookResponse | null;
  health_check_interval: number;
}

/** Columns of a row as the list reads them. Credentials are not among them. */
export interface ConnectionRow {
  id: string;
  type_id: number;
  qualified_name: string;
  display_name: string;
  organization_id: string;
  organization_name: string;
  connection_name: string;
  description: string;
  is_active: boolean;
  last_connected: Date | null;
  created_at: Date;
  created_by: string | null;
  username: string | null;
  slug: string;
  /** Without query. */
  server_url: string;
  status: ConnectionStatus;
  config_options: Record<string, unknown>;
  tool_review: ToolReview;
  trust_annotations: boolean;
  price_book: PriceBook | null;
  health_check_interval: number;
}

export function toConnectionResponse(row: ConnectionRow): ConnectionResponse {
  return {
    id: row.id,
    server: { id: String(row.type_id), qualified_name: row.qualified_name, display_name: row.display_name },
    organization: { id: row.organization_id, name: row.organization_name },
    connection_name: row.connection_name,
    description: row.description,
    is_active: row.is_active,
    last_connected: row.last_connected?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    created_by:
      row.created_by !== null && row.username !== null ? { id: row.created_by, username: row.username } : null,
    server_id: row.slug,
    status: row.status,
    config_options: row.config_options,
    tool_review: row.tool_review,
    trust_annotations: row.trust_annotations,
    price_book: row.price_book && toPriceBookResponse(row.price_book),
    health_check_interval: row.health_check_interval,
  };
}

/** What the audit trail says of a connection: also where its credentials go. */
export function toConnectionFacts(row: ConnectionRow): Record<string, unknown> {
  return { ...toConnectionResponse(row), server_url: row.server_url };
}

export interface TestResponse {
  success: boolean;
  message: string;
  details: Record<string, unknown>;
}

export interface CheckResponse {
  id: string;
  checked_at: string;
  trigger: CheckTrigger;
  status: Exclude<ConnectionStatus, 'disconnected'>;
  reason: string | null;
  latency_ms: number | null;
}

export interface CheckRow {
  id: string;
  checked_at: Date;
  trigger: CheckTrigger;
  reason: string | null;
  latency_ms: number | null;
}

export function toCheckResponse({ id, checked_at, trigger, reason, latency_ms }: CheckRow): CheckResponse {
  const status = reason === null ? 'connected' : 'error';
  return { id, checked_at: checked_at.toISOString(), trigger, status, reason, latency_ms };
}
