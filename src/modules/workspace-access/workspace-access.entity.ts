import { Column, CreateDateColumn, Entity, Index, JoinColumn, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import { Connection } from '../connections/connection.entity.js';
import { User } from '../identity/user.entity.js';
import { Workspace } from '../identity/workspace.entity.js';
import type { PermissionLevel } from './policy/facts.js';

/** A grant: what a workspace may use of a connection. */
@Entity('workspace_access')
@Index('workspace_access_name_key', { synchronize: false })
@Index('workspace_access_organization_idx', ['organizationId', 'id'])
@Index('workspace_access_workspace_idx', ['workspaceId', 'connectionId'])
@Index('workspace_access_connection_idx', ['connectionId'])
export class WorkspaceAccess {
  /** Grows with time: of several grants that allow a call, the oldest is charged. */
  @PrimaryGeneratedColumn('identity', {
    generatedIdentity: 'ALWAYS',
    primaryKeyConstraintName: 'workspace_access_pkey',
  })
  id: number;

  /** Of the workspace and of the connection alike. */
  @Column('uuid', { name: 'organization_id' })
  organizationId: string;

  @Column('uuid', { name: 'workspace_id' })
  workspaceId: string;

  @Column('uuid', { name: 'connection_id' })
  connectionId: string;

  /** Unique among the living grants of the workspace on the connection, whatever its case (index `workspace_access_name_key`). */
  @Column('text', { name: 'access_name' })
  accessName: string;

  @Column('text', { default: '' })
  description: string;

  /** `json`: shown as it was written. */
  @Column('json', { name: 'resource_filters', default: {} })
  resourceFilters: Record<string, unknown>;

  @Column('text', { name: 'permission_level', default: 'read' })
  permissionLevel: PermissionLevel;

  @Column('boolean', { name: 'is_active', default: true })
  isActive: boolean;

  @Column('boolean', { name: 'auto_sync', default: true })
  autoSync: boolean;

  @Column('timestamptz', { name: 'last_used', nullable: true })
  lastUsed: Date | null;

  /** Calls that it allowed. */
  @Column('integer', { name: 'usage_count', default: 0 })
  usageCount: number;

  @CreateDateColumn({ type: 'timestamptz', name: 'created_at' })
  createdAt: Date;

  @Column('uuid', { name: 'created_by', nullable: true })
  createdById: string | null;

  /** A tombstone: what was done under it keeps its id. */
  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  deletedAt: Date | null;

  @ManyToOne(() => Workspace, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'workspace_id', foreignKeyConstraintName: 'workspace_access_workspace_fkey' })
  workspace?: Workspace;

  @ManyToOne(() => Connection, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'connection_id', foreignKeyConstraintName: 'workspace_access_connection_fkey' })
  connection?: Connection;

  @ManyToOne(() => User, { onDelete: 'SET NULL', nullable: true })
  @JoinColumn({ name: 'created_by', foreignKeyConstraintName: 'workspace_access_created_by_fkey' })
  createdBy?: User | null;
}
