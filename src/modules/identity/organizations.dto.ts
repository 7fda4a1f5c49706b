import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsString, IsUUID, MaxLength, MinLength } from 'class-validator';
import { IsStorable, lowerCased, MayBeLeftOut } from '../../platform/http/body-rules.js';
import type { OrganizationRole } from '../../platform/auth/actor.js';
import { trimmed } from '../../platform/http/body-values.js';
import type { UserReference } from './users.dto.js';

export const ORGANIZATION_ROLES: OrganizationRole[] = ['owner', 'admin', 'member'];

export class CreateOrganization {
  @ApiProperty({ example: 'Acme Corp' })
  @Transform(trimmed)
  @IsString()
  @IsStorable()
  @MinLength(1)
  @MaxLength(200)
  name: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'User who becomes its owner; the caller where left out' })
  @MayBeLeftOut()
  @Transform(lowerCased)
  @IsUUID()
  owner?: string;
}

export class UpdateOrganization {
  @ApiProperty({ example: 'Acme Corporation' })
  @Transform(trimmed)
  @IsString()
  @IsStorable()
  @MinLength(1)
  @MaxLength(200)
  name: string;
}

export class AddMember {
  @ApiProperty({ example: 'jane.roe', description: 'User name of an existing user' })
  @Transform(trimmed)
  @IsString()
  @MinLength(1)
  @MaxLength(255)
  username: string;

  @ApiProperty({ enum: ORGANIZATION_ROLES })
  @IsIn(ORGANIZATION_ROLES)
  role: OrganizationRole;
}

export class UpdateMember {
  @ApiProperty({ enum: ORGANIZATION_ROLES })
  @IsIn(ORGANIZATION_ROLES)
  role: OrganizationRole;
}

export interface OrganizationResponse {
  id: string;
  name: string;
  created_at: string;
}

export interface OrganizationRow {
  id: string;
  name: string;
  created_at: Date;
}

export function toOrganizationResponse(row: OrganizationRow): OrganizationResponse {
  return { id: row.id, name: row.name, created_at: row.created_at.toISOString() };
}

export interface MemberResponse {
  user: UserReference;
  role: string;
  created_at: string;
}

export interface MemberRow {
  id: string;
  username: string;
  role: string;
  created_at: Date;
}

export function toMemberResponse(row: MemberRow): MemberResponse {
  return { user: { id: row.id, username: row.username }, role: row.role, created_at: row.created_at.toISOString() };
}
