import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsObject, IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { MayBeLeftOut } from '../../platform/http/body-rules.js';
import { AsSent } from '../../platform/http/body-values.js';
import { PageQuery } from '../../platform/http/paging.js';
import type { ToolFacts } from '../discovery/tool-catalog.service.js';
import { parametersOf, type ToolParameter } from './parameters.js';

const EFFECTS = ['read', 'write', 'destructive'] as const;

/** For people in several organizations. */
export class OrganizationQuery {
  @ApiPropertyOptional({ format: 'uuid', description: 'Where the id exists in several of your organizations' })
  @IsOptional()
  @IsUUID()
  organization?: string;
}

export class ListTools extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID()
  organization?: string;

  @ApiPropertyOptional({ description: 'Tools of this server' })
  @IsOptional()
  @IsString()
  @MaxLength(64)
  server_id?: string;

  @ApiPropertyOptional()
  @IsOptional()
  @IsString()
  @MaxLength(64)
  category?: string;

  @ApiPropertyOptional({ enum: EFFECTS })
  @IsOptional()
  @IsIn(EFFECTS)
  effect?: (typeof EFFECTS)[number];

  @ApiPropertyOptional({ description: 'In id, name or description' })
  @IsOptional()
  @IsString()
  @MaxLength(200)
  search?: string;
}

export class ExecuteTool {
  @ApiProperty({
    type: 'object',
    additionalProperties: true,
    example: { location: 'Berlin' },
    description: "By the tool's parameters",
  })
  @MayBeLeftOut()
  @AsSent()
  @IsObject()
  arguments?: Record<string, unknown>;
}

export interface ToolResponse {
  id: string;
  name: string;
  description: string;
  category: string;
  server_name: string;
  parameters: ToolParameter[];
  server_id: string;
  effect: string;
  /** How the review of its definition stands. */
  review: string;
  /** Why it can not be called now, whatever the arguments; null where it can. */
  blocked: string | null;
}

export function toToolResponse(tool: ToolFacts): ToolResponse {
  return {
    id: tool.publicId,
    name: tool.title,
    description: tool.definition.description ?? '',
    category: tool.category,
    server_name: tool.serverName,
    parameters: parametersOf(tool.definition.inputSchema),
    server_id: tool.serverId,
    effect: tool.effect,
    review: tool.review,
    blocked: tool.blocked,
  };
}
