import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  IsArray,
  IsBoolean,
  IsIn,
  IsObject,
  IsOptional,
  IsString,
  IsUUID,
  Matches,
  MaxLength,
  MinLength,
} from 'class-validator';
import { IsStorable, lowerCased, MayBeLeftOut } from '../../platform/http/body-rules.js';
import { AsSent, trimmed } from '../../platform/http/body-values.js';
import { PageQuery } from '../../platform/http/paging.js';
import { toBoolean } from '../../platform/http/query-values.js';
import { toPriceBookResponse, type PriceBookResponse } from './price-book.js';
import type { DeclaredResource, Scope, VerifiedEffect } from './scopes.js';
import type { ServerType } from './server-type.entity.js';
import type { JsonSchema } from './transport.js';
import type { EffectsSource } from './well-known/tools-list.js';

const QUALIFIED_NAME = /^[a-z0-9][a-z0-9._-]{0,63}\/[a-z0-9][a-z0-9._-]{0,63}$/;
const PRICE_BOOK =
  'What calls cost: `per_call`, `per_megabyte` (10^6 bytes), and `tools` whose price stands instead of `per_call`';
const PRICES = { per_call: 0.001, per_megabyte: 0.05, tools: { search: 0.01 } };
const WORD = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export class ListServerTypes extends PageQuery {
  @ApiPropertyOptional({ type: Boolean, description: 'Filter by workspace scoping support' })
  @IsOptional()
  @Transform(toBoolean)
  @IsBoolean()
  supports_workspace_scoping?: boolean;

  @ApiPropertyOptional({ description: 'Filter by provider type (e.g., "jira", "github")' })
  @IsOptional()
  @IsString()
  @IsStorable()
  @MaxLength(64)
  provider_type?: string;
}

/** Checked by `checkConfigSchemas`: the schemas are free-form JSON, which reaches the service as it was sent. */
export class ConfigSchemas {
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description: 'JSON Schema of `auth_data`; mark secrets with format: password',
  })
  auth: JsonSchema;

  @ApiProperty({ type: 'object', additionalProperties: true, description: 'JSON Schema of `config_options`' })
  options: JsonSchema;
}

/** Everything about a type but where it belongs. */
export class ServerTypeFields {
  @ApiProperty({ example: 'acme/wiki' })
  @IsString()
  @Matches(QUALIFIED_NAME, {
    message: 'qualified_name must look like acme/wiki: lower case letters, digits and . _ - around one slash',
  })
  qualified_name: string;

  @ApiProperty({ example: 'Acme Wiki' })
  @Transform(trimmed)
  @IsString()
  @IsStorable()
  @MinLength(1)
  @MaxLength(200)
  display_name: string;

  @ApiPropertyOptional()
  @MayBeLeftOut()
  @IsString()
  @IsStorable()
  @MaxLength(2_000)
  description?: string;

  @ApiProperty({ example: 'wiki' })
  @IsString()
  @Matches(WORD, { message: 'provider_type must be 1 to 64 lower case letters, digits, _ or -' })
  provider_type: string;

  @ApiPropertyOptional({ default: false })
  @MayBeLeftOut()
  @IsBoolean()
  supports_workspace_scoping?: boolean;

  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  @MayBeLeftOut()
  @AsSent()
  @IsObject()
  scoping_config_schema?: JsonSchema;

