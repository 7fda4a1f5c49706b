import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, MaxLength } from 'class-validator';
import { IsStorable } from '../../platform/http/body-rules.js';
import { PageQuery } from '../../platform/http/paging.js';
import type { DeliveryStatus } from './mapping-delivery.entity.js';

const STATUSES: DeliveryStatus[] = ['pending', 'delivered', 'dead'];

export class SetWebhook {
  @ApiProperty({ format: 'uri', example: 'https://hooks.acme.example/issues' })
  @IsString()
  @IsStorable()
  @MaxLength(2_048)
  url: string;
}

export class ListDeliveries extends PageQuery {
  @ApiPropertyOptional({ enum: STATUSES })
  @IsOptional()
  @IsIn(STATUSES)
  status?: DeliveryStatus;
}

export interface WebhookResponse {
  url: string;
  created_at: string;
}

export interface NewWebhookResponse extends WebhookResponse {
  /** Shown once. */
  secret: string;
}

export interface DeliveryResponse {
  id: string;
  status: DeliveryStatus;
  /** Items in it. */
  upserted: number;
  deleted: number;
  attempts: number;
  last_status: number | null;
  last_error: string | null;
  created_at: string;
  delivered_at: string | null;
}

export interface DeliveryRow extends Omit<DeliveryResponse, 'created_at' | 'delivered_at'> {
  created_at: Date;
  delivered_at: Date | null;
}

export function toDeliveryResponse(row: DeliveryRow): DeliveryResponse {
  return {
    id: row.id,
    status: row.status,
    upserted: row.upserted,
    deleted: row.deleted,
    attempts: row.attempts,
    last_status: row.last_status,
    last_error: row.last_error,
    created_at: row.created_at.toISOString(),
    delivered_at: row.delivered_at?.toISOString() ?? null,
  };
}
