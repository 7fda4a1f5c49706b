import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { Mapping } from './mapping.entity.js';

export type ItemStatus = 'synced' | 'failed';

/** One upstream record of a mapping. */
@Entity('mapping_items')
@Index('mapping_items_external_key', ['mappingId', 'externalId'], { unique: true })
@Index('mapping_items_mapping_idx', ['mappingId', 'id'])
export class MappingItem {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', primaryKeyConstraintName: 'mapping_items_pkey' })
  id: number;

  @Column('integer', { name: 'mapping_id' })
  mappingId: number;

  /** At the upstream. */
  @Column('text', { name: 'external_id' })
  externalId: string;

  @Column('text')
  status: ItemStatus;

  /** In the shape of the component; of one that failed what it was before, if anything. */
  @Column('json', { nullable: true })
  rendered: Record<string, unknown> | null;

  /** Why it failed. */
  @Column('text', { nullable: true })
  error: string | null;

  /** Of one that failed: the record, so that it is tried again although it did not change. */
  @Column('json', { nullable: true })
  source: unknown;

  /** SHA-256 over what is stored, so that what did not change is not written. */
  @Column('bytea', { name: 'content_hash' })
  contentHash: Buffer;

  /** Somebody pushes it, until then at the latest. */
  @Column('timestamptz', { name: 'pushed_until', nullable: true })
  pushedUntil: Date | null;

  /** When it was last written. */
  @Column('timestamptz', { name: 'synced_at', default: () => 'now()' })
  syncedAt: Date;

  @ManyToOne(() => Mapping, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'mapping_id', foreignKeyConstraintName: 'mapping_items_mapping_fkey' })
  mapping?: Mapping;
}
