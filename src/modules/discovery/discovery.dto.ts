import { ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsInt, IsString, Max, MaxLength, Min } from 'class-validator';
import { MayBeLeftOut } from '../../platform/http/body-rules.js';
import type { DiscoveryStatus } from './discovery-run.entity.js';
import type { RunOutcome } from './discovery-runs.service.js';

const MOST_TYPES = 50;
const MOST_RESULTS = 20_000;
/** A running discovery gives a sign of life every second; after this long without one its process is gone. */
export const INTERRUPTED_AFTER_SECONDS = 30;

export class DiscoverRequest {
  @ApiPropertyOptional({
    type: [String],
    example: ['project', 'issue'],
    description: 'Only these types; all where left out',
  })
  @MayBeLeftOut()
  @IsArray()
  @ArrayMaxSize(MOST_TYPES)
  @IsString({ each: true })
  @MaxLength(64, { each: true })
  resource_types?: string[];

  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: MOST_RESULTS, example: 100 })
  @MayBeLeftOut()
  @IsInt()
  @Min(1)
  @Max(MOST_RESULTS)
  max_results?: number;
}

export interface DiscoverResponse {
  success: true;
  message: string;
  resources_found: number;
  resources_created: number;
  resources_updated: number;
  resources_vanished: number;
  complete: boolean;
  problems: string[];
  run_id: string;
}

export function toDiscoverResponse(outcome: RunOutcome): DiscoverResponse {
  return {
    success: true,
    message: outcome.complete ? 'Resource discovery completed' : 'Resource discovery completed in part',
    resources_found: outcome.found,
    resources_created: outcome.created,
    resources_updated: outcome.updated,
    resources_vanished: outcome.vanished,
    complete: outcome.complete,
    problems: outcome.problems,
    run_id: outcome.runId,
  };
}

export interface DiscoveryRunResponse {
  id: string;
  connection: string;
  status: DiscoveryStatus | 'interrupted';
  stage: string | null;
  resources_found: number;
  resources_created: number;
  resources_updated: number;
  resources_vanished: number;
  problems: string[];
  started_at: string;
  finished_at: string | null;
}

export interface DiscoveryRunRow {
  id: string;
  connection_id: string;
  status: DiscoveryStatus | 'interrupted';
  stage: string | null;
  resources_found: number;
  resources_created: number;
  resources_updated: number;
  resources_vanished: number;
  problems: string[];
  started_at: Date;
  finished_at: Date | null;
}

export function toDiscoveryRunResponse(row: DiscoveryRunRow): DiscoveryRunResponse {
  return {
    id: row.id,
    connection: row.connection_id,
    status: row.status,
    stage: row.stage,
    resources_found: row.resources_found,
    resources_created: row.resources_created,
    resources_updated: row.resources_updated,
    resources_vanished: row.resources_vanished,
    problems: row.problems,
    started_at: row.started_at.toISOString(),
    finished_at: row.finished_at?.toISOString() ?? null,
  };
}
