import { ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, IsUUID, Max, Min } from 'class-validator';
import { lowerCased } from '../../platform/http/body-rules.js';
import { DayRangeQuery } from '../../platform/http/day-range.js';
import { PageQuery } from '../../platform/http/paging.js';
import { LARGEST_INTEGER } from '../../platform/http/parameters.js';
import { toInteger } from '../../platform/http/query-values.js';

/** Days back from today, today included. */
export const PERIOD_DAYS = { day: 1, week: 7, month: 30 } as const;
export type Period = keyof typeof PERIOD_DAYS;

export class UsageFilter extends DayRangeQuery {
  @ApiPropertyOptional({ description: 'Filter by workspace access ID' })
  @IsOptional()
  @Transform(toInteger)
  @IsInt()
  @Min(0)
  @Max(LARGEST_INTEGER)
  workspace_access?: number;

  @ApiPropertyOptional({ description: 'Filter by resource ID' })
  @IsOptional()
  @Transform(toInteger)
  @IsInt()
  @Min(0)
  @Max(LARGEST_INTEGER)
  resource?: number;

  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by workspace ID' })
  @IsOptional()
  @Transform(lowerCased)
  @IsUUID()
  workspace?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by connection ID' })
  @IsOptional()
  @Transform(lowerCased)
  @IsUUID()
  connection?: string;
}

export class ListUsage extends IntersectionType(PageQuery, UsageFilter) {}

export class SummarizeUsage {
  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by workspace ID' })
  @IsOptional()
  @Transform(lowerCased)
  @IsUUID()
  workspace?: string;

  @ApiPropertyOptional({ format: 'uuid', description: 'Filter by connection ID' })
  @IsOptional()
  @Transform(lowerCased)
  @IsUUID()
  connection?: string;

  @ApiPropertyOptional({
    enum: Object.keys(PERIOD_DAYS),
    default: 'month',
    description: 'Today, the last 7 or the last 30 days, today included; days are UTC',
  })
  @IsOptional()
  @IsIn(Object.keys(PERIOD_DAYS))
  period: Period = 'month';
}

/** Sums of rows; costs are exact text. */
export interface Totals {
  requests: number;
  errors: number;
  denied: number;
  unknown: number;
  timed: number;
  response_time_us: number;
  data_transferred: number;
  cost: string;
}

export interface UsageRow extends Totals {
  id: number;
  workspace_id: string | null;
  workspace_access_id: number | null;
  connection_id: string;
  resource_id: number | null;
  resource_name: string | null;
  resource_type: string | null;
  usage_date: string;
}

export interface UsageResponse {
  id: number;
  /** Null where an admin acted directly. */
  workspace_access: number | null;
  resource: { id: number; resource_name: string | null; resource_type: string | null } | null;
  usage_date: string;
  request_count: number;
  error_count: number;
  /** Seconds, over the requests that have one. */
  avg_response_time: number;
  data_transferred: number;
  cost: number;
  denied_count: number;
  unknown_count: number;
  workspace: string | null;
  connection: string;
}

export interface SummaryPart {
  requests: number;
  errors: number;
  avg_response_time: number;
}

export interface UsageSummary {
  total_requests: number;
  total_errors: number;
  avg_response_time: number;
  total_data_transferred: number;
  total_cost: number;
  denied_requests: number;
  unknown_requests: number;
  by_resource_type: Record<string, SummaryPart>;
  /** Every day of the period, the first one first. */
  by_day: (SummaryPart & { date: string; data_transferred: number; cost: number })[];
  /** By requests, the most first; up to 500, as tools. */
  by_connection: (SummaryPart & {
    connection: { id: string; connection_name: string | null };
    data_transferred: number;
    cost: number;
  })[];
  by_tool: (SummaryPart & { tool: { id: number; name: string | null }; data_transferred: number; cost: number })[];
}

export function toUsageResponse(row: UsageRow): UsageResponse {
  const { resource_id: id, resource_name, resource_type } = row;
  return {
    id: row.id,
    workspace_access: row.workspace_access_id,
    resource: id === null ? null : { id, resource_name, resource_type },
    usage_date: row.usage_date,
    request_count: row.requests,
    error_count: row.errors,
    avg_response_time: averageSeconds(row),
    data_transferred: row.data_transferred,
    cost: Number(row.cost),
    denied_count: row.denied,
    unknown_count: row.unknown,
    workspace: row.workspace_id,
    connection: row.connection_id,
  };
}

export function toPart(totals: Totals): SummaryPart {
  return { requests: totals.requests, errors: totals.errors, avg_response_time: averageSeconds(totals) };
}

export function toSizedPart(totals: Totals): SummaryPart & { data_transferred: number; cost: number } {
  return { ...toPart(totals), data_transferred: totals.data_transferred, cost: Number(totals.cost) };
}

/** Weighted by requests, as the sums are over them; to the microsecond. 0 where there were none. */
export function averageSeconds({ response_time_us: time, timed }: Pick<Totals, 'response_time_us' | 'timed'>): number {
  return timed === 0 ? 0 : Math.round(time / timed) / 1_000_000;
}
