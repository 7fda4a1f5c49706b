import { Column, CreateDateColumn, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { Resource } from '../discovery/resource.entity.js';
import { User } from '../identity/user.entity.js';
import { WorkspaceAccess } from '../workspace-access/workspace-access.entity.js';
import type { MappingConfig } from './mapping-config.js';

export type ComponentType = 'agent' | 'workflow' | 'template' | 'tool';

/** Records of a resource, in the shape that a component needs. */
@Entity('mappings')
@Index('mappings_component_key', ['workspaceAccessId', 'resourceId', 'componentType', 'componentId'], { unique: true })
@Index('mappings_organization_idx', ['organizationId', 'id'])
@Index('mappings_resource_idx', ['resourceId'])
@Index('mappings_due_idx', { synchronize: false })
export class Mapping {
  @PrimaryGeneratedColumn('identity', { generatedIdentity: 'ALWAYS', primaryKeyConstraintName: 'mappings_pkey' })
  id: number;

  @Column('uuid', { name: 'organization_id' })
  organizationId: string;

  @Column('integer', { name: 'workspace_access_id' })
  workspaceAccessId: number;

  @Column('integer', { name: 'resource_id' })
  resourceId: number;

  @Column('text', { name: 'component_type' })
  componentType: ComponentType;

  @Column('text', { name: 'component_id' })
  componentId: string;

  /** `json`: shown as it was written. */
  @Column('json')
  config: MappingConfig;

  /** Grows with every change of the shape: a sync that began before it must not say how far it is read. */
  @Column('integer', { default: 1 })
  version: number;

  /** Seconds between two syncs; 0: only when somebody asks. */
  @Column('integer', { name: 'sync_frequency', default: 0 })
  syncFrequency: number;

  @Column('boolean', { name: 'is_active', default: true })
  isActive: boolean;

  /** Where the next reading begins, in the words of the provider; null: with everything. */
  @Column('text', { nullable: true })
  checkpoint: string | null;

  /** When everything was read last, which is how deletions show. */
  @Column('timestamptz', { name: 'completed_at', nullable: true })
  completedAt: Date | null;

  @Column('timestamptz', { name: 'last_synced', nullable: true })
  lastSynced: Date | null;

  /** Syncs that failed in a row. */
  @Column('integer', { default: 0 })
  failures: number;

  @Column('timestamptz', { name: 'next_sync_at', nullable: true })
  nextSyncAt: Date | null;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @Column('uuid', { name: 'created_by', nullable: true })
  createdById: string | null;

  @ManyToOne(() => WorkspaceAccess, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'workspace_access_id', foreignKeyConstraintName: 'mappings_access_fkey' })
  workspaceAccess?: WorkspaceAccess;

  @ManyToOne(() => Resource, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'resource_id', foreignKeyConstraintName: 'mappings_resource_fkey' })
  resource?: Resource;

  @ManyToOne(() => User, { onDelete: 'SET NULL', nullable: true })
  @JoinColumn({ name: 'created_by', foreignKeyConstraintName: 'mappings_created_by_fkey' })
  createdBy?: User | null;
}
