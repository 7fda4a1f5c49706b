import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { Connection } from '../connections/connection.entity.js';
import type { DefinitionKind } from './definition.entity.js';

/** `partial`: some of it could not be listed, or a cap cut it short; what was not seen is not taken for gone. */
export type DiscoveryStatus = 'running' | 'completed' | 'partial' | 'failed';

@Entity('discovery_runs')
@Index('discovery_runs_connection_idx', ['connectionId', 'id'])
export class DiscoveryRun {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'discovery_runs_pkey' })
  id: string;

  @Column('uuid', { name: 'connection_id' })
  connectionId: string;

  @Column('text', { default: 'running' })
  status: DiscoveryStatus;

  /** What is being listed now. */
  @Column('text', { nullable: true })
  stage: string | null;

  @Column('integer', { name: 'resources_found', default: 0 })
  resourcesFound: number;

  @Column('integer', { name: 'resources_created', default: 0 })
  resourcesCreated: number;

  @Column('integer', { name: 'resources_updated', default: 0 })
  resourcesUpdated: number;

  @Column('integer', { name: 'resources_vanished', default: 0 })
  resourcesVanished: number;

  /** Kinds of definitions that this run was the first to list to the end: what it found of them counts as approved. */
  @Column('text', { name: 'baseline_kinds', array: true, default: '{}' })
  baselineKinds: DefinitionKind[];

  /** What kept it from being complete. */
  @Column('text', { array: true, default: '{}' })
  problems: string[];

  @Column('timestamptz', { name: 'started_at', default: () => 'now()' })
  startedAt: Date;

  /** Last sign of life; a running one that gives none was killed with its process. */
  @Column('timestamptz', { name: 'seen_at', default: () => 'now()' })
  seenAt: Date;

  @Column('timestamptz', { name: 'finished_at', nullable: true })
  finishedAt: Date | null;

  @ManyToOne(() => Connection, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'connection_id', foreignKeyConstraintName: 'discovery_runs_connection_fkey' })
  connection?: Connection;
}