  @ApiProperty({ type: ConfigSchemas })
  @AsSent()
  @IsObject()
  config_schema: ConfigSchemas;

  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    description:
      'How servers are reached: `{"type": "streamable_http" | "sse", "url", "headers"}` or, for operators where STDIO_ENABLED is set, ' +
      '`{"type": "stdio", "command", "args", "env"}`. `url`, `headers` and `env` are templates over `{auth.*}` and `{options.*}`',
    example: { type: 'streamable_http', url: '{auth.base_url}', headers: { Authorization: 'Bearer {auth.api_token}' } },
  })
  @AsSent()
  @IsObject()
  transport: Record<string, unknown>;

  @ApiPropertyOptional({ enum: ['principal', 'connection'], default: 'principal' })
  @MayBeLeftOut()
  @IsIn(['principal', 'connection'])
  session_scope?: 'principal' | 'connection';

  @ApiPropertyOptional({ default: false, description: "Whether the server's annotations may lower a tool's effect" })
  @MayBeLeftOut()
  @IsBoolean()
  trust_annotations?: boolean;

  @ApiPropertyOptional({
    type: [Object],
    description: 'What ties tools to resources, in arguments and in results: see docs/scopes.md',
    example: [
      {
        name: 'project',
        parts: { project_key: 'case_insensitive' },
        resources: ['jira://{project_key}'],
        filters: { project_keys: '{project_key}' },
        tools: { get_issue: { arguments: [{ '/issue_key': '{project_key}-{number}' }] } },
      },
    ],
  })
  @MayBeLeftOut()
  @AsSent()
  @IsArray()
  scopes?: unknown[];

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    description: 'Effects as you verified them, by tool name: read, write or destructive',
    example: { get_issue: 'read' },
  })
  @MayBeLeftOut()
  @AsSent()
  @IsObject()
  tool_effects?: Record<string, unknown>;

  @ApiPropertyOptional({
    type: [Object],
    description: 'Resources that the server has without listing them',
    example: [{ uri: 'file:///srv/data', name: 'Data', type: 'folder' }],
  })
  @MayBeLeftOut()
  @AsSent()
  @IsArray()
  declared_resources?: unknown[];

  @ApiPropertyOptional({ type: 'object', additionalProperties: true, description: PRICE_BOOK, example: PRICES })
  @MayBeLeftOut()
  @AsSent()
  @IsObject()
  price_book?: Record<string, unknown>;

  @ApiPropertyOptional({ default: 'utility', description: 'Category of its tools' })
  @MayBeLeftOut()
  @IsString()
  @Matches(WORD, { message: 'category must be 1 to 64 lower case letters, digits, _ or -' })
  category?: string;
}

export class CreateServerType extends ServerTypeFields {
  @ApiPropertyOptional({
    format: 'uuid',
    description: 'Organization it is private to; left out by operators for a global type',
  })
  @MayBeLeftOut()
  @Transform(lowerCased)
  @IsUUID()
  organization?: string;
}

/** What is left out stays as it is. */
export class UpdateServerType extends PartialType(ServerTypeFields, { skipNullProperties: false }) {}

export interface ServerTypeResponse {
  id: string;
  qualified_name: string;
  display_name: string;
  description: string;
  provider_type: string;
  supports_workspace_scoping: boolean;
  scoping_config_schema: JsonSchema;
  organization: string | null;
  transport: string;
  category: string;
}

/** Columns of a row as the list reads them. */
export interface ServerTypeRow {
  id: number;
  qualified_name: string;
  display_name: string;
  description: string;
  provider_type: string;
  supports_workspace_scoping: boolean;
  scoping_config_schema: JsonSchema;
  organization_id: string | null;
  transport_type: string;
  category: string;
}

export function toServerTypeResponse(row: ServerTypeRow): ServerTypeResponse {
  return {
    id: String(row.id),
    qualified_name: row.qualified_name,
    display_name: row.display_name,
    description: row.description,
    provider_type: row.provider_type,
    supports_workspace_scoping: row.supports_workspace_scoping,
    scoping_config_schema: row.scoping_config_schema,
    organization: row.organization_id,
    transport: row.transport_type === 'stdio_from_options' ? 'stdio' : row.transport_type,
    category: row.category,
  };
}

/** A single type also shows what policy is made from. */
export interface ServerTypeDetails extends ServerTypeResponse {
  session_scope: 'principal' | 'connection';
  trust_annotations: boolean;
  scopes: Scope[];
  tool_effects: Record<string, VerifiedEffect>;
  /** Of types that ship; null: whoever wrote the type vouches for its effects. */
  effects_source: EffectsSource | null;
  effects_verified: boolean;
  declared_resources: DeclaredResource[];
  price_book: PriceBookResponse;
}

export function toServerTypeDetails(type: ServerType): ServerTypeDetails {
  const row = {
    id: type.id,
    qualified_name: type.qualifiedName,
    display_name: type.displayName,
    description: type.description,
    provider_type: type.providerType,
    supports_workspace_scoping: type.supportsWorkspaceScoping,
    scoping_config_schema: type.scopingConfigSchema,
    organization_id: type.organizationId,
    transport_type: type.transport.type,
    category: type.category,
  };
  return {
    ...toServerTypeResponse(row),
    session_scope: type.sessionScope,
    trust_annotations: type.trustAnnotations,
    scopes: type.scopes,
    tool_effects: type.toolEffects,
    effects_source: type.effectsSource,
    // Servers that run inside the product are its own.
    effects_verified: type.effectsSource !== null || type.transport.type === 'builtin',
    declared_resources: type.declaredResources,
    price_book: toPriceBookResponse(type.priceBook),
  };
}

export interface ConfigSchemaResponse {
  auth: JsonSchema;
  options: JsonSchema;
}
