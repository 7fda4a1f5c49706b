import { ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, IsUUID, MaxLength } from 'class-validator';
import { IsStorable, lowerCased } from '../../platform/http/body-rules.js';
import { DayRangeQuery } from '../../platform/http/day-range.js';
import { PageQuery } from '../../platform/http/paging.js';
import { INSTALLATION } from './audit-entry.js';
import type { TrailFilter } from './audit-trails.js';

const LONGEST = 200;
const TRAILS = ['changes', 'calls'];
const ORGANIZATION = `Of this organization; the installation itself, for operators, is ${INSTALLATION}`;

export class ListAudit extends IntersectionType(PageQuery, DayRangeQuery) implements TrailFilter {
  @ApiPropertyOptional({ format: 'uuid', description: ORGANIZATION })
  @IsOptional()
  @Transform(lowerCased)
  @IsUUID()
  organization?: string;

  @ApiPropertyOptional({ enum: TRAILS, description: 'Changes, or calls' })
  @IsOptional()
  @IsIn(TRAILS)
  trail?: string;

  @ApiPropertyOptional({ example: 'connection.updated', description: 'What was done' })
  @IsOptional()
  @IsString()
  @IsStorable()
  @MaxLength(LONGEST)
  action?: string;

  @ApiPropertyOptional({ example: 'connection', description: 'The kind of object' })
  @IsOptional()
  @IsString()
  @IsStorable()
  @MaxLength(LONGEST)
  object_type?: string;

  @ApiPropertyOptional({ description: 'Id of the object' })
  @IsOptional()
  @IsString()
  @IsStorable()
  @MaxLength(LONGEST)
  object_id?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Id of the user or workspace token that acted' })
  @IsOptional()
  @Transform(lowerCased)
  @IsUUID()
  actor?: string;

  @ApiPropertyOptional({ description: 'Everything that one request did' })
  @IsOptional()
  @IsString()
  @IsStorable()
  @MaxLength(LONGEST)
  request_id?: string;
}

export class VerifyAudit {
  @ApiPropertyOptional({ format: 'uuid', description: ORGANIZATION })
  @IsOptional()
  @Transform(lowerCased)
  @IsUUID()
  organization?: string;

  @ApiPropertyOptional({
    description: 'A signed head from the log or from an earlier answer: what it covers is still there, unchanged',
  })
  @IsOptional()
  @IsString()
  @IsStorable()
  @MaxLength(500)
  head?: string;
}

/** What is wrong with a chain. */
export interface ProblemResponse {
  organization: string;
  trail: string;
  seq: number;
  /**
   * - `changed`: what the link stands for is not what was written (bytes, order, a row missing)
   * - `missing`: links are gone
   * - `cut`: the chain ends before its head, or before a signed head
   * - `rewritten`: the link differs from a signed head
   * - `forged`: a stored signed head was not signed by this installation
   */
  problem: 'changed' | 'missing' | 'cut' | 'rewritten' | 'forged';
  /** Rows that the link stands for, up to ten. */
  ids: readonly string[];
}

export interface ChainResponse {
  organization: string;
  trail: string;
  seq: number;
  hash: string;
  /** Keep it elsewhere: with it a later state can be told from a rewritten one. */
  head: string;
}

export interface VerificationResponse {
  valid: boolean;
  /** Links that were looked at. */
  checked: number;
  chains: ChainResponse[];
  /** The first hundred. */
  problems: ProblemResponse[];
}
