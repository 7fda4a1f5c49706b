import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import type { ErrorCode } from '../../platform/http/domain-error.js';
import { Mapping } from './mapping.entity.js';

/** `needs_confirmation`: everything was read, and more than half of the items would be deleted. */
export type SyncStatus = 'queued' | 'running' | 'completed' | 'needs_confirmation' | 'failed';
export type SyncTrigger = 'manual' | 'schedule';
/** `incremental`: only what changed since the checkpoint. */
export type SyncMode = 'complete' | 'incremental';

/** Why a sync failed, as its caller is told. */
export interface SyncProblem {
  code: ErrorCode;
  message: string;
  details: Record<string, unknown>;
}

/** An item that could not be rendered; `external_id` null where not even that could be read. */
export interface ItemFailure {
  external_id: string | null;
  reason: string;
}

@Entity('mapping_syncs')
@Index('mapping_syncs_mapping_idx', ['mappingId', 'id'])
@Index('mapping_syncs_running_key', { synchronize: false })
export class MappingSync {
  /** UUIDv7: grows with time. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'mapping_syncs_pkey' })
  id: string;

  @Column('integer', { name: 'mapping_id' })
  mappingId: number;

  @Column('text', { default: 'queued' })
  status: SyncStatus;

  @Column('text')
  trigger: SyncTrigger;

  /** Known when it begins. */
  @Column('text', { nullable: true })
  mode: SyncMode | null;

  /** Somebody wants everything to be read, whatever the checkpoint says. */
  @Column('boolean', { name: 'reads_all', default: false })
  readsAll: boolean;

  /** Somebody wants more than half of the items to be deleted, if it comes to that. */
  @Column('boolean', { name: 'may_delete', default: false })
  mayDelete: boolean;

  /** The process that runs it; what a dead one left is run by another. */
  @Column('uuid', { name: 'process_id', nullable: true })
  processId: string | null;

  /** Of the run that may write: a new one each time it is begun, be it by the same process. */
  @Column('uuid', { name: 'run_id', nullable: true })
  runId: string | null;

  /** How often it was begun. */
  @Column('integer', { default: 0 })
  attempts: number;

  @Column('integer', { name: 'items_synced', default: 0 })
  itemsSynced: number;

  /** Those of them that were new or changed. */
  @Column('integer', { name: 'items_written', default: 0 })
  itemsWritten: number;

  @Column('integer', { name: 'items_failed', default: 0 })
  itemsFailed: number;

  @Column('integer', { name: 'items_deleted', default: 0 })
  itemsDeleted: number;

  /** The first of them. */
  @Column('json', { default: [] })
  failures: ItemFailure[];

  @Column('json', { nullable: true })
  problem: SyncProblem | null;

  @Column('timestamptz', { name: 'created_at', default: () => 'now()' })
  createdAt: Date;

  @Column('timestamptz', { name: 'started_at', nullable: true })
  startedAt: Date | null;

  @Column('timestamptz', { name: 'finished_at', nullable: true })
  finishedAt: Date | null;

  @ManyToOne(() => Mapping, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'mapping_id', foreignKeyConstraintName: 'mapping_syncs_mapping_fkey' })
  mapping?: Mapping;
}
