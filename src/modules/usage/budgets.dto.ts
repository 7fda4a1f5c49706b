import { ApiPropertyOptional, ApiProperty } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Max, Min } from 'class-validator';
import { IsAmount, toAmount } from '../../platform/money/is-amount.js';

const PERIODS = ['day', 'week', 'month'];
const ACTIONS = ['warn', 'block'];
const MOST_REQUESTS = 1_000_000_000_000;

export class SetBudget {
  @ApiProperty({ enum: PERIODS, description: 'UTC day, week from Monday on, or calendar month' })
  @IsIn(PERIODS)
  period: 'day' | 'week' | 'month';

  @ApiPropertyOptional({ example: 10_000, nullable: true, description: 'Requests in a period' })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MOST_REQUESTS)
  max_requests?: number | null;

  @ApiPropertyOptional({
    type: Number,
    example: 25.5,
    nullable: true,
    description: 'Cost in a period, up to 6 decimals',
  })
  @IsOptional()
  @Transform(toAmount)
  @IsAmount()
  max_cost?: string | null;

  @ApiProperty({
    enum: ACTIONS,
    description: '`warn` writes it to the log, `block` refuses calls that might exceed it',
  })
  @IsIn(ACTIONS)
  action: 'warn' | 'block';
}

export interface BudgetRow {
  workspace_access_id: number;
  period: 'day' | 'week' | 'month';
  max_requests: number | null;
  max_cost: string | null;
  action: 'warn' | 'block';
  requests: number;
  cost: string;
  reserved_requests: number;
  reserved_cost: string;
  resets_on: string;
}

export interface BudgetResponse {
  workspace_access: number;
  period: 'day' | 'week' | 'month';
  max_requests: number | null;
  max_cost: number | null;
  action: 'warn' | 'block';
  /** Of calls that ended in the current period. */
  requests: number;
  cost: number;
  /** Held for calls that are under way: the most that they can come to. */
  reserved_requests: number;
  reserved_cost: number;
  exhausted: boolean;
  resets_at: string;
}

export function toBudgetResponse(row: BudgetRow): BudgetResponse {
  const cost = Number(row.cost);
  const maxCost = row.max_cost === null ? null : Number(row.max_cost);
  return {
    workspace_access: row.workspace_access_id,
    period: row.period,
    max_requests: row.max_requests,
    max_cost: maxCost,
    action: row.action,
    requests: row.requests,
    cost,
    reserved_requests: row.reserved_requests,
    reserved_cost: Number(row.reserved_cost),
    exhausted: (row.max_requests !== null && row.requests >= row.max_requests) || (maxCost !== null && cost >= maxCost),
    resets_at: `${row.resets_on}T00:00:00Z`,
  };
}
