import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { ItemStatus } from './mapping-item.entity.js';
import { MappingSync } from './mapping-sync.entity.js';

/** An item that a running sync has met: those that it never meets are gone at the upstream. */
@Entity('mapping_sync_items')
export class MappingSyncItem {
  @PrimaryColumn('uuid', { name: 'sync_id', primaryKeyConstraintName: 'mapping_sync_items_pkey' })
  syncId: string;

  @PrimaryColumn('text', { name: 'external_id', primaryKeyConstraintName: 'mapping_sync_items_pkey' })
  externalId: string;

  /** What became of it when it was met last. */
  @Column('text')
  status: ItemStatus;

  @ManyToOne(() => MappingSync, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'sync_id', foreignKeyConstraintName: 'mapping_sync_items_sync_fkey' })
  sync?: MappingSync;
}
