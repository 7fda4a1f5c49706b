import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Mapping } from './mapping.entity.js';

/** `dead`: tried for a day; somebody may have it sent again. */
export type DeliveryStatus = 'pending' | 'delivered' | 'dead';

/** A batch of changed items for the webhook of a mapping, written in the transaction that changed them. */
@Entity('mapping_deliveries')
@Index('mapping_deliveries_mapping_idx', ['mappingId', 'id'])
export class MappingDelivery {
  /** UUIDv7; the same in every attempt, so that a receiver can tell what it has already. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'mapping_deliveries_pkey' })
  id: string;

  @Column('integer', { name: 'mapping_id' })
  mappingId: number;

  @Column('json')
  payload: Record<string, unknown>;

  @Column('text', { default: 'pending' })
  status: DeliveryStatus;

  @Column('integer', { default: 0 })
  attempts: number;

  /** HTTP status of the last answer; null where there was none. */
  @Column('integer', { name: 'last_status', nullable: true })
  lastStatus: number | null;

  @Column('text', { name: 'last_error', nullable: true })
  lastError: string | null;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt: Date;

  @Column('timestamptz', { name: 'delivered_at', nullable: true })
  deliveredAt: Date | null;

  @ManyToOne(() => Mapping, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'mapping_id', foreignKeyConstraintName: 'mapping_deliveries_mapping_fkey' })
  mapping?: Mapping;
}
