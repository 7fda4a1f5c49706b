import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsOptional, IsString, IsUUID, Matches, MaxLength, MinLength } from 'class-validator';
import { lowerCased, MayBeLeftOut } from '../../platform/http/body-rules.js';
import { trimmed } from '../../platform/http/body-values.js';
import { PageQuery } from '../../platform/http/paging.js';
import type { ServerResourceRow } from '../discovery/resources.service.js';
import { resourceTypeOf } from './contents.js';

export class AddServer {
  @ApiProperty({ example: 'example', description: 'Its tools are named after it' })
  @IsString()
  @Matches(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, {
    message: 'server_id must be 1 to 64 letters, digits or _ . - and begin with a letter or digit',
  })
  server_id: string;

  @ApiProperty({ example: 'http://localhost:8080' })
  @IsString()
  @MinLength(1)
  @MaxLength(2_048)
  server_url: string;

  @ApiProperty({ example: 'Example Server' })
  @Transform(trimmed)
  @IsString()
  @MinLength(1)
  @MaxLength(200)
  server_name: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Where you administer several organizations' })
  @MayBeLeftOut()
  @Transform(lowerCased)
  @IsUUID()
  organization?: string;
}

export class ListServers extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID()
  organization?: string;
}

export class ListServerResources extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @IsUUID()
  organization?: string;
}

export interface ServerResponse {
  server_id: string;
  server_name: string;
  server_url: string;
  is_connected: boolean;
  tool_count: number;
  resource_count: number;
}

export interface ServerResourceResponse {
  uri: string;
  type: string;
  description: string;
  name: string;
}

export function toServerResourceResponse(row: ServerResourceRow): ServerResourceResponse {
  return {
    uri: row.resource_uri,
    type: resourceTypeOf(row.mime_type),
    description: row.description,
    name: row.resource_name,
  };
}
